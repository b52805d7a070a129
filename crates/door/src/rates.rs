use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use nuncio_bounds::Bound;

use crate::{Limits, machine::Refusal, source::Source};

/// Token buckets: one per source that is not full, and one for all strangers. The emptier that one is, the fuller must be
/// a stranger's own: in a crowd nobody lives on what was saved up, and who comes for the first time passes before those who
/// keep coming.
///
/// Holds at most [`Rates::SOURCES`] buckets. A full bucket is as good as none and makes room; without one to make room,
/// a source that has none is refused.
#[derive(Debug)]
pub(crate) struct Rates {
    of_source: Rate,
    of_all: Rate,
    sources: HashMap<Source, Bucket>,
    all: Bucket,
    next_sweep: Option<Instant>,
}

/// A token bucket, as the time at which it will be full.
#[derive(Debug, Clone, Copy, Default)]
struct Bucket(Option<Instant>);

#[derive(Debug, Clone, Copy)]
struct Rate {
    /// Until one token is back.
    interval: Duration,
    /// Until an empty bucket is full.
    window: Duration,
}

impl Rates {
    /// Most buckets at once.
    const SOURCES: usize = 4096;

    pub(crate) const BOUND: Bound = Bound::of_entries::<(Source, Bucket)>(
        "how often sources connect",
        Self::SOURCES,
        0,
        "a source without a bucket is refused until one is full again",
    );

    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            of_source: Rate::new(limits.source_rate, limits.source_burst),
            of_all: Rate::new(limits.rate, limits.burst),
            sources: HashMap::new(),
            all: Bucket::default(),
            next_sweep: None,
        }
    }

    /// Takes a token of the source's, and a stranger's of all, or neither.
    pub(crate) fn take(&mut self, source: Source, is_stranger: bool, now: Instant) -> Result<(), Refusal> {
        if self.sources.len() >= Self::SOURCES && !self.sources.contains_key(&source) {
            self.sweep(now);
            if self.sources.len() >= Self::SOURCES {
                return Err(Refusal::Crowd);
            }
        }
        let own = self.sources.get(&source).copied().unwrap_or_default();
        let own_after = own.less_one(self.of_source, now);
        if own_after.emptiness(self.of_source, now) > 1.0 {
            return Err(Refusal::TooOften);
        }
        if is_stranger {
            let all = self.all.less_one(self.of_all, now);
            if own.emptiness(self.of_source, now) + all.emptiness(self.of_all, now) > 1.0 {
                return Err(Refusal::Crowd);
            }
            self.all = all;
        }
        self.sources.insert(source, own_after);
        Ok(())
    }

    /// Forgets full buckets: not at every knock, which would make each as dear as all buckets.
    fn sweep(&mut self, now: Instant) {
        if self.next_sweep.is_none_or(|due| due <= now) {
            self.next_sweep = Some(now + self.of_source.interval);
            self.sources.retain(|_, bucket| !bucket.is_full(now));
        }
    }
}

impl Bucket {
    fn is_full(self, now: Instant) -> bool {
        self.0.is_none_or(|full| full <= now)
    }

    /// The bucket with a token taken out, whether it has one or not.
    fn less_one(self, rate: Rate, now: Instant) -> Self {
        Self(Some(self.0.map_or(now, |full| full.max(now)) + rate.interval))
    }

    /// 0 when full, 1 when empty, more when a token is missing.
    fn emptiness(self, rate: Rate, now: Instant) -> f64 {
        self.0.map_or(0.0, |full| full.duration_since(now).div_duration_f64(rate.window))
    }
}

impl Rate {
    fn new(per_second: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Self { interval, window: interval * burst.max(1) }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use super::*;

    fn limits() -> Limits {
        Limits { source_rate: 10, source_burst: 5, rate: 100, burst: 20, ..Limits::new(8, 1, 1) }
    }

    fn source(number: u32) -> Source {
        IpAddr::from(Ipv4Addr::from_bits(number)).into()
    }

    /// How many of so many knocks at one time pass.
    fn passed(rates: &mut Rates, source: Source, knocks: usize, now: Instant) -> usize {
        (0..knocks).filter(|_| rates.take(source, true, now).is_ok()).count()
    }

    #[test]
    fn a_source_has_its_burst_then_its_rate_and_others_have_theirs() {
        let (mut rates, start) = (Rates::new(&Limits { burst: 1000, ..limits() }), Instant::now());
        assert_eq!(passed(&mut rates, source(1), 50, start), 5);
        assert_eq!(rates.take(source(1), true, start), Err(Refusal::TooOften));
        assert_eq!(passed(&mut rates, source(2), 50, start), 5, "another source does not suffer");
        assert_eq!(passed(&mut rates, source(1), 50, start + Duration::from_millis(200)), 2);
        assert_eq!(
            passed(&mut rates, source(1), 50, start + Duration::from_secs(60)),
            5,
            "no more than a burst is saved"
        );
    }

    #[test]
    fn strangers_together_have_a_rate_which_is_not_charged_to_who_is_known() {
        let (mut rates, start) = (Rates::new(&limits()), Instant::now());
        let passed = (0..1000).filter(|number| rates.take(source(*number), true, start).is_ok()).count();
        assert_eq!(passed, 20);
        assert_eq!(rates.take(source(2000), true, start), Err(Refusal::Crowd));
        assert_eq!(rates.take(source(2000), false, start), Ok(()));
    }

    #[test]
    fn in_a_crowd_a_newcomer_passes_before_those_who_keep_coming() {
        let (mut rates, start) = (Rates::new(&limits()), Instant::now());
        // Eight sources at ten a second are no more than all may be, once what they had saved up is gone.
        for tick in 0..1000 {
            let now = start + Duration::from_millis(10 * tick);
            (0..8).for_each(|number| _ = rates.take(source(number), true, now));
            if tick % 10 == 0 {
                assert_eq!(rates.take(source(1000 + tick as u32), true, now), Ok(()), "at tick {tick}");
            }
        }
    }

    #[test]
    fn who_is_refused_pays_nothing() {
        let (mut rates, start) = (Rates::new(&Limits { burst: 1000, ..limits() }), Instant::now());
        passed(&mut rates, source(1), 1000, start);
        assert_eq!(passed(&mut rates, source(2), 5, start), 5, "what one was refused came out of all");
        assert_eq!(passed(&mut rates, source(1), 50, start + Duration::from_millis(500)), 5);
    }

    #[test]
    fn buckets_are_bounded_and_come_back_when_they_are_full() {
        let mut rates = Rates::new(&Limits { rate: 1_000_000, burst: 1_000_000, ..limits() });
        let start = Instant::now();
        let hosts =
            |count: u128| (0..count).map(|number| Source::from(IpAddr::from(Ipv6Addr::from_bits(number << 64))));
        let passed = hosts(10_000).filter(|host| rates.take(*host, true, start).is_ok()).count();
        assert_eq!((passed, rates.sources.len()), (Rates::SOURCES, Rates::SOURCES));
        let later = start + Duration::from_millis(100);
        assert_eq!(rates.take(source(1), true, later), Ok(()));
        assert_eq!(rates.sources.len(), 1);
    }
}
