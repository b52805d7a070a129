use std::path::Path;

use rustls_pki_types::UnixTime;
use serde::Serialize;

use super::anchors;
use crate::{Certificate, DirectoryError, RevocationFile, RevocationList, instant};

/// What one revocation list of a file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ListSummary {
    /// RFC 4514.
    pub issuer: String,
    /// Its number, or `of` and its date.
    pub number: String,
    /// RFC 3339.
    pub this_update: String,
    /// RFC 3339; `None` when it does not say.
    pub next_update: Option<String>,
    /// Whether the next one is not due yet.
    pub current: bool,
    /// The serial numbers it revokes, lower-case hexadecimal.
    pub serials: Vec<String>,
    /// The keys of which it lets no certificate count, as deny lists name them, without `key:`.
    pub keys: Vec<String>,
    /// Whether a certificate of the file, of `ca.crt` or of `agency.crt` beside it signed it.
    pub signature_valid: bool,
}

/// Reads a file of revocation lists. `ca` names the authorities; without it, `ca.crt` and `agency.crt` beside the file.
///
/// # Errors
/// When a file cannot be read.
pub fn inspect_lists(path: &Path, ca: Option<&Path>, now: UnixTime) -> Result<Vec<ListSummary>, DirectoryError> {
    let file = RevocationFile::read(path)?;
    let mut signers = file.certificates;
    signers.extend(anchors(path, ca)?.unwrap_or_default());
    for beside in ["agency.crt", "channel/ca.crt"] {
        let beside = path.with_file_name(beside);
        if ca.is_none() && beside.exists() {
            signers.extend(anchors(path, Some(&beside))?.unwrap_or_default());
        }
    }
    Ok(file.lists.iter().map(|list| ListSummary::of(list, &signers, now)).collect())
}

impl ListSummary {
    fn of(list: &RevocationList, signers: &[Certificate], now: UnixTime) -> Self {
        Self {
            issuer: list.issuer(),
            number: list.edition().to_string(),
            this_update: instant::text(list.this_update()),
            next_update: list.next_update_text(),
            current: list.is_current(now),
            serials: list.serials().collect(),
            keys: list.refused_keys().collect(),
            signature_valid: signers.iter().any(|signer| list.is_signed_by(signer)),
        }
    }
}

/// The list that revokes a certificate, in words.
pub(super) fn revoking(certificate: &Certificate, issuers: &[Certificate], lists: &[RevocationList]) -> Option<String> {
    let is_issuers = |list: &&RevocationList| {
        issuers.iter().any(|issuer| certificate.is_signed_by(issuer) && list.is_signed_by(issuer))
    };
    let list = lists.iter().filter(|list| list.lists(certificate)).find(is_issuers)?;
    Some(format!("{} of {}", list.edition(), list.issuer()))
}
