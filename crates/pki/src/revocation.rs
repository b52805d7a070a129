//! Certificate revocation lists.

mod content;
mod edition;
mod error;
mod file;
mod taken_back;

use std::{fmt, sync::Arc};

use der::Decode;
use rustls_pki_types::UnixTime;

pub(crate) use self::{
    content::{Draft, write},
    edition::{Told, compare},
    file::MAX_FILE,
    taken_back::TakenBack,
};
pub use self::{edition::Edition, error::RevocationError, file::RevocationFile};
use crate::{
    Certificate,
    blocks::blocks,
    certificate::pem_block,
    instant,
    name::Named,
    signature::{Outer, Signed},
};

/// A complete X.509 revocation list, version 1 or 2. Cheap to clone. Parsed, not verified: see
/// [`is_signed_by`](Self::is_signed_by).
#[derive(Clone)]
pub struct RevocationList(Arc<Parsed>);

struct Parsed {
    der: Vec<u8>,
    issuer: Named,
    edition: Edition,
    next_update: Option<u64>,
    taken_back: TakenBack,
    signed: Signed,
}

impl RevocationList {
    /// Most bytes of one list: about a hundred thousand certificates, half as many where their keys are named too. Nodes send no more to each other at once.
    pub const MAX_LENGTH: usize = 4 << 20;

    /// Reads one list.
    ///
    /// # Errors
    /// When it is too long, no list, or a partial one (delta, indirect, partitioned).
    pub fn from_der(bytes: &[u8]) -> Result<Self, RevocationError> {
        if bytes.len() > Self::MAX_LENGTH {
            return Err(RevocationError::TooLong { bytes: bytes.len() });
        }
        let outer = Outer::from_der(bytes).map_err(RevocationError::malformed)?;
        let signed = outer.signed().map_err(RevocationError::malformed)?;
        let said = content::read(signed.content())?;
        Ok(Self(Arc::new(Parsed {
            der: bytes.to_vec(),
            issuer: said.issuer,
            edition: said.edition,
            next_update: said.next_update,
            taken_back: said.taken_back,
            signed,
        })))
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
        &self.0.der
    }

    /// One PEM block, ended by a newline.
    pub fn to_pem(&self) -> String {
        pem_block("X509 CRL", &self.0.der)
    }

    /// The authority's name, RFC 4514.
    pub fn issuer(&self) -> String {
        self.0.issuer.text.clone()
    }

    /// Which of the authority's lists it is.
    pub fn edition(&self) -> &Edition {
        &self.0.edition
    }

    /// When it was made.
    pub fn this_update(&self) -> UnixTime {
        instant::at(self.0.edition.this_update())
    }

    /// When the next one is due.
    pub fn next_update(&self) -> Option<UnixTime> {
        self.0.next_update.map(instant::at)
    }

    /// The same, RFC 3339.
    pub fn next_update_text(&self) -> Option<String> {
        self.next_update().map(instant::text)
    }

    /// Whether the next one is not due yet at `now`.
    pub fn is_current(&self, now: UnixTime) -> bool {
        self.0.next_update.is_none_or(|next| now.as_secs() <= next)
    }

    /// How many certificates it revokes by their numbers.
    pub fn len(&self) -> usize {
        self.0.taken_back.entries.len()
    }

    /// Whether it revokes none by its number.
    pub fn is_empty(&self) -> bool {
        self.0.taken_back.entries.is_empty()
    }

    /// The serial numbers it revokes, lower-case hexadecimal.
    pub fn serials(&self) -> impl Iterator<Item = String> {
        self.0.taken_back.entries.keys().map(hex::encode)
    }

    /// The keys of which no certificate counts, as [`Certificate::key_id`] names them, lower-case hexadecimal.
    pub fn refused_keys(&self) -> impl Iterator<Item = String> {
        self.0.taken_back.refused().map(hex::encode)
    }

    /// Whether it takes this certificate back: same issuer name, and its serial is listed or its key refused. Only
    /// [`is_signed_by`](Self::is_signed_by) says whether the list is that issuer's.
    pub fn lists(&self, certificate: &Certificate) -> bool {
        self.0.issuer.is(certificate.issuer_name()) && self.0.taken_back.has(certificate)
    }

    /// Whether it takes this certificate back, or says that its key gets no other one.
    pub(crate) fn ends(&self, certificate: &Certificate) -> bool {
        let is_barred = || self.0.taken_back.word(&certificate.key_id()).is_some();
        self.0.issuer.is(certificate.issuer_name()) && (self.0.taken_back.has(certificate) || is_barred())
    }

    /// Whether `issuer` has the list's name and its key signed the list.
    pub fn is_signed_by(&self, issuer: &Certificate) -> bool {
        self.is_issued_in_name_of(issuer) && self.0.signed.verify(issuer.key()).is_ok()
    }

    pub(crate) fn taken_back(&self) -> &TakenBack {
        &self.0.taken_back
    }

    pub(crate) fn is_issued_in_name_of(&self, issuer: &Certificate) -> bool {
        self.0.issuer.is(issuer.subject_name())
    }
}

/// The newest of one authority's lists.
pub(crate) fn newest(lists: impl IntoIterator<Item = RevocationList>) -> Option<RevocationList> {
    lists.into_iter().reduce(|one, other| if other.edition().is_newer_than(one.edition()) { other } else { one })
}

impl PartialEq for RevocationList {
    fn eq(&self, other: &Self) -> bool {
        self.0.der == other.0.der
    }
}

impl Eq for RevocationList {}

impl fmt::Debug for RevocationList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationList")
            .field("issuer", &self.0.issuer.text)
            .field("edition", &self.0.edition)
            .field("revoked", &self.len())
            .finish_non_exhaustive()
    }
}
