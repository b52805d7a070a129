use std::{collections::BTreeSet, time::Instant};

/// Instants at which something named `K` is due, earliest first.
///
/// Bound: the owner's, which keeps at most one entry for each thing it keeps.
#[derive(Debug)]
pub(crate) struct Timers<K> {
    due: BTreeSet<(Instant, K)>,
}

impl<K: Ord + Copy> Timers<K> {
    pub(crate) fn set(&mut self, at: Instant, key: K) {
        self.due.insert((at, key));
    }

    pub(crate) fn cancel(&mut self, at: Instant, key: K) {
        self.due.remove(&(at, key));
    }

    /// Takes one entry that is due.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<K> {
        let &(at, key) = self.due.first()?;
        (at <= now).then(|| {
            self.due.pop_first();
            key
        })
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.due.first().map(|&(at, _)| at)
    }
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self { due: BTreeSet::new() }
    }
}

/// The earlier of two instants, where either may be missing.
pub(crate) fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
