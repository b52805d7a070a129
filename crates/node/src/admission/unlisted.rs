use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use nuncio_bounds::Bound;
use nuncio_identity::NodeId;
use nuncio_protocol::MAX_NODES;

/// Nodes whose record was refused because of the policy's lists, until they are expelled.
///
/// Bound: [`MAX_NODES`]; further ones are noted when their record comes again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unlisted(Arc<Mutex<BTreeSet<NodeId>>>);

impl Unlisted {
    pub(crate) const BOUND: Bound = Bound::of_entries::<NodeId>(
        "nodes that the lists refuse, until they are expelled",
        MAX_NODES,
        0,
        "further ones are noted when their record comes again",
    );

    /// A record signed by the node was refused.
    pub(crate) fn note(&self, node: NodeId) {
        let mut nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if nodes.len() < MAX_NODES {
            nodes.insert(node);
        }
    }

    /// All that were noted since this was asked last.
    pub(crate) fn take(&self) -> BTreeSet<NodeId> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
