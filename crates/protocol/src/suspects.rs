use std::time::{Duration, Instant};

use nuncio_bounds::Bound;

use crate::{MAX_NODES, schedule::Schedule};

/// Who was silent of late: it is tried last, until it is heard again or a while has passed.
///
/// Bound: [`MAX_NODES`] names; when there are more, the one noted longest ago is forgotten.
#[derive(Debug)]
pub(crate) struct Suspects<K> {
    memory: Duration,
    until: Schedule<K>,
}

impl<K: Ord + Clone> Suspects<K> {
    pub(crate) const fn bound(what: &'static str) -> Bound {
        Bound::of_entries::<[(Instant, K); 2]>(what, MAX_NODES, 0, "the one noted longest ago is forgotten")
    }

    /// Forgets each after `memory`.
    pub(crate) fn new(memory: Duration) -> Self {
        Self { memory, until: Schedule::default() }
    }

    pub(crate) fn note(&mut self, name: K, now: Instant) {
        self.forget_ended(now);
        self.until.set(name, now + self.memory);
        if self.until.len() > MAX_NODES {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn a_suspect_is_forgotten_after_a_while_or_when_it_is_heard() {
        let (now, mut suspects) = (Instant::now(), Suspects::new(30 * S));
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
        let (now, mut suspects) = (Instant::now(), Suspects::new(30 * S));
        for name in (0..=MAX_NODES).rev() {
            suspects.note(name, now + S / 1000 * (MAX_NODES - name) as u32);
        }
        assert_eq!(suspects.until.len(), MAX_NODES);
        assert!(!suspects.contains(&MAX_NODES) && suspects.contains(&0));
    }
}
