use std::path::Path;

use super::{RevocationError, RevocationList};
use crate::{Certificate, CertificateError, DirectoryError, blocks::is_der, file};

/// Most bytes of a file with lists: one of the greatest length in PEM, and others.
pub(crate) const MAX_FILE: u64 = 32 << 20;

/// What a file of revocation lists holds: PEM, each list in a block and perhaps the certificates of those who signed
/// them, or the DER of one list.
#[derive(Debug, Clone, Default)]
pub struct RevocationFile {
    /// The lists, in order.
    pub lists: Vec<RevocationList>,
    /// Certificates beside them, trusted no more than any.
    pub certificates: Vec<Certificate>,
}

impl RevocationFile {
    /// Reads a file's content.
    ///
    /// # Errors
    /// When there is no list in it, or something in it is damaged.
    pub fn parse(content: &[u8]) -> Result<Self, RevocationError> {
        let lists = RevocationList::from_pem_bundle(content)?;
        if is_der(content) {
            return Ok(Self { lists, certificates: Vec::new() });
        }
        let certificates = match Certificate::from_pem_bundle(content) {
            Err(CertificateError::Empty) => Vec::new(),
            read => read.map_err(|source| RevocationError::Certificate { reason: source.to_string() })?,
        };
        Ok(Self { lists, certificates })
    }

    /// Reads a file of at most 32 MiB.
    ///
    /// # Errors
    /// When it cannot be read; the text names it.
    pub fn read(path: &Path) -> Result<Self, DirectoryError> {
        let content = file::read_lists(path)?;
        Self::parse(&content).map_err(|source| DirectoryError::Crl { path: path.into(), source })
    }
}
