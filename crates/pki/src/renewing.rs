//! When a node asks for another certificate.

use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::SmallRng};
use rustls_pki_types::UnixTime;

use crate::Credential;

/// First and longest pause after a try that failed; of short lives less, see [`RenewalSchedule`].
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// No pause is shorter.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// The plan of one certificate: due at two thirds of its life, and after each failure again, in pauses that double from a
/// two-hundredth of the life, a minute at most, to a twenty-fourth, an hour at most. All are spread by a tenth, so that nodes
/// that were made together do not ask together.
///
/// Time is since 1970, to the fraction of a second; the clock that certificates go by.
#[derive(Debug)]
pub struct RenewalSchedule {
    begins: Duration,
    ends: Duration,
    next: Duration,
    failures: u32,
    rng: SmallRng,
}

impl RenewalSchedule {
    /// The plan of this certificate; `seed` spreads it.
    pub fn new(certificate: &Credential, seed: u64) -> Self {
        Self::between(certificate.not_before, certificate.not_after, SmallRng::seed_from_u64(seed))
    }

    fn between(begins: UnixTime, ends: UnixTime, rng: SmallRng) -> Self {
        let [begins, ends] = [begins, ends].map(|at| Duration::from_secs(at.as_secs()));
        let mut schedule = Self { begins, ends, next: begins, failures: 0, rng };
        schedule.next = begins + schedule.spread(schedule.life() * 2 / 3) - schedule.life() / 30;
        schedule
    }

    /// When to ask next.
    pub const fn poll_timeout(&self) -> Duration {
        self.next
    }

    /// Nobody gave another one.
    pub fn handle_failed(&mut self, now: Duration) {
        let first = (self.life() / 200).clamp(SHORTEST_PAUSE, FIRST_PAUSE);
        let longest = (self.life() / 24).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        let pause = first.saturating_mul(1 << self.failures.min(16)).min(longest);
        self.failures += 1;
        self.next = now + self.spread(pause);
    }

    /// Another one is there.
    pub fn handle_renewed(&mut self, certificate: &Credential) {
        let seed = self.rng.random();
        *self = Self::new(certificate, seed);
    }

    /// How often in a row nobody gave another one.
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether it should have been renewed long ago: a quarter of the life is left, or less.
    pub fn is_late(&self, now: Duration) -> bool {
        self.ends.saturating_sub(now) <= self.life() / 4
    }

    /// Seconds left.
    pub const fn left(&self, now: Duration) -> Duration {
        self.ends.saturating_sub(now)
    }

    const fn life(&self) -> Duration {
        self.ends.saturating_sub(self.begins)
    }

    /// As much, and up to a tenth more.
    fn spread(&mut self, time: Duration) -> Duration {
        time + time.mul_f64(self.rng.random_range(0.0..0.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instant;

    const DAY: u64 = 86_400;

    fn schedule(life: u64, seed: u64) -> RenewalSchedule {
        RenewalSchedule::between(instant::at(DAY), instant::at(DAY + life), SmallRng::seed_from_u64(seed))
    }

    #[test]
    fn it_is_due_about_two_thirds_through_and_not_at_once_for_all() {
        for life in [20, 3600, DAY, 365 * DAY] {
            let due = |seed| (schedule(life, seed).poll_timeout() - Duration::from_secs(DAY)).as_secs_f64();
            let parts: Vec<_> = (0..100).map(|seed| due(seed) / life as f64).collect();
            assert!(parts.iter().all(|part| (0.63..0.71).contains(part)), "{parts:?}");
            let (first, last) =
                parts.iter().fold((1.0_f64, 0.0_f64), |(low, high), part| (low.min(*part), high.max(*part)));
            assert!(last - first > 0.05, "{first} to {last}");
        }
    }

    /// Ten nodes, 24 h leaves and a clock that jumps from one try to the next: for a certificate to end, whoever issues must be
    /// away for longer than a third of a life less the longest pause.
    #[test]
    fn thirty_days_pass_for_ten_nodes_and_nobody_is_ever_without_a_certificate() {
        let begins = Duration::from_secs(DAY);
        // Every fifth day nobody issues for six hours.
        let is_away = |now: Duration| (now - begins).as_secs() / DAY % 5 == 4 && now.as_secs() % DAY < 6 * 3600;
        let mut met_nobody = 0;
        for seed in 0..10 {
            let (mut plan, mut renewals, mut failures) = (schedule(DAY, seed), 0, 0);
            let end = begins + Duration::from_secs(30 * DAY);
            while plan.poll_timeout() < end {
                let now = plan.poll_timeout();
                assert!(now < plan.ends, "node {seed} has none after {renewals} renewals");
                if is_away(now) {
                    plan.handle_failed(now);
                    failures += 1;
                } else {
                    let (from, rng) = (now.as_secs() - 300, SmallRng::seed_from_u64(seed + renewals));
                    plan = RenewalSchedule::between(instant::at(from), instant::at(now.as_secs() + DAY), rng);
                    renewals += 1;
                }
            }
            assert!((40..=47).contains(&renewals), "node {seed}: {renewals}");
            met_nobody += usize::from(failures > 0);
        }
        assert!(met_nobody >= 5, "{met_nobody} of ten were due when nobody issued");
    }

    #[test]
    fn tries_come_at_first_often_and_then_seldom_and_never_end() {
        for (life, first, longest, tries) in [(20, 1.0, 1.1, 5), (DAY, 60.0, 3960.0, 10), (365 * DAY, 60.0, 3960.0, 50)]
        {
            let mut schedule = schedule(life, 7);
            let mut now = schedule.poll_timeout();
            let mut pauses = Vec::new();
            while now < schedule.ends {
                schedule.handle_failed(now);
                pauses.push((schedule.poll_timeout() - now).as_secs_f64());
                now = schedule.poll_timeout();
            }
            assert!(pauses.len() >= tries, "{life}: {pauses:?}");
            assert!(
                (first..=first * 1.1).contains(&pauses[0]) && pauses.iter().all(|pause| *pause <= longest),
                "{pauses:?}"
            );
            assert!(schedule.failures() as usize == pauses.len() && schedule.is_late(now));
        }
        let early = schedule(DAY, 1);
        assert!(!early.is_late(early.poll_timeout()), "when it is due it is not late");
    }
}
