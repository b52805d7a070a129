use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Bytes of calls and answers that one certificate has in a second.
const BYTES: u64 = 4 << 20;

/// For how long it may have had none of them to have them all at once.
const SAVED: Duration = Duration::from_secs(4);

/// What a call counts besides its bytes and those of its answer: it takes its time, too.
const CALL: usize = 256;

/// What one certificate's calls of the node itself have cost: so many bytes in a second, and those of four seconds at once. The last
/// one may cost more than is left; then nothing is for as long.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// When all that it has had is made up for.
    paid: Mutex<Option<Instant>>,
}

impl Calls {
    /// Whether one more is answered.
    pub(super) fn has_some(&self, now: Instant) -> bool {
        self.paid().is_none_or(|at| at.saturating_duration_since(now) < SAVED)
    }

    /// Counts a call of so many bytes, its answer included.
    pub(super) fn spend(&self, bytes: usize, now: Instant) {
        let nanoseconds = ((bytes + CALL) as u64).saturating_mul(1_000_000_000) / BYTES;
        let mut paid = self.paid();
        *paid = Some(paid.map_or(now, |at| at.max(now)) + Duration::from_nanos(nanoseconds));
    }

    /// Whether nothing is owed.
    pub(super) fn is_settled(&self, now: Instant) -> bool {
        self.paid().is_none_or(|at| at <= now)
    }

    fn paid(&self) -> MutexGuard<'_, Option<Instant>> {
        self.paid.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_mebibytes_come_at_once_and_then_four_in_a_second() {
        let (calls, start) = (Calls::default(), Instant::now());
        let ask = |now| {
            let has_some = calls.has_some(now);
            if has_some {
                calls.spend((1 << 20) - CALL, now);
            }
            has_some
        };
        assert_eq!((0..100).filter(|_| ask(start)).count(), 16);
        assert!(!calls.is_settled(start + Duration::from_millis(3999)));
        let minute = (1..=60).flat_map(|second| [start + Duration::from_secs(second); 10]);
        assert_eq!(minute.filter(|at| ask(*at)).count(), 240);
        assert!(calls.is_settled(start + Duration::from_secs(64)));
    }

    #[test]
    fn one_that_costs_more_than_there_is_is_made_up_for() {
        let (calls, start) = (Calls::default(), Instant::now());
        calls.spend(40 << 20, start);
        assert!(!calls.has_some(start + Duration::from_secs(5)) && calls.has_some(start + Duration::from_secs(7)));
        let small = (0..1_000_000).take_while(|_| {
            calls.spend(100, start + Duration::from_secs(100));
            calls.has_some(start + Duration::from_secs(100))
        });
        assert!((40_000..60_000).contains(&small.count()), "a small one costs more than its bytes");
    }
}
