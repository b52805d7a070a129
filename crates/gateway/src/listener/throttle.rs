use std::{
    collections::HashSet,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// One line per address and second, ten lines per second in all.
const INTERVAL: Duration = Duration::from_secs(1);
const LINES: usize = 10;

/// Keeps what strangers do from filling the log.
///
/// Remembers at most as many addresses as lines are allowed in one interval.
#[derive(Debug, Default)]
pub(crate) struct Throttle(Mutex<Interval>);

#[derive(Debug, Default)]
struct Interval {
    began: Option<Instant>,
    named: HashSet<IpAddr>,
}

impl Throttle {
    /// Whether a line about the address may be written now.
    pub(crate) fn allows(&self, address: IpAddr) -> bool {
        self.allows_at(address, Instant::now())
    }

    fn allows_at(&self, address: IpAddr, now: Instant) -> bool {
        let mut interval = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if interval.began.is_none_or(|began| now.duration_since(began) >= INTERVAL) {
            *interval = Interval { began: Some(now), named: HashSet::new() };
        }
        interval.named.len() < LINES && interval.named.insert(address)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn one_line_per_address_and_ten_in_all_each_second() {
        let start = Instant::now();
        let throttle = Throttle::default();
        let address = |last| IpAddr::from(Ipv4Addr::new(10, 0, 0, last));
        assert!(throttle.allows_at(address(1), start));
        assert!(!throttle.allows_at(address(1), start));
        let others = (2..=250).filter(|last| throttle.allows_at(address(*last), start)).count();
        assert_eq!(others, 9);
        assert!(throttle.allows_at(address(1), start + INTERVAL));
    }
}
