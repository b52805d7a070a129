//! What makes a node certificate acceptable.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arc_swap::ArcSwap;
use nuncio_identity::NodeId;
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::{
    Certificate, ChainError, Credential, Door, RevocationList, RoleRule, Who,
    path::{Anchors, Leaf, Verified},
};

/// Most revocation lists in one policy.
pub const MAX_REVOCATION_LISTS: usize = 64;

/// What makes a node certificate acceptable: the authorities, their revocation lists, and who is allowed or denied.
/// Immutable; a running node swaps it as a whole ([`SharedPolicy`]).
///
/// A revocation list past its `nextUpdate` still revokes what it lists and does not stop the rest of the network:
/// see [`stale_crls`](Self::stale_crls).
#[derive(Debug, Clone)]
pub struct Policy {
    anchors: Anchors,
    crls: Vec<RevocationList>,
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
        let anchors = Anchors::new(anchors);
        Ok(Self { anchors, crls: Vec::new(), allow: BTreeSet::new(), deny: BTreeSet::new() })
    }

    /// Replaces the revocation lists. A list of an authority here must be signed by it; a list of an agency is checked
    /// against that agency's certificate whenever a chain shows it.
    ///
    /// # Errors
    /// When a list carries an authority's name but not its signature, or there are more than 64.
    pub fn with_crls(mut self, crls: Vec<RevocationList>) -> Result<Self, PolicyError> {
        if crls.len() > MAX_REVOCATION_LISTS {
            return Err(PolicyError::TooManyLists { lists: crls.len() });
        }
        for list in &crls {
            let mut namesakes = self.anchors().iter().filter(|one| list.is_issued_in_name_of(one)).peekable();
            if namesakes.peek().is_some() && !namesakes.any(|one| list.is_signed_by(one)) {
                return Err(PolicyError::ForeignList { issuer: list.issuer(), number: list.number() });
            }
        }
        self.crls = crls;
        Ok(self)
    }

    /// Adds lists from elsewhere, such as those taken from the network in a former run: of each series the newest
    /// stays. A list in the name of an authority here without its signature is left out, and so is what is over the
    /// limit of 64.
    #[must_use]
    pub fn with_newest(mut self, others: impl IntoIterator<Item = RevocationList>) -> Self {
        for list in others {
            let mut namesakes = self.anchors().iter().filter(|one| list.is_issued_in_name_of(one)).peekable();
            if namesakes.peek().is_some() && !namesakes.any(|one| list.is_signed_by(one)) {
                continue;
            }
            match self.crls.iter().position(|known| known.series() == list.series()) {
                Some(index) if self.crls[index].number() < list.number() => self.crls[index] = list,
                Some(_) => {}
                None if self.crls.len() < MAX_REVOCATION_LISTS => self.crls.push(list),
                None => {}
            }
        }
        self
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

    /// The revocation lists in force.
    pub fn crls(&self) -> &[RevocationList] {
        &self.crls
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

    /// One number that grows whenever a list is renewed: the sum of the lists' numbers, 0 without any.
    pub fn crl_number(&self) -> u64 {
        self.crls.iter().fold(0, |sum, list| sum.saturating_add(list.number()))
    }

    /// The newest number of each series of lists, see [`RevocationList::series`].
    pub fn crl_numbers(&self) -> BTreeMap<[u8; 32], u64> {
        let mut numbers = BTreeMap::new();
        for list in &self.crls {
            let newest = numbers.entry(list.series()).or_insert(0);
            *newest = list.number().max(*newest);
        }
        numbers
    }

    /// Lists past their `nextUpdate`: they still revoke, but their authority should write new ones.
    pub fn stale_crls(&self, now: UnixTime) -> impl Iterator<Item = &RevocationList> {
        self.crls.iter().filter(move |list| list.next_update().is_some_and(|next| next.as_secs() < now.as_secs()))
    }

    /// Takes a list that came over the network, if it is news: signed by an authority here, or by one of `agencies`
    /// that an authority here issued, and with a higher number than the list it replaces. `None` when it is not
    /// newer.
    ///
    /// # Errors
    /// When nobody known signed it.
    pub fn adopt(&self, list: RevocationList, agencies: &[Certificate]) -> Result<Option<Self>, PolicyError> {
        let issued_here = |one: &&Certificate| one.is_ca() && self.anchors().iter().any(|root| one.is_signed_by(root));
        let signer = self
            .anchors()
            .iter()
            .chain(agencies.iter().filter(issued_here))
            .find(|one| list.is_signed_by(one))
            .ok_or_else(|| PolicyError::ForeignList { issuer: list.issuer(), number: list.number() })?;
        let known = self.crls.iter().position(|old| old.is_signed_by(signer));
        let mut next = self.clone();
        match known {
            Some(index) if self.crls[index].number() >= list.number() => return Ok(None),
            Some(index) => next.crls[index] = list,
            None if next.crls.len() >= MAX_REVOCATION_LISTS => {
                return Err(PolicyError::TooManyLists { lists: next.crls.len() + 1 });
            }
            None => next.crls.push(list),
        }
        Ok(Some(next))
    }

    /// Judges a presented chain, leaf first, roots welcome and ignored: at most 5 certificates and 16 KiB.
    ///
    /// # Errors
    /// The first check that failed, see [`ChainError`].
    pub fn judge(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<Credential, ChainError> {
        Ok(Credential::new(self.path(chain, now)?, Door::P2p))
    }

    /// Judges and says which certificates between leaf and authority were needed.
    fn path(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<Verified, ChainError> {
        self.admit(self.anchors.verify(chain, now, Leaf::Node)?)
    }

    /// The same for certificates from a file, in which more may stand than a peer reads.
    pub(crate) fn path_in_file(
        &self,
        leaf: &Certificate,
        others: &[Certificate],
        now: UnixTime,
    ) -> Result<Verified, ChainError> {
        self.admit(self.anchors.verify_read(leaf, others, now, Leaf::Node)?)
    }

    fn admit(&self, verified: Verified) -> Result<Verified, ChainError> {
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

    /// A list counts only for certificates of the very key that signed it: two authorities may share one name.
    fn refuse_revoked(&self, verified: &Verified) -> Result<(), ChainError> {
        for (certificate, issuer) in verified.links() {
            let list = self.crls.iter().find(|list| list.lists(certificate) && list.is_signed_by(issuer));
            if let Some(list) = list {
                return Err(ChainError::Revoked {
                    who: Who::named_by(certificate),
                    serial: certificate.serial(),
                    issuer: list.issuer(),
                    crl_number: list.number(),
                });
            }
        }
        Ok(())
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
    #[error("{lists} revocation lists; a node holds at most {MAX_REVOCATION_LISTS}")]
    TooManyLists {
        /// How many.
        lists: usize,
    },
    /// A list by a stranger.
    #[error("revocation list {number} of {issuer} is not signed by an authority that is trusted here")]
    ForeignList {
        /// The name on it.
        issuer: String,
        /// Its number.
        number: u64,
    },
}

impl PolicyError {
    /// What mends it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoAuthority | Self::NotAnAuthority { .. } => {
                "nuncio cert inspect ca.crt; it must hold the consortium's root".into()
            }
            Self::TooManyLists { .. } => "remove lists of authorities that are gone".into(),
            Self::ForeignList { .. } => {
                "openssl crl -in ca.crl -noout -CAfile ca.crt; nuncio cert revoke writes a good list".into()
            }
        }
    }
}
