use std::{
    collections::{BTreeSet, VecDeque},
    hash::BuildHasher,
    time::{Duration, Instant},
};

use nuncio_bounds::Bound;

use super::super::PublishSeq;
use crate::{Topic, hashed::RandomState};

/// How long a multicast is recognised.
const MEMORY: Duration = Duration::from_secs(60);
/// Most bytes of what is remembered; when full, the oldest go first.
const MAX_BYTES: usize = 32 << 20;
/// What an entry takes beside its topic.
const PER_ENTRY: usize = 256;

/// Which multicasts were delivered here, by their publishers' seq and what they say: a client may hand the same one to several
/// nodes, and nobody else's under its seq is to take its place.
///
/// Bound: [`MAX_BYTES`]. That no copy of one node's message is delivered again is the gate's work.
#[derive(Debug, Default)]
pub(super) struct Seen {
    seen: BTreeSet<Name>,
    order: VecDeque<(Instant, Name)>,
    bytes: usize,
    /// Of what they say: nobody knows which other words are taken for the same.
    hasher: RandomState,
}

type Name = (PublishSeq, Topic, u64);

impl Seen {
    pub(super) const BOUND: Bound =
        Bound::of_bytes("multicasts delivered lately", MAX_BYTES, "the oldest are forgotten");

    /// Notes a multicast; `true` the first time.
    pub(super) fn first_time(&mut self, seq: PublishSeq, topic: &Topic, data: &[u8], now: Instant) -> bool {
        self.forget(now);
        let name = (seq, topic.clone(), self.hasher.hash_one(data));
        if !self.seen.insert(name.clone()) {
            return false;
        }
        self.order.push_back((now + MEMORY, name));
        self.bytes += bytes_of(topic);
        while self.bytes > MAX_BYTES {
            self.forget_oldest();
        }
        true
    }

    pub(super) fn forget(&mut self, now: Instant) {
        while self.order.front().is_some_and(|(at, _)| *at <= now) {
            self.forget_oldest();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    fn forget_oldest(&mut self) {
        if let Some((_, name)) = self.order.pop_front() {
            self.bytes -= bytes_of(&name.1);
            self.seen.remove(&name);
        }
    }
}

fn bytes_of(topic: &Topic) -> usize {
    topic.as_str().len() + PER_ENTRY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_bounded_in_bytes() {
        let (now, mut seen) = (Instant::now(), Seen::default());
        let topic = Topic::new(&"t".repeat(254)).unwrap();
        let seq = |n: u32| {
            let mut seq = [0; 32];
            seq[..4].copy_from_slice(&n.to_be_bytes());
            PublishSeq(seq)
        };
        for n in 0..100_000 {
            assert!(seen.first_time(seq(n), &topic, b"hi", now));
        }
        assert!(seen.bytes <= MAX_BYTES && seen.seen.len() == MAX_BYTES / bytes_of(&topic));
        assert!(!seen.first_time(seq(99_999), &topic, b"hi", now) && seen.first_time(seq(0), &topic, b"hi", now));
        assert!(seen.first_time(seq(99_999), &topic, b"others", now), "something else under the same seq");
        seen.forget(now + MEMORY);
        assert!(seen.is_empty() && seen.seen.is_empty() && seen.bytes == 0);
    }
}
