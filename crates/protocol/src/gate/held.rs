use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use nuncio_identity::NodeId;

use crate::{amop, header::Letter, unicast};

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
}

/// A message that waits.
#[derive(Debug)]
pub(crate) enum Waiting {
    Unicast(unicast::Message),
    Bridge(amop::Message),
    Multicast(amop::Multicast),
}

#[derive(Debug)]
struct Entry {
    until: Instant,
    from: NodeId,
    source: NodeId,
    weight: usize,
    waiting: Waiting,
}

impl Waiting {
    pub(crate) fn source(&self) -> NodeId {
        match self {
            Self::Unicast(message) => message.header.source,
            Self::Bridge(message) => message.header.source,
            Self::Multicast(multicast) => multicast.source,
        }
    }

    fn weight(&self) -> usize {
        OVERHEAD
            + match self {
                Self::Unicast(message) => message.length(),
                Self::Bridge(message) => message.length(),
                Self::Multicast(multicast) => multicast.length(),
            }
    }
}

impl Held {
    /// Gives the message back when there is no room for it.
    pub(super) fn hold(&mut self, from: NodeId, waiting: Waiting, now: Instant) -> Option<Waiting> {
        let weight = waiting.weight();
        let of_peer = self.queue.iter().filter(|entry| entry.from == from);
        let (messages, bytes) = of_peer.fold((0, 0), |(messages, bytes), entry| (messages + 1, bytes + entry.weight));
        let fits = self.queue.len() < MAX_MESSAGES
            && self.bytes + weight <= MAX_BYTES
            && messages < MAX_MESSAGES_OF_PEER
            && bytes + weight <= MAX_BYTES_OF_PEER;
        if !fits {
            return Some(waiting);
        }
        self.bytes += weight;
        let source = waiting.source();
        self.queue.push_back(Entry { until: now + PATIENCE, from, source, weight, waiting });
        None
    }

    pub(super) fn release(&mut self, source: &NodeId) -> Vec<(NodeId, Waiting)> {
        self.take(|entry| entry.source == *source).map(|entry| (entry.from, entry.waiting)).collect()
    }

    pub(super) fn forget_peer(&mut self, peer: &NodeId) {
        self.take(|entry| entry.from == *peer);
    }

    /// Gives up what waited too long: who brought it, and its source.
    pub(super) fn give_up(&mut self, now: Instant) -> Vec<(NodeId, NodeId)> {
        if self.next().is_none_or(|next| next > now) {
            return Vec::new();
        }
        self.take(|entry| entry.until <= now).map(|entry| (entry.from, entry.source)).collect()
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.queue.front().map(|entry| entry.until)
    }

    fn take(&mut self, is_meant: impl Fn(&Entry) -> bool) -> impl Iterator<Item = Entry> {
        let (taken, kept): (VecDeque<_>, _) =
            std::mem::take(&mut self.queue).into_iter().partition(|entry| is_meant(entry));
        self.queue = kept;
        self.bytes -= taken.iter().map(|entry| entry.weight).sum::<usize>();
        taken.into_iter()
    }
}
