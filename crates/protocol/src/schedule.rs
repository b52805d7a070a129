use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

/// When each of some things is due, once each.
///
/// Bound: the owner's, which says how many things there are.
#[derive(Debug)]
pub(crate) struct Schedule<K> {
    at: BTreeMap<K, Instant>,
    order: BTreeSet<(Instant, K)>,
    /// When the first one is: asked after every input, of many.
    first: Option<Instant>,
}

impl<K: Ord + Clone> Schedule<K> {
    /// Sets when it is due, whenever it was due before.
    pub(crate) fn set(&mut self, key: K, at: Instant) {
        self.cancel(&key);
        self.order.insert((at, key.clone()));
        self.at.insert(key, at);
        self.note_first();
    }

    pub(crate) fn cancel(&mut self, key: &K) {
        if let Some((key, at)) = self.at.remove_entry(key) {
            self.order.remove(&(at, key));
            self.note_first();
        }
    }

    pub(crate) fn get(&self, key: &K) -> Option<Instant> {
        self.at.get(key).copied()
    }

    /// Those that sort from `first` on.
    pub(crate) fn since(&self, first: K) -> impl Iterator<Item = &K> {
        self.at.range(first..).map(|(key, _)| key)
    }

    /// Takes what is due first, if it is due.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<K> {
        let due = self.next().is_some_and(|at| at <= now);
        due.then(|| self.pop_first()).flatten()
    }

    /// Takes what is due first, due or not.
    pub(crate) fn pop_first(&mut self) -> Option<K> {
        let (_, key) = self.order.pop_first()?;
        self.at.remove(&key);
        self.note_first();
        Some(key)
    }

    pub(crate) const fn next(&self) -> Option<Instant> {
        self.first
    }

    fn note_first(&mut self) {
        self.first = self.order.first().map(|(at, _)| *at);
    }

    pub(crate) fn len(&self) -> usize {
        self.at.len()
    }
}

impl<K> Default for Schedule<K> {
    fn default() -> Self {
        Self { at: BTreeMap::new(), order: BTreeSet::new(), first: None }
    }
}
