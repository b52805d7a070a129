//! How many events of a kind are recorded: nobody fills a disk with them, or drives older ones out, and whoever causes many hides
//! nobody who causes few.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher, RandomState},
    time::{Duration, Instant},
};

use nuncio_bounds::Bound;

use crate::{Event, Kind, bucket::Bucket, event::Pace};

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

/// Of those of whom nothing was recorded lately, so many events more in a second.
const FIRST_PER_SECOND: u64 = 1;

/// How long somebody is one of whom something was recorded lately.
const LATELY: Duration = Duration::from_secs(60);

/// Most of those that are known, of each kind of event.
const MAX_LATELY: usize = 1024;

/// What of each kind may still be recorded now. Bound: the kinds there are.
#[derive(Debug, Default)]
pub(crate) struct Paces {
    kinds: BTreeMap<Kind, Allowance>,
    numbers: RandomState,
}

/// Of one kind: what all have together, and besides what those have of whom there was nothing lately.
///
/// Bound: [`MAX_LATELY`]; for a further one those of long ago are forgotten, or else all.
#[derive(Debug)]
struct Allowance {
    all: Bucket,
    first: Bucket,
    /// Of whom something was recorded, by number, and when last.
    lately: HashMap<u64, Instant>,
}

impl Paces {
    pub(crate) const BOUND: Bound = Bound::of_entries::<(u64, Instant)>(
        "whose events were recorded lately",
        MAX_LATELY * Kind::ALL.len(),
        0,
        "all of a kind are forgotten",
    );

    /// Whether this event is recorded.
    pub(crate) fn take(&mut self, event: &Event, now: Instant) -> bool {
        let (kind, pace) = (event.kind(), event.kind().pace());
        let owner = event.owner().map(|owner| self.numbers.hash_one(owner));
        let new = || Allowance {
            all: Bucket::new(pace.burst(), now),
            first: Bucket::new(pace.burst(), now),
            lately: HashMap::new(),
        };
        self.kinds.entry(kind).or_insert_with(new).take(owner, pace, now)
    }
}

impl Allowance {
    fn take(&mut self, owner: Option<u64>, pace: Pace, now: Instant) -> bool {
        let is_first = owner.is_some_and(|owner| !self.lately.get(&owner).is_some_and(|at| is_lately(*at, now)));
        let is_taken = is_first && self.first.take(FIRST_PER_SECOND, pace.burst(), now)
            || self.all.take(pace.per_second(), pace.burst(), now);
        if let Some(owner) = owner.filter(|_| is_taken) {
            self.note(owner, now);
        }
        is_taken
    }

    fn note(&mut self, owner: u64, now: Instant) {
        if self.lately.len() >= MAX_LATELY && !self.lately.contains_key(&owner) {
            self.lately.retain(|_, at| is_lately(*at, now));
        }
        if self.lately.len() >= MAX_LATELY && !self.lately.contains_key(&owner) {
            self.lately.clear();
        }
        self.lately.insert(owner, now);
    }
}

fn is_lately(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) < LATELY
}

#[cfg(test)]
mod tests {
    use nuncio_metrics::{Cause, Direction, LinkRefusal, RightsRefusal};

    use super::*;

    fn refused(host: u32) -> Event {
        let refused = Cause::P2p(Direction::Inbound, LinkRefusal::Expired).into();
        let address = std::net::Ipv4Addr::from_bits(host).to_string();
        Event::NodeRefused { refused, address: format!("{address}:1").into(), node: None, cause: "no".into() }
    }

    fn denied(subject: &str) -> Event {
        Event::PublishDenied {
            refused: Cause::Rights(RightsRefusal::PublishRule).into(),
            client: 1,
            subject: subject.into(),
            topic: "t".into(),
            cause: "no".into(),
        }
    }

    #[test]
    fn a_flood_of_one_kind_is_bounded_and_leaves_room_for_the_others() {
        let (mut paces, start) = (Paces::default(), Instant::now());
        let flood = (0..10_000).filter(|_| paces.take(&refused(1), start)).count();
        assert_eq!(flood, 64 + 1, "the first, and what all have");
        assert!(paces.take(&Event::Stopped, start));
        let hour = (1..=3600).map(|second| start + Duration::from_secs(second));
        let later = hour.flat_map(|at| [at; 100]).filter(|at| paces.take(&refused(1), *at)).count();
        assert_eq!(later, 3600);
    }

    #[test]
    fn whoever_causes_many_hides_nobody_who_causes_few() {
        let (mut paces, start) = (Paces::default(), Instant::now());
        let (mut greedy, mut modest) = (0, 0);
        for tick in 0..360_000_u64 {
            let now = start + Duration::from_millis(10 * tick);
            greedy += u64::from(paces.take(&denied("CN=a"), now));
            if tick % 30_000 == 29_999 {
                modest += u64::from(paces.take(&denied("CN=b"), now));
            }
        }
        assert_eq!(modest, 12, "once in five minutes");
        assert!((3600..=3600 + 257).contains(&greedy), "{greedy}");
    }

    #[test]
    fn lists_of_one_issuer_that_go_hide_those_of_no_other() {
        let gone = |issuer: &str| Event::ListGone { issuer: issuer.into(), edition: "1".into(), revoked: 1 };
        let (mut paces, start) = (Paces::default(), Instant::now());
        let many = (0..1000).filter(|_| paces.take(&gone("CN=a"), start)).count();
        assert_eq!(many, 256 + 1);
        let later = start + Duration::from_secs(1);
        assert_eq!((0..1000).filter(|_| paces.take(&gone("CN=a"), later)).count(), 1);
        assert!(paces.take(&gone("CN=b"), later));
    }

    #[test]
    fn however_many_cause_events_the_disk_takes_two_in_a_second() {
        let (mut paces, start) = (Paces::default(), Instant::now());
        let mut recorded = 0;
        for second in 0..600 {
            let now = start + Duration::from_secs(second);
            let taken = (0..1000_u32).filter(|host| paces.take(&refused(second as u32 * 1000 + host), now));
            recorded += taken.count();
            assert!(paces.kinds.values().all(|kind| kind.lately.len() <= MAX_LATELY));
        }
        assert!(recorded <= 2 * (64 + 600), "{recorded}");
    }
}
