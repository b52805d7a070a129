use std::time::{Duration, Instant};

use nuncio_bounds::Bound;

use crate::schedule::Schedule;

/// Who was silent of late: it is tried last, until it is heard again or a while has passed.
///
/// Bound: so many names as [`Suspects::new`] was given; when there are more, the one noted longest ago is forgotten.
#[derive(Debug)]
pub(crate) struct Suspects<K> {
    memory: Duration,
    most: usize,
    until: Schedule<K>,
}

impl<K: Ord + Clone> Suspects<K> {
    pub(crate) const fn bound(what: &'static str, most: usize) -> Bound {
        Bound::of_entries::<[(Instant, K); 2]>(what, most, 0, "the one noted longest ago is forgotten")
    }

    /// Keeps so many, each for `memory`.
    pub(crate) fn new(memory: Duration, most: usize) -> Self {
        Self { memory, most, until: Schedule::default() }
    }

    pub(crate) fn note(&mut self, name: K, now: Instant) {
        self.forget_ended(now);
        self.until.set(name, now + self.memory);
        if self.until.len() > self.most {
            self.until.pop_first();
        }
    }

    pub(crate) fn clear(&mut self, name: &K) {
        self.until.cancel(name);
    }

    pub(crate) fn forget_ended(&mut self, now: Instant) {
        while self.until.pop_due(now).is_some() {}
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.until.len() == 0
    }

    /// Whether the name is among those that are not forgotten yet.
    pub(crate) fn contains(&self, name: &K) -> bool {
        self.until.get(name).is_some()
    }

    /// Those that sort from `first` on.
    pub(crate) fn since(&self, first: K) -> impl Iterator<Item = &K> {
        self.until.since(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn a_suspect_is_forgotten_after_a_while_or_when_it_is_heard() {
        let (now, mut suspects) = (Instant::now(), Suspects::new(30 * S, 10));
        suspects.note(1, now);
        suspects.note(2, now);
        suspects.note(1, now + 10 * S);
        suspects.forget_ended(now + 30 * S);
        assert!(suspects.contains(&1) && !suspects.contains(&2));
        suspects.clear(&1);
        assert!(suspects.is_empty());
    }

    #[test]
    fn of_too_many_suspects_the_oldest_is_forgotten() {
        let (now, mut suspects) = (Instant::now(), Suspects::new(30 * S, 10));
        for name in (0..=10).rev() {
            suspects.note(name, now + S * (10 - name));
        }
        assert_eq!(suspects.until.len(), 10);
        assert!(!suspects.contains(&10) && suspects.contains(&0));
    }
}
