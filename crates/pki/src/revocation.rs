//! Certificate revocation lists.

use std::{collections::BTreeMap, fmt};

use der::{Decode, Encode};
use rustls_pki_types::UnixTime;
use sha2::{Digest, Sha256};
use x509_cert::{
    crl::CertificateList,
    ext::{Extension, pkix::CrlNumber},
};

use crate::{
    Certificate,
    blocks::blocks,
    certificate::pem_block,
    instant,
    name::printable,
    signature::{Outer, Signed},
};

const AUTHORITY_KEY_IDENTIFIER: &str = "2.5.29.35";
const CRL_NUMBER: &str = "2.5.29.20";

/// A complete X.509 revocation list, version 2. Parsed, not verified: see [`is_signed_by`](Self::is_signed_by).
#[derive(Clone, PartialEq, Eq)]
pub struct RevocationList {
    der: Vec<u8>,
    issuer_der: Vec<u8>,
    /// The authority key identifier extension; empty when it has none.
    issuer_key: Vec<u8>,
    issuer: String,
    number: u64,
    this_update: u64,
    next_update: Option<u64>,
    /// Serial number to the second of revocation.
    entries: BTreeMap<Vec<u8>, u64>,
    signed: Signed,
}

impl RevocationList {
    /// Most bytes of one list: about ten thousand entries.
    pub const MAX_LENGTH: usize = 512 * 1024;

    /// Reads one list.
    ///
    /// # Errors
    /// When it is too long, no version 2 list, or a partial one (delta, indirect, partitioned).
    pub fn from_der(bytes: &[u8]) -> Result<Self, RevocationError> {
        if bytes.len() > Self::MAX_LENGTH {
            return Err(RevocationError::TooLong { bytes: bytes.len() });
        }
        let outer = Outer::from_der(bytes).map_err(RevocationError::malformed)?;
        let parsed =
            CertificateList::<x509_cert::certificate::Rfc5280>::from_der(bytes).map_err(RevocationError::malformed)?;
        let tbs = parsed.tbs_cert_list;
        let extensions = tbs.crl_extensions.unwrap_or_default();
        refuse_partial(&extensions)?;
        let mut entries = BTreeMap::new();
        for entry in tbs.revoked_certificates.unwrap_or_default() {
            refuse_partial(entry.crl_entry_extensions.as_deref().unwrap_or_default())?;
            entries.insert(entry.serial_number.as_bytes().to_vec(), instant::of(entry.revocation_date).as_secs());
        }
        Ok(Self {
            der: bytes.to_vec(),
            issuer_der: tbs.issuer.to_der().map_err(RevocationError::malformed)?,
            issuer_key: issuer_key(&extensions),
            issuer: printable(&tbs.issuer.to_string()),
            number: number(&extensions)?,
            this_update: instant::of(tbs.this_update).as_secs(),
            next_update: tbs.next_update.map(|time| instant::of(time).as_secs()),
            entries,
            signed: outer.signed().map_err(RevocationError::malformed)?,
        })
    }

    /// Reads every `X509 CRL` block of a PEM text, at most 64, or a DER file.
    ///
    /// # Errors
    /// When there is none, too many, or one is damaged.
    pub fn from_pem_bundle(file: impl AsRef<[u8]>) -> Result<Vec<Self>, RevocationError> {
        let mut lists = Vec::new();
        for block in blocks(file.as_ref(), |label| label == "X509 CRL") {
            let block = block.map_err(|damaged| RevocationError::Malformed { reason: damaged.reason })?;
            if lists.len() == Certificate::MAX_BUNDLE {
                return Err(RevocationError::TooMany);
            }
            lists.push(Self::from_der(&block.der)?);
        }
        if lists.is_empty() { Err(RevocationError::Empty) } else { Ok(lists) }
    }

    /// The list's bytes.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// One PEM block, ended by a newline.
    pub fn to_pem(&self) -> String {
        pem_block("X509 CRL", &self.der)
    }

    /// The authority's name, RFC 4514.
    pub fn issuer(&self) -> String {
        self.issuer.clone()
    }

