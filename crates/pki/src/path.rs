//! From a leaf to an authority: the one verifier of chains, for every door, tool and diagnosis.
//!
//! It asks what `openssl verify -partial_chain -purpose sslclient` (or `sslserver`) asks; `tests/openssl_verdicts.rs`
//! holds the two against each other and names where they differ, and why.

use rustls_pki_types::{CertificateDer, UnixTime};

use crate::{Certificate, ChainError, Door, Role, RoleRule, Stated, Who, heir, signature::Unsigned};

mod constraints;
mod held;
mod kin;
mod rules;

use held::Held;
use rules::Top;
pub(crate) use rules::{refuse_issuing, refuse_time};

/// Most certificates in a presented chain, roots included.
pub(crate) const MAX_CERTIFICATES: usize = 5;

/// Most bytes in a presented chain.
pub const MAX_CHAIN_BYTES: usize = 16 * 1024;

/// Most signatures checked in the search for one path: whoever presents a maze of certificates costs no more than that.
const MAX_SIGNATURES: usize = 100;

/// The authorities trusted for something.
#[derive(Debug, Clone)]
pub struct Anchors {
    certificates: Vec<Certificate>,
    roles: RoleRule,
    held: Held,
}

/// A chain that was verified: leaf, the intermediates that were needed, and the anchor it ends at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verified {
    pub(crate) leaf: Certificate,
    pub(crate) intermediates: Vec<Certificate>,
    pub(crate) anchor: Certificate,
    /// How many of the intermediates, from the anchor down, take the anchor's place.
    heirs: usize,
    /// What was presented of certificates in which some root is said to take another's place.
    words: Vec<Certificate>,
}

/// What the leaf is presented for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaf {
    /// A node of the overlay, on either side of a connection: version 3.
    Node,
    /// A client of the channel port: version 1 too.
    Client,
    /// The server of the channel port, likewise.
    Server,
    /// An operator at the admin API: version 3.
    Operator,
}

impl Anchors {
    /// Most signatures that are remembered to hold, by a digest of 32 bytes each; then some are checked anew.
    pub const MAX_HELD: usize = 2 * held::HALF;

    /// Trusts these certificates; whether each may be an authority shows when a chain ends at it.
    pub fn new(certificates: Vec<Certificate>) -> Self {
        Self { certificates, roles: RoleRule::default(), held: Held::default() }
    }

    /// Sets whether a leaf must state its role.
    pub(crate) fn with_roles(self, roles: RoleRule) -> Self {
        Self { roles, ..self }
    }

    pub(crate) const fn roles(&self) -> RoleRule {
        self.roles
    }

    /// Those trusted.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// Everything that is wrong with a chain (leaf first, the others in any order), not only the first thing. Revocation,
    /// access lists, roles and host names are not looked at.
    pub fn faults(&self, chain: &[Certificate], now: UnixTime, purpose: Leaf) -> Vec<ChainError> {
        match chain.split_first() {
            Some((leaf, presented)) => self.search(leaf, presented, now, purpose).err().unwrap_or_default(),
            None => vec![ChainError::NoCertificate],
        }
    }

    /// The same for a chain that begins with an authority below an anchor.
    pub(crate) fn faults_of_authority(&self, chain: &[Certificate], now: UnixTime) -> Vec<ChainError> {
        let faults = self.faults(chain, now, Leaf::Client);
        faults.into_iter().filter(|fault| !matches!(fault, ChainError::AuthorityAsNode { .. })).collect()
    }

    /// Checks a presented chain, and the role that its leaf states. Names of hosts are never compared.
    pub(crate) fn verify(
        &self,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
        purpose: Leaf,
    ) -> Result<Verified, ChainError> {
        let chain = read(chain)?;
        let (leaf, presented) = chain.split_first().ok_or(ChainError::NoCertificate)?;
        self.verify_read(leaf, presented, now, purpose)
    }

    /// The same for certificates from a file, of which there may be more.
    pub(crate) fn verify_read(
        &self,
        leaf: &Certificate,
        presented: &[Certificate],
        now: UnixTime,
        purpose: Leaf,
    ) -> Result<Verified, ChainError> {
        let path = self.search(leaf, presented, now, purpose);
        let path = path.map_err(|faults| faults.into_iter().next().unwrap_or(ChainError::NoCertificate))?;
        let [leaf, intermediates @ .., anchor] = &path[..] else { return Err(ChainError::NoCertificate) };
        refuse_key(leaf, purpose)?;
        self.refuse_role(leaf, purpose.door())?;
        refuse_role_above(leaf, path[1..].iter().copied(), purpose.door().role())?;
        let intermediates: Vec<Certificate> = intermediates.iter().copied().cloned().collect();
        let heirs = heirs(&intermediates, anchor);
        let words = presented.iter().filter(|one| heir::has_word(one)).cloned().collect();
        Ok(Verified { leaf: (*leaf).clone(), intermediates, anchor: (*anchor).clone(), heirs, words })
    }

