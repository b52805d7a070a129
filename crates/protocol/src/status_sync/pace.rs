use std::time::{Duration, Instant};

/// How often something may change on average, and how many changes may come at once after a silence.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    pub(super) every: Duration,
    pub(super) at_once: u32,
}

/// The changes so far, as the time when they would have ended if each had taken as long as they do on average.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    until: Instant,
}

impl Pace {
    pub(super) const fn new(now: Instant) -> Self {
        Self { until: now }
    }

    /// When the next change may come; that may be long ago.
    pub(super) fn next(self, rate: Rate) -> Instant {
        self.until.checked_sub(rate.every * (rate.at_once - 1)).unwrap_or(self.until)
    }

    pub(super) fn count(&mut self, rate: Rate, now: Instant) {
        self.until = self.until.max(now) + rate.every;
    }
}
