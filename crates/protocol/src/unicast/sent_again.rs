//! How a request tells that an earlier attempt at it may have come through, and how long ago that was.
//!
//! A target that has started since must not run it: its earlier life may have. What a message says of hops
//! is enough to carry that: a request sent again starts with one to three hops less than a first attempt.

use std::time::Duration;

use super::Message;
use crate::MAX_HOPS;

/// An attempt older than `AGES[n]` is not told by `n + 1` hops less.
const AGES: [Duration; 3] = [Duration::from_secs(4), Duration::from_secs(16), Duration::from_secs(64)];
/// Time a message may spend on its way.
const TRANSIT: Duration = Duration::from_secs(1);

/// By how much less than a first attempt a request starts when its first attempt is so old.
pub(super) fn fewer_hops(age: Duration) -> u8 {
    match AGES.map(|limit| age + TRANSIT <= limit) {
        [true, ..] => 1,
        [_, true, _] => 2,
        _ => 3,
    }
}

/// How long a target must have been running to be sure that no earlier life of it got this request;
/// `longest` is the longest time a request may take.
pub(super) fn needed_uptime(request: &Message, longest: Duration) -> Duration {
    match MAX_HOPS.saturating_sub(request.hops.saturating_add(request.hops_left)) {
        0 => Duration::ZERO,
        1 => AGES[0],
        2 => AGES[1],
        _ => AGES[2].max(longest),
    }
}
