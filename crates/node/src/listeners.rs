//! The application's listeners: who gets which message.

use std::collections::BTreeMap;

use nuncio_identity::NodeId;
use nuncio_protocol::{
    Topic,
    unicast::{InboundId, Refusal},
};
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::handle::{Incoming, MessageId, Responder, Response};

/// All listeners of a node.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    entries: Vec<Entry>,
    topics: BTreeMap<Topic, usize>,
    turn: usize,
    missed: u64,
}

#[derive(Debug)]
struct Entry {
    topics: Vec<Topic>,
    requests: bool,
    incoming: mpsc::Sender<Incoming>,
}

impl Listeners {
    /// Adds a listener; returns the topics nobody listened to before.
    pub(crate) fn add(&mut self, topics: Vec<Topic>, requests: bool, incoming: mpsc::Sender<Incoming>) -> Vec<Topic> {
        let mut fresh = Vec::new();
        for topic in &topics {
            let listeners = self.topics.entry(topic.clone()).or_default();
            *listeners += 1;
            if *listeners == 1 {
                fresh.push(topic.clone());
            }
        }
        self.entries.push(Entry { topics, requests, incoming });
        fresh
    }

    /// Forgets listeners that were dropped; returns the topics nobody listens to any more.
    pub(crate) fn prune(&mut self) -> Vec<Topic> {
        let mut abandoned = Vec::new();
        for entry in self.entries.extract_if(.., |entry| entry.incoming.is_closed()) {
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

    /// Gives a request to the listener whose turn it is.
    ///
    /// # Errors
    /// The refusal to send when nobody takes it.
    pub(crate) fn request(
        &mut self,
        from: NodeId,
        body: bytes::Bytes,
        inbound: InboundId,
        responses: &mpsc::UnboundedSender<Response>,
    ) -> Result<(), Refusal> {
        let mut refusal = Refusal::NoHandler;
        for step in 0..self.entries.len() {
            let index = (self.turn + step) % self.entries.len();
            let entry = &self.entries[index];
            if !entry.requests {
                continue;
            }
            match entry.incoming.try_reserve() {
                Ok(place) => {
                    let responder = Responder { inbound, commands: Some(responses.clone()) };
                    place.send(Incoming::Unicast { from, body, responder });
                    self.turn = index + 1;
                    return Ok(());
                }
                Err(TrySendError::Full(())) => refusal = Refusal::Busy,
                Err(TrySendError::Closed(())) => {}
            }
        }
        Err(refusal)
    }

    /// Gives a multicast to the listeners of its topic, a broadcast to all. Those who are too far behind miss it.
    pub(crate) fn multicast(&mut self, from: NodeId, topic: Option<&Topic>, data: &bytes::Bytes, id: MessageId) {
        for entry in &self.entries {
            let incoming = match topic {
                Some(topic) if entry.topics.contains(topic) => {
                    Incoming::Multicast { from, topic: topic.clone(), data: data.clone(), id }
                }
                Some(_) => continue,
                None => Incoming::Broadcast { from, data: data.clone(), id },
            };
            if let Err(TrySendError::Full(_)) = entry.incoming.try_send(incoming) {
                self.missed += 1;
                if self.missed.is_power_of_two() {
                    tracing::warn!(missed = self.missed, "a listener is too slow and misses messages");
                }
            }
        }
    }
}
