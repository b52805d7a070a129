//! Who comes in again and again, for a message each time: the audit log hears of him now and then.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use nuncio_bounds::Bound;

use crate::access::ClientName;

/// The same one, with the same certificate and from the same address, is told of again after this.
const AGAIN: Duration = Duration::from_secs(600);

/// Most that are remembered.
const MAX: usize = 4096;

/// His name, the serial number of his certificate, and where he is.
pub(crate) type Visitor<'a> = (&'a ClientName, &'a str, IpAddr);

/// Who was told of, and when.
///
/// Bound: [`MAX`]; for a further one those are forgotten who would be told of again, or else all.
#[derive(Debug, Default)]
pub(crate) struct Visitors {
    told: Mutex<HashMap<u64, Instant>>,
    numbers: RandomState,
}

impl Visitors {
    pub(crate) const BOUND: Bound = Bound::of_entries::<(u64, Instant)>(
        "who has published by HTTP of late, as the audit log was told",
        MAX,
        0,
        "all are forgotten, and told of once more",
    );

    /// Whether somebody who comes now is to be told of.
    pub(crate) fn is_news(&self, who: Visitor<'_>, now: Instant) -> bool {
        let mut told = self.told();
        let is_over = |at: &Instant| now.saturating_duration_since(*at) >= AGAIN;
        let number = self.numbers.hash_one(who);
        if told.get(&number).is_some_and(|at| !is_over(at)) {
            return false;
        }
        if told.len() >= MAX {
            told.retain(|_, at| !is_over(at));
        }
        if told.len() >= MAX {
            told.clear();
        }
        told.insert(number, now);
        true
    }

    /// Nobody has heard of him after all: he is to be told of when he comes again.
    pub(crate) fn forget(&self, who: Visitor<'_>) {
        self.told().remove(&self.numbers.hash_one(who));
    }

    fn told(&self) -> MutexGuard<'_, HashMap<u64, Instant>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn somebody_is_told_of_once_in_a_while_and_anew_with_another_certificate_or_elsewhere() {
        let (visitors, start) = (Visitors::default(), Instant::now());
        let [one, other] = [1, 2].map(|byte| ClientName::KeyHash([byte; 32]));
        let elsewhere = Ipv4Addr::new(10, 0, 0, 1).into();
        for who in [(&one, "1", HERE), (&other, "1", HERE), (&one, "2", HERE), (&one, "1", elsewhere)] {
            assert!(visitors.is_news(who, start), "{who:?}");
            assert!(!visitors.is_news(who, start + AGAIN / 2), "{who:?}");
        }
        assert!(visitors.is_news((&one, "1", HERE), start + AGAIN));
        visitors.forget((&one, "1", HERE));
        assert!(visitors.is_news((&one, "1", HERE), start + AGAIN), "nobody heard of him");
    }

    #[test]
    fn no_more_are_remembered_than_there_is_room_for_and_those_of_long_ago_go_first() {
        let (visitors, start) = (Visitors::default(), Instant::now());
        let name = ClientName::KeyHash([1; 32]);
        let come = |number: usize, at| visitors.is_news((&name, &number.to_string(), HERE), at);
        assert!((0..MAX - 1).all(|number| come(number, start)));
        assert!(come(MAX, start + AGAIN / 2));
        assert!(come(MAX + 1, start + AGAIN));
        assert!(!come(MAX, start + AGAIN), "the others made room");
        assert!((0..3 * MAX).all(|number| come(2 * MAX + number, start + AGAIN)));
        assert!(visitors.told.lock().unwrap().len() <= MAX);
    }
}
