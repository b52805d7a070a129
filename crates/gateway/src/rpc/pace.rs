use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Calls in a second, of all sessions together; a second's worth may come at once.
#[derive(Debug)]
pub(super) struct Pace {
    per_second: u32,
    /// When the allowance would be full again.
    full_at: Mutex<Option<Instant>>,
}

impl Pace {
    pub(super) const fn new(per_second: u32) -> Self {
        Self { per_second, full_at: Mutex::new(None) }
    }

    /// Whether one more call is in time.
    pub(super) fn admits(&self, now: Instant) -> bool {
        let Some(step) = Duration::from_secs(1).checked_div(self.per_second) else { return false };
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let next = full_at.map_or(now, |at| at.max(now)) + step;
        let in_time = next <= now + Duration::from_secs(1);
        if in_time {
            *full_at = Some(next);
        }
        in_time
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.per_second.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seconds_worth_comes_at_once_then_one_by_one() {
        let (pace, now) = (Pace::new(4), Instant::now());
        assert_eq!((0..10).filter(|_| pace.admits(now)).count(), 4);
        let later = now + Duration::from_millis(250);
        assert_eq!((0..10).filter(|_| pace.admits(later)).count(), 1);
        assert_eq!((0..10).filter(|_| pace.admits(later + Duration::from_secs(9))).count(), 4);
        assert!(!Pace::new(0).admits(now));
    }
}
