use std::{collections::VecDeque, time::Duration};

use crate::MAX_LIFETIME;

/// Most numbers remembered of one source: a minute of 100,000 messages a second, in three quarters of a MiB.
const MAX_NUMBERS: u64 = 6_000_000;

/// How often the newest number is noted, to be forgotten once its time is over.
const STEP: Duration = Duration::from_secs(5);

/// Which numbers of one source, in one of its epochs, have been seen. The one memory against running, delivering or passing
/// to an application anything twice.
///
/// A number is remembered for as long as its message counts; by then the gate refuses it for its age. Numbers grow with
/// the source's clock, so a whole range is forgotten at once, and one that was never seen but is as old is refused, too.
///
/// Bound: one bit for each number of the last minute, [`MAX_NUMBERS`] at the most; beyond, the oldest are refused unseen.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Numbers up to here are forgotten, and refused.
    floor: u64,
    /// One bit for each number above the floor.
    words: VecDeque<u64>,
    /// The newest number at readings of the source's clock.
    marks: VecDeque<(Duration, u64)>,
    newest: u64,
}

/// What a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    /// Not seen before.
    New,
    /// Seen before.
    Seen,
    /// So old that it may have been seen.
    Forgotten,
}

impl Memory {
    /// Looks a number up and remembers it; `clock` is what the source's clock shows.
    pub(super) fn see(&mut self, number: u64, clock: Duration) -> Sight {
        self.forget(clock);
        if number <= self.floor {
            return Sight::Forgotten;
        }
        let mut offset = number - self.floor - 1;
        if offset >= MAX_NUMBERS {
            self.raise(number - MAX_NUMBERS);
            offset = number - self.floor - 1;
        }
        let (word, bit) = ((offset / 64) as usize, 1 << (offset % 64));
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        if self.words[word] & bit != 0 {
            return Sight::Seen;
        }
        self.words[word] |= bit;
        if number > self.newest {
            self.newest = number;
            if self.marks.back().is_none_or(|(at, _)| at.saturating_add(STEP) <= clock) {
                self.marks.push_back((clock, number));
            }
        }
        Sight::New
    }

    /// Whether a number has been seen, or may have been.
    pub(super) fn has_seen(&self, number: u64) -> bool {
        let Some(offset) = number.checked_sub(self.floor).and_then(|above| above.checked_sub(1)) else { return true };
        self.words.get((offset / 64) as usize).is_some_and(|word| word & 1 << (offset % 64) != 0)
    }

    /// Forgets what was new a lifetime ago: all of it counts no more.
    pub(super) fn forget(&mut self, clock: Duration) {
        while let Some((_, number)) = self.marks.pop_front_if(|(at, _)| at.saturating_add(MAX_LIFETIME) < clock) {
            self.raise(number);
        }
    }

    /// Bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        self.words.len() * size_of::<u64>()
    }

    /// Refuses the older half of the numbers above the floor from now on; says how many bytes fewer it takes.
    pub(super) fn forget_older_half(&mut self) -> usize {
        let before = self.bytes();
        self.raise(self.floor.saturating_add(64 * (self.words.len() as u64).div_ceil(2)));
        self.words.shrink_to_fit();
        before - self.bytes()
    }

    /// By whole words: up to 63 numbers below the new floor stay remembered.
    fn raise(&mut self, floor: u64) {
        let words = (floor.saturating_sub(self.floor) / 64) as usize;
        if words >= self.words.len() {
            self.words.clear();
            self.floor = self.floor.max(floor);
        } else {
            self.words.drain(..words);
            self.floor += 64 * words as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn each_number_is_new_once_in_any_order() {
        let mut memory = Memory::default();
        for number in [5, 3, 4, 4096, 4100, 900_000, 64, 65, 128] {
            assert!(!memory.has_seen(number));
            assert_eq!(memory.see(number, S), Sight::New, "{number}");
            assert!(memory.has_seen(number));
            assert_eq!(memory.see(number, S), Sight::Seen, "{number}");
        }
    }

    #[test]
    fn none_falls_out_within_a_lifetime_and_none_comes_back_after_it() {
        let mut memory = Memory::default();
        for number in 1..=8000 * 58 {
            assert_eq!(memory.see(number, S * (number / 8000) as u32), Sight::New);
        }
        assert_eq!(memory.see(1, 58 * S), Sight::Seen);
        assert_eq!(memory.see(500_000, 200 * S), Sight::New);
        assert_ne!(memory.see(1, 200 * S), Sight::New);
        assert_ne!(memory.see(8000 * 57, 200 * S), Sight::New);
        assert!(memory.bytes() < 20_000, "{}", memory.bytes());
    }

    #[test]
    fn a_number_far_ahead_costs_a_bounded_memory_and_runs_nothing_twice() {
        let mut memory = Memory::default();
        assert_eq!(memory.see(1, S), Sight::New);
        for number in [u64::MAX, u64::MAX - 1, 1 << 60] {
            memory.see(number, S);
            assert!(memory.bytes() <= MAX_NUMBERS as usize / 8 + 16);
        }
        assert_eq!(memory.see(1, S), Sight::Forgotten);
        assert_eq!(memory.see(2, S), Sight::Forgotten, "it refuses what it cannot judge");
        assert!(memory.has_seen(2), "it may have been");
        assert_eq!(memory.see(u64::MAX, S), Sight::Seen);
    }
}