    fn refuse_role(&self, leaf: &Certificate, door: Door) -> Result<(), ChainError> {
        let stated = leaf.stated_roles();
        if self.roles.admits(door.role(), stated) || (door.takes_unstated() && *stated == Stated::Nothing) {
            return Ok(());
        }
        Err(ChainError::OtherRole { who: Who::named_by(leaf), stated: stated.clone(), role: door.role() })
    }

    /// The first path from leaf to anchor without a fault; else what is wrong with the one that has the fewest.
    fn search<'a>(
        &'a self,
        leaf: &'a Certificate,
        presented: &'a [Certificate],
        now: UnixTime,
        purpose: Leaf,
    ) -> Result<Vec<&'a Certificate>, Vec<ChainError>> {
        if self.certificates.contains(leaf) {
            return Err(vec![ChainError::AuthorityAsNode { who: Who::named_by(leaf) }]);
        }
        let mut search = self.begin(leaf, presented, now, purpose);
        match search.climb(&mut vec![leaf]) {
            Some(path) => {
                self.held.note(&path);
                Ok(path)
            }
            None => Err(search.faults.take().unwrap_or_else(|| search.faults_of_dead_end())),
        }
    }

    fn begin<'a>(
        &'a self,
        leaf: &'a Certificate,
        presented: &'a [Certificate],
        now: UnixTime,
        purpose: Leaf,
    ) -> Search<'a> {
        Search {
            anchors: self.by_end(now),
            presented: presented.iter().filter(|one| !self.certificates.contains(one) && !is_root(one)).collect(),
            held: &self.held,
            now,
            purpose,
            signatures: 0,
            faults: None,
            dead_end: vec![leaf],
        }
    }

    /// A renewed root (same key) may stand beside the old one: of those valid now, the one that lasts longest comes first.
    fn by_end(&self, now: UnixTime) -> Vec<&Certificate> {
        let mut anchors: Vec<_> = self.certificates.iter().collect();
        anchors.sort_by_key(|one| std::cmp::Reverse((one.is_valid_at(now), one.not_after().as_secs())));
        anchors
    }
}

/// Roots prove nothing by being presented.
fn is_root(certificate: &Certificate) -> bool {
    certificate.is_self_issued() && certificate.is_signed_by(certificate)
}

struct Search<'a> {
    anchors: Vec<&'a Certificate>,
    presented: Vec<&'a Certificate>,
    held: &'a Held,
    now: UnixTime,
    purpose: Leaf,
    /// That were checked, not found to have held before.
    signatures: usize,
    /// Of the best path that reached an anchor.
    faults: Option<Vec<ChainError>>,
    /// The longest path that did not.
    dead_end: Vec<&'a Certificate>,
}

