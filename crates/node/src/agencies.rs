//! Certificates of agencies, met in the chains of members and beside revocation lists.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nuncio_bounds::Bound;
use nuncio_pki::{Certificate, MAX_CHAIN_BYTES, Policy, SignerId};
use rustls_pki_types::{CertificateDer, UnixTime};

/// Most agencies remembered; further ones are not.
const MAX: usize = 256;

/// Most of them below one agency: who may make authorities does not fill the memory with them.
const MAX_BELOW_ONE: usize = 4;

/// Each as it came and as it was read.
pub(crate) const BOUND: Bound = Bound::of_entries::<Agency>(
    "certificates of agencies",
    MAX,
    2 * MAX_CHAIN_BYTES,
    "further ones are not remembered",
);

/// The agencies known, shared between the certifier, which meets them, and the event loop, which verifies revocation
/// lists by them. Only those are kept that stand below an authority trusted here.
#[derive(Debug, Clone, Default)]
pub(crate) struct Agencies(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    agencies: Vec<Agency>,
    /// Since this was asked last, some was met.
    news: bool,
}

#[derive(Debug)]
pub(crate) struct Agency {
    certificate: Certificate,
    id: SignerId,
    /// The agency directly below the authority, or below the root that takes its place: itself, or one above it.
    top: SignerId,
}

impl Agencies {
    /// Remembers the issuers of a chain, leaf first.
    pub(crate) fn meet(&self, chain: &[CertificateDer<'static>], policy: &Policy, now: UnixTime) {
        for der in chain.iter().skip(1).rev() {
            self.remember(der, policy, now);
        }
    }

    /// Remembers certificates in any order.
    pub(crate) fn meet_all(&self, certificates: &[CertificateDer<'static>], policy: &Policy, now: UnixTime) {
        // One that was refused may stand below one that came after it.
        let mut refused: Vec<_> = certificates.iter().collect();
        loop {
            let before = refused.len();
            refused.retain(|der| !self.remember(der, policy, now));
            if refused.len() == before {
                return;
            }
        }
    }

    /// Remembers one certificate if it stands below an authority and is no longer than a chain may be; of one key and name, the one that lasts longest. Says
    /// whether it is known now.
    fn remember(&self, der: &CertificateDer<'static>, policy: &Policy, now: UnixTime) -> bool {
        if self.known().agencies.iter().any(|one| one.certificate.der() == der) {
            return true;
        }
        if der.len() > MAX_CHAIN_BYTES {
            return false;
        }
        let Ok(certificate) = Certificate::from_der(der.clone()) else { return false };
        // Signatures are verified outside the lock.
        let Ok(way) = policy.vouch(&certificate, &self.all(), now) else { return false };
        // An authority here needs no place.
        let Some(top) = policy.top_of(&way).map(SignerId::of) else { return true };
        let id = SignerId::of(&certificate);
        let mut known = self.known();
        let below = known.agencies.iter().filter(|one| one.top == top).count();
        let is_full = known.agencies.len() >= MAX || (top != id && below > MAX_BELOW_ONE);
        match known.agencies.iter_mut().find(|one| one.id == id) {
            Some(same) if same.certificate.not_after() < certificate.not_after() => same.certificate = certificate,
            Some(_) => {}
            None if is_full => return false,
            None => {
                known.agencies.push(Agency { certificate, id, top });
                known.news = true;
            }
        }
        true
    }

    /// Forgets those that stand below no authority any more.
    pub(crate) fn judge_again(&self, policy: &Policy, now: UnixTime) {
        let all = self.all();
        let kept: Vec<_> = all.iter().filter(|one| policy.vouch(one, &all, now).is_ok()).map(SignerId::of).collect();
        self.known().agencies.retain(|one| kept.contains(&one.id));
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Certificate> {
        self.known().agencies.iter().map(|one| one.certificate.clone()).collect()
    }

    /// Whether any was met since this was asked last.
    pub(crate) fn take_news(&self) -> bool {
        std::mem::take(&mut self.known().news)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
