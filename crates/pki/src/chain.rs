//! What makes a node certificate acceptable.

use std::{collections::BTreeSet, sync::Arc};

use arc_swap::ArcSwap;
use nuncio_identity::NodeId;
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::{
    Certificate, ChainError, Credential, CrlPolicy, Door, Edition, Lists, RevocationList, RoleRule, SignerError,
    SignerId, Who,
    lists::Way,
    path::{Anchors, Leaf, Verified},
};

/// What makes a node certificate acceptable: the authorities, their revocation lists, and who is allowed or denied.
/// Immutable; a running node swaps it as a whole ([`SharedPolicy`]).
///
/// A revocation list past its `nextUpdate` still revokes what it lists; whether it stops newcomers is the
/// [`CrlPolicy`]'s.
#[derive(Debug, Clone)]
pub struct Policy {
    anchors: Anchors,
    /// Authorities of SDKs: they admit no node, but their lists count and spread likewise.
    sdk_authorities: Vec<Certificate>,
    lists: Lists,
    allow: BTreeSet<NodeId>,
    deny: BTreeSet<NodeId>,
}

/// The policy of a running node, swapped as a whole.
pub type SharedPolicy = Arc<ArcSwap<Policy>>;

impl Policy {
    /// Trusts the authorities of a `ca.crt`: roots of version 1 or 3, several allowed, two of one name too.
    ///
    /// # Errors
    /// When there is none, or one cannot be an authority.
    pub fn new(anchors: Vec<Certificate>) -> Result<Self, PolicyError> {
        if anchors.is_empty() {
            return Err(PolicyError::NoAuthority);
        }
        if let Some(one) = anchors.iter().find(|one| one.version() == 3 && !one.is_ca()) {
            return Err(PolicyError::NotAnAuthority { who: Who::named_by(one), reason: "it says CA:FALSE".into() });
        }
        let (anchors, sdk_authorities, lists) = (Anchors::new(anchors), Vec::new(), Lists::default());
        Ok(Self { anchors, sdk_authorities, lists, allow: BTreeSet::new(), deny: BTreeSet::new() })
    }

    /// Takes revocation lists of these authorities of SDKs too.
    #[must_use]
    pub fn with_sdk_authorities(mut self, authorities: Vec<Certificate>) -> Self {
        self.sdk_authorities = authorities;
        self
    }

    /// Sets what a missing or overdue list means.
    #[must_use]
    pub const fn with_crl_policy(mut self, policy: CrlPolicy) -> Self {
        self.lists.policy = policy;
        self
    }

    /// Replaces the revocation lists; of one authority's the newest stays. A list of an authority here must be signed by
    /// it; a list of an agency counts for chains that show its certificate, and spreads once that is known, see
    /// [`claim`](Self::claim).
    ///
    /// # Errors
    /// When a list carries an authority's name but not its signature, or they are too many or too long.
    pub fn with_crls(self, crls: Vec<RevocationList>) -> Result<Self, PolicyError> {
        let (mut lists, now) = (Lists::under(self.lists.policy), UnixTime::now());
        // Last, so that they make no room for others: what is in the files counts as a whole.
        let mut unknown = Vec::new();
        for list in crls {
            let namesakes = || self.authorities().filter(|one| list.is_issued_in_name_of(one));
            match namesakes().find(|one| list.is_signed_by(one)) {
                Some(signer) => drop(lists.put(list, SignerId::of(signer), Way::default(), now)?),
                None if namesakes().next().is_some() => return Err(PolicyError::foreign(&list)),
                None => unknown.push(list),
            }
        }
        unknown.into_iter().try_for_each(|list| lists.hold_of_file(list))?;
        Ok(Self { lists, ..self })
    }

    /// Whether [`claim`](Self::claim) has something to look for.
    pub fn lacks_signers(&self) -> bool {
        self.lists.unclaimed().next().is_some() || self.lists.without_a_way(self.anchors()).next().is_some()
    }

