use std::path::PathBuf;

use nuncio_plain::argument;

use super::{Seen, Step};
use crate::{AuthorityError, DirectoryError};

/// Why a step of a rotation was not taken. What was there is as it was, or as the step had left it when it was
/// interrupted; the same step can be asked for again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RotationError {
    /// The authority, or a file.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// Nothing was planned there.
    #[error("{} is not being rotated", path.display())]
    NotPlanned {
        /// The authority's folder.
        path: PathBuf,
    },
    /// A rotation is further than planned.
    #[error("{} is being rotated already: it is {}", path.display(), step.as_str())]
    Underway {
        /// The authority's folder.
        path: PathBuf,
        /// How far it is.
        step: Step,
    },
    /// Another process is at it.
    #[error("another nuncio ca rotate works on {} at this moment", path.display())]
    Busy {
        /// The authority's folder.
        path: PathBuf,
    },
    /// The state file cannot be read, or is not what this tool wrote.
    #[error("{} is not as this tool wrote it: {reason}", path.display())]
    Altered {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A folder cannot be used.
    #[error("a folder of the rotation cannot be used: {reason}")]
    Folder {
        /// Why.
        reason: String,
    },
    /// Steps come in their order.
    #[error("the rotation is {}, so {wanted} is not its next step", step.as_str())]
    OutOfOrder {
        /// How far it is.
        step: Step,
        /// What was asked for.
        wanted: &'static str,
    },
    /// An agency's successor needs the root.
    #[error("{agency} is an agency: the root must certify the key of its successor")]
    RootNeeded {
        /// Whose.
        agency: String,
    },
    /// The root in the folder given is not the agency's.
    #[error("{root} is not the root that {agency} trusts")]
    OtherRoot {
        /// The one given.
        root: String,
        /// The agency.
        agency: String,
    },
    /// Something that the old authority issued was not issued anew.
    #[error("the certificate of {subject} in {} was not issued anew", path.display())]
    NotIssued {
        /// Whose.
        subject: String,
        /// The file.
        path: PathBuf,
    },
    /// Nobody who can be held to it says that the node is one.
    #[error("only the network shows its certificate, so none was issued anew")]
    OnlySeen,
    /// A certificate issued anew does not hold; nothing was overwritten.
    #[error("the new certificates for {} would not hold, so it was not changed: {reason}", path.display())]
    Unsound {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A file at hand is not switched.
    #[error("{} still holds the old certificates", path.display())]
    NotSwitched {
        /// The file.
        path: PathBuf,
    },
    /// An agency that is not revoked stays what it is.
    #[error("{agency} would be accepted by all still: only its revocation ends that")]
    StillTrusted {
        /// Whose.
        agency: String,
    },
    /// Nobody looked at the network.
    #[error("no node of this authority is seen, so nothing says that the old one can go")]
    NothingSeen,
    /// Nodes that would be cut off.
    #[error("{}", still_old(old, unseen))]
    TooEarly {
        /// They show certificates of the old authority.
        old: Vec<Seen>,
        /// They were seen before and are not now: ID and name.
        unseen: Vec<(String, String)>,
    },
    /// SDKs that would be cut off.
    #[error("{}", sdks_still_old(old, unknown))]
    SdksTooEarly {
        /// Nodes, and how many sessions there show the old authority.
        old: Vec<(String, u64)>,
        /// Nodes, and why it is not known what SDKs show there.
        unknown: Vec<(String, String)>,
    },
}

/// Most nodes named in one sentence.
const NAMED: usize = 8;

fn names(nodes: &[String]) -> String {
    let more = nodes.len().saturating_sub(NAMED);
    let shown = nodes[..nodes.len() - more].join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

fn sdks_still_old(old: &[(String, u64)], unknown: &[(String, String)]) -> String {
    let mut parts = Vec::new();
    if !old.is_empty() {
        let list: Vec<_> = old.iter().map(|(node, sessions)| format!("{sessions} at {node}")).collect();
        parts.push(format!("sessions of SDKs show the old authority still: {}", names(&list)));
    }
    if !unknown.is_empty() {
        let list: Vec<_> = unknown.iter().map(|(node, reason)| format!("{node}: {reason}")).collect();
        parts.push(format!("what SDKs show is not known of {}", names(&list)));
    }
    format!("it is too early: {}", parts.join("; "))
}

fn still_old(old: &[Seen], unseen: &[(String, String)]) -> String {
    let name = |node: &str, name: &str| format!("{name} ({})", node.get(..8).unwrap_or(node));
    let mut parts = Vec::new();
    if !old.is_empty() {
        let list = names(&old.iter().map(|seen| name(&seen.node_id, &seen.name)).collect::<Vec<_>>());
        parts.push(format!("certificates of the old authority are still shown by {list}"));
    }
    if !unseen.is_empty() {
        let list = names(&unseen.iter().map(|(node, called)| name(node, called)).collect::<Vec<_>>());
        parts.push(format!("nobody sees now, though once they were there: {list}"));
    }
    format!("it is too early: {}", parts.join("; "))
}

impl RotationError {
    /// Whether it says something of one member's certificates, which must not stop the others.
    pub(super) const fn is_of_one(&self) -> bool {
        match self {
            Self::NotIssued { .. } | Self::Unsound { .. } | Self::OnlySeen => true,
            Self::Authority(error) => matches!(
                error,
                AuthorityError::Encoding { .. }
                    | AuthorityError::Changed { .. }
                    | AuthorityError::Name { .. }
                    | AuthorityError::Request(_)
            ),
            _ => false,
        }
    }

    /// It with its hint, in one line about a member.
    pub(super) fn left_out(&self, who: &str) -> String {
        let hint = self.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{who}: {self}{hint}")
    }

    /// What mends it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Authority(error) => return error.hint(),
            Self::NotPlanned { path } => format!("nuncio ca rotate plan --ca {}", argument(path)),
            Self::Underway { path, .. } => format!("nuncio ca rotate status --ca {} says what is next", argument(path)),
            Self::Busy { .. } => "wait until it has ended; nothing is lost".into(),
            Self::Altered { path, .. } => format!(
                "put it back from your backup, or move {} away and begin with plan: no certificate is lost by that",
                path.parent().unwrap_or(path).display()
            ),
            Self::Folder { .. } => "name folders that exist with --at".into(),
            Self::OutOfOrder { step, .. } => match step {
                Step::Planned => "nuncio ca rotate prepare".into(),
                Step::Prepared => "nuncio ca rotate issue".into(),
                Step::Issued => "nuncio ca rotate switch".into(),
                Step::Switched | Step::Retired => "nuncio ca rotate retire".into(),
            },
            Self::RootNeeded { .. } => "name the root's folder with --root".into(),
            Self::OtherRoot { .. } => "name the folder of the root that stands in the agency's ca.crt".into(),
            Self::NotIssued { .. } => "nuncio ca rotate issue again; or move the file out of the folders at hand".into(),
            Self::OnlySeen => {
                "--node NODEID for a node that you know; --all-seen where nobody else ever had the old key".into()
            }
            Self::Unsound { path, .. } => format!("nuncio cert inspect {}", argument(path)),
            Self::NotSwitched { .. } => "nuncio ca rotate switch again".into(),
            Self::StillTrusted { .. } => {
                "revoke it with --root DIR and give the root's ca.crl to a node; or --unrevoked, to let it end by itself".into()
            }
            Self::NothingSeen => "ask a node of the network, with --config or --admin, or give --seen FILE".into(),
            Self::SdksTooEarly { .. } => {
                "nuncio certs --sdks names them; issue their certificates anew and let them connect again; or --without NODEID for \
                 the SDKs of one node, --cut-sdks to cut off whoever shows the old authority"
                    .into()
            }
            Self::TooEarly { .. } => {
                "hand these nodes their files from rotation/issued; a node that will not come back is \
                 given up with --without NODEID"
                    .into()
            }
        })
    }
}

impl From<DirectoryError> for RotationError {
    fn from(error: DirectoryError) -> Self {
        Self::Authority(error.into())
    }
}
