//! The node IDs of peers.

use std::collections::{HashMap, hash_map::Entry};

use libp2p::PeerId;
use nuncio_bounds::Bound;
use nuncio_identity::NodeId;

const MOST: usize = 1024;

/// To read one from a peer ID takes a square root, and it is wanted for every message: so they are remembered.
#[derive(Debug, Default)]
pub(crate) struct Names {
    known: HashMap<PeerId, NodeId>,
}

impl Names {
    pub(crate) const BOUND: Bound =
        Bound::of_entries::<(PeerId, NodeId)>("names of peers", MOST, 0, "all are forgotten");

    /// The peer's node ID; admission lets no peer in without.
    pub(crate) fn of(&mut self, peer: PeerId) -> Option<NodeId> {
        if self.known.len() >= MOST && !self.known.contains_key(&peer) {
            self.known.clear();
        }
        match self.known.entry(peer) {
            Entry::Occupied(known) => Some(*known.get()),
            Entry::Vacant(place) => Some(*place.insert(peer.try_into().ok()?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use nuncio_identity::NodeKey;

    use super::*;

    #[test]
    fn a_peer_has_its_node_id_each_time_and_more_than_a_thousand_are_not_kept() {
        let mut names = Names::default();
        let nodes: Vec<NodeId> = (0..=MOST).map(|_| NodeKey::generate().node_id()).collect();
        for node in nodes.iter().chain(&nodes) {
            assert_eq!(names.of(PeerId::from(*node)), Some(*node));
            assert!(names.known.len() <= MOST);
        }
        assert_eq!(names.of(PeerId::random()), None, "an Ed25519 key is no node's");
    }
}
