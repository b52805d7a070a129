use indexmap::IndexSet;
use nuncio_identity::NodeId;

use crate::hashed::{HashMap, RandomState};

/// The nodes of each agency below the root whose records are held. Whoever may issue certificates below an agency can have as many
/// nodes as it likes, and pays for them with places of its own.
#[derive(Debug, Default)]
pub(super) struct Agencies {
    nodes: HashMap<String, IndexSet<NodeId, RandomState>>,
}

impl Agencies {
    pub(super) fn insert(&mut self, agency: &str, node: NodeId) {
        if let Some(nodes) = self.nodes.get_mut(agency) {
            nodes.insert(node);
        } else {
            self.nodes.insert(agency.to_owned(), std::iter::once(node).collect());
        }
    }

    pub(super) fn remove(&mut self, agency: &str, node: &NodeId) {
        let Some(nodes) = self.nodes.get_mut(agency) else { return };
        nodes.swap_remove(node);
        if nodes.is_empty() {
            self.nodes.remove(agency);
        }
    }

    pub(super) fn count(&self, agency: &str) -> usize {
        self.nodes.get(agency).map_or(0, IndexSet::len)
    }

    /// A node of the agency that has the most, if that has more even when one of `agency` takes its place: so none goes back and
    /// forth between two.
    pub(super) fn of_the_most(&self, agency: &str, but: impl Fn(&NodeId) -> bool) -> Option<NodeId> {
        let (_, nodes) = self.nodes.iter().max_by_key(|(name, nodes)| (nodes.len(), *name))?;
        let has_more = self.count(agency) + 1 < nodes.len();
        nodes.iter().rev().filter(|_| has_more).find(|node| !but(node)).copied()
    }

    /// Whether one of them has so many that it makes room for some other.
    pub(super) fn are_uneven(&self) -> bool {
        let counts = || self.nodes.values().map(IndexSet::len);
        counts().min() < counts().max().and_then(|most| most.checked_sub(1))
    }
}
