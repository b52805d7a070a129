use super::RevocationList;
use crate::Certificate;

/// Why bytes or text are not a usable revocation list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationError {
    /// Neither an `X509 CRL` block nor DER.
    #[error("no revocation list in it: expected a PEM block BEGIN X509 CRL, or DER")]
    Empty,
    /// More lists in a file than are read.
    #[error("more than {} revocation lists in one file", Certificate::MAX_BUNDLE)]
    TooMany,
    /// Longer than a list may be.
    #[error("a revocation list of {bytes} bytes is too long, the most is {}", RevocationList::MAX_LENGTH)]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The bytes do not follow X.509.
    #[error("not a revocation list: {reason}")]
    Malformed {
        /// What the decoder says.
        reason: String,
    },
    /// It covers only some certificates: delta, indirect or partitioned.
    #[error(
        "only complete revocation lists are supported; this one has the extension {oid}, by which it may be a part of one"
    )]
    Partial {
        /// The extension that makes it partial.
        oid: String,
    },
    /// A certificate beside the list cannot be read.
    #[error("a certificate beside the list: {reason}")]
    Certificate {
        /// Why.
        reason: String,
    },
}

impl RevocationError {
    #[allow(clippy::needless_pass_by_value, reason = "so that map_err takes it")]
    pub(super) fn malformed(source: der::Error) -> Self {
        Self::Malformed { reason: source.to_string() }
    }
}
