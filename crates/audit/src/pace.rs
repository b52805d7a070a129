//! How many events of a kind are recorded: nobody fills a disk with them, or drives older ones out.

use std::{collections::BTreeMap, time::Instant};

use crate::{Kind, bucket::Bucket, event::Pace};

impl Pace {
    /// How many may come at once.
    const fn burst(self) -> u64 {
        match self {
            Self::Stranger => 64,
            Self::Member => 256,
            Self::Operator => 1024,
        }
    }

    /// How many more in a second.
    const fn per_second(self) -> u64 {
        match self {
            Self::Stranger | Self::Member => 1,
            Self::Operator => 16,
        }
    }
}

/// What of each kind may still be recorded now. Bound: the kinds there are.
#[derive(Debug, Default)]
pub(crate) struct Paces(BTreeMap<Kind, Bucket>);

impl Paces {
    /// Whether one more of this kind is recorded.
    pub(crate) fn take(&mut self, kind: Kind, now: Instant) -> bool {
        let pace = kind.pace();
        let bucket = self.0.entry(kind).or_insert(Bucket::new(pace.burst(), now));
        bucket.take(pace.per_second(), pace.burst(), now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_flood_of_one_kind_is_bounded_and_leaves_room_for_the_others() {
        let (mut paces, start) = (Paces::default(), Instant::now());
        let flood = (0..10_000).filter(|_| paces.take(Kind::NodeRefused, start)).count();
        assert_eq!(flood, 64);
        assert!(paces.take(Kind::OperatorActed, start));
        let hour = (1..=3600).map(|second| start + Duration::from_secs(second));
        let later = hour.flat_map(|at| [at; 100]).filter(|at| paces.take(Kind::NodeRefused, *at)).count();
        assert_eq!(later, 3600);
    }
}
