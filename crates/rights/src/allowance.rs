use std::time::Instant;

/// What may be taken now of so much a second; below zero what was taken on credit.
///
/// A limit lets through what comes while something is left; a second's worth is saved at the most, and what is larger than
/// what is left is let through and paid off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Allowance {
    left: f64,
    /// When it was looked at last.
    pub at: Instant,
}

impl Allowance {
    /// What is left of `before` at `now`, at `limit` a second; all of it where nothing was taken yet.
    #[expect(clippy::cast_precision_loss, reason = "one more or less in four quadrillions does not matter")]
    pub fn refilled(before: Option<&Self>, limit: u64, now: Instant) -> Self {
        let limit = limit as f64;
        let left = before.map_or(limit, |before| {
            let grown = now.saturating_duration_since(before.at).as_secs_f64() * limit;
            (before.left + grown).min(limit)
        });
        // Who took the time before another who was quicker brings no time back: it would be given twice.
        Self { left, at: before.map_or(now, |before| before.at.max(now)) }
    }

    /// Whether nothing more is let through now.
    pub fn is_used_up(self) -> bool {
        self.left <= 0.0
    }

    /// Whether all of it is left, as of one that nothing was taken of.
    #[expect(clippy::cast_precision_loss, reason = "one more or less in four quadrillions does not matter")]
    pub fn is_full(self, limit: u64) -> bool {
        self.left >= limit as f64
    }

    /// What is left when so much is taken.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "one more or less in four quadrillions does not matter")]
    pub fn less(self, taken: usize) -> Self {
        Self { left: self.left - taken as f64, ..self }
    }
}
