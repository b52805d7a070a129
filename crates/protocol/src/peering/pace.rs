use std::time::{Duration, Instant};

use nuncio_bounds::Bound;
use smallvec::SmallVec;

use super::{Address, MAX_ADDRESS};
use crate::schedule::Schedule;

/// Most dials in any second.
const MAX_DIALS: usize = 5;
const SECOND: Duration = Duration::from_secs(1);

/// How often anything is dialled: at most [`MAX_DIALS`] times in a second in all, and an address that others name at most
/// twice and then once in each `spacing`, whoever names it and however often a dial succeeds.
///
/// Bound: each dial is remembered for two spacings at most, so ten addresses for each second of a spacing.
#[derive(Debug)]
pub(super) struct Pace {
    spacing: Duration,
    /// When each address has its full credit of two dials again.
    whole: Schedule<Address>,
    /// The newest dials, oldest first.
    newest: SmallVec<[Instant; MAX_DIALS]>,
}

impl Pace {
    pub(super) fn bound(spacing: Duration) -> Bound {
        let seconds = usize::try_from(spacing.as_secs() + 1).unwrap_or(usize::MAX);
        let dials = seconds.saturating_mul(2 * MAX_DIALS);
        Bound::of_entries::<[(Instant, Address); 2]>(
            "addresses dialled lately",
            dials,
            MAX_ADDRESS,
            "dials wait their turn",
        )
    }

    pub(super) fn new(spacing: Duration) -> Self {
        Self { spacing, whole: Schedule::default(), newest: SmallVec::new() }
    }

    pub(super) fn note(&mut self, address: &Address, now: Instant) {
        while self.whole.pop_due(now).is_some() {}
        let whole = self.whole.get(address).unwrap_or(now).max(now);
        self.whole.set(address.clone(), whole + self.spacing);
        if self.newest.len() >= MAX_DIALS {
            self.newest.remove(0);
        }
        self.newest.push(now);
    }

    /// From when on anything may be dialled again; `None` if it always could.
    pub(super) fn opens_at(&self) -> Option<Instant> {
        self.newest.first().filter(|_| self.newest.len() >= MAX_DIALS).map(|oldest| *oldest + SECOND)
    }

    pub(super) fn is_open(&self, now: Instant) -> bool {
        self.opens_at().is_none_or(|at| at <= now)
    }

    /// From when on an address that others name may be dialled.
    pub(super) fn allows(&self, address: &Address, now: Instant) -> Instant {
        let allowed = self.whole.get(address).and_then(|whole| whole.checked_sub(self.spacing));
        allowed.unwrap_or(now).max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_dialled_five_times_in_half_a_minute_at_the_most_whenever_that_begins() {
        let (start, address) = (Instant::now(), Address::new("bystander:1"));
        let mut pace = Pace::new(Duration::from_secs(10));
        let mut dials = Vec::new();
        for step in 0..1200 {
            let now = start + Duration::from_millis(100) * step;
            if pace.allows(&address, now) <= now {
                pace.note(&address, now);
                dials.push(now);
            }
        }
        assert_eq!(dials.len(), 13, "two, then one in ten seconds");
        for first in &dials {
            let soon = dials.iter().filter(|at| *at >= first && **at <= *first + Duration::from_secs(30));
            assert!(soon.count() <= 5);
        }
        pace.note(&Address::new("other:1"), start + Duration::from_secs(200));
        assert_eq!(pace.whole.len(), 1, "what is over is forgotten");
    }

    #[test]
    fn there_are_five_dials_a_second_at_the_most() {
        let (start, mut pace, mut dials) = (Instant::now(), Pace::new(SECOND), Vec::new());
        for step in 0..50u32 {
            let now = start + SECOND / 10 * step;
            for port in 0..3 {
                if pace.is_open(now) {
                    pace.note(&Address::new(&format!("{step}:{port}")), now);
                    dials.push(now);
                }
            }
        }
        assert_eq!(dials.len(), 25);
        assert!(dials.windows(6).all(|dials| dials[5] >= dials[0] + SECOND));
    }
}
