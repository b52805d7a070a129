use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// How long a silence is held against a candidate.
const MEMORY: Duration = Duration::from_secs(10);
/// Most candidates remembered; when full, the lowest name is forgotten.
const MAX_SUSPECTS: usize = 1024;

/// Candidates that were silent of late: they are tried last.
#[derive(Debug)]
pub(super) struct Suspects<K> {
    until: BTreeMap<K, Instant>,
}

impl<K: Ord + Copy> Suspects<K> {
    pub(super) fn note(&mut self, candidate: K, now: Instant) {
        if self.until.len() >= MAX_SUSPECTS {
            self.until.retain(|_, until| *until > now);
        }
        if self.until.len() >= MAX_SUSPECTS {
            self.until.pop_first();
        }
        self.until.insert(candidate, now + MEMORY);
    }

    pub(super) fn clear(&mut self, candidate: &K) {
        if !self.until.is_empty() {
            self.until.remove(candidate);
        }
    }

    pub(super) fn contains(&self, candidate: &K, now: Instant) -> bool {
        self.until.get(candidate).is_some_and(|until| *until > now)
    }
}

impl<K> Default for Suspects<K> {
    fn default() -> Self {
        Self { until: BTreeMap::new() }
    }
}
