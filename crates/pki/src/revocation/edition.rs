use std::{cmp::Ordering, fmt};

use rustls_pki_types::UnixTime;

use crate::instant;

/// Which of an authority's lists one is: by its number, or by its date where one of two has no number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edition {
    /// Big-endian, without leading zeros.
    number: Option<Vec<u8>>,
    this_update: u64,
}

/// How an edition is told to other nodes, who have 64 bits for it: a list without a number, or with a longer one, by its
/// date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Numbered(u64),
    Dated(u64),
}

impl Edition {
    pub(super) fn new(number: Option<Vec<u8>>, this_update: u64) -> Self {
        let trimmed = |bytes: Vec<u8>| bytes.into_iter().skip_while(|byte| *byte == 0).collect();
        Self { number: number.map(trimmed), this_update }
    }

    /// Whether it replaces `other`, a list of the same authority.
    pub fn is_newer_than(&self, other: &Self) -> bool {
        self.order(other) == Ordering::Greater
    }

    /// Whether it was made later than `other`, another list of the same authority, and does not replace it: the authority has lost
    /// count.
    pub(crate) fn is_miscounted_after(&self, other: &Self) -> bool {
        match self.order(other) {
            Ordering::Less => self.this_update > other.this_update,
            Ordering::Equal => self.this_update >= other.this_update,
            Ordering::Greater => false,
        }
    }

    /// Whether its date is still to come.
    pub(crate) fn is_after(&self, now: UnixTime) -> bool {
        self.this_update > now.as_secs()
    }

    fn order(&self, other: &Self) -> Ordering {
        match (&self.number, &other.number) {
            (Some(own), Some(others)) => compare(own, others),
            _ => self.this_update.cmp(&other.this_update),
        }
    }

    pub(crate) fn told(&self) -> Told {
        self.short_number().map_or(Told::Dated(self.this_update), Told::Numbered)
    }

    /// The number, big-endian; `None` for a list without one.
    pub(crate) fn number(&self) -> Option<&[u8]> {
        self.number.as_deref()
    }

    pub(crate) const fn this_update(&self) -> u64 {
        self.this_update
    }

    fn short_number(&self) -> Option<u64> {
        let bytes = self.number.as_ref()?;
        let mut wide = [0; 8];
        let start = wide.len().checked_sub(bytes.len())?;
        wide[start..].copy_from_slice(bytes);
        Some(u64::from_be_bytes(wide))
    }
}

impl fmt::Display for Edition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.short_number(), &self.number) {
            (Some(number), _) => write!(f, "{number}"),
            (None, Some(bytes)) => write!(f, "0x{}", hex::encode(bytes)),
            (None, None) => write!(f, "of {}", instant::text(instant::at(self.this_update))),
        }
    }
}

/// The order of two big-endian numbers without leading zeros.
pub(crate) fn compare(one: &[u8], other: &[u8]) -> Ordering {
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edition(number: Option<&[u8]>, this_update: u64) -> Edition {
        Edition::new(number.map(<[u8]>::to_vec), this_update)
    }

    #[test]
    fn numbers_count_before_dates_and_dates_where_a_number_is_missing() {
        let newer = |one: &Edition, other: &Edition| (one.is_newer_than(other), other.is_newer_than(one));
        assert_eq!(newer(&edition(Some(&[9]), 1), &edition(Some(&[8]), 2)), (true, false));
        assert_eq!(newer(&edition(Some(&[1, 0]), 1), &edition(Some(&[0, 0xff]), 1)), (true, false));
        assert_eq!(newer(&edition(Some(&[9; 20]), 1), &edition(Some(&[0xff; 8]), 1)), (true, false));
        assert_eq!(newer(&edition(None, 2), &edition(None, 1)), (true, false));
        assert_eq!(newer(&edition(None, 1), &edition(None, 1)), (false, false));
        assert_eq!(newer(&edition(Some(&[1]), 2), &edition(None, 1)), (true, false));
        assert_eq!(newer(&edition(None, 2), &edition(Some(&[200]), 1)), (true, false));
    }

    #[test]
    fn who_has_lost_count_numbers_a_later_list_no_higher() {
        let miscounted = |one: &Edition, other: &Edition| one.is_miscounted_after(other);
        let seven = edition(Some(&[7]), 5);
        assert!(miscounted(&edition(Some(&[6]), 6), &seven) && miscounted(&edition(Some(&[7]), 6), &seven));
        assert!(miscounted(&edition(Some(&[7]), 5), &seven), "two lists of one number");
        assert!(!miscounted(&edition(Some(&[6]), 5), &seven), "two in one second");
        assert!(!miscounted(&edition(Some(&[6]), 4), &seven) && !miscounted(&edition(Some(&[8]), 6), &seven));
        assert!(!miscounted(&edition(None, 6), &seven) && !miscounted(&edition(None, 4), &seven));
    }

    #[test]
    fn what_has_no_short_number_is_told_and_shown_by_its_date() {
        assert_eq!(edition(Some(&[0, 1, 0]), 5).told(), Told::Numbered(256));
        assert_eq!(edition(Some(&[1; 9]), 5).told(), Told::Dated(5));
        assert_eq!(edition(None, 5).told(), Told::Dated(5));
        assert_eq!(edition(Some(&[0, 1, 0]), 5).to_string(), "256");
        assert_eq!(edition(Some(&[1; 9]), 5).to_string(), "0x010101010101010101");
        assert_eq!(edition(None, 5).to_string(), "of 1970-01-01T00:00:05Z");
    }
}
