//! How long to wait before the nodes are tried again.

use std::time::Duration;

/// Doubling delays with jitter, so that the clients of a lost node do not come back at the same moment.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new((first, longest): (Duration, Duration)) -> Self {
        Self { first, longest, next: first.min(longest) }
    }

    /// The next delay: between half of the current step and the whole of it.
    pub(crate) fn delay(&mut self) -> Duration {
        let step = self.next;
        self.next = step.saturating_mul(2).min(self.longest);
        step.mul_f64(rand::random_range(0.5..=1.0))
    }

    pub(crate) fn reset(&mut self) {
        self.next = self.first.min(self.longest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest_and_start_again() {
        let mut backoff = Backoff::new((Duration::from_millis(100), Duration::from_millis(350)));
        for step in [100, 200, 350, 350] {
            let delay = backoff.delay().as_millis();
            assert!((step / 2..=step).contains(&delay), "{delay} ms in step {step}");
        }
        backoff.reset();
        assert!(backoff.delay() <= Duration::from_millis(100));
    }
}
