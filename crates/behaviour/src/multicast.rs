//! Multicast and broadcast over gossipsub: signed by the origin, checked once, delivered at most once.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use libp2p::{PeerId, gossipsub::MessageId};
use nuncio_identity::NodeId;
use nuncio_protocol::{MAX_NODES, Topic};
use nuncio_wire::multicast::Gossip;

/// Messages whose origin's certificate has not come yet: so many, of so many bytes, for so long.
const MAX_HELD: usize = 256;
const MAX_HELD_BYTES: usize = 16 << 20;
const HOLD: Duration = Duration::from_secs(5);

/// A message waiting for its origin's certificate.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) topic: Option<Topic>,
    pub(crate) gossip: Gossip,
    pub(crate) message: MessageId,
    pub(crate) from: PeerId,
    since: Instant,
}

/// Messages on hold, oldest first. When full, the oldest go.
#[derive(Debug, Default)]
pub(crate) struct OnHold {
    messages: VecDeque<Held>,
    bytes: usize,
}

impl OnHold {
    /// Puts a message on hold; returns those that gave up waiting.
    pub(crate) fn hold(
        &mut self,
        topic: Option<Topic>,
        gossip: Gossip,
        message: MessageId,
        from: PeerId,
        now: Instant,
    ) -> Vec<Held> {
        self.bytes += gossip.body.len();
        self.messages.push_back(Held { topic, gossip, message, from, since: now });
        let mut given_up = Vec::new();
        while let Some(oldest) = self.messages.front() {
            let fits = self.messages.len() <= MAX_HELD && self.bytes <= MAX_HELD_BYTES;
            if fits && now.saturating_duration_since(oldest.since) < HOLD {
                break;
            }
            given_up.extend(self.messages.pop_front().inspect(|held| self.bytes -= held.gossip.body.len()));
        }
        given_up
    }

    /// Takes the messages of an origin that is certified now.
    pub(crate) fn release(&mut self, origin: NodeId) -> Vec<Held> {
        let (released, kept) = self.messages.drain(..).partition(|held| held.gossip.origin == origin);
        self.messages = kept;
        let released: Vec<Held> = VecDeque::into(released);
        self.bytes -= released.iter().map(|held| held.gossip.body.len()).sum::<usize>();
        released
    }
}

/// Which messages of each origin have been delivered. Gossipsub forgets after a minute; an old message sent again
/// after that must not be delivered again.
#[derive(Debug, Default)]
pub(crate) struct Delivered {
    origins: BTreeMap<NodeId, Window>,
}

impl Delivered {
    /// Marks a message; says whether it is new. When more origins appear than the network may have nodes, those of
    /// the lowest ID are forgotten.
    pub(crate) fn mark(&mut self, origin: NodeId, epoch: u64, seq: u64) -> bool {
        if self.origins.len() >= MAX_NODES && !self.origins.contains_key(&origin) {
            self.origins.pop_first();
        }
        let window = self.origins.entry(origin).or_default();
        if epoch > window.epoch {
            *window = Window { epoch, ..Window::default() };
        }
        epoch == window.epoch && window.mark(seq)
    }
}

/// The newest [`Window::WIDTH`] numbers of one epoch; older ones count as seen.
#[derive(Debug)]
struct Window {
    epoch: u64,
    highest: u64,
    seen: Box<[u64; Window::WIDTH as usize / 64]>,
}

impl Window {
    const WIDTH: u64 = 4096;

    fn mark(&mut self, seq: u64) -> bool {
        if seq > self.highest {
            let skipped = (seq - self.highest).min(Self::WIDTH);
            for step in 0..skipped {
                self.clear(seq - step);
            }
            self.highest = seq;
        } else if self.highest - seq >= Self::WIDTH {
            return false;
        }
        let (word, bit) = Self::place(seq);
        let is_new = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        is_new
    }

    fn clear(&mut self, seq: u64) {
        let (word, bit) = Self::place(seq);
        self.seen[word] &= !bit;
    }

    fn place(seq: u64) -> (usize, u64) {
        let index = seq % Self::WIDTH;
        ((index / 64) as usize, 1 << (index % 64))
    }
}

impl Default for Window {
    fn default() -> Self {
        Self { epoch: 0, highest: 0, seen: Box::new([0; Self::WIDTH as usize / 64]) }
    }
}

/// Why a multicast or broadcast was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The data is longer than [`nuncio_protocol::MAX_BODY`].
    #[error("data of {bytes} bytes is over the limit of {limit}")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The queues to all peers are full.
    #[error("busy: the queues to all peers are full")]
    Busy,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_takes_each_number_once_in_any_order() {
        let mut window = Window::default();
        for seq in [5, 3, 4, 4096, 4100, 1 << 40] {
            assert!(window.mark(seq), "{seq} is new");
            assert!(!window.mark(seq), "{seq} is known");
        }
        assert!(!window.mark(4), "too old to tell");
    }

    #[test]
    fn a_new_epoch_starts_anew_and_an_old_one_is_refused() {
        let origin = nuncio_identity::NodeKey::generate().node_id();
        let mut delivered = Delivered::default();
        assert!(delivered.mark(origin, 7, 9));
        assert!(delivered.mark(origin, 8, 1));
        assert!(!delivered.mark(origin, 7, 10));
        assert!(!delivered.mark(origin, 8, 1));
    }
}
