//! What is wrong with bytes or text that should be certificates.

use super::Certificate;

/// Why bytes or text are not a certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// No `CERTIFICATE` block.
    #[error("no certificate in it: expected a PEM block BEGIN CERTIFICATE")]
    Empty,
    /// More blocks than a bundle may have.
    #[error("more than {} certificates in one file", Certificate::MAX_BUNDLE)]
    TooMany,
    /// A block is not base64, or does not end.
    #[error("PEM block {position} is damaged: {reason}")]
    Pem {
        /// Which block, counted from 1.
        position: usize,
        /// What the decoder says.
        reason: String,
    },
    /// A block holds no certificate.
    #[error("PEM block {position} holds no certificate")]
    Block {
        /// Which block, counted from 1.
        position: usize,
        /// Why.
        source: Box<CertificateError>,
    },
    /// OpenSSL's trust settings, which mean something to OpenSSL only.
    #[error(
        "it has OpenSSL's trust settings (openssl x509 -trustout), which are not read here: write it anew without -trustout"
    )]
    TrustSettings,
    /// A version that nobody has defined.
    #[error("it says that it is X.509 version {version}; there are versions 1 to 3")]
    Version {
        /// As people count.
        version: u8,
    },
    /// The bytes do not follow X.509.
    #[error("not an X.509 certificate: {reason}")]
    Malformed {
        /// What the decoder says.
        reason: String,
    },
}

impl CertificateError {
    #[allow(clippy::needless_pass_by_value, reason = "so that map_err takes it")]
    pub(super) fn malformed(source: der::Error) -> Self {
        Self::Malformed { reason: source.to_string() }
    }
}
