use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use nuncio_bounds::Bound;
use nuncio_identity::NodeId;
use nuncio_pki::{ChainError, Credential, MAX_CHAIN_BYTES, Policy};
use nuncio_wire::verdict::Agreed;
use rustls_pki_types::{CertificateDer, UnixTime};

/// What a peer proved when it was admitted.
#[derive(Debug, Clone)]
pub struct Admission {
    /// The certificate it was admitted by.
    pub certificate: Credential,
    /// The CA-issued chain it sent, its own certificate first: to be judged again when the policy changes.
    pub chain: Vec<CertificateDer<'static>>,
}

/// The certificates of admitted peers, shared between the transport, which fills it before it hands a connection out,
/// and the node, which reads names from it and judges again after a change of policy.
///
/// Holds at most [`Admissions::CAPACITY`] nodes. When full, the node admitted longest ago is forgotten; each admission
/// of a node replaces the one before.
#[derive(Debug, Clone, Default)]
pub struct Admissions {
    table: Arc<Mutex<Table>>,
}

impl Admissions {
    /// Most nodes remembered: the size of the largest network meant to be served.
    pub const CAPACITY: usize = 1024;

    /// Each with its chain, as it came and as it was read.
    pub(crate) const BOUND: Bound = Bound::of_entries::<(NodeId, Admitted)>(
        "what nodes proved when they were admitted",
        Self::CAPACITY,
        2 * MAX_CHAIN_BYTES,
        "the node admitted longest ago is forgotten",
    );

    /// What `node` proved when it was last admitted.
    pub fn get(&self, node: &NodeId) -> Option<Arc<Admission>> {
        self.table().nodes.get(node).map(|admitted| Arc::clone(&admitted.admission))
    }

    /// The version and features of the link protocol that `node` and this node agreed on when it was last admitted.
    pub fn agreed(&self, node: &NodeId) -> Option<Arc<Agreed>> {
        self.table().nodes.get(node).map(|admitted| Arc::clone(&admitted.agreed))
    }

    /// How many nodes are remembered.
    pub fn len(&self) -> usize {
        self.table().nodes.len()
    }

    /// Whether no node is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets every node for which `keep` says no, such as those without a link.
    pub fn retain(&self, mut keep: impl FnMut(&NodeId, &Admission) -> bool) {
        self.table().nodes.retain(|node, admitted| keep(node, &admitted.admission));
    }

    /// Judges every remembered node by `policy` at the time `now` and returns those it would refuse, with what they
    /// proved and the reason. Nothing is forgotten; of the others, what the policy says now is kept.
    pub fn refused_by(&self, policy: &Policy, now: UnixTime) -> Vec<(NodeId, Arc<Admission>, ChainError)> {
        // Judged outside the lock: a thousand chains take longer than a handshake should wait.
        let admitted: Vec<_> =
            self.table().nodes.iter().map(|(node, admitted)| (*node, Arc::clone(&admitted.admission))).collect();
        admitted
            .into_iter()
            .filter_map(|(node, admission)| match policy.judge(&admission.chain, now) {
                Ok(certificate) => {
                    self.confirm(&node, &admission, certificate);
                    None
                }
                Err(error) => Some((node, admission, error)),
            })
            .collect()
    }

    /// A policy with other authorities may let a certificate last longer, or shorter.
    fn confirm(&self, node: &NodeId, admission: &Arc<Admission>, certificate: Credential) {
        if certificate != admission.certificate
            && let Some(held) = self.table().nodes.get_mut(node)
            && Arc::ptr_eq(&held.admission, admission)
        {
            held.admission = Arc::new(Admission { certificate, chain: admission.chain.clone() });
        }
    }

    /// Replaces what an admitted node proved by a newer chain, which its record carried and the policy has judged, also where
    /// it ends sooner. An older one changes nothing: anybody may show an old record again. A node that was not admitted
    /// stays unknown.
    pub fn renew(&self, node: NodeId, admission: Admission) {
        let mut table = self.table();
        if let Some(old) = table.nodes.get_mut(&node)
            && admission.certificate.is_newer_than(&old.admission.certificate)
        {
            old.admission = Arc::new(admission);
        }
    }

    /// Whether the certificate of an admitted node is valid no more at `now`.
    pub fn any_ended(&self, now: UnixTime) -> bool {
        self.table().nodes.values().any(|admitted| admitted.admission.certificate.not_after < now)
    }

    pub(crate) fn insert(&self, node: NodeId, admission: Admission, agreed: Agreed) {
        let mut table = self.table();
        table.admitted += 1;
        let order = table.admitted;
        let admitted = Admitted { order, admission: Arc::new(admission), agreed: Arc::new(agreed) };
        table.nodes.insert(node, admitted);
        if table.nodes.len() > Self::CAPACITY {
            let oldest = table.nodes.iter().min_by_key(|(_, admitted)| admitted.order).map(|(node, _)| *node);
            if let Some(oldest) = oldest {
                table.nodes.remove(&oldest);
            }
        }
    }

    pub(crate) fn remove(&self, node: &NodeId) {
        self.table().nodes.remove(node);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct Table {
    nodes: HashMap<NodeId, Admitted>,
    admitted: u64,
}

#[derive(Debug)]
struct Admitted {
    /// Its place in the order of all admissions.
    order: u64,
    admission: Arc<Admission>,
    agreed: Arc<Agreed>,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use nuncio_identity::NodeKey;
    use nuncio_pki::Identity;
    use nuncio_testkit::TestAuthority;

    use super::*;

    fn agreed() -> Agreed {
        Agreed { version: 2, features: [].into() }
    }

    #[test]
    fn the_node_admitted_longest_ago_makes_room() {
        let admissions = Admissions::default();
        let certificate = TestAuthority::new().node("a").certificate;
        let admission = || Admission { certificate: certificate.clone(), chain: Vec::new() };
        let [first, second] = [(); 2].map(|()| NodeKey::generate().node_id());
        admissions.insert(first, admission(), agreed());
        admissions.insert(second, admission(), agreed());
        admissions.insert(first, admission(), agreed());
        for _ in 2..=Admissions::CAPACITY {
            let node = NodeKey::generate().node_id();
            admissions.insert(node, admission(), agreed());
        }
        assert_eq!(admissions.len(), Admissions::CAPACITY);
        assert!(admissions.get(&first).is_some(), "admitted again since");
        assert!(admissions.get(&second).is_none(), "the oldest stayed");
    }

    /// As in a rotation: the newer chain is another root's, and ends sooner.
    #[test]
    fn the_newest_chain_counts_whichever_lasts_longer() {
        let (old, new) = (TestAuthority::new(), TestAuthority::new());
        let shown = old.node("a");
        let brief = new.certify(&shown, Duration::from_secs(3600));
        let both = [&old, &new].map(|authority| authority.root_certificate().clone()).to_vec();
        let both = Policy::new(both).unwrap();
        let admission = |identity: &Identity| {
            let certificate = both.judge(&identity.chain, UnixTime::now()).unwrap();
            Admission { certificate, chain: identity.chain.clone() }
        };
        let (node, admissions) = (shown.key.node_id(), Admissions::default());
        admissions.insert(node, admission(&shown), agreed());
        admissions.renew(node, admission(&brief));
        // Somebody shows the old record once more.
        admissions.renew(node, admission(&shown));
        assert_eq!(admissions.get(&node).unwrap().chain, brief.chain);
        assert!(admissions.refused_by(&new.policy(), UnixTime::now()).is_empty(), "the old root is gone");
        assert_eq!(admissions.refused_by(&old.policy(), UnixTime::now()).len(), 1);
    }
}
