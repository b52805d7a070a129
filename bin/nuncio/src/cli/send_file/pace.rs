//! How much is sent at a time, and what is shown of it.

use std::time::{Duration, Instant};

use crate::output::Output;

/// Least and most bytes at a time.
const LEAST: usize = 256 << 10;
const MOST: usize = 8 << 20;

/// A part that takes less is too short, one that takes more too long.
const SHORT: Duration = Duration::from_millis(250);
const LONG: Duration = Duration::from_secs(1);

/// Between two lines for the reader.
const LINE: Duration = Duration::from_millis(200);

/// Bytes at a time: many over a fast way, few over a slow one, so that each part is there soon.
#[derive(Debug)]
pub(super) struct Pace(usize);

impl Default for Pace {
    fn default() -> Self {
        Self(LEAST)
    }
}

impl Pace {
    pub(super) const fn bytes(&self) -> usize {
        self.0
    }

    pub(super) fn took(&mut self, time: Duration) {
        if time < SHORT {
            self.0 = (2 * self.0).min(MOST);
        } else if time > LONG {
            self.0 = (self.0 / 2).max(LEAST);
        }
    }

    pub(super) const fn failed(&mut self) {
        self.0 = LEAST;
    }
}

/// A line on a terminal: how far it is, how fast, how long still.
pub(super) struct Shown {
    output: Output,
    length: u64,
    /// Where it was when it began, and when that was.
    begun: Option<(u64, Instant)>,
    last: Option<Instant>,
}

impl Shown {
    pub(super) const fn new(output: Output, length: u64) -> Self {
        Self { output, length, begun: None, last: None }
    }

    pub(super) fn reading(&mut self, read: u64) {
        if self.is_time() {
            self.output.progress(&format!("reading, {}%", percent(read, self.length)));
        }
    }

    pub(super) fn at(&mut self, received: u64) {
        let now = Instant::now();
        let (from, since) = *self.begun.get_or_insert((received, now));
        if self.is_time() {
            let took = now.saturating_duration_since(since);
            self.output.progress(&line(received, self.length, received.saturating_sub(from), took));
        }
    }

    /// Words in place of numbers, which begin anew afterwards.
    pub(super) fn words(&mut self, words: &str) {
        self.begun = None;
        self.output.progress(words);
    }

    fn is_time(&mut self) -> bool {
        let is_time = self.last.is_none_or(|last| last.elapsed() >= LINE);
        if is_time {
            self.last = Some(Instant::now());
        }
        is_time
    }
}

fn percent(part: u64, whole: u64) -> u128 {
    u128::from(part) * 100 / u128::from(whole.max(1))
}

fn line(received: u64, length: u64, moved: u64, took: Duration) -> String {
    let written = |bytes: u64| nuncio_bounds::written(usize::try_from(bytes).unwrap_or(usize::MAX));
    let mut line = format!("{}%, {} of {}", percent(received, length), written(received), written(length));
    if moved > 0 && took >= LINE {
        let per_second = moved as f64 / took.as_secs_f64();
        let left = (length.saturating_sub(received) as f64 / per_second) as u64;
        line += &format!(", {} a second, {} left", written(per_second as u64), super::text::age(left));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_grow_on_a_fast_way_and_shrink_on_a_slow_one_within_bounds() {
        let mut pace = Pace::default();
        (0..20).for_each(|_| pace.took(Duration::from_millis(1)));
        assert_eq!(pace.bytes(), MOST);
        pace.took(Duration::from_millis(500));
        assert_eq!(pace.bytes(), MOST);
        pace.took(Duration::from_secs(2));
        assert_eq!(pace.bytes(), MOST / 2);
        (0..20).for_each(|_| pace.took(Duration::from_secs(2)));
        assert_eq!(pace.bytes(), LEAST);
    }

    #[test]
    fn a_line_says_how_far_how_fast_and_how_long_still() {
        let second = Duration::from_secs(1);
        assert_eq!(line(0, 0, 0, second), "0%, 0 B of 0 B");
        assert_eq!(line(1 << 20, 4 << 20, 1 << 20, second), "25%, 1 MiB of 4 MiB, 1 MiB a second, 3s left");
        assert_eq!(line(u64::MAX / 2, u64::MAX, 0, second).split(',').next(), Some("49%"));
    }
}
