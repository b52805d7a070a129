//! What a message's number says: its priority, and whether it is a copy for those who know only one order.
//!
//! So it is among what its origin signs, and what has one priority has an order of its own, with its own gaps and its own repair.
//! What is urgent waits for nothing that is not.

use super::COUNT_BITS;
use crate::Priority;

/// The highest bits that count say which priority it is; a release that knows none counts with them, and never comes so far.
const CLASS_AT: u32 = COUNT_BITS - 2;

/// Messages to a topic with one priority until it gets other numbers: so many that a million each second take hours, and some left
/// for those that have not left.
const MOST: u64 = (1 << CLASS_AT) - (1 << 20);

/// Sets of numbers that one epoch has, for topics in each priority; and as many for [`Class::Strict`].
pub(super) const MOST_SETS: u64 = 1 << (STRICT_AT - COUNT_BITS);

/// The highest bit of a number says that it is a copy: those who know one order take what has the higher number for what their
/// origin begins anew, and so never go back to numbers of which they get only some.
const STRICT_AT: u32 = 62;

/// What a set of numbers is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Class {
    /// Messages of one priority.
    Of(Priority),
    /// Copies of all of them in one order, for nodes of releases that know no priorities.
    Strict,
}

/// What the highest bits that count say.
const PRIORITIES: [Priority; 4] = [Priority::Normal, Priority::Control, Priority::High, Priority::Bulk];

/// The priority of the message with this number.
pub const fn priority_of(number: u64) -> Priority {
    PRIORITIES[(number >> CLASS_AT) as usize % PRIORITIES.len()]
}

impl Class {
    pub(super) const NORMAL: Self = Self::Of(Priority::Normal);

    /// What the message with this number is among.
    pub(super) const fn of(number: u64) -> Self {
        if number >> STRICT_AT == 0 { Self::Of(priority_of(number)) } else { Self::Strict }
    }

    /// How urgent it is.
    pub(super) const fn priority(self) -> Priority {
        match self {
            Self::Of(priority) => priority,
            Self::Strict => Priority::Normal,
        }
    }

    /// The first number of the `set`-th set, of fewer than [`MOST_SETS`].
    pub(super) fn first_number(self, set: u64) -> u64 {
        let strict = u64::from(self == Self::Strict);
        let priority =
            PRIORITIES.iter().zip(0..).find(|(priority, _)| **priority == self.priority()).map_or(0, |(_, at)| at);
        (strict << STRICT_AT) + (set << COUNT_BITS) + (priority << CLASS_AT) + 1
    }
}

/// Whether other numbers are due.
pub(super) const fn is_worn_out(number: u64) -> bool {
    number & ((1 << CLASS_AT) - 1) >= MOST
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::multicast::MAX_NUMBER;

    #[test]
    fn a_number_says_its_priority_until_it_is_worn_out_and_those_of_releases_without_them_are_normal() {
        for class in Priority::ALL.map(Class::Of).into_iter().chain([Class::Strict]) {
            for set in [0, 1, 77, MOST_SETS - 1] {
                let first = class.first_number(set);
                let last = first + MOST - 2;
                let with_last = last + (1 << 20);
                assert_eq!([first, last, with_last].map(Class::of), [class; 3], "those that have not left have room");
                assert_eq!(priority_of(first), class.priority());
                assert_eq!((is_worn_out(first), is_worn_out(last), is_worn_out(last + 1)), (false, false, true));
                assert!(with_last < MAX_NUMBER);
                let own_set = (first >> COUNT_BITS) % MOST_SETS;
                assert_eq!((own_set, with_last >> COUNT_BITS), (set, first >> COUNT_BITS));
            }
        }
        assert_eq!(Class::NORMAL.first_number(5), (5 << COUNT_BITS) + 1, "as ever");
    }

    #[test]
    fn copies_for_those_who_know_one_order_have_higher_numbers_than_all_else() {
        let highest = Priority::ALL.map(|priority| Class::Of(priority).first_number(MOST_SETS - 1) + MOST);
        assert!(highest.iter().all(|number| *number < Class::Strict.first_number(0)));
    }
}
