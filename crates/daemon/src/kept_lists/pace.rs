//! When the lists in force are written: at once, and then after a pause that grows with what was written. Whoever signs one
//! list after the other, long ones, is not to have them written as often.

use std::time::{Duration, Instant};

/// How long until what could not be kept is tried again.
const AGAIN: Duration = Duration::from_secs(10);

/// How much is written in the long run, in bytes a second.
const RATE: usize = 1 << 20;

/// When to write next, if there is something to write.
#[derive(Debug)]
pub(super) struct Pace {
    /// Nothing is written before.
    rests_until: Instant,
    due: Option<Instant>,
}

impl Pace {
    pub(super) const fn new(now: Instant) -> Self {
        Self { rests_until: now, due: None }
    }

    pub(super) const fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// There is something new.
    pub(super) fn handle_news(&mut self, now: Instant) {
        self.due.get_or_insert(self.rests_until.max(now));
    }

    /// All there was is written.
    pub(super) fn handle_written(&mut self, bytes: usize, now: Instant) {
        let pause = Duration::from_secs_f64(bytes as f64 / RATE as f64);
        (self.rests_until, self.due) = (now + pause, None);
    }

    /// Nothing was written.
    pub(super) fn handle_failed(&mut self, now: Instant) {
        self.due = Some(now + AGAIN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_without_end_are_written_at_once_and_then_as_often_as_their_size_lets_them() {
        for (size, least) in [(1 << 10, 3600), (90 << 20, 40)] {
            let began = Instant::now();
            let (mut pace, mut written, mut first) = (Pace::new(began), 0, None);
            // A list each second for an hour; a look each half second.
            for half in 0..7200 {
                let now = began + Duration::from_millis(500) * half;
                if half % 2 == 0 {
                    pace.handle_news(now);
                }
                if pace.poll_timeout().is_some_and(|due| due <= now) {
                    pace.handle_written(size, now);
                    first.get_or_insert(now);
                    written += 1;
                }
            }
            assert_eq!(first, Some(began));
            assert!(written >= least, "{written} times");
            assert!(written * size <= 3600 * RATE + size, "{written} times {size} bytes");
        }
    }

    #[test]
    fn what_is_not_news_is_not_written_and_what_failed_is_tried_again() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        assert_eq!(pace.poll_timeout(), None);
        pace.handle_news(now);
        pace.handle_failed(now);
        assert_eq!(pace.poll_timeout(), Some(now + AGAIN));
        pace.handle_written(RATE * 7, now);
        assert_eq!(pace.poll_timeout(), None);
        pace.handle_news(now);
        assert_eq!(pace.poll_timeout(), Some(now + Duration::from_secs(7)));
    }
}
