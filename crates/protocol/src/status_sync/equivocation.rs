use std::sync::Arc;

use indexmap::IndexMap;
use nuncio_bounds::{Bound, Holding};
use nuncio_identity::NodeId;

use super::Record;

/// Most proofs that one node keeps and passes on, and most bytes of all. A node that is proven guilty beyond that is
/// expelled here all the same; others find out by themselves.
pub const MAX_PROOFS: usize = 64;
const MAX_PROOF_BYTES: usize = 3 << 20;

/// Two records that one node signed, of the same version, that do not say the same. Whoever sees them knows that the
/// node, or somebody who has its key, tells different things to different nodes; no honest node signs such a pair, for
/// its epoch grows with each start and its seq with each change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Equivocation {
    first: Arc<Record>,
    second: Arc<Record>,
}

/// The proofs that are kept.
///
/// Bound: [`MAX_PROOFS`] of [`MAX_PROOF_BYTES`] in all; further ones are not kept.
#[derive(Debug, Default)]
pub(super) struct Proofs {
    held: IndexMap<NodeId, Equivocation>,
    bytes: usize,
}

impl Equivocation {
    /// The proof that two verified records make; `None` when they do not contradict each other.
    ///
    /// What is compared is what they say: another signature of the same status, or another chain behind it, is none.
    pub fn of(first: Arc<Record>, second: Arc<Record>) -> Option<Self> {
        let (a, b) = (&first.status, &second.status);
        (a.node == b.node && a.version == b.version && a != b).then_some(Self { first, second })
    }

    /// Who signed both.
    pub fn node(&self) -> NodeId {
        self.first.status.node
    }

    /// The two records.
    pub const fn records(&self) -> [&Arc<Record>; 2] {
        [&self.first, &self.second]
    }

    fn bytes(&self) -> usize {
        self.first.bytes.len() + self.second.bytes.len()
    }
}

impl Proofs {
    pub(super) fn holding(&self) -> Holding {
        Holding { bound: Self::BOUND, entries: self.held.len(), bytes: self.bytes }
    }

    pub(super) const BOUND: Bound = Bound::of_bytes(
        "proofs of equivocation",
        MAX_PROOF_BYTES,
        "further ones expel their nodes here and are not passed on",
    )
    .in_entries(MAX_PROOFS);

    pub(super) fn contains(&self, node: &NodeId) -> bool {
        self.held.contains_key(node)
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.held.keys().copied()
    }

    /// The proofs against other nodes than these.
    pub(super) fn beside(&self, known: &[NodeId]) -> Vec<Equivocation> {
        self.held.values().filter(|proof| !known.contains(&proof.node())).cloned().collect()
    }

    /// Keeps a proof if there is room.
    pub(super) fn keep(&mut self, proof: Equivocation) {
        if self.held.len() < MAX_PROOFS && self.bytes + proof.bytes() <= MAX_PROOF_BYTES {
            self.bytes += proof.bytes();
            self.held.insert(proof.node(), proof);
        }
    }
}
