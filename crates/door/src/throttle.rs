use std::{
    collections::HashSet,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// One line per cause and second, ten lines per second in all.
const INTERVAL: Duration = Duration::from_secs(1);
const LINES: usize = 10;

/// Keeps what strangers do from filling the log. `K` is what a line is about: an address or a cause.
///
/// Remembers at most as many causes as lines are allowed in one interval.
#[derive(Debug)]
pub struct Throttle<K>(Mutex<Interval<K>>);

#[derive(Debug)]
struct Interval<K> {
    began: Option<Instant>,
    named: HashSet<K>,
}

impl<K> Default for Throttle<K> {
    fn default() -> Self {
        Self(Mutex::new(Interval { began: None, named: HashSet::new() }))
    }
}

impl<K: Eq + Hash> Throttle<K> {
    /// Whether a line about this may be written now.
    pub fn allows(&self, cause: K) -> bool {
        self.allows_at(cause, Instant::now())
    }

    fn allows_at(&self, cause: K, now: Instant) -> bool {
        let mut interval = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if interval.began.is_none_or(|began| now.duration_since(began) >= INTERVAL) {
            *interval = Interval { began: Some(now), named: HashSet::new() };
        }
        interval.named.len() < LINES && interval.named.insert(cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_per_cause_and_ten_in_all_each_second() {
        let start = Instant::now();
        let throttle = Throttle::default();
        assert!(throttle.allows_at(1, start));
        assert!(!throttle.allows_at(1, start));
        let others = (2..=250).filter(|cause| throttle.allows_at(*cause, start)).count();
        assert_eq!(others, 9);
        assert!(throttle.allows_at(1, start + INTERVAL));
    }
}
