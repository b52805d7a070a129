use std::{collections::VecDeque, time::Duration};

use crate::MAX_LIFETIME;

/// Most numbers remembered of one source: a minute of 100,000 messages a second, in three quarters of a MiB.
const MAX_NUMBERS: u64 = 6_000_000;

/// How often the newest number is noted, to be forgotten once its time is over.
const STEP: Duration = Duration::from_secs(5);

/// Words of a page, and the numbers that it has a bit for.
const WORDS: usize = 64;
const NUMBERS: u64 = 64 * WORDS as u64;

/// Which numbers of one source, in one of its epochs, have been seen. The one memory against running, delivering or passing
/// to an application anything twice.
///
/// A number is remembered for as long as its message counts; by then the gate refuses it for its age. Numbers grow with
/// the source's clock, so a whole range is forgotten at once, and one that was never seen but is as old is refused, too.
///
/// A page is made with the first of its numbers: one far ahead costs no more than one that follows.
///
/// Bound: one bit for each number of the last minute, [`MAX_NUMBERS`] at the most; beyond, the oldest are refused unseen.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Numbers up to here are forgotten, and refused.
    floor: u64,
    /// Of the numbers above the floor.
    pages: VecDeque<Option<Page>>,
    /// Pages that are made.
    made: usize,
    /// The newest number at readings of the source's clock.
    marks: VecDeque<(Duration, u64)>,
    newest: u64,
}

/// One bit for each number.
type Page = Box<[u64; WORDS]>;

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
        let (page, word, bit) = place(offset);
        if page >= self.pages.len() {
            self.pages.resize_with(page + 1, || None);
        }
        let words = self.pages[page].get_or_insert_with(|| {
            self.made += 1;
            Box::new([0; WORDS])
        });
        if words[word] & bit != 0 {
            return Sight::Seen;
        }
        words[word] |= bit;
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
        let (page, word, bit) = place(offset);
        self.pages.get(page).and_then(Option::as_ref).is_some_and(|words| words[word] & bit != 0)
    }

    /// Forgets what was new a lifetime ago: all of it counts no more.
    pub(super) fn forget(&mut self, clock: Duration) {
        while let Some((_, number)) = self.marks.pop_front_if(|(at, _)| at.saturating_add(MAX_LIFETIME) < clock) {
            self.raise(number);
        }
    }

    /// Bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        self.pages.len() * size_of::<Option<Page>>() + self.made * size_of::<[u64; WORDS]>()
    }

    /// Refuses the older half of the numbers above the floor from now on; says how many bytes fewer it takes.
    pub(super) fn forget_older_half(&mut self) -> usize {
        let before = self.bytes();
        self.raise(self.floor.saturating_add(NUMBERS * (self.pages.len() as u64).div_ceil(2)));
        self.pages.shrink_to_fit();
        before - self.bytes()
    }

    /// By whole pages: those below the new floor that share one with numbers above it stay remembered.
    fn raise(&mut self, floor: u64) {
        let pages = (floor.saturating_sub(self.floor) / NUMBERS).min(self.pages.len() as u64) as usize;
        self.made -= self.pages.drain(..pages).flatten().count();
        let is_empty = self.pages.is_empty();
        self.floor = if is_empty { self.floor.max(floor) } else { self.floor + NUMBERS * pages as u64 };
    }
}

/// The page of the number so far above the floor's next, the word there, and its bit.
const fn place(offset: u64) -> (usize, usize, u64) {
    ((offset / NUMBERS) as usize, (offset % NUMBERS / 64) as usize, 1 << (offset % 64))
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
            assert!(memory.bytes() <= 3 * (WORDS * 8) + 8 * (MAX_NUMBERS / NUMBERS + 2) as usize);
        }
        assert_eq!(memory.see(1, S), Sight::Forgotten);
        assert_eq!(memory.see(2, S), Sight::Forgotten, "it refuses what it cannot judge");
        assert!(memory.has_seen(2), "it may have been");
        assert_eq!(memory.see(u64::MAX, S), Sight::Seen);
    }

    #[test]
    fn a_number_far_ahead_makes_one_page_and_what_was_before_goes() {
        let (mut memory, mut number) = (Memory::default(), 1);
        for _ in 0..100 {
            assert_eq!(memory.see(number, S), Sight::New);
            assert!((1..=2).contains(&memory.made), "{number}: {}", memory.made);
            number += MAX_NUMBERS + 64;
        }
        // All that it may: one number of each page.
        for n in (0..MAX_NUMBERS).step_by(NUMBERS as usize) {
            memory.see(number + n, S);
            assert_eq!(memory.made, memory.pages.iter().flatten().count());
        }
        assert!(memory.made <= MAX_NUMBERS.div_ceil(NUMBERS) as usize + 1, "{}", memory.made);
        while memory.bytes() > 0 {
            assert!(memory.forget_older_half() > 0);
            assert_eq!(memory.made, memory.pages.iter().flatten().count());
        }
    }
}
