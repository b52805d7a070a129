use std::{hash::BuildHasher, sync::Arc};

use indexmap::IndexMap;
use nuncio_bounds::{Bound, Holding};
use nuncio_identity::NodeId;

use super::Record;
use crate::{
    MAX_EXPELLED,
    hashed::{HashMap, RandomState},
};

/// Most proofs that one node keeps and passes on, and most bytes of all. A node that is proven guilty beyond that is
/// expelled here all the same; others find out by themselves.
pub const MAX_PROOFS: usize = 64;
const MAX_PROOF_BYTES: usize = 3 << 20;

/// Of so many nodes that are proven guilty it is known that they are: they are refused, and nobody tells of them anew.
const MAX_PROVEN: usize = MAX_EXPELLED;

/// Two records that one node signed, of the same version, that do not say the same. Whoever sees them knows that the
/// node, or somebody who has its key, tells different things to different nodes; no honest node signs such a pair, for
/// its epoch grows with each start and its seq with each change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Equivocation {
    first: Arc<Record>,
    second: Arc<Record>,
}

/// Of a node that is proven guilty.
#[derive(Debug)]
struct Proven {
    /// Stands for its agency, by a hash that nobody else knows.
    agency: u64,
    /// `None` where there was no room.
    proof: Option<Equivocation>,
}

/// Who is proven guilty, and the proofs that are kept.
///
/// Bound: [`MAX_PROVEN`] nodes; [`MAX_PROOFS`] of [`MAX_PROOF_BYTES`] in all, against nodes of one agency no more than is left
/// for all others: whoever issues certificates can prove any number of nodes guilty. Further ones are not kept, and of the nodes
/// the agency that has the most loses its first one.
#[derive(Debug, Default)]
pub(super) struct Proofs {
    /// In the order in which they came.
    proven: IndexMap<NodeId, Proven>,
    kept: usize,
    bytes: usize,
    hasher: RandomState,
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

    /// The agency below the root from which its node is.
    fn agency(&self) -> &str {
        self.first.agency()
    }

    pub(super) fn bytes(&self) -> usize {
        self.first.bytes.len() + self.second.bytes.len()
    }
}

impl Proofs {
    pub(super) fn holding(&self) -> Holding {
        Holding { bound: Self::BOUNDS[0], entries: self.kept, bytes: self.bytes }
    }

    pub(super) const BOUNDS: [Bound; 2] = [
        Bound::of_bytes(
            "proofs of equivocation",
            MAX_PROOF_BYTES,
            "further ones, and of one agency more than is left for all others, expel their nodes here and are not passed on",
        )
        .in_entries(MAX_PROOFS),
        Bound::of_entries::<(NodeId, Proven)>(
            "nodes that are proven to equivocate",
            MAX_PROVEN,
            2 * size_of::<NodeId>(),
            "the first one of the agency that has the most, without a proof that is kept, is forgotten, and told of anew",
        ),
    ];

    pub(super) fn contains(&self, node: &NodeId) -> bool {
        self.proven.contains_key(node)
    }

    /// How many are kept.
    pub(super) const fn len(&self) -> usize {
        self.kept
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.proven.keys().copied()
    }

    /// Against whom no proof is wanted: at most [`MAX_PROOFS`], those first that are passed on by others, too.
    pub(super) fn unwanted(&self) -> Vec<NodeId> {
        let [kept, others] = [true, false].map(|is_kept| {
            self.proven.iter().rev().filter(move |(_, proven)| proven.proof.is_some() == is_kept).map(|(node, _)| *node)
        });
        kept.chain(others).take(MAX_PROOFS).collect()
    }

    /// The proofs against other nodes than these.
    pub(super) fn beside(&self, known: &[NodeId]) -> Vec<Equivocation> {
        self.proofs().filter(|proof| !known.contains(&proof.node())).cloned().collect()
    }

    /// Notes that a node is proven guilty; keeps the proof if there is room. Gives back of which other one that is no longer known.
    pub(super) fn keep(&mut self, proof: Equivocation) -> Option<NodeId> {
        let forgotten = if self.proven.len() >= MAX_PROVEN { self.first_of_the_most() } else { None };
        if let Some(node) = forgotten {
            self.proven.shift_remove(&node);
        }
        let (node, bytes, agency) = (proof.node(), proof.bytes(), self.hasher.hash_one(proof.agency()));
        let has_room = self.has_room(&proof);
        if has_room {
            self.kept += 1;
            self.bytes += bytes;
        }
        self.proven.insert(node, Proven { agency, proof: has_room.then_some(proof) });
        forgotten
    }

    /// The node to forget. Else whoever issues certificates for any number would have all others forgotten.
    fn first_of_the_most(&self) -> Option<NodeId> {
        let mut counts: HashMap<u64, usize> = HashMap::default();
        let without_proof = || self.proven.iter().filter(|(_, proven)| proven.proof.is_none());
        without_proof().for_each(|(_, proven)| *counts.entry(proven.agency).or_default() += 1);
        let most = counts.values().max()?;
        without_proof().find(|(_, proven)| counts.get(&proven.agency) == Some(most)).map(|(node, _)| *node)
    }

    fn has_room(&self, proof: &Equivocation) -> bool {
        let of_agency = || self.proofs().filter(|kept| kept.agency() == proof.agency());
        let (count, bytes) = (of_agency().count(), of_agency().map(Equivocation::bytes).sum::<usize>());
        self.kept + count < MAX_PROOFS && self.bytes + bytes + proof.bytes() <= MAX_PROOF_BYTES
    }

    fn proofs(&self) -> impl Iterator<Item = &Equivocation> {
        self.proven.values().filter_map(|proven| proven.proof.as_ref())
    }
}
