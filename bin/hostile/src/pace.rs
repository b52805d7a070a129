use std::time::Duration;

use tokio::time::Instant;

/// Most messages that are due at once: who was held up does not make up for all of it.
const AT_ONCE: usize = 512;

/// So many a second, evenly.
pub(crate) struct Pace {
    interval: Duration,
    next: Instant,
}

impl Pace {
    pub(crate) fn per_second(rate: u32) -> Self {
        Self { interval: Duration::from_secs(1) / rate.max(1), next: Instant::now() }
    }

    /// Waits until one is due; gives back how many are.
    pub(crate) async fn due(&mut self) -> usize {
        tokio::time::sleep_until(self.next).await;
        let late = Instant::now().duration_since(self.next);
        let due = 1 + (late.as_nanos() / self.interval.as_nanos().max(1)) as usize;
        if due > AT_ONCE {
            self.next = Instant::now() + self.interval;
            return AT_ONCE;
        }
        self.next += self.interval * due as u32;
        due
    }
}
