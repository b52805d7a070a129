use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use nuncio_identity::NodeId;

use super::{ClientId, PublishSeq};
use crate::{MAX_NODES, Topic};

/// How long the sessions that were handed a message are remembered.
const MESSAGE_MEMORY: Duration = Duration::from_secs(10);
/// Most messages of one source remembered; the oldest go first.
const MAX_MESSAGES: usize = 16_384;
/// How long a multicast is recognised, and how many of them; the oldest go first.
const MULTICAST_MEMORY: Duration = Duration::from_secs(60);
const MAX_MULTICASTS: usize = 65_536;

/// Which of our sessions were handed which message of another node, so that none gets it twice.
///
/// Long messages are remembered apart: small ones overtake them.
///
/// Bound: twice [`MAX_NODES`] sources, [`MAX_MESSAGES`] each.
#[derive(Debug, Default)]
pub(super) struct Handed {
    sources: BTreeMap<Sender, Source>,
}

/// A source, and whether its messages are long ones.
pub(super) type Sender = (NodeId, bool);

#[derive(Debug)]
struct Source {
    epoch: u64,
    /// The newest message no longer remembered: it and older ones are replays.
    floor: Option<u64>,
    messages: BTreeMap<u64, Entry>,
    used: Instant,
}

#[derive(Debug)]
struct Entry {
    at: Instant,
    newest_attempt: u64,
    clients: Vec<ClientId>,
}

impl Handed {
    /// Notes an attempt at a message; `false` for a replay.
    pub(super) fn admit(&mut self, source: Sender, epoch: u64, message: u64, attempt: u64, now: Instant) -> bool {
        if self.sources.len() >= 2 * MAX_NODES && !self.sources.contains_key(&source) {
            self.drop_oldest_source();
        }
        let fresh = || Source { epoch, floor: None, messages: BTreeMap::new(), used: now };
        let entry = self.sources.entry(source).or_insert_with(fresh);
        if epoch > entry.epoch {
            *entry = fresh();
        }
        entry.used = now;
        entry.purge(now);
        if epoch < entry.epoch || entry.floor.is_some_and(|floor| message <= floor) {
            return false;
        }
        if let Some(known) = entry.messages.get_mut(&message) {
            let newer = attempt > known.newest_attempt;
            known.newest_attempt = known.newest_attempt.max(attempt);
            return newer;
        }
        entry.messages.insert(message, Entry { at: now, newest_attempt: attempt, clients: Vec::new() });
        true
    }

    pub(super) fn clients(&self, source: &Sender, message: u64) -> &[ClientId] {
        let entry = self.sources.get(source).and_then(|source| source.messages.get(&message));
        entry.map_or(&[], |entry| &entry.clients)
    }

    pub(super) fn note(&mut self, source: &Sender, message: u64, client: ClientId) {
        if let Some(entry) = self.sources.get_mut(source).and_then(|source| source.messages.get_mut(&message)) {
            entry.clients.push(client);
        }
    }

    /// Frees what is no longer remembered.
    pub(super) fn purge(&mut self, now: Instant) {
        for source in self.sources.values_mut() {
            source.purge(now);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sources.values().all(|source| source.messages.is_empty())
    }

    fn drop_oldest_source(&mut self) {
        let oldest = self.sources.iter().min_by_key(|(_, source)| source.used).map(|(node, _)| *node);
        if let Some(node) = oldest {
            self.sources.remove(&node);
        }
    }
}

impl Source {
    fn purge(&mut self, now: Instant) {
        while let Some(entry) = self.messages.first_entry()
            && entry.get().at + MESSAGE_MEMORY <= now
        {
            self.floor = Some(*entry.key());
            entry.remove();
        }
        while self.messages.len() >= MAX_MESSAGES {
            self.floor = self.messages.pop_first().map(|(message, _)| message);
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
