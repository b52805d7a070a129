use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use nuncio_bounds::Bound;
use nuncio_identity::NodeId;

use crate::{
    amop,
    gossip::{GossipId, Stamp},
    hashed::HashMap,
    header::Letter,
    status_sync::Version,
    unicast,
};

/// How long a message waits for the record of its source.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many messages of how many bytes wait, in all and brought by one peer. Further ones are dropped: who asked asks again.
const MAX_MESSAGES: usize = 1024;
const MAX_BYTES: usize = 8 << 20;
const MAX_MESSAGES_OF_PEER: usize = 128;
const MAX_BYTES_OF_PEER: usize = 1 << 20;

/// What a message counts for besides its content.
const OVERHEAD: usize = 512;

/// Messages whose source's record, or newest record, has not come yet; the oldest first.
#[derive(Debug, Default)]
pub(super) struct Held {
    queue: VecDeque<Entry>,
    bytes: usize,
    /// Of each peer, how many and how many bytes.
    shares: HashMap<NodeId, (usize, usize)>,
}

/// A message that waits.
#[derive(Debug)]
pub(crate) enum Waiting {
    Unicast(unicast::Message),
    Bridge(amop::Message),
    Multicast(amop::Multicast),
    Gossip { id: GossipId, stamp: Stamp, length: usize },
    Announcement { id: GossipId, node: NodeId, version: Version, clock: Duration },
}

#[derive(Debug)]
struct Entry {
    until: Instant,
    from: NodeId,
    source: NodeId,
    weight: usize,
    /// Whether who brought it is asked for the record of its source.
    is_asked: bool,
    waiting: Waiting,
}

impl Waiting {
    pub(crate) fn source(&self) -> NodeId {
        match self {
            Self::Unicast(message) => message.header.source,
            Self::Bridge(message) => message.header.source,
            Self::Multicast(multicast) => multicast.source,
            Self::Gossip { stamp, .. } => stamp.origin,
            Self::Announcement { node, .. } => *node,
        }
    }

    /// Its name, of gossip.
    pub(crate) const fn gossip(&self) -> Option<GossipId> {
        match self {
            Self::Gossip { id, .. } | Self::Announcement { id, .. } => Some(*id),
            Self::Unicast(_) | Self::Bridge(_) | Self::Multicast(_) => None,
        }
    }

    fn weight(&self) -> usize {
        OVERHEAD
            + match self {
                Self::Unicast(message) => message.length(),
                Self::Bridge(message) => message.length(),
                Self::Multicast(multicast) => multicast.weight(),
                Self::Gossip { length, .. } => *length,
                Self::Announcement { .. } => 0,
            }
    }
}

impl Held {
    pub(super) const BOUND: Bound = Bound::of_bytes(
        "messages whose source's record has not come",
        MAX_BYTES,
        "further ones are dropped, of one peer from an eighth on",
    )
    .in_entries(MAX_MESSAGES);

    /// Says whether there is room for it.
    pub(super) fn hold(&mut self, from: NodeId, waiting: Waiting, is_asked: bool, now: Instant) -> bool {
        let weight = waiting.weight();
        let (messages, bytes) = self.shares.get(&from).copied().unwrap_or_default();
        let fits = self.queue.len() < MAX_MESSAGES
            && self.bytes + weight <= MAX_BYTES
            && messages < MAX_MESSAGES_OF_PEER
            && bytes + weight <= MAX_BYTES_OF_PEER;
        if fits {
            self.bytes += weight;
            self.shares.insert(from, (messages + 1, bytes + weight));
            let source = waiting.source();
            self.queue.push_back(Entry { until: now + PATIENCE, from, source, weight, is_asked, waiting });
        }
        fits
    }

    pub(super) fn release(&mut self, source: &NodeId) -> Vec<(NodeId, Waiting)> {
        self.take(|entry| entry.source == *source).map(|entry| (entry.from, entry.waiting)).collect()
    }

    pub(super) fn forget_peer(&mut self, peer: &NodeId) -> Vec<Waiting> {
        self.take(|entry| entry.from == *peer).map(|entry| entry.waiting).collect()
    }

    /// Gives up what waited too long; with who brought it, if that was asked for the record.
    pub(super) fn give_up(&mut self, now: Instant) -> Vec<(Option<NodeId>, Waiting)> {
        if self.next().is_none_or(|next| next > now) {
            return Vec::new();
        }
        self.take(|entry| entry.until <= now)
            .map(|entry| (entry.is_asked.then_some(entry.from), entry.waiting))
            .collect()
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.queue.front().map(|entry| entry.until)
    }

    fn take(&mut self, is_meant: impl Fn(&Entry) -> bool) -> impl Iterator<Item = Entry> {
        let (taken, kept): (VecDeque<_>, _) =
            std::mem::take(&mut self.queue).into_iter().partition(|entry| is_meant(entry));
        self.queue = kept;
        for Entry { from, weight, .. } in &taken {
            self.bytes -= weight;
            if let Some((messages, bytes)) = self.shares.get_mut(from) {
                (*messages, *bytes) = (*messages - 1, *bytes - weight);
                if *messages == 0 {
                    self.shares.remove(from);
                }
            }
        }
        taken.into_iter()
    }
}
