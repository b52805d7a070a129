use std::time::Duration;

use rand::{RngExt, rngs::SmallRng};

/// The pauses between dials of a peer: drawn between the first pause and a ceiling that doubles.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The next pause, between `first` and `longest`.
    pub(super) fn next_pause(&mut self, (first, longest): (Duration, Duration), rng: &mut SmallRng) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let doublings = self.failures.min(16);
        let ceiling = first.saturating_mul(1 << doublings).min(longest);
        if ceiling <= first { ceiling } else { rng.random_range(first..=ceiling) }
    }

    /// The pauses are short again.
    pub(super) const fn reset(&mut self) {
        self.failures = 0;
    }
}
