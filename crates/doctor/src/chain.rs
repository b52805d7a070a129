use std::{collections::BTreeSet, time::Duration};

use nuncio_pki::Certificate;
use rustls_pki_types::UnixTime;

/// One thing that is wrong with a chain of certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChainFault {
    /// There is no certificate.
    Empty,
    /// Nothing known issued a certificate of it.
    UnknownIssuer {
        /// Whose certificate, RFC 4514.
        subject: String,
        /// The name that issued it.
        issuer: String,
    },
    /// An authority of the issuer's name is known, but its key did not sign.
    WrongIssuerKey {
        /// Whose certificate, RFC 4514.
        subject: String,
        /// The name that two authorities share.
        issuer: String,
    },
    /// What issued a certificate of it may not issue any.
    NotAnAuthority {
        /// Whose certificate, RFC 4514.
        subject: String,
        /// What issued it.
        issuer: String,
    },
    /// A certificate of it, or the authority's, is past its last instant.
    Expired {
        /// Whose certificate, RFC 4514.
        subject: String,
        /// Its last instant.
        not_after: UnixTime,
    },
    /// A certificate of it, or the authority's, has not begun.
    NotYetValid {
        /// Whose certificate, RFC 4514.
        subject: String,
        /// Its first instant.
        not_before: UnixTime,
    },
}

impl ChainFault {
    /// Whether another clock could make it go away.
    pub const fn is_about_time(&self) -> bool {
        matches!(self, Self::Expired { .. } | Self::NotYetValid { .. })
    }
}

/// Most certificates between a leaf and its authority.
const MAX_STEPS: usize = 5;

/// Everything that is wrong with a chain (leaf first) by the authorities `anchors`, not only the first thing: names,
/// signatures and validity. Revocation, extensions and host names are not looked at.
pub fn faults_of(chain: &[Certificate], anchors: &[Certificate], now: UnixTime) -> Vec<ChainFault> {
    let Some((leaf, presented)) = chain.split_first() else { return vec![ChainFault::Empty] };
    let mut path = vec![leaf];
    let mut faults = Vec::new();
    if let Err(fault) = climb(&mut path, presented, anchors, now) {
        faults.push(fault);
    }
    let mut seen = BTreeSet::new();
    faults.extend(
        path.into_iter().filter(|one| seen.insert(one.fingerprint())).filter_map(|one| fault_of_time(one, now)),
    );
    faults
}

/// The last instant by which certificates of the chain had been issued: no right clock shows an earlier time.
pub(crate) fn issued_by(chain: &[Certificate]) -> Option<Duration> {
    chain.iter().map(|one| Duration::from_secs(one.not_before().as_secs())).max()
}

/// Adds to `path` what leads from its last certificate to an authority.
fn climb<'a>(
    path: &mut Vec<&'a Certificate>,
    presented: &'a [Certificate],
    anchors: &'a [Certificate],
    now: UnixTime,
) -> Result<(), ChainFault> {
    for _ in 0..MAX_STEPS {
        let Some(&current) = path.last() else { return Ok(()) };
        if anchors.contains(current) {
            return Ok(());
        }
        let signed = |issuer: &&Certificate| current.is_signed_by(issuer);
        // A renewed root (same key) may stand beside the old one.
        let anchor = anchors.iter().filter(signed).max_by_key(|anchor| anchor.is_valid_at(now));
        if let Some(anchor) = anchor {
            path.push(anchor);
            return Ok(());
        }
        // A root proves nothing by being presented.
        let next = presented.iter().filter(|one| !one.is_self_issued()).find(signed);
        let Some(next) = next else { return Err(missing_issuer(current, anchors)) };
        if !next.is_ca() {
            return Err(ChainFault::NotAnAuthority { subject: current.subject(), issuer: next.subject() });
        }
        path.push(next);
    }
    let top = path[path.len() - 1];
    Err(ChainFault::UnknownIssuer { subject: top.subject(), issuer: top.issuer() })
}

fn missing_issuer(certificate: &Certificate, anchors: &[Certificate]) -> ChainFault {
    let (subject, issuer) = (certificate.subject(), certificate.issuer());
    if anchors.iter().any(|anchor| anchor.subject() == issuer) {
        ChainFault::WrongIssuerKey { subject, issuer }
    } else {
        ChainFault::UnknownIssuer { subject, issuer }
    }
}

fn fault_of_time(certificate: &Certificate, now: UnixTime) -> Option<ChainFault> {
    let subject = certificate.subject();
    if now.as_secs() > certificate.not_after().as_secs() {
        Some(ChainFault::Expired { subject, not_after: certificate.not_after() })
    } else if now.as_secs() < certificate.not_before().as_secs() {
        Some(ChainFault::NotYetValid { subject, not_before: certificate.not_before() })
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use nuncio_pki::Identity;
    use nuncio_testkit::TestAuthority;

    use super::*;

    fn chain(identity: &Identity) -> Vec<Certificate> {
        identity.chain.iter().map(|der| Certificate::from_der(der.clone()).unwrap()).collect()
    }

    #[test]
    fn a_good_chain_has_no_fault_and_a_foreign_one_is_told_from_a_namesake() {
        let (ours, theirs) = (TestAuthority::new(), TestAuthority::named("other", "elsewhere"));
        let anchors = [ours.root_certificate().clone()];
        let now = UnixTime::now();
        assert_eq!(faults_of(&chain(&ours.node("a")), &anchors, now), []);
        let foreign = faults_of(&chain(&theirs.node("b")), &anchors, now);
        assert!(matches!(&foreign[..], [ChainFault::UnknownIssuer { issuer, .. }] if issuer.contains("other")));
        let namesake = faults_of(&chain(&TestAuthority::new().node("c")), &anchors, now);
        assert!(matches!(&namesake[..], [ChainFault::WrongIssuerKey { .. }]), "{namesake:?}");
        assert_eq!(faults_of(&[], &anchors, now), [ChainFault::Empty]);
    }

    #[test]
    fn every_fault_is_named_not_only_the_first() {
        let (ours, theirs) = (TestAuthority::new(), TestAuthority::new());
        let anchors = [ours.root_certificate().clone()];
        let both = faults_of(&chain(&theirs.expired_node("a")), &anchors, UnixTime::now());
        assert!(matches!(&both[..], [ChainFault::WrongIssuerKey { .. }, ChainFault::Expired { .. }]), "{both:?}");
        let early = faults_of(&chain(&ours.not_yet_valid_node("b")), &anchors, UnixTime::now());
        assert!(matches!(&early[..], [ChainFault::NotYetValid { .. }]), "{early:?}");
    }

    #[test]
    fn a_chain_without_its_agency_misses_that_agency() {
        let ours = TestAuthority::new();
        let leaf_only = &chain(&ours.node("a"))[..1];
        let faults = faults_of(leaf_only, &[ours.root_certificate().clone()], UnixTime::now());
        assert!(matches!(&faults[..], [ChainFault::UnknownIssuer { issuer, .. }] if issuer.contains("agency")));
    }
}
