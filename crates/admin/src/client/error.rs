use std::io;

use nuncio_pki::Stated;

use crate::api::{ErrorCode, Failure};

use super::Address;

/// How a call ends when it does not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// No connection: nothing listens there, or we may not.
    #[error("cannot reach the node at {address}: {source}")]
    Unreachable {
        /// Where.
        address: Address,
        /// Why.
        source: io::Error,
    },
    /// TLS failed, or there is nothing to check the node by.
    #[error("no TLS with the node at {address}: {reason}")]
    Tls {
        /// Where.
        address: Address,
        /// Why.
        reason: String,
    },
    /// The node takes operators' certificates only, and the one that was shown is of another role.
    #[error(
        "the node at {address} refuses the certificate that was shown: it has {stated}, and the admin API takes role operator only"
    )]
    OtherRole {
        /// Where.
        address: Address,
        /// What the certificate states.
        stated: Stated,
    },
    /// The connection was made and then broke or stayed silent; whether the operation happened is unknown.
    #[error("the node at {address} did not answer: {source}")]
    Interrupted {
        /// Where.
        address: Address,
        /// Why.
        source: io::Error,
    },
    /// The node answered that the operation failed.
    #[error("{0}")]
    Failed(Failure),
    /// The answer is not what this version expects: another program, or another version, listens there.
    #[error("the answer of {address} cannot be read: {source}")]
    Unreadable {
        /// Where.
        address: Address,
        /// What is wrong in it.
        source: serde_json::Error,
    },
}

impl ClientError {
    /// Whether the node could not be reached, rather than that the operation failed.
    pub const fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Tls { .. } | Self::OtherRole { .. } | Self::Interrupted { .. })
    }

    /// The code for programs: the node's own, or `unreachable`, `interrupted`, `unreadable`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::Tls { .. } | Self::OtherRole { .. } => "tls",
            Self::Interrupted { .. } => "interrupted",
            Self::Failed(failure) => failure.error.as_str(),
            Self::Unreadable { .. } => "unreadable",
        }
    }

    /// The node's own code, when it answered.
    pub const fn failure(&self) -> Option<ErrorCode> {
        match self {
            Self::Failed(failure) => Some(failure.error),
            _ => None,
        }
    }

    /// What the operator can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreachable { address: Address::Unix(path), source } => Some(match source.kind() {
                io::ErrorKind::PermissionDenied => {
                    format!(
                        "run the command as the user that runs the node, or as root: {} is closed to others",
                        path.display()
                    )
                }
                // So the system says that no socket has a name of this length; the node did not start there either.
                io::ErrorKind::InvalidInput => {
                    "set [admin] socket in the node's nuncio.toml to a shorter absolute path, and start it".to_owned()
                }
                _ => "start the node with `nuncio run`, or name its socket with --admin unix:PATH".to_owned(),
            }),
            Self::Tls { .. } => Some(
                "show what the node can be proved by: --operator DIR, with its network's ca.crt in it; the node's log says what it has against this side".to_owned(),
            ),
            Self::OtherRole { .. } => Some(
                "nuncio cert issue NAME --ca DIR --out DIR --kind operator makes an operator's certificate, and nuncio cert inspect shows the role of one".to_owned(),
            ),
            Self::Unreachable { address: Address::Http(_) | Address::Https(_), .. } => Some(
                "set [admin] listen in the node's nuncio.toml, or use its socket with --admin unix:PATH".to_owned(),
            ),
            Self::Interrupted { .. } => Some("see the node's log; it may have stopped".to_owned()),
            Self::Unreadable { .. } => Some("use the `nuncio` of the version that runs the node".to_owned()),
            Self::Failed(failure) => failure.hint.clone(),
        }
    }
}
