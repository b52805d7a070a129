use std::time::{Duration, Instant};

use rand::{RngExt, rngs::SmallRng};

/// When a peer may be dialled, and the pauses between dials of it: drawn between the first pause and a ceiling that
/// doubles.
#[derive(Debug)]
pub(super) struct Backoff {
    failures: u32,
    not_before: Instant,
}

impl Backoff {
    pub(super) const fn new(not_before: Instant) -> Self {
        Self { failures: 0, not_before }
    }

    pub(super) const fn not_before(&self) -> Instant {
        self.not_before
    }

    /// Waits from `now` on for the next pause, between `first` and `longest`.
    pub(super) fn wait(&mut self, (first, longest): (Duration, Duration), rng: &mut SmallRng, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        let doublings = self.failures.min(16);
        let ceiling = first.saturating_mul(1 << doublings).min(longest);
        let pause = if ceiling <= first { ceiling } else { rng.random_range(first..=ceiling) };
        self.not_before = now + pause;
    }

    /// The pauses are short again; the one under way stays.
    pub(super) const fn reset(&mut self) {
        self.failures = 0;
    }
}
