//! A message's priority stands in its number: so it is among what its origin signs, and what has one priority has an order of its
//! own, with its own gaps and its own repair. What is urgent waits for nothing that is not.

use super::COUNT_BITS;
use crate::Priority;

/// The highest bits that count say which priority it is; a release that knows none counts with them, and never comes so far.
const CLASS_AT: u32 = COUNT_BITS - 2;

/// Messages to a topic with one priority until it gets other numbers: so many that a million each second take hours, and some left
/// for those that have not left.
const MOST: u64 = (1 << CLASS_AT) - (1 << 20);

/// The priority of the message with this number.
pub const fn priority_of(number: u64) -> Priority {
    match (number >> CLASS_AT) & 3 {
        0 => Priority::Normal,
        1 => Priority::Control,
        2 => Priority::High,
        _ => Priority::Bulk,
    }
}

/// The first number of the `index`-th that this node publishes to, topic and priority.
pub(super) const fn first_number(index: u64, priority: Priority) -> u64 {
    let class = match priority {
        Priority::Normal => 0,
        Priority::Control => 1,
        Priority::High => 2,
        Priority::Bulk => 3,
    };
    (index << COUNT_BITS) + (class << CLASS_AT) + 1
}

/// Whether other numbers are due.
pub(super) const fn is_worn_out(number: u64) -> bool {
    number & ((1 << CLASS_AT) - 1) >= MOST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_says_its_priority_until_it_is_worn_out_and_those_of_releases_without_them_are_normal() {
        for priority in Priority::ALL {
            for index in [0, 1, 77] {
                let first = first_number(index, priority);
                let last = first + MOST - 2;
                assert_eq!((priority_of(first), priority_of(last), first >> COUNT_BITS), (priority, priority, index));
                assert_eq!((is_worn_out(first), is_worn_out(last), is_worn_out(last + 1)), (false, false, true));
                assert_eq!(priority_of(last + (1 << 20)), priority, "those that have not left have room");
            }
        }
        assert_eq!(first_number(5, Priority::Normal), (5 << COUNT_BITS) + 1, "as ever");
    }
}
