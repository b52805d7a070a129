//! How much is sent at a time.

use std::time::Duration;

/// Least and most bytes at a time.
const LEAST: usize = 256 << 10;
const MOST: usize = 8 << 20;

/// A part that takes less is too short, one that takes more too long.
const SHORT: Duration = Duration::from_millis(250);
const LONG: Duration = Duration::from_secs(1);

/// Bytes at a time: many over a fast way, few over a slow one, so that each part is there soon.
#[derive(Debug)]
pub(super) struct Pace(usize);

impl Default for Pace {
    fn default() -> Self {
        Self(LEAST)
    }
}

impl Pace {
    pub(super) const fn bytes(&self) -> usize {
        self.0
    }

    pub(super) fn took(&mut self, time: Duration) {
        if time < SHORT {
            self.0 = (2 * self.0).min(MOST);
        } else if time > LONG {
            self.0 = (self.0 / 2).max(LEAST);
        }
    }

    pub(super) const fn failed(&mut self) {
        self.0 = LEAST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_grow_on_a_fast_way_and_shrink_on_a_slow_one_within_bounds() {
        let mut pace = Pace::default();
        (0..20).for_each(|_| pace.took(Duration::from_millis(1)));
        assert_eq!(pace.bytes(), MOST);
        pace.took(Duration::from_millis(500));
        assert_eq!(pace.bytes(), MOST);
        pace.took(Duration::from_secs(2));
        assert_eq!(pace.bytes(), MOST / 2);
        (0..20).for_each(|_| pace.took(Duration::from_secs(2)));
        assert_eq!(pace.bytes(), LEAST);
    }
}
