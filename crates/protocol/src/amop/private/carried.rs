use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use bytes::Bytes;
use nuncio_bounds::Bound;
use nuncio_identity::NodeId;

use super::super::Payer;
use crate::Topic;

/// Longest challenge; SDKs send at most a few hundred bytes.
const MAX_CHALLENGE: usize = 4 << 10;
/// Most bytes of challenges remembered, and of those that one has brought.
const MAX_BYTES: usize = 8 << 20;
const MAX_OF_ONE: usize = MAX_BYTES / 8;
/// What an entry takes beside its challenge: the channel and the maps' own.
const PER_ENTRY: usize = 512;

/// The challenges that passed this node of late, and to which channel: the same words again to another one are somebody
/// else's challenge that is handed on.
///
/// Whoever brings many has his own forgotten, so that he cannot have those of others forgotten to hand them on then.
///
/// Bound: [`MAX_BYTES`], [`MAX_OF_ONE`] of whoever brings them, a challenge at most [`MAX_CHALLENGE`]; each for as long as a
/// verdict is waited for.
#[derive(Debug)]
pub(super) struct Carried {
    memory: Duration,
    channels: BTreeMap<Bytes, Kept>,
    /// By their numbers, as they came.
    order: BTreeMap<u64, (Instant, Bytes)>,
    shares: BTreeMap<Bringer, Share>,
    bytes: usize,
    next: u64,
}

/// Who brings a challenge here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::amop) enum Bringer {
    Client(Payer),
    Node(NodeId),
}

#[derive(Debug)]
struct Kept {
    channel: Topic,
    bringer: Bringer,
}

/// The challenges that one has brought, the oldest first.
#[derive(Debug, Default)]
struct Share {
    numbers: VecDeque<u64>,
    bytes: usize,
}

impl Carried {
    pub(super) const BOUND: Bound = Bound::of_bytes(
        "challenges that passed lately",
        MAX_BYTES,
        "the oldest of whoever brought most are forgotten; of an eighth on, of whoever brings more",
    );

    pub(super) const fn new(memory: Duration) -> Self {
        Self { memory, channels: BTreeMap::new(), order: BTreeMap::new(), shares: BTreeMap::new(), bytes: 0, next: 0 }
    }

    /// Notes a challenge on its way to a channel; `false` when it was carried to another one, or is no challenge.
    pub(super) fn note(&mut self, channel: &Topic, challenge: &Bytes, bringer: Bringer, now: Instant) -> bool {
        self.forget(now);
        if challenge.len() > MAX_CHALLENGE {
            return false;
        }
        if let Some(first) = self.channels.get(challenge) {
            return first.channel == *channel;
        }
        self.keep(Bytes::copy_from_slice(challenge), Kept { channel: channel.clone(), bringer }, now + self.memory);
        while self.shares.get(&bringer).is_some_and(|share| share.bytes > MAX_OF_ONE) {
            self.forget_oldest_of(bringer);
        }
        while self.bytes > MAX_BYTES {
            let most = self.shares.iter().max_by_key(|(_, share)| share.bytes).map(|(bringer, _)| *bringer);
            let Some(most) = most else { break };
            self.forget_oldest_of(most);
        }
        true
    }

    pub(super) fn forget(&mut self, now: Instant) {
        while let Some((_, (_, challenge))) = self.order.first_key_value().filter(|(_, (at, _))| *at <= now) {
            // All are kept equally long, so whatever ends first is the oldest of whoever brought it.
            let Some(bringer) = self.channels.get(challenge).map(|kept| kept.bringer) else { break };
            self.forget_oldest_of(bringer);
        }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.order.first_key_value().map(|(_, (at, _))| *at)
    }

    fn keep(&mut self, challenge: Bytes, kept: Kept, until: Instant) {
        let (number, taken) = (self.next, challenge.len() + PER_ENTRY);
        self.next += 1;
        self.bytes += taken;
        let share = self.shares.entry(kept.bringer).or_default();
        share.bytes += taken;
        share.numbers.push_back(number);
        self.channels.insert(challenge.clone(), kept);
        self.order.insert(number, (until, challenge));
    }

    fn forget_oldest_of(&mut self, bringer: Bringer) {
        let Some(share) = self.shares.get_mut(&bringer) else { return };
        if let Some((_, challenge)) = share.numbers.pop_front().and_then(|number| self.order.remove(&number)) {
            let taken = challenge.len() + PER_ENTRY;
            self.channels.remove(&challenge);
            self.bytes -= taken;
            share.bytes -= taken;
        }
        if share.numbers.is_empty() {
            self.shares.remove(&bringer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::super::{ClientId, TenantId},
        *,
    };

    const HONEST: Bringer = Bringer::Client(Payer::Client(ClientId(1)));

    fn tenant(n: u64) -> Bringer {
        Bringer::Client(Payer::Tenant(TenantId(n)))
    }

    #[test]
    fn whoever_brings_many_has_his_own_forgotten_and_nobody_elses() {
        let (now, [channel, other]) = (Instant::now(), ["a", "b"].map(|name| Topic::new(name).unwrap()));
        let mut carried = Carried::new(Duration::from_secs(10));
        let words = Bytes::from_static(b"of somebody honest");
        assert!(carried.note(&channel, &words, HONEST, now));
        for bringer in 2..40u64 {
            for n in 0..400u64 {
                let challenge = [&bringer.to_be_bytes()[..], &n.to_be_bytes(), &[0; 4000]].concat();
                assert!(carried.note(&channel, &challenge.into(), tenant(bringer), now));
            }
            assert!(carried.shares[&tenant(bringer)].bytes <= MAX_OF_ONE);
        }
        assert!(carried.bytes <= MAX_BYTES && carried.channels.len() == carried.order.len());
        assert!(!carried.note(&other, &words, tenant(2), now), "it is known still");
        assert!(!carried.note(&channel, &Bytes::from(vec![0; MAX_CHALLENGE + 1]), HONEST, now));
        carried.forget(now + Duration::from_secs(10));
        assert!(carried.channels.is_empty() && carried.order.is_empty() && carried.shares.is_empty());
        assert_eq!((carried.bytes, carried.next()), (0, None));
    }

    #[test]
    fn each_is_remembered_for_as_long_as_another() {
        let (now, channel, memory) = (Instant::now(), Topic::new("a").unwrap(), Duration::from_secs(10));
        let mut carried = Carried::new(memory);
        for n in 0..4u32 {
            let at = now + Duration::from_secs(n.into());
            carried.note(&channel, &Bytes::copy_from_slice(&n.to_be_bytes()), tenant(u64::from(n) % 2), at);
        }
        for left in (1..=4).rev() {
            assert_eq!(carried.channels.len(), left);
            let next = carried.next().unwrap();
            carried.forget(next);
        }
        assert_eq!(carried.next(), None);
    }
}
