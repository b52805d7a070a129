use std::{
    collections::{BTreeMap, BTreeSet, VecDeque, btree_map::Entry},
    time::{Duration, Instant},
};

use nuncio_identity::NodeId;

use super::{ClientId, PublishSeq};
use crate::Topic;

/// How long the sessions that were handed a message are remembered.
const MESSAGE_MEMORY: Duration = Duration::from_secs(10);
const MAX_MESSAGES: usize = 262_144;
/// How long a multicast is recognised, and how many of them; the oldest go first.
const MULTICAST_MEMORY: Duration = Duration::from_secs(60);
const MAX_MULTICASTS: usize = 65_536;

/// Which of our sessions were handed which message of another node, so that none gets it twice.
///
/// Bound: the messages of the last [`MESSAGE_MEMORY`], [`MAX_MESSAGES`] at the most; the oldest go first.
#[derive(Debug, Default)]
pub(super) struct Handed {
    messages: BTreeMap<Key, Vec<ClientId>>,
    order: VecDeque<(Instant, Key)>,
}

/// A source, its epoch, and its message.
type Key = (NodeId, u64, u64);

impl Handed {
    /// Notes a message.
    pub(super) fn admit(&mut self, source: NodeId, epoch: u64, message: u64, now: Instant) {
        self.purge(now);
        let key = (source, epoch, message);
        if let Entry::Vacant(entry) = self.messages.entry(key) {
            entry.insert(Vec::new());
            self.order.push_back((now, key));
            if self.order.len() > MAX_MESSAGES {
                self.drop_oldest();
            }
        }
    }

    pub(super) fn clients(&self, key: &Key) -> &[ClientId] {
        self.messages.get(key).map_or(&[], Vec::as_slice)
    }

    pub(super) fn note(&mut self, key: &Key, client: ClientId) {
        if let Some(clients) = self.messages.get_mut(key) {
            clients.push(client);
        }
    }

    /// Frees what is no longer remembered.
    pub(super) fn purge(&mut self, now: Instant) {
        while self.order.front().is_some_and(|(at, _)| *at + MESSAGE_MEMORY <= now) {
            self.drop_oldest();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    fn drop_oldest(&mut self) {
        if let Some((_, key)) = self.order.pop_front() {
            self.messages.remove(&key);
        }
    }
}

/// Which multicasts were delivered here.
#[derive(Debug, Default)]
pub(super) struct Multicasts {
    seen: BTreeSet<(PublishSeq, Topic)>,
    order: VecDeque<(Instant, PublishSeq, Topic)>,
}

impl Multicasts {
    /// Notes a multicast; `true` the first time.
    pub(super) fn first_time(&mut self, seq: PublishSeq, topic: &Topic, now: Instant) -> bool {
        self.purge(now);
        if !self.seen.insert((seq, topic.clone())) {
            return false;
        }
        self.order.push_back((now, seq, topic.clone()));
        if self.order.len() > MAX_MULTICASTS {
            self.drop_oldest();
        }
        true
    }

    pub(super) fn purge(&mut self, now: Instant) {
        while self.order.front().is_some_and(|(at, _, _)| *at + MULTICAST_MEMORY <= now) {
            self.drop_oldest();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    fn drop_oldest(&mut self) {
        if let Some((_, seq, topic)) = self.order.pop_front() {
            self.seen.remove(&(seq, topic));
        }
    }
}