    /// The list's number, which grows; 0 when it has none.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Which series of lists it belongs to: SHA-256 of the issuer's name and, where given, its key identifier.
    pub fn series(&self) -> [u8; 32] {
        Sha256::new().chain_update(&self.issuer_der).chain_update(&self.issuer_key).finalize().into()
    }

    /// When it was made.
    pub fn this_update(&self) -> UnixTime {
        instant::at(self.this_update)
    }

    /// When the next one is due.
    pub fn next_update(&self) -> Option<UnixTime> {
        self.next_update.map(instant::at)
    }

    /// How many certificates it revokes.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it revokes none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The serial numbers it revokes, lower-case hexadecimal.
    pub fn serials(&self) -> impl Iterator<Item = String> {
        self.entries.keys().map(hex::encode)
    }

    /// Whether it names this certificate: same issuer name, serial listed. Only
    /// [`is_signed_by`](Self::is_signed_by) says whether the list is that issuer's.
    pub fn lists(&self, certificate: &Certificate) -> bool {
        self.issuer_der == certificate.issuer_der() && self.entries.contains_key(certificate.serial_bytes())
    }

    /// Whether `issuer` has the list's name and its key signed the list.
    pub fn is_signed_by(&self, issuer: &Certificate) -> bool {
        self.is_issued_in_name_of(issuer) && self.signed.verify(issuer.key()).is_ok()
    }

    /// Serial number to the second of revocation.
    pub(crate) const fn entries(&self) -> &BTreeMap<Vec<u8>, u64> {
        &self.entries
    }

    pub(crate) fn is_issued_in_name_of(&self, issuer: &Certificate) -> bool {
        self.issuer_der == issuer.subject_der()
    }
}

impl fmt::Debug for RevocationList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationList")
            .field("issuer", &self.issuer)
            .field("number", &self.number)
            .field("revoked", &self.entries.len())
            .finish_non_exhaustive()
    }
}

/// Why bytes or text are not a usable revocation list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationError {
    /// No `X509 CRL` block.
    #[error("no revocation list in it: expected a PEM block BEGIN X509 CRL")]
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
    /// The bytes do not follow X.509, or version 1.
    #[error("not a version 2 revocation list: {reason}")]
    Malformed {
        /// What the decoder says.
        reason: String,
    },
    /// It covers only some certificates: delta, indirect or partitioned.
    #[error("only complete revocation lists are supported; this one has the critical extension {oid}")]
    Partial {
        /// The extension that makes it partial.
        oid: String,
    },
}

impl RevocationError {
    #[allow(clippy::needless_pass_by_value, reason = "so that map_err takes it")]
    fn malformed(source: der::Error) -> Self {
        Self::Malformed { reason: source.to_string() }
    }
}

fn refuse_partial(extensions: &[Extension]) -> Result<(), RevocationError> {
    match extensions.iter().find(|one| one.critical && one.extn_id.to_string() != CRL_NUMBER) {
        Some(one) => Err(RevocationError::Partial { oid: one.extn_id.to_string() }),
        None => Ok(()),
    }
}

fn issuer_key(extensions: &[Extension]) -> Vec<u8> {
    let found = extensions.iter().find(|one| one.extn_id.to_string() == AUTHORITY_KEY_IDENTIFIER);
    found.map(|extension| extension.extn_value.as_bytes().to_vec()).unwrap_or_default()
}

fn number(extensions: &[Extension]) -> Result<u64, RevocationError> {
    let Some(extension) = extensions.iter().find(|one| one.extn_id.to_string() == CRL_NUMBER) else { return Ok(0) };
    let number = CrlNumber::from_der(extension.extn_value.as_bytes()).map_err(RevocationError::malformed)?;
    let bytes = number.0.as_bytes();
    let mut wide = [0; 8];
    let start = wide
        .len()
        .checked_sub(bytes.len())
        .ok_or_else(|| RevocationError::Malformed { reason: "its number is larger than 64 bits".into() })?;
    wide[start..].copy_from_slice(bytes);
    Ok(u64::from_be_bytes(wide))
}