    /// Whether a signer's way up, by which others verify its list, leads up no more: a certificate on it has ended or is
    /// revoked.
    pub fn has_lost_ways(&self, now: UnixTime) -> bool {
        self.lost_ways(now).next().is_some()
    }

    fn lost_ways(&self, now: UnixTime) -> impl Iterator<Item = SignerId> {
        let is_lost = move |way: &[Certificate]| self.vouch(&way[0], &way[1..], now).is_err();
        self.lists.ways().filter(move |(_, way)| is_lost(way)).map(|(signer, _)| signer)
    }

    /// Looks among `known` for the signers of lists whose signer was not known, for the ways to lists of SDK authorities, which
    /// others may not trust, and for other ways where one leads up no more; they must stand below an authority.
    #[must_use]
    pub fn claim(mut self, known: &[Certificate], now: UnixTime) -> Self {
        for id in self.lost_ways(now).collect::<Vec<_>>() {
            self.lists.set_unvouched(id);
        }
        for id in self.lists.without_a_way(self.anchors()).collect::<Vec<_>>() {
            let mut signers = known.iter().filter(|one| SignerId::of(one) == id);
            if let Some(way) = signers.find_map(|one| self.stands(one, known, now).ok()) {
                self.lists.set_way(id, way);
            }
        }
        let claimed = |list: &RevocationList| {
            let mut signers = known.iter().filter(|one| list.is_signed_by(one));
            signers.find_map(|one| Some((list.clone(), SignerId::of(one), self.stands(one, known, now).ok()?)))
        };
        for (list, signer, way) in self.lists.unclaimed().filter_map(claimed).collect::<Vec<_>>() {
            self.lists.claim(list, signer, way, now);
        }
        self
    }

    /// Adds lists from elsewhere by the rules of [`adopt`](Self::adopt); what these refuse is left out.
    #[must_use]
    pub fn with_newest(
        mut self,
        others: impl IntoIterator<Item = RevocationList>,
        known: &[Certificate],
        now: UnixTime,
    ) -> Self {
        for list in others {
            if let Ok(Some(newer)) = self.adopt(list, known, now) {
                self = newer;
            }
        }
        self
    }

    /// Adds lists that were in force here before, such as those taken from the network in a former run. Where nobody vouches
    /// now for who signed one, it counts all the same for chains that show the signer's key, until [`claim`](Self::claim) finds
    /// a way up from it. What is not this node's own memory must not come in by this. The second are those that found no room,
    /// or made it for others.
    #[must_use]
    pub fn with_former(
        mut self,
        former: impl IntoIterator<Item = RevocationList>,
        known: &[Certificate],
        now: UnixTime,
    ) -> (Self, Vec<RevocationList>) {
        let mut gone = Vec::new();
        for list in former {
            match self.adopt(list.clone(), known, now) {
                Ok(Some(newer)) => {
                    gone.extend(newer.lists.gone_since(&self.lists));
                    self = newer;
                }
                Ok(None) => {}
                Err(_) => gone.extend(self.lists.keep_former(list.clone(), known).is_err().then_some(list)),
            }
        }
        (self, gone)
    }

    /// The same with the lists in force under another policy, such as the one before a reload, but those of unknown signers
    /// that a file brought: this one has them by its own files.
    #[must_use]
    pub fn with_former_of(self, other: &Self, now: UnixTime) -> (Self, Vec<RevocationList>) {
        let lists: Vec<_> = other.lists.remembered().cloned().collect();
        self.with_former(lists, &other.list_signers(), now)
    }

    /// The certificates of those who signed the lists in force, as far as they are known, and of those above them.
    pub fn list_signers(&self) -> Vec<Certificate> {
        let own = self.authorities().filter(|one| self.lists.has_one_of(one));
        own.cloned().chain(self.lists.signers()).collect()
    }

    /// Sets who may connect: an empty `allow` means everyone with a good certificate, `deny` beats `allow`.
    #[must_use]
    pub fn with_access(mut self, allow: BTreeSet<NodeId>, deny: BTreeSet<NodeId>) -> Self {
        self.allow = allow;
        self.deny = deny;
        self
    }