impl<'a> Search<'a> {
    /// Depth first: anchors before what was presented.
    fn climb(&mut self, path: &mut Vec<&'a Certificate>) -> Option<Vec<&'a Certificate>> {
        let top = *path.last()?;
        for anchor in self.anchors.clone() {
            if self.is_issuer(top, anchor) {
                path.push(anchor);
                let faults = rules::faults(path, Top::Trusted, self.now, self.purpose);
                if faults.is_empty() {
                    return Some(path.clone());
                }
                if self.faults.as_ref().is_none_or(|best| faults.len() < best.len()) {
                    self.faults = Some(faults);
                }
                path.pop();
            }
        }
        for issuer in self.presented.clone() {
            if !path.contains(&issuer) && self.is_issuer(top, issuer) {
                path.push(issuer);
                if path.len() > self.dead_end.len() {
                    self.dead_end.clone_from(path);
                }
                let found = self.climb(path);
                if found.is_some() {
                    return found;
                }
                path.pop();
            }
        }
        None
    }

    fn is_issuer(&mut self, certificate: &Certificate, issuer: &Certificate) -> bool {
        if !certificate.issuer_name().is(issuer.subject_name()) || !names_key_of(certificate, issuer) {
            return false;
        }
        if self.held.contains(certificate, issuer) {
            return true;
        }
        self.signatures += 1;
        self.signatures <= MAX_SIGNATURES && certificate.check_signature(issuer).is_ok()
    }

    /// What is wrong with a path that reached no anchor.
    fn faults_of_dead_end(&self) -> Vec<ChainError> {
        let missing = self.missing_issuer();
        std::iter::once(missing).chain(rules::faults(&self.dead_end, Top::Open, self.now, self.purpose)).collect()
    }

    fn missing_issuer(&self) -> ChainError {
        let top = self.dead_end[self.dead_end.len() - 1];
        let (who, issuer) = (Who::named_by(self.dead_end[0]), top.issuer());
        if self.signatures > MAX_SIGNATURES {
            let reason = format!("no way to an authority was found within {MAX_SIGNATURES} signatures");
            return ChainError::Unacceptable { who, reason };
        }
        let mut namesakes = self
            .anchors
            .iter()
            .chain(&self.presented)
            .filter(|one| top.issuer_name().is(one.subject_name()) && !self.dead_end.contains(one));
        let Some(namesake) = namesakes.next() else { return ChainError::UnknownIssuer { who, issuer } };
        let who_top = || Who::named_by(top);
        match top.check_signature(namesake) {
            Err(Unsigned::OtherKey) => ChainError::WrongIssuerKey { who, issuer },
            Err(problem) => {
                let reason = format!("its signature ({}) does not count: {problem}", top.signature_algorithm());
                ChainError::Unacceptable { who: who_top(), reason }
            }
            Ok(()) => ChainError::Unacceptable {
                who: who_top(),
                reason: format!("its authorityKeyIdentifier names another certificate than that of {issuer}"),
            },
        }
    }
}

/// Whether the authorityKeyIdentifier, as far as there is one, means this issuer.
fn names_key_of(certificate: &Certificate, issuer: &Certificate) -> bool {
    let named = &certificate.extensions().issuer_key;
    let other_key =
        named.key.is_some() && issuer.extensions().own_key.is_some() && named.key != issuer.extensions().own_key;
    let other_serial = named.serial.as_ref().is_some_and(|serial| *serial != issuer.serial_bytes());
    let other_issuer = named.issuer.as_ref().is_some_and(|above| !above.is(issuer.issuer_name()));
    !other_key && !other_serial && !other_issuer
}

impl Leaf {
    const fn door(self) -> Door {
        match self {
            Self::Node => Door::P2p,
            Self::Client => Door::SdkPort,
            Self::Server => Door::SdkServer,
            Self::Operator => Door::Admin,
        }
    }
}

impl Verified {
    /// Each certificate below the anchor with the one that issued it.
    pub(crate) fn links(&self) -> impl Iterator<Item = (&Certificate, &Certificate)> {
        self.presented().zip(self.issuers())
    }

    /// The certificates below the anchor, leaf first.
    pub(crate) fn presented(&self) -> impl Iterator<Item = &Certificate> {
        std::iter::once(&self.leaf).chain(&self.intermediates)
    }

    /// The certificates above the leaf, the anchor last.
    pub(crate) fn issuers(&self) -> impl Iterator<Item = &Certificate> {
        self.intermediates.iter().chain(std::iter::once(&self.anchor))
    }

    /// The agencies above the leaf, its own first: neither the anchor, where that is a root, nor what takes its place.
    pub(crate) fn agencies(&self) -> impl DoubleEndedIterator<Item = &Certificate> {
        let below = &self.intermediates[..self.intermediates.len() - self.heirs];
        below.iter().chain(std::iter::once(&self.anchor)).filter(|one| !one.is_self_issued())
    }

    /// Certificates by which other roots vouch for the key of this path's anchor: peers that do not trust it yet find a way.
    pub(crate) fn vouching<'a>(
        &self,
        others: &'a [Certificate],
        now: UnixTime,
    ) -> impl Iterator<Item = &'a Certificate> {
        let vouches = move |one: &&Certificate| {
            one.public_key() == self.anchor.public_key()
                && one.subject_name().is(self.anchor.subject_name())
                && !one.is_signed_by(one)
                && one.is_valid_at(now)
        };
        others.iter().filter(vouches)
    }

    /// The last instant at which every certificate of the path is valid.
    pub(crate) fn not_after(&self) -> UnixTime {
        self.issuers().map(Certificate::not_after).fold(self.leaf.not_after(), Ord::min)
    }
}

/// What an authority states by usages of ours is all that it may issue.
fn refuse_role_above<'a>(
    leaf: &Certificate,
    mut issuers: impl Iterator<Item = &'a Certificate>,
    role: Role,
) -> Result<(), ChainError> {
    let narrow = issuers.find(|one| matches!(one.stated_roles(), Stated::ByUsage(roles) if !roles.contains(&role)));
    match narrow {
        None => Ok(()),
        Some(narrow) => Err(ChainError::NotAnAuthority {
            who: Who::named_by(leaf),
            issuer: narrow.subject(),
            reason: format!("by its extendedKeyUsage it issues {} only, not role {role}", narrow.stated_roles()),
        }),
    }
}

