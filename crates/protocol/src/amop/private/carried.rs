use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use bytes::Bytes;
use nuncio_bounds::Bound;

use crate::Topic;

/// Longest challenge; SDKs send at most a few hundred bytes.
const MAX_CHALLENGE: usize = 4 << 10;
/// Most bytes of challenges remembered; when full, the oldest are forgotten.
const MAX_BYTES: usize = 8 << 20;
/// What an entry takes beside its challenge: the channel and the maps' own.
const PER_ENTRY: usize = 512;

/// The challenges that passed this node of late, and to which channel: the same words again to another one are somebody
/// else's challenge that is handed on.
///
/// Bound: [`MAX_BYTES`], a challenge at most [`MAX_CHALLENGE`]; each for as long as a verdict is waited for.
#[derive(Debug)]
pub(super) struct Carried {
    memory: Duration,
    channels: BTreeMap<Bytes, Topic>,
    order: VecDeque<(Instant, Bytes)>,
    bytes: usize,
}

impl Carried {
    pub(super) const BOUND: Bound =
        Bound::of_bytes("challenges that passed lately", MAX_BYTES, "the oldest are forgotten");

    pub(super) const fn new(memory: Duration) -> Self {
        Self { memory, channels: BTreeMap::new(), order: VecDeque::new(), bytes: 0 }
    }

    /// Notes a challenge on its way to a channel; `false` when it was carried to another one, or is no challenge.
    pub(super) fn note(&mut self, channel: &Topic, challenge: &Bytes, now: Instant) -> bool {
        self.forget(now);
        if challenge.len() > MAX_CHALLENGE {
            return false;
        }
        if let Some(first) = self.channels.get(challenge) {
            return first == channel;
        }
        let kept = Bytes::copy_from_slice(challenge);
        self.channels.insert(kept.clone(), channel.clone());
        self.bytes += kept.len() + PER_ENTRY;
        self.order.push_back((now + self.memory, kept));
        while self.bytes > MAX_BYTES {
            self.forget_oldest();
        }
        true
    }

    pub(super) fn forget(&mut self, now: Instant) {
        while self.next().is_some_and(|at| at <= now) {
            self.forget_oldest();
        }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.order.front().map(|(at, _)| *at)
    }

    fn forget_oldest(&mut self) {
        if let Some((_, challenge)) = self.order.pop_front() {
            self.bytes -= challenge.len() + PER_ENTRY;
            self.channels.remove(&challenge);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_bounded_and_forgotten() {
        let (now, channel) = (Instant::now(), Topic::new("a").unwrap());
        let mut carried = Carried::new(Duration::from_secs(10));
        for n in 0..20_000u32 {
            assert!(carried.note(&channel, &Bytes::copy_from_slice(&n.to_be_bytes()), now));
        }
        assert!(carried.bytes <= MAX_BYTES && carried.channels.len() == carried.order.len());
        assert!(!carried.note(&channel, &Bytes::from(vec![0; MAX_CHALLENGE + 1]), now));
        carried.forget(now + Duration::from_secs(10));
        assert!(carried.channels.is_empty() && carried.bytes == 0);
    }
}
