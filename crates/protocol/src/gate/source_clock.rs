use std::time::{Duration, Instant};

/// How much slower than ours another node's clock may run without a message of it being taken for late: one in so many.
const DRIFT: u32 = 1000;

/// For how long readings must lag before the clock is believed to have stood still, as that of a suspended machine does.
const PATIENCE: Duration = Duration::from_secs(10);

/// Readings that lag by less say nothing: so long a message may be on its way.
const TRANSIT: Duration = Duration::from_secs(2);

/// What another node's clock, the time since its epoch began, shows at the least.
///
/// Each message and announcement of the node carries a reading, under its seal or signature. The newest one is known to be
/// past, so what expired by it has expired: no honest message is ever refused for a reading that took long. Two hosts'
/// wall clocks are never compared.
#[derive(Debug, Clone, Copy)]
pub(super) struct SourceClock {
    reading: Duration,
    at: Instant,
    lag: Option<Lag>,
    /// The newest reading of an announcement.
    announced: Option<Duration>,
}

/// Readings behind what the clock should show by now.
#[derive(Debug, Clone, Copy)]
struct Lag {
    since: Instant,
    least: Duration,
}

impl SourceClock {
    pub(super) const fn new(reading: Duration, now: Instant) -> Self {
        Self { reading, at: now, lag: None, announced: None }
    }

    /// What it shows at the least.
    pub(super) fn shows(&self, now: Instant) -> Duration {
        let passed = now.saturating_duration_since(self.at);
        self.reading.saturating_add(passed - passed / DRIFT)
    }

    /// Takes a reading that may be old; gives back what the clock shows then.
    pub(super) fn read(&mut self, reading: Duration, now: Instant) -> Duration {
        let shows = self.shows(now);
        if reading < shows {
            return shows;
        }
        *self = Self { announced: self.announced, ..Self::new(reading, now) };
        reading
    }

    /// Takes the reading of an announcement. If those that are newer than all before lag for long, the clock is behind what was
    /// believed: its host was suspended. What is no newer says nothing: anybody may have kept it and play it again.
    pub(super) fn read_announced(&mut self, reading: Duration, now: Instant) {
        if self.announced.is_some_and(|newest| reading <= newest) {
            return;
        }
        self.announced = Some(reading);
        let shows = self.shows(now);
        let behind = shows.saturating_sub(reading);
        if behind <= TRANSIT {
            self.lag = None;
            self.read(reading, now);
            return;
        }
        let lag = self.lag.get_or_insert(Lag { since: now, least: behind });
        lag.least = lag.least.min(behind);
        if now.saturating_duration_since(lag.since) >= PATIENCE {
            let reading = shows.saturating_sub(lag.least);
            *self = Self { announced: self.announced, ..Self::new(reading, now) };
        }
    }
}

/// How long something sent at a reading, to count for so long, still counts at the most; `None` when it counts no more.
pub(super) fn left(sent: Duration, lifetime: Duration, shows: Duration) -> Option<Duration> {
    let left = sent.saturating_add(lifetime).saturating_sub(shows);
    (!left.is_zero()).then(|| left.min(lifetime))
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn is_past(clock: &SourceClock, sent: Duration, lifetime: Duration, now: Instant) -> bool {
        left(sent, lifetime, clock.shows(now)).is_none()
    }

    #[test]
    fn what_a_reading_shows_to_be_past_is_past_and_a_slow_reading_makes_nothing_late() {
        let start = Instant::now();
        let mut clock = SourceClock::new(100 * S, start);
        assert!(is_past(&clock, 95 * S, 5 * S, start));
        assert!(!is_past(&clock, 95 * S, 6 * S, start));
        clock.read(90 * S, start + S);
        assert!(clock.shows(start + S) > 100 * S, "an old reading changes nothing");
        clock.read(200 * S, start + S);
        assert!(is_past(&clock, 100 * S, 60 * S, start + S));
    }

    #[test]
    fn a_clock_that_stood_still_is_believed_after_a_while() {
        let start = Instant::now();
        let mut clock = SourceClock::new(100 * S, start);
        let awake = start + 3600 * S;
        for second in 0..12_u32 {
            clock.read_announced((101 + second) * S, awake + second * S);
        }
        let now = awake + 12 * S;
        assert!(!is_past(&clock, 112 * S, 5 * S, now), "{:?}", clock.shows(now));
        assert!(is_past(&clock, 100 * S, 5 * S, now));
    }

    #[test]
    fn what_was_announced_before_sets_no_clock_back_however_often_it_comes_again() {
        let start = Instant::now();
        let mut clock = SourceClock::new(100 * S, start);
        clock.read_announced(500 * S, start + 400 * S);
        for second in 0..60 {
            for again in [100 * S, (101 + second) * S, 500 * S] {
                clock.read_announced(again, start + (401 + second) * S);
            }
        }
        assert!(clock.shows(start + 460 * S) > 559 * S);
    }

    #[test]
    fn one_delayed_announcement_does_not_set_a_clock_back() {
        let start = Instant::now();
        let mut clock = SourceClock::new(100 * S, start);
        clock.read_announced(101 * S, start + 30 * S);
        clock.read_announced(140 * S, start + 40 * S);
        clock.read_announced(120 * S, start + 50 * S);
        assert!(clock.shows(start + 50 * S) > 149 * S);
    }
}
