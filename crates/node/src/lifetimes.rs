use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use nuncio_bounds::Bound;
use nuncio_identity::NodeId;
use nuncio_protocol::MAX_NODES;
use rustls_pki_types::UnixTime;

/// Until when the certificates behind status records last; those of linked nodes are in the admissions.
///
/// Bound: [`MAX_NODES`]; beyond, the one that lasts longest goes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lifetimes(Arc<Mutex<HashMap<NodeId, UnixTime>>>);

impl Lifetimes {
    pub(crate) const BOUND: Bound = Bound::of_entries::<(NodeId, UnixTime)>(
        "how long certificates last",
        MAX_NODES,
        0,
        "the one that lasts longest is forgotten",
    );

    /// A record of the node was judged, and its certificate lasts until `end`.
    pub(crate) fn note(&self, node: NodeId, end: UnixTime) {
        let mut ends = self.ends();
        ends.insert(node, end);
        if ends.len() > MAX_NODES
            && let Some(last) = ends.iter().max_by_key(|(_, end)| end.as_secs()).map(|(node, _)| *node)
        {
            ends.remove(&last);
        }
    }

    pub(crate) fn forget(&self, node: &NodeId) {
        self.ends().remove(node);
    }

    pub(crate) fn contains(&self, node: &NodeId) -> bool {
        self.ends().contains_key(node)
    }

    /// Forgets the certificates that are valid no more at `now`, and says whether there were any.
    pub(crate) fn take_ended(&self, now: UnixTime) -> bool {
        let mut ends = self.ends();
        let before = ends.len();
        ends.retain(|_, end| *end >= now);
        ends.len() < before
    }

    fn ends(&self) -> MutexGuard<'_, HashMap<NodeId, UnixTime>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