    /// Sets whether a node's certificate must state its role. By default it must.
    #[must_use]
    pub fn with_roles(self, roles: RoleRule) -> Self {
        Self { anchors: self.anchors.with_roles(roles), ..self }
    }

    /// Whether a certificate must state its role.
    pub const fn roles(&self) -> RoleRule {
        self.anchors.roles()
    }

    /// The trusted authorities.
    pub fn anchors(&self) -> &[Certificate] {
        self.anchors.certificates()
    }

    /// Those whose lists are taken: the trusted authorities and those of SDKs.
    pub fn authorities(&self) -> impl Iterator<Item = &Certificate> {
        self.anchors().iter().chain(&self.sdk_authorities)
    }

    /// The revocation lists in force.
    pub const fn lists(&self) -> &Lists {
        &self.lists
    }

    /// Who is allowed; empty means everyone.
    pub const fn allow(&self) -> &BTreeSet<NodeId> {
        &self.allow
    }

    /// Who is denied.
    pub const fn deny(&self) -> &BTreeSet<NodeId> {
        &self.deny
    }

    /// Whether the lists let this node in; its certificate is another question.
    pub fn admits(&self, node: &NodeId) -> bool {
        !self.deny.contains(node) && (self.allow.is_empty() || self.allow.contains(node))
    }

    /// Takes a list that came over the network, if it is news: signed by an authority here or of SDKs, or by one of
    /// `known` that stands below them, neither ended nor revoked. `None` when it is not newer than the one it would
    /// replace.
    ///
    /// # Errors
    /// When nobody known signed it, its signer may not, or there is no room.
    pub fn adopt(
        &self,
        list: RevocationList,
        known: &[Certificate],
        now: UnixTime,
    ) -> Result<Option<Self>, PolicyError> {
        let mut refusal = PolicyError::foreign(&list);
        // Those of SDKs last: others may need the way to them.
        let signers = self.anchors().iter().chain(known).chain(&self.sdk_authorities);
        for signer in signers.filter(|one| list.is_signed_by(one)) {
            match self.stands(signer, known, now) {
                Ok(way) => {
                    let mut next = self.clone();
                    return Ok(next.lists.put(list, SignerId::of(signer), way, now)?.then_some(next));
                }
                Err(source) => refusal = PolicyError::bad_signer(&list, source),
            }
        }
        if self.lists.has(&list) { Ok(None) } else { Err(refusal) }
    }

    fn stands(&self, signer: &Certificate, known: &[Certificate], now: UnixTime) -> Result<Way, SignerError> {
        let certificates = self.vouch(signer, known, now)?;
        Ok(Way { top: self.top_of(&certificates).map(SignerId::of), certificates })
    }

