use std::collections::{BTreeMap, BTreeSet};

use super::{Holder, Subscriber};

/// Subscribers that have proved nothing and are not asked now: they make room where there is none, those of the place first at
/// which most are known.
///
/// Bound: its owner's subscribers; for one review.
#[derive(Debug, Default)]
pub(super) struct Doubtful {
    /// Whoever makes room first is at the end.
    at: BTreeMap<Holder, Vec<Rank>>,
    fullest: BTreeSet<(usize, Holder)>,
}

/// Whether it had its turn, when it is to have its next one, and who it is: those that had none go last, and of them those
/// that came first.
pub(super) type Rank = (bool, u64, Subscriber);

impl Doubtful {
    pub(super) fn new(ranks: impl Iterator<Item = Rank>, known: impl Fn(&Holder) -> usize) -> Self {
        let mut at = BTreeMap::<_, Vec<_>>::new();
        for rank in ranks {
            at.entry(rank.2.holder).or_default().push(rank);
        }
        at.values_mut().for_each(|ranks| ranks.sort_unstable());
        let fullest = at.keys().map(|holder| (known(holder), *holder)).collect();
        Self { at, fullest }
    }

    /// Who makes room for one more of a place at which so many are known: somebody of one where there are more even then.
    pub(super) fn give_way(&mut self, known: usize) -> Option<Subscriber> {
        let (most, holder) = *self.fullest.last().filter(|(most, _)| known + 1 < *most)?;
        self.fullest.remove(&(most, holder));
        let ranks = self.at.get_mut(&holder)?;
        let (.., subscriber) = ranks.pop()?;
        if !ranks.is_empty() {
            self.fullest.insert((most - 1, holder));
        }
        Some(subscriber)
    }
}
