//! The application's listeners: who gets which message.

mod entry;
mod shares;
#[cfg(test)]
mod tests;

pub(crate) use shares::Charge;

use std::{collections::BTreeMap, time::Instant};

use bytes::Bytes;
use nuncio_bounds::Bound;
use nuncio_identity::NodeId;
use nuncio_protocol::{
    MAX_BODY, Priority, Topic, Urgency,
    trace::TraceParent,
    unicast::{InboundId, Refusal},
};
use tokio::sync::mpsc::error::TrySendError;

use crate::{
    handle::Responder,
    listener::{Incoming, Listener, Run},
    queue,
    replies::Replies,
};
use entry::{BYTES_LEFT_TO_REQUESTS, Entry};
use shares::Shares;

/// Requests, gaps and runs of multicasts that wait for one listener at the most, however short they are.
const MAX_WAITING: usize = 2048;

/// What each of them counts beside the bodies: its place in the queue, its topic, its names.
const OVERHEAD: usize = 512;

/// What a multicast counts beside its body.
const PER_MULTICAST: usize = 64;

/// Fewest bytes of a queue: two messages of the greatest length of one source, and one of another.
const MIN_QUEUE: usize = 3 * (MAX_BODY + OVERHEAD + PER_MULTICAST) + BYTES_LEFT_TO_REQUESTS;

/// Urgent requests, gaps and runs of multicasts that wait for one listener at the most; further ones wait among the others.
const MAX_URGENT: usize = 256;
const URGENT_BYTES: usize = 1 << 20;

/// All listeners of a node.
///
/// Bound: the application's; each queue holds so many bytes as [`Listeners::new`] was given, of each source no more than
/// is left for all others. When one is full, its listener misses multicasts and is told which, and other listeners are asked
/// to take unicasts.
#[derive(Debug)]
pub(crate) struct Listeners {
    entries: Vec<Entry>,
    topics: BTreeMap<Topic, usize>,
    turn: usize,
    queue: usize,
    missed: u64,
    /// How much of the multicasts of each node is urgent.
    urgency: Urgency,
}

/// Numbers of messages, the last included, of one epoch of their origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Missed {
    pub(crate) epoch: u64,
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl Listeners {
    /// Of so many listeners with queues of so many bytes.
    pub(crate) fn bound(queue: usize, listeners: usize) -> Bound {
        let when_full = "a source has no more than is left for all others; beyond, the listener misses multicasts and is told which, and others are asked to take unicasts";
        Bound::of_bytes("messages for a listener", queue.max(MIN_QUEUE) + URGENT_BYTES, when_full)
            .in_entries(MAX_WAITING + MAX_URGENT)
            .per("listener", listeners)
    }

    /// Of whom something urgent came.
    pub(crate) fn urgency_bound() -> Bound {
        Urgency::bound()
    }

    /// Of whom something waits for so many listeners.
    pub(crate) const fn sources_bound(listeners: usize) -> Bound {
        Shares::BOUND.per("listener", listeners)
    }

    /// Whose turn it is among them, for what is urgent and for the rest.
    pub(crate) const fn turns_bound(listeners: usize) -> Bound {
        Listener::TURNS.per("listener", 2 * listeners)
    }

    /// No listener; each may be behind by `queue` bytes, and in any case by two messages of the greatest length of one source
    /// and one of another.
    pub(crate) fn new(queue: usize) -> Self {
        let queue = queue.max(MIN_QUEUE);
        let (entries, topics, urgency) = Default::default();
        Self { entries, topics, turn: 0, queue, missed: 0, urgency }
    }

    /// Adds a listener; returns it with the topics nobody listened to before.
    pub(crate) fn add(&mut self, topics: Vec<Topic>, requests: bool) -> (Listener, Vec<Topic>) {
        let mut fresh = Vec::new();
        for topic in &topics {
            let listeners = self.topics.entry(topic.clone()).or_default();
            *listeners += 1;
            if *listeners == 1 {
                fresh.push(topic.clone());
            }
        }
        let (urgent, first) = queue::channel(MAX_URGENT, URGENT_BYTES);
        let (incoming, receiver) = queue::channel(MAX_WAITING, self.queue);
        self.entries.push(Entry::new(topics, requests, (urgent, incoming)));
        (Listener::new(first, receiver), fresh)
    }

    /// Forgets listeners that were dropped; returns the topics nobody listens to any more.
    pub(crate) fn prune(&mut self) -> Vec<Topic> {
        let mut abandoned = Vec::new();
        for entry in self.entries.extract_if(.., |entry| entry.incoming.is_closed()) {
            if entry.missed > 0 {
                tracing::info!(missed = entry.missed, "a listener that was too slow has gone");
            }
            for topic in entry.topics {
                let Some(listeners) = self.topics.get_mut(&topic) else { continue };
                *listeners -= 1;
                if *listeners == 0 {
                    self.topics.remove(&topic);
                    abandoned.push(topic);
                }
            }
        }
        abandoned
    }

    /// How many there are.
    pub(crate) const fn count(&self) -> usize {
        self.entries.len()
    }

    /// Bytes that wait for all of them.
    pub(crate) fn held(&self) -> usize {
        self.entries.iter().flat_map(Entry::queues).map(|queue| queue.taken().held()).sum()
    }

    /// How many multicasts and broadcasts were missed since the start, each once per listener.
    pub(crate) const fn missed(&self) -> u64 {
        self.missed
    }

    /// Gives a request to the listener whose turn it is.
    ///
    /// # Errors
    /// The refusal to send when nobody takes it.
    pub(crate) fn request(
        &mut self,
        from: NodeId,
        (body, parent, priority): (Bytes, Option<TraceParent>, Priority),
        inbound: InboundId,
        replies: &Replies,
    ) -> Result<(), Refusal> {
        let mut refusal = Refusal::NoHandler;
        for step in 0..self.entries.len() {
            let index = (self.turn + step) % self.entries.len();
            let entry = &mut self.entries[index];
            if !entry.requests {
                continue;
            }
            let request = || {
                let responder = Responder { inbound, replies: Some(replies.clone()), parent };
                Incoming::Unicast { from, body: body.clone(), responder }
            };
            match entry.ask(from, (body.len() + OVERHEAD, priority), request) {
                Ok(()) => {
                    self.turn = index + 1;
                    return Ok(());
                }
                Err(TrySendError::Full(())) => refusal = Refusal::Busy,
                Err(TrySendError::Closed(())) => {}
            }
        }
        Err(refusal)
    }

    /// Gives multicasts to the listeners of their topic, broadcasts to all. Those who are too far behind miss them, and are told
    /// so as soon as there is room.
    pub(crate) fn multicast(&mut self, run: &Run, now: Instant) {
        let is_urgent = self.urgency.of_many(&run.origin(), run.priority(), run.lengths(), now).is_urgent();
        for entry in self.entries.iter_mut().filter(|entry| entry.hears(run.topic())) {
            self.missed += entry.take(run.clone(), is_urgent) as u64;
        }
    }

    /// Messages that come to nobody here.
    pub(crate) fn gap(&mut self, from: NodeId, topic: Option<&Topic>, missed: Missed) {
        for entry in self.entries.iter_mut().filter(|entry| entry.hears(topic)) {
            entry.owe(from, topic, missed);
            entry.tell_missed_of(&from);
        }
    }

    /// Tells listeners that have room again what they missed.
    pub(crate) fn tell_missed(&mut self) {
        for entry in &mut self.entries {
            entry.tell_missed();
        }
    }
}
