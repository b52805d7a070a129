use std::time::{Duration, Instant};

use nuncio_bounds::Bound;
use nuncio_identity::NodeId;

use crate::{MAX_NODES, suspects::Suspects};

/// Of how many targets it is kept that they were silent behind one node.
const TARGETS: usize = 4;

/// Behind whom so many targets were silent is avoided whoever is asked. One target alone may be silent itself: a member that
/// answers nobody must not have the honest nodes before it avoided by all.
const ENOUGH: usize = 2;

/// Who may have swallowed a request of ours, and for whom it was: always somebody, but nobody sorts first.
type Pair = (NodeId, Option<NodeId>);

/// Who may have swallowed requests of ours.
#[derive(Debug)]
pub(super) struct Silence(Suspects<Pair>);

impl Silence {
    pub(super) const BOUND: Bound =
        Suspects::<Pair>::bound("nodes that may have swallowed requests, and for whom", TARGETS * MAX_NODES);

    /// Forgets each after `memory`.
    pub(super) fn new(memory: Duration) -> Self {
        Self(Suspects::new(memory, TARGETS * MAX_NODES))
    }

    /// A request for `target` may have been swallowed by `node`.
    pub(super) fn note(&mut self, node: NodeId, target: NodeId, now: Instant) {
        let pair = (node, Some(target));
        if self.0.contains(&pair) || self.pairs(&node).count() < TARGETS {
            self.0.note(pair, now);
        }
    }

    /// Whether requests for `target` had better not meet `node`.
    pub(super) fn is_suspect(&self, node: &NodeId, target: &NodeId) -> bool {
        self.0.contains(&(*node, Some(*target))) || self.pairs(node).nth(ENOUGH - 1).is_some()
    }

    /// `node` passes things on.
    pub(super) fn clear(&mut self, node: &NodeId) {
        for pair in self.pairs(node).copied().collect::<Vec<_>>() {
            self.0.clear(&pair);
        }
    }

    /// What was for `target` says nothing about `node`.
    pub(super) fn forgive(&mut self, node: &NodeId, target: &NodeId) {
        self.0.clear(&(*node, Some(*target)));
    }

    pub(super) fn forget_ended(&mut self, now: Instant) {
        self.0.forget_ended(now);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn pairs(&self, node: &NodeId) -> impl Iterator<Item = &Pair> {
        self.0.since((*node, None)).take_while(move |(suspect, _)| suspect == node)
    }
}
