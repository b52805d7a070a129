use std::{collections::BTreeMap, mem};

use jiff::Timestamp;

use crate::Kind;

/// What was not recorded since it was last told. Bound: the kinds there are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Missed {
    since: Option<Timestamp>,
    counts: BTreeMap<Kind, u64>,
}

impl Missed {
    /// One more.
    pub fn count(&mut self, kind: Kind, now: Timestamp) {
        self.since.get_or_insert(now);
        let count = self.counts.entry(kind).or_default();
        *count = count.saturating_add(1);
    }

    /// Those counted elsewhere, too.
    pub fn merge(&mut self, other: Self) {
        self.since = [self.since, other.since].into_iter().flatten().min();
        for (kind, more) in other.counts {
            let count = self.counts.entry(kind).or_default();
            *count = count.saturating_add(more);
        }
    }

    /// Whether nothing was missed.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// When the first was missed, and how many of each kind; `None` when nothing was. Begins anew.
    pub fn take(&mut self) -> Option<(Timestamp, BTreeMap<Kind, u64>)> {
        let Self { since, counts } = mem::take(self);
        since.map(|since| (since, counts))
    }

    /// How many in all.
    pub fn sum(&self) -> u64 {
        self.counts.values().fold(0, |sum, count| sum.saturating_add(*count))
    }
}
