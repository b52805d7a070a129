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

/// Who could not be told of is told of again after this: each of his messages would else count as one more that is missed.
const SOON: Duration = Duration::from_secs(1);

/// Most that are remembered.
const MAX: usize = 4096;

/// His name, the serial number of his certificate, and where he is.
pub(crate) type Visitor<'a> = (&'a ClientName, &'a str, IpAddr);

/// Who was told of, and from when on he is to be told of again.
///
/// Bound: [`MAX`]; for a further one those are forgotten who would be told of again, or else all.
#[derive(Debug, Default)]
pub(crate) struct Visitors {
    due: Mutex<HashMap<u64, Instant>>,
    numbers: RandomState,
}

impl Visitors {
    pub(crate) const BOUND: Bound = Bound::of_entries::<(u64, Instant)>(
        "who has published by HTTP of late, as the audit log was told",
        MAX,
        0,
        "all are forgotten, and told of once more",
    );

    /// Tells of somebody who comes now, if he is to be told of; `tell` says whether anybody heard. Nobody else waits meanwhile.
    pub(crate) fn tell(&self, who: Visitor<'_>, now: Instant, tell: impl FnOnce() -> bool) {
        let number = self.numbers.hash_one(who);
        if !self.is_news(number, now) || tell() {
            return;
        }
        if let Some(due) = self.due().get_mut(&number) {
            *due = now + SOON;
        }
    }

    /// Whether he is to be told of, which whoever asks does.
    fn is_news(&self, number: u64, now: Instant) -> bool {
        let mut due = self.due();
        if due.get(&number).is_some_and(|at| now < *at) {
            return false;
        }
        if due.len() >= MAX {
            due.retain(|_, at| now < *at);
        }
        if due.len() >= MAX {
            due.clear();
        }
        due.insert(number, now + AGAIN);
        true
    }

    fn due(&self) -> MutexGuard<'_, HashMap<u64, Instant>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// Whether he is told of; `is_heard` is what comes of it.
    fn is_told(visitors: &Visitors, who: Visitor<'_>, now: Instant, is_heard: bool) -> bool {
        let mut is_told = false;
        visitors.tell(who, now, || {
            is_told = true;
            is_heard
        });
        is_told
    }

    #[test]
    fn somebody_is_told_of_once_in_a_while_and_anew_with_another_certificate_or_elsewhere() {
        let (visitors, start) = (Visitors::default(), Instant::now());
        let [one, other] = [1, 2].map(|byte| ClientName::KeyHash([byte; 32]));
        let elsewhere = Ipv4Addr::new(10, 0, 0, 1).into();
        for who in [(&one, "1", HERE), (&other, "1", HERE), (&one, "2", HERE), (&one, "1", elsewhere)] {
            assert!(is_told(&visitors, who, start, true), "{who:?}");
            assert!(!is_told(&visitors, who, start + AGAIN - SOON, true), "{who:?}");
        }
        assert!(is_told(&visitors, (&one, "1", HERE), start + AGAIN, true));
    }

    #[test]
    fn who_could_not_be_told_of_is_told_of_a_second_later_and_not_before() {
        let (visitors, start) = (Visitors::default(), Instant::now());
        let name = ClientName::KeyHash([1; 32]);
        let come = |at, is_heard| is_told(&visitors, (&name, "1", HERE), at, is_heard);
        assert!(come(start, false));
        assert!(!come(start + SOON / 2, false), "he sends a hundred messages in a second");
        assert!(come(start + SOON, false) && !come(start + SOON, true));
        assert!(come(start + 2 * SOON, true));
        assert!(!come(start + AGAIN, true) && come(start + 2 * SOON + AGAIN, true));
    }

    #[test]
    fn no_more_are_remembered_than_there_is_room_for_and_those_of_long_ago_go_first() {
        let (visitors, start) = (Visitors::default(), Instant::now());
        let name = ClientName::KeyHash([1; 32]);
        let come = |number: usize, at| {
            let told = is_told(&visitors, (&name, &number.to_string(), HERE), at, !number.is_multiple_of(3));
            assert!(visitors.due().len() <= MAX);
            told
        };
        assert!((0..MAX - 1).all(|number| come(number, start)));
        assert!(come(MAX, start + AGAIN / 2));
        assert!(come(MAX + 1, start + AGAIN));
        assert!(!come(MAX, start + AGAIN), "the others made room");
        assert!((0..3 * MAX).all(|number| come(2 * MAX + number, start + AGAIN)));
    }
}