/// A node's key is asked for by whoever needs its node ID.
fn refuse_key(leaf: &Certificate, purpose: Leaf) -> Result<(), ChainError> {
    if purpose == Leaf::Node || leaf.key().signs_in_tls() {
        return Ok(());
    }
    Err(ChainError::UnusableKey { who: Who::named_by(leaf), kind: leaf.key_kind() })
}

/// How many certificates take the anchor's place, from the last down. A successor of a successor counts too; what anybody below
/// says does not.
pub(crate) fn heirs(intermediates: &[Certificate], anchor: &Certificate) -> usize {
    let mut above = anchor;
    let heirs = intermediates.iter().rev().take_while(|one| heir::is_heir(one, std::mem::replace(&mut above, one)));
    heirs.count()
}

fn read(chain: &[CertificateDer<'_>]) -> Result<Vec<Certificate>, ChainError> {
    refuse_long(chain)?;
    chain
        .iter()
        .enumerate()
        .map(|(index, der)| {
            Certificate::from_der(der.clone().into_owned())
                .map_err(|source| ChainError::Unreadable { position: index + 1, source })
        })
        .collect()
}

/// Refuses a chain that no peer would read.
pub(crate) fn refuse_long(chain: &[CertificateDer<'_>]) -> Result<(), ChainError> {
    let bytes = chain.iter().map(|one| one.len()).sum();
    if chain.len() > MAX_CERTIFICATES || bytes > MAX_CHAIN_BYTES {
        return Err(ChainError::TooLong { certificates: chain.len(), bytes });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::authority::{Issuer, Kind, Validity};

    const NOW: u64 = 2_000_000_000;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    fn validity() -> Validity {
        Validity { not_before: at(NOW - 100), not_after: at(NOW + 100) }
    }

    fn signatures(anchors: &Anchors, chain: &[Certificate], now: u64) -> (usize, bool) {
        let mut search = anchors.begin(&chain[0], &chain[1..], at(now), Leaf::Node);
        let is_found = search.climb(&mut vec![&chain[0]]).is_some();
        (search.signatures, is_found)
    }

    #[test]
    fn signatures_of_a_way_are_checked_once_and_all_else_each_time() {
        let root = Issuer::root("chain", validity()).expect("a root");
        let agency = root.agency("agencyA", validity()).expect("an agency");
        let node = |name: &str| agency.issue(Kind::Node, name, validity()).expect("a node").chain[..2].to_vec();
        let (first, second) = (node("node0"), node("node1"));
        let anchors = Anchors::new(vec![root.certificate().clone()]);
        assert_eq!(signatures(&anchors, &first, NOW), (2, true));
        assert_eq!(signatures(&anchors, &first, NOW), (2, true), "looking alone remembers nothing");
        assert!(anchors.faults(&first, at(NOW), Leaf::Node).is_empty());
        assert_eq!(signatures(&anchors, &first, NOW), (0, true));
        let shared = anchors.clone().with_roles(RoleRule::default());
        assert_eq!(signatures(&shared, &second, NOW), (1, true), "the agency's is known, another leaf's is not");
        assert_eq!(signatures(&anchors, &first, NOW + 200), (0, false), "that it has ended is seen all the same");
    }

    #[test]
    fn what_a_stranger_shows_is_not_remembered_and_what_is_altered_is_not_taken_for_what_held() {
        let root = Issuer::root("chain", validity()).expect("a root");
        let agency = root.agency("agencyA", validity()).expect("an agency");
        let chain = agency.issue(Kind::Node, "node0", validity()).expect("a node").chain[..2].to_vec();
        let anchors = Anchors::new(vec![root.certificate().clone()]);
        let namesake = Issuer::root("chain", validity()).expect("a root");
        let strange = namesake.agency("agencyA", validity()).expect("an agency");
        let strange = strange.issue(Kind::Node, "node0", validity()).expect("a node").chain[..2].to_vec();
        assert!(anchors.faults(&chain, at(NOW), Leaf::Node).is_empty());
        for _ in 0..2 {
            assert!(!anchors.faults(&strange, at(NOW), Leaf::Node).is_empty());
            assert!(!anchors.held.contains(&strange[0], &strange[1]), "it leads to no authority here");
            // The leaf that held, with an agency of the same name beside it.
            let swapped = [chain[0].clone(), strange[1].clone()];
            assert!(!anchors.faults(&swapped, at(NOW), Leaf::Node).is_empty());
        }
        let mut der = chain[0].der().to_vec();
        *der.last_mut().expect("a signature") ^= 1;
        let altered = Certificate::from_der(der.into()).expect("it can be read");
        assert!(!anchors.faults(&[altered, chain[1].clone()], at(NOW), Leaf::Node).is_empty());
    }
}
