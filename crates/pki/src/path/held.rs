//! Signatures that held: each record of a node brings the same certificates again, and a signature does not change its mind.

use std::{
    collections::HashSet,
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use sha2::{Digest, Sha256};

use crate::Certificate;

/// Signatures in each of the two halves.
pub(super) const HALF: usize = 4096;

/// Which certificates are signed by whom, as far as that was part of a way to an authority: nobody outside fills it. What else
/// makes a certificate count (time, revocation, roles, names) is asked each time.
///
/// Bound: [`Anchors::MAX_HELD`](super::Anchors::MAX_HELD); when the newer half is full, the older one is forgotten.
#[derive(Debug, Clone, Default)]
pub(super) struct Held(Arc<Mutex<Halves>>);

#[derive(Debug, Default)]
struct Halves {
    newer: HashSet<Pair>,
    older: HashSet<Pair>,
}

/// The digest of a certificate and of its issuer's.
type Pair = [u8; 32];

impl Held {
    /// Whether this was found before.
    pub(super) fn contains(&self, certificate: &Certificate, issuer: &Certificate) -> bool {
        let pair = pair(certificate, issuer);
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !halves.newer.contains(&pair) && halves.older.contains(&pair) {
            halves.note(pair);
        }
        halves.newer.contains(&pair)
    }

    /// Remembers the signatures of a way from a leaf to an authority.
    pub(super) fn note(&self, path: &[&Certificate]) {
        let pairs: Vec<_> = path.windows(2).map(|two| pair(two[0], two[1])).collect();
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for pair in pairs {
            halves.note(pair);
        }
    }
}

impl Halves {
    fn note(&mut self, pair: Pair) {
        if self.newer.len() >= HALF && !self.newer.contains(&pair) {
            self.older = mem::take(&mut self.newer);
        }
        self.newer.insert(pair);
    }
}

/// DER says where it ends, so no two pairs read alike.
fn pair(certificate: &Certificate, issuer: &Certificate) -> Pair {
    Sha256::new().chain_update(certificate.der()).chain_update(issuer.der()).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_there_are_never_more_than_two_halves() {
        let mut halves = Halves::default();
        let numbered = |number: usize| {
            let mut pair = [0; 32];
            pair[..8].copy_from_slice(&number.to_be_bytes());
            pair
        };
        for number in 0..10 * HALF {
            halves.note(numbered(number));
            assert!(halves.newer.len() <= HALF && halves.older.len() <= HALF);
        }
        assert!(halves.newer.contains(&numbered(10 * HALF - 1)) && halves.older.contains(&numbered(9 * HALF - 1)));
        assert!(!halves.older.contains(&numbered(0)));
    }
}
