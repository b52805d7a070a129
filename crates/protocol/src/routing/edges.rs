use smallvec::SmallVec;

use super::places::{Map, Slot};

/// Of each place, where its confirmed edges lead, in order; of this node, its links.
///
/// Bound: the edges that records name, so [`crate::status_sync::MAX_NAMED`] at two bytes each, and 64 bytes a place.
#[derive(Debug)]
pub(super) struct Edges(Map<Ends>);

/// As many as lie in one line of a cache; more go elsewhere.
type Ends = SmallVec<[Slot; 24]>;

impl Edges {
    pub(super) fn new() -> Self {
        Self(Map::new(SmallVec::new()))
    }

    pub(super) fn of(&self, slot: Slot) -> &[Slot] {
        &self.0[slot]
    }

    pub(super) fn contain(&self, from: Slot, to: Slot) -> bool {
        self.0[from].contains(&to)
    }

    pub(super) fn insert(&mut self, from: Slot, to: Slot) {
        let ends = &mut self.0[from];
        if let Err(at) = ends.binary_search(&to) {
            ends.insert(at, to);
        }
    }

    pub(super) fn remove(&mut self, from: Slot, to: Slot) {
        self.0[from].retain(|slot| *slot != to);
    }

    /// Takes away all edges of a place that is not this node's.
    pub(super) fn isolate(&mut self, slot: Slot) {
        for other in std::mem::take(&mut self.0[slot]) {
            self.remove(other, slot);
        }
    }
}