    /// Judges a presented chain, leaf first, roots welcome and ignored: at most 5 certificates and 16 KiB.
    ///
    /// # Errors
    /// The first check that failed, see [`ChainError`].
    pub fn judge(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<Credential, ChainError> {
        Ok(Credential::new(self.path(chain, now)?, Door::P2p))
    }

    /// Judges a newcomer's chain: as [`judge`](Self::judge) does, and where lists are required, whether each authority on
    /// the way has a current one.
    ///
    /// # Errors
    /// The first check that failed.
    pub fn admit(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<Credential, ChainError> {
        let verified = self.path(chain, now)?;
        self.lists.refuse_unlisted(&verified, now)?;
        Ok(Credential::new(verified, Door::P2p))
    }

    /// Judges the chain of an operator at the admin API: its role, revocation, and where lists are required, whether each
    /// authority on the way has a current one. The lists of nodes say nothing about operators.
    ///
    /// # Errors
    /// The first check that failed.
    pub fn admit_operator(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<Credential, ChainError> {
        let verified = self.anchors.verify(chain, now, Leaf::Operator)?;
        self.refuse_revoked(&verified)?;
        self.lists.refuse_unlisted(&verified, now)?;
        Ok(Credential::new(verified, Door::Admin))
    }

    /// Judges and says which certificates between leaf and authority were needed.
    fn path(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<Verified, ChainError> {
        self.accept(self.anchors.verify(chain, now, Leaf::Node)?)
    }

    /// The same for certificates from a file, in which more may stand than a peer reads.
    pub(crate) fn path_in_file(
        &self,
        leaf: &Certificate,
        others: &[Certificate],
        now: UnixTime,
    ) -> Result<Verified, ChainError> {
        self.accept(self.anchors.verify_read(leaf, others, now, Leaf::Node)?)
    }

    fn accept(&self, verified: Verified) -> Result<Verified, ChainError> {
        let leaf = &verified.leaf;
        let who = Who::named_by(leaf);
        let node =
            leaf.node_id().ok_or_else(|| ChainError::NotSecp256k1 { who: who.clone(), kind: leaf.key_kind() })?;
        self.refuse_revoked(&verified)?;
        if self.deny.contains(&node) {
            return Err(ChainError::Denied { who });
        }
        if !self.admits(&node) {
            return Err(ChainError::NotAllowed { who });
        }
        Ok(verified)
    }

    fn refuse_revoked(&self, verified: &Verified) -> Result<(), ChainError> {
        verified.links().try_for_each(|(certificate, issuer)| self.refuse_listed(certificate, issuer))
    }

    pub(crate) fn refuse_listed(&self, certificate: &Certificate, issuer: &Certificate) -> Result<(), ChainError> {
        match self.lists.revoking(certificate, issuer) {
            Some(list) => Err(ChainError::Revoked {
                who: Who::named_by(certificate),
                serial: certificate.serial(),
                issuer: list.issuer(),
                edition: list.edition().clone().into(),
            }),
            None => Ok(()),
        }
    }
}

/// Why authorities or revocation lists make no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// No authority to trust.
    #[error("no authority is trusted")]
    NoAuthority,
    /// A certificate cannot be an authority.
    #[error("certificate of {who} cannot be an authority: {reason}")]
    NotAnAuthority {
        /// Whose.
        who: Box<Who>,
        /// Why not.
        reason: String,
    },
    /// More lists than a policy holds.
    #[error("{lists} revocation lists; a node holds at most {}", Lists::MAX)]
    TooManyLists {
        /// How many.
        lists: usize,
    },
    /// Longer lists than a policy holds.
    #[error("revocation lists of {bytes} bytes in all; a node holds at most {}", Lists::MAX_BYTES)]
    TooLongLists {
        /// Their bytes.
        bytes: usize,
    },
    /// A list by a stranger.
    #[error("revocation list {edition} of {issuer} is not signed by an authority that is trusted here")]
    ForeignList {
        /// The name on it.
        issuer: String,
        /// Which it is.
        edition: Edition,
    },
    /// A list by somebody who may not sign it.
    #[error("revocation list {edition} of {issuer} does not count: {source}")]
    BadSigner {
        /// The name on it.
        issuer: String,
        /// Which it is.
        edition: Edition,
        /// Why.
        source: Box<SignerError>,
    },
}

impl PolicyError {
    fn foreign(list: &RevocationList) -> Self {
        Self::ForeignList { issuer: list.issuer(), edition: list.edition().clone() }
    }

    fn bad_signer(list: &RevocationList, source: SignerError) -> Self {
        Self::BadSigner { issuer: list.issuer(), edition: list.edition().clone(), source: source.into() }
    }

    /// What mends it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoAuthority | Self::NotAnAuthority { .. } => {
                "nuncio cert inspect ca.crt; it must hold the consortium's root".into()
            }
            Self::TooManyLists { .. } | Self::TooLongLists { .. } => {
                "remove lists of authorities that are gone, and expired serials from lists".into()
            }
            Self::BadSigner { .. } => "nuncio cert inspect shows the list and the certificate of who signed it".into(),
            Self::ForeignList { .. } => {
                "openssl crl -in ca.crl -noout -CAfile ca.crt; nuncio cert revoke writes a good list".into()
            }
        }
    }
}
