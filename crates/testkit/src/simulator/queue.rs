use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    time::Duration,
};

/// What is to happen, in the order of its time, of its node, and in which it was scheduled.
///
/// Only what happens in the present millisecond is sorted: that little stays in a processor's cache, all that is to come
/// does not.
#[derive(Debug)]
pub(super) struct Queue<E> {
    /// All up to the end of the present millisecond.
    present: BinaryHeap<Reverse<Place>>,
    /// Which one that is.
    millisecond: u64,
    /// All beyond, by its millisecond.
    later: BTreeMap<u64, Vec<Reverse<Place>>>,
    /// Events stand still while their places are sorted: they are large, and millions.
    events: Vec<Option<E>>,
    free: Vec<u32>,
    sequence: u32,
}

/// Nanoseconds, node, number in a row, and where the event stands.
type Place = (u64, u32, u32, u32);

const MILLISECOND: u64 = 1_000_000;

impl<E> Queue<E> {
    pub(super) fn push(&mut self, at: Duration, node: u32, event: E) {
        // Begins anew every four thousand million events: what two of them then disagree on is no more than an order.
        self.sequence = self.sequence.wrapping_add(1);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.events.push(None);
            self.events.len() as u32 - 1
        });
        self.events[slot as usize] = Some(event);
        let at = at.as_nanos() as u64;
        let place = Reverse((at, node, self.sequence, slot));
        if at / MILLISECOND <= self.millisecond {
            self.present.push(place);
        } else {
            self.later.entry(at / MILLISECOND).or_default().push(place);
            self.advance();
        }
    }

    /// When the next event happens.
    pub(super) fn next_at(&self) -> Option<Duration> {
        self.present.peek().map(|Reverse((at, ..))| Duration::from_nanos(*at))
    }

    pub(super) fn pop(&mut self) -> Option<(Duration, E)> {
        let Reverse((at, .., slot)) = self.present.pop()?;
        self.advance();
        self.free.push(slot);
        self.events[slot as usize].take().map(|event| (Duration::from_nanos(at), event))
    }

    /// Begins the next millisecond in which anything happens, once the present one is over.
    fn advance(&mut self) {
        if self.present.is_empty()
            && let Some((millisecond, places)) = self.later.pop_first()
        {
            self.millisecond = millisecond;
            self.present.extend(places);
        }
    }
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Self {
            present: BinaryHeap::new(),
            millisecond: 0,
            later: BTreeMap::new(),
            events: Vec::new(),
            free: Vec::new(),
            sequence: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng, rngs::SmallRng};

    use super::*;

    #[test]
    fn events_come_by_time_then_by_node_then_as_they_were_scheduled_also_those_that_others_cause() {
        let (mut rng, mut queue, mut came) = (SmallRng::seed_from_u64(1), Queue::default(), Vec::new());
        let mut push = |queue: &mut Queue<_>, from: Duration, number: u32| {
            let at = from + Duration::from_micros(100 * rng.random_range(0..50));
            let node = rng.random_range(0..3);
            queue.push(at, node, (at, node, number));
        };
        (0..100).for_each(|number| push(&mut queue, Duration::ZERO, number));
        while let Some((at, event)) = queue.pop() {
            assert_eq!(at, event.0);
            came.push(event);
            if came.len() < 1000 {
                push(&mut queue, at, 100 + came.len() as u32);
            }
        }
        assert_eq!(came.len(), 100 + 999);
        // Whatever is caused later comes later, at the earliest in the same instant: there, after lower nodes too.
        assert!(came.windows(2).all(|pair| pair[0].0 < pair[1].0
            || pair[0].0 == pair[1].0 && (pair[0].1, pair[0].2) < (pair[1].1, pair[1].2)
            || pair[0].0 == pair[1].0 && pair[1].2 > 100));
        assert!(queue.next_at().is_none());
    }
}
