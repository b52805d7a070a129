use std::time::Duration;

use crate::{Config, MAX_LIFETIME};

/// So many bytes of a body cross the network in a second at the slowest: the time for a message grows with its length.
const SLOWEST: u64 = 2 << 20;

/// How long a unicast may take, by the length of its body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    candidate: Duration,
    whole: Duration,
}

impl Pace {
    pub(super) const fn new(config: &Config) -> Self {
        Self { candidate: config.amop_candidate_timeout, whole: config.amop_timeout }
    }

    /// For the whole exchange: there and back.
    pub(super) fn whole(&self, body: usize) -> Duration {
        (self.whole + 2 * travel(body)).min(MAX_LIFETIME)
    }

    /// Until the next candidate is tried.
    pub(super) fn candidate(&self, body: usize) -> Duration {
        self.candidate + travel(body)
    }

    /// Until the same candidate is tried over another path.
    pub(super) fn path(&self, body: usize) -> Duration {
        self.candidate / 2 + travel(body)
    }
}

/// The longest time that a body should be on its way, in whole milliseconds.
pub(crate) const fn travel(body: usize) -> Duration {
    Duration::from_millis(body as u64 * 1000 / SLOWEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MAX_BODY;

    #[test]
    fn the_longest_body_has_its_time_also_on_a_slow_link() {
        let pace = Pace::new(&Config::default());
        assert_eq!(pace.whole(1000), Duration::from_secs(4));
        let at_20_mbit = Duration::from_secs_f64(MAX_BODY as f64 * 8.0 / 20e6);
        assert!(pace.path(MAX_BODY) > at_20_mbit);
        assert!(pace.candidate(MAX_BODY) > pace.path(MAX_BODY));
        assert_eq!(pace.whole(MAX_BODY), Duration::from_secs(14));
    }
}
