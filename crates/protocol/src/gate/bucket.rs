use std::time::{Duration, Instant};

/// An allowance that refills: so much a second, so much saved at the most. Beyond it nothing is taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    left: f64,
    at: Instant,
}

/// How fast a [`Bucket`] refills and how much it holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rate {
    pub(crate) per_second: f64,
    pub(crate) burst: f64,
}

impl Bucket {
    /// A full one.
    pub(crate) const fn new(rate: Rate, now: Instant) -> Self {
        Self { left: rate.burst, at: now }
    }

    /// Whether nothing of it is used.
    pub(crate) fn is_full(&self, rate: Rate, now: Instant) -> bool {
        self.has(rate.burst, rate, now)
    }

    /// Whether so much of it is there.
    pub(crate) fn has(&self, amount: f64, rate: Rate, now: Instant) -> bool {
        amount <= self.left_at(rate, now)
    }

    /// Takes an amount; `false`, and nothing taken, when there is less.
    pub(crate) fn take(&mut self, amount: f64, rate: Rate, now: Instant) -> bool {
        (self.left, self.at) = (self.left_at(rate, now), self.at.max(now));
        if amount > self.left {
            return false;
        }
        self.left -= amount;
        true
    }

    /// Gives an amount back.
    pub(crate) fn give(&mut self, amount: f64, rate: Rate, now: Instant) {
        (self.left, self.at) = ((self.left_at(rate, now) + amount).min(rate.burst), self.at.max(now));
    }

    /// [`Bucket::take`] where so much is to be left.
    pub(crate) fn take_leaving(&mut self, least: f64, amount: f64, rate: Rate, now: Instant) -> bool {
        let left = self.left_at(rate, now);
        let has = amount + least <= left;
        if has {
            (self.left, self.at) = (left - amount, self.at.max(now));
        }
        has
    }

    /// Takes an amount, and nothing of what is below `least`.
    pub(crate) fn take_above(&mut self, least: f64, amount: f64, rate: Rate, now: Instant) {
        let left = self.left_at(rate, now);
        (self.left, self.at) = ((left - amount).max(least.min(left)), self.at.max(now));
    }

    /// Takes an amount, be it there or not, and owes no more than what comes in `longest`; says how long it takes until nothing is
    /// owed.
    pub(crate) fn lend(&mut self, amount: f64, rate: Rate, longest: Duration, now: Instant) -> Duration {
        (self.left, self.at) = (self.left_at(rate, now), self.at.max(now));
        self.left = (self.left - amount).max(-rate.per_second * longest.as_secs_f64());
        Duration::from_secs_f64((-self.left / rate.per_second).max(0.0))
    }

    fn left_at(&self, rate: Rate, now: Instant) -> f64 {
        let grown = now.saturating_duration_since(self.at).as_secs_f64() * rate.per_second;
        (self.left + grown).min(rate.burst)
    }
}

impl Rate {
    /// The most that is taken in so long.
    pub(crate) fn most_in(self, time: Duration) -> usize {
        (self.burst + self.per_second * time.as_secs_f64()).ceil() as usize
    }

    /// What each of so many has of it.
    #[expect(clippy::cast_precision_loss, reason = "there are few")]
    pub(crate) const fn shared_by(self, count: usize) -> Self {
        self.parted(if count == 0 { 1.0 } else { 1.0 / count as f64 })
    }

    /// A part of it.
    pub(crate) const fn parted(self, factor: f64) -> Self {
        Self { per_second: self.per_second * factor, burst: self.burst * factor }
    }

    /// So many a second, and those of so long saved.
    pub(crate) const fn of(per_second: f64, saved: Duration) -> Self {
        Self { per_second, burst: per_second * saved.as_secs_f64() }
    }
}
