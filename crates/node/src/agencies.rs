//! Certificates of agencies, met in the chains of members.

use std::sync::{Arc, Mutex, PoisonError};

use nuncio_bounds::Bound;
use nuncio_pki::{Certificate, MAX_CHAIN_BYTES, RevocationList};
use rustls_pki_types::CertificateDer;

/// Most agencies remembered; further ones are not.
const MAX: usize = 256;

/// Each as it came and as it was read.
pub(crate) const BOUND: Bound = Bound::of_entries::<Certificate>(
    "certificates of agencies",
    MAX,
    2 * MAX_CHAIN_BYTES,
    "further ones are not remembered",
);

/// The agencies known, shared between the certifier, which meets them, and the event loop, which verifies revocation
/// lists by them. They are not judged here.
#[derive(Debug, Clone, Default)]
pub(crate) struct Agencies(Arc<Mutex<Vec<Certificate>>>);

impl Agencies {
    /// Remembers the issuers of a chain, leaf first.
    pub(crate) fn meet(&self, chain: &[CertificateDer<'static>]) {
        for der in chain.iter().skip(1) {
            self.remember(der);
        }
    }

    /// Remembers one certificate, unless it is longer than a chain may be.
    pub(crate) fn remember(&self, der: &CertificateDer<'static>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX || der.len() > MAX_CHAIN_BYTES || known.iter().any(|one| one.der() == der) {
            return;
        }
        known.extend(Certificate::from_der(der.clone()).ok().filter(Certificate::is_ca));
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Certificate> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Those that signed one of these lists.
    pub(crate) fn signers_of(&self, lists: &[&RevocationList]) -> Vec<Certificate> {
        self.all().into_iter().filter(|one| lists.iter().any(|list| list.is_signed_by(one))).collect()
    }
}
