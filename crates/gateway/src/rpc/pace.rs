use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use nuncio_bounds::{Account, Portions};
use nuncio_identity::NodeId;
use nuncio_protocol::amop::TenantId;

const SECOND: Duration = Duration::from_secs(1);

/// Calls in a second, of all sessions together; a second's worth may come at once. A certificate has no more than leaves as many
/// free as it has had: one alone half of them.
///
/// Bound: an entry for each certificate that has called in this second, so no more than calls in one.
#[derive(Debug)]
pub(super) struct Pace {
    per_second: u32,
    now: Mutex<This>,
}

/// This second.
#[derive(Debug, Default)]
struct This {
    since: Option<Instant>,
    calls: Portions<NodeId>,
}

impl Pace {
    pub(super) fn new(per_second: u32) -> Self {
        Self { per_second, now: Mutex::default() }
    }

    /// Whether one more call of this certificate is in time.
    pub(super) fn admits(&self, who: TenantId, now: Instant) -> bool {
        let account = Account::Client(who.0);
        let mut this = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if this.since.is_none_or(|since| now.saturating_duration_since(since) >= SECOND) {
            *this = This { since: Some(now), ..This::default() };
        }
        let in_time = this.calls.all() + this.calls.to_leave(account) < self.per_second as usize;
        if in_time {
            this.calls.add(account, 1);
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

    fn asked(pace: &Pace, who: u64, now: Instant) -> usize {
        (0..1000).filter(|_| pace.admits(TenantId(who), now)).count()
    }

    #[test]
    fn a_seconds_worth_comes_at_once_and_the_next_a_second_later() {
        let (pace, now) = (Pace::new(4), Instant::now());
        assert_eq!((1..10).map(|who| asked(&pace, who, now)).sum::<usize>(), 4);
        assert!(!pace.admits(TenantId(10), now + SECOND / 2));
        assert_eq!((1..10).map(|who| asked(&pace, who, now + SECOND)).sum::<usize>(), 4);
        assert!(!Pace::new(0).admits(TenantId(1), now) && Pace::new(1).admits(TenantId(1), now));
    }

    #[test]
    fn a_certificate_that_calls_without_end_leaves_others_as_many_as_it_has() {
        let (pace, start) = (Pace::new(200), Instant::now());
        for second in 0..5 {
            let now = start + SECOND * second;
            assert_eq!((asked(&pace, 1, now), asked(&pace, 2, now)), (100, 50));
        }
    }
}
