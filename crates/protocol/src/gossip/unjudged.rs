use std::collections::BTreeMap;

use super::GossipId;

/// What the edge keeps of each message of gossip until the core has judged it.
///
/// Bound: what the core holds; it judges every one.
#[derive(Debug)]
pub struct Unjudged<T> {
    last: u64,
    waiting: BTreeMap<GossipId, T>,
}

impl<T> Unjudged<T> {
    /// Keeps something; gives back its name for the core.
    pub fn add(&mut self, kept: T) -> GossipId {
        self.last += 1;
        let id = GossipId(self.last);
        self.waiting.insert(id, kept);
        id
    }

    /// The core has judged it.
    pub fn remove(&mut self, id: GossipId) -> Option<T> {
        self.waiting.remove(&id)
    }

    /// Nothing will be judged any more.
    pub fn give_up(self) -> impl Iterator<Item = T> {
        self.waiting.into_values()
    }
}

impl<T> Default for Unjudged<T> {
    fn default() -> Self {
        Self { last: 0, waiting: BTreeMap::new() }
    }
}
