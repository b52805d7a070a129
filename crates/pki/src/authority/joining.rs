//! Invitations: how an agency lets somebody in who has no certificate yet, once.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use nuncio_identity::NodeId;
use rustls_pki_types::UnixTime;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{AuthorityError, Kind, draft::Draft, layout::create_directory, subject_of};
use crate::{FileError, InvitationId, file, instant};

/// Where they are in an authority's folder: `ID.json`, and `ID.used` once somebody came.
const FOLDER: &str = "joins";

/// Most invitations that are read at a time.
const MAX: usize = 4096;

/// An invitation, as the agency keeps it: nobody joins by reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Which.
    pub id: InvitationId,
    /// The name of the node that it lets in.
    pub name: String,
    /// Its last second, of 1970.
    pub ends: u64,
    /// Who came.
    pub used_by: Option<NodeId>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    name: String,
    ends: u64,
    /// SHA-256 of the secret, hexadecimal. It has 256 random bits: nobody finds it by trying.
    hash: String,
}

/// The invitations of an authority's folder. Safe to be used by several processes.
#[derive(Debug, Clone)]
pub struct Invitations {
    directory: PathBuf,
}

impl Invitations {
    /// Those of this folder.
    pub fn of(authority: &Path) -> Self {
        Self { directory: authority.join(FOLDER) }
    }

    /// Makes one, and says its secret: this is the only time that it can be known.
    ///
    /// # Errors
    /// When no node can have the name, or it cannot be written.
    pub fn make(&self, name: &str, ends: UnixTime) -> Result<(InvitationId, Zeroizing<[u8; 32]>), AuthorityError> {
        subject_of(Kind::Node, name)?;
        let (id, secret) = (InvitationId(rand::random()), Zeroizing::new(rand::random::<[u8; 32]>()));
        let kept = Kept { name: name.to_owned(), ends: ends.as_secs(), hash: hex::encode(Sha256::digest(*secret)) };
        create_directory(&self.directory)?;
        let text = serde_json::to_string(&kept).expect("texts and numbers are JSON");
        Draft::private(&self.place(id, "json"), &(text + "\n"))?.create()?;
        Ok((id, secret))
    }

    /// All of them, ended and used ones too.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn list(&self) -> Result<Vec<Invitation>, AuthorityError> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(FileError::Read { path: self.directory.clone(), source }.into()),
        };
        let names = entries.flatten().take(MAX).map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut ids: Vec<InvitationId> =
            names.filter_map(|name| name.strip_suffix(".json").and_then(|id| id.parse().ok())).collect();
        ids.sort_unstable();
        Ok(ids.into_iter().filter_map(|id| Some(self.read(id).ok()??.0)).collect())
    }

    /// Takes one back. Who came by it stays.
    ///
    /// # Errors
    /// When there is none, or it cannot be removed.
    pub fn revoke(&self, id: InvitationId) -> Result<(), AuthorityError> {
        let place = self.place(id, "json");
        fs::remove_file(&place).map_err(|source| AuthorityError::Write { path: place, source })
    }

    /// The invitation whose secret somebody shows.
    pub(super) fn find(
        &self,
        id: InvitationId,
        secret: &[u8],
        now: UnixTime,
    ) -> Result<Result<Invitation, JoinRefusal>, AuthorityError> {
        // Compared with something in any case: whether there is such an invitation is not to be measured.
        let found = self.read(id)?;
        let hash = found.as_ref().map_or_else(|| hex::encode([0; 32]), |(_, hash)| hash.clone());
        let shown = hex::encode(Sha256::digest(secret));
        let is_right = verify_slices_are_equal(shown.as_bytes(), hash.as_bytes()).is_ok();
        let Some((invitation, _)) = found.filter(|_| is_right) else { return Ok(Err(JoinRefusal::Unknown)) };
        if invitation.ends < now.as_secs() {
            return Ok(Err(JoinRefusal::Ended { ends: instant::text(instant::at(invitation.ends)) }));
        }
        Ok(Ok(invitation))
    }

    /// Marks it as used by this node, on disk; true also when it was this node that used it before.
    pub(super) fn claim(&self, id: InvitationId, node: NodeId) -> Result<bool, AuthorityError> {
        match Draft::private(&self.place(id, "used"), &format!("{node}\n"))?.create() {
            Ok(()) => Ok(true),
            Err(AuthorityError::Exists { .. }) => Ok(self.used_by(id)? == Some(node)),
            Err(error) => Err(error),
        }
    }

    fn read(&self, id: InvitationId) -> Result<Option<(Invitation, String)>, AuthorityError> {
        let place = self.place(id, "json");
        let Some(text) = read_if_there(&place)? else { return Ok(None) };
        let kept: Kept = serde_json::from_str(&text).map_err(|error| {
            let source = io::Error::new(ErrorKind::InvalidData, error);
            FileError::Read { path: place, source }
        })?;
        let Kept { name, ends, hash } = kept;
        Ok(Some((Invitation { id, name, ends, used_by: self.used_by(id)? }, hash)))
    }

    fn used_by(&self, id: InvitationId) -> Result<Option<NodeId>, AuthorityError> {
        Ok(read_if_there(&self.place(id, "used"))?.and_then(|text| text.trim().parse().ok()))
    }

    fn place(&self, id: InvitationId, ending: &str) -> PathBuf {
        self.directory.join(format!("{id}.{ending}"))
    }
}

fn read_if_there(path: &Path) -> Result<Option<String>, AuthorityError> {
    match file::read_private(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(FileError::Read { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Why nobody comes in by an invitation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinRefusal {
    /// There is none, or the secret is another one; which of the two is not said.
    #[error("this agency knows no such join token")]
    Unknown,
    /// Its time is over.
    #[error("the join token ended on {ends}")]
    Ended {
        /// When, RFC 3339.
        ends: String,
    },
    /// Somebody has come by it.
    #[error("the join token was used, by another key: if that was not you, tell the agency")]
    Used,
    /// The request names another node than the invitation.
    #[error("the join token is for {wanted}, and the request for {asked}")]
    OtherName {
        /// The name in the invitation.
        wanted: String,
        /// The name asked for.
        asked: String,
    },
    /// The node is not welcome.
    #[error("the lists of allowed and denied nodes refuse this key")]
    Denied,
}
