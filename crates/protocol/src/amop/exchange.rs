use std::{
    collections::{BTreeMap, HashMap},
    time::Instant,
};

use bytes::Bytes;
use nuncio_identity::NodeId;

use super::{ClientId, DeliveryId, PublishSeq, ResultCode};
use crate::{Topic, timers::Timers};

/// Most attempts at one message.
const MAX_ATTEMPTS: u64 = 256;

/// The publishes of our clients that have no reply yet, by message number.
///
/// Bound: the configured most exchanges; further ones are answered [`ResultCode::OVER_LIMIT`].
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    open: BTreeMap<u64, Exchange>,
    /// The messages of the present attempts at other nodes, by the attempts' numbers.
    attempts: HashMap<u64, u64>,
    timers: Timers<u64>,
}

/// One publish to one subscriber.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) client: ClientId,
    pub(super) seq: PublishSeq,
    pub(super) topic: Topic,
    pub(super) data: Bytes,
    pub(super) deadline: Instant,
    pub(super) attempt: Option<Attempt>,
    pub(super) tried_clients: Vec<ClientId>,
    /// Once for each attempt.
    pub(super) tried_nodes: Vec<NodeId>,
    /// Channels of subscribers of a private topic at other nodes.
    pub(super) tried_channels: Vec<Topic>,
    /// Nodes without another session to try, or without a way to them.
    pub(super) given_up: Vec<NodeId>,
    /// Of its attempts at other nodes.
    numbers: Vec<u64>,
    attempts: u64,
    fate: Fate,
    wake: Instant,
}

/// Who is tried now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    pub(super) id: u64,
    pub(super) to: Trying,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Trying {
    Client { client: ClientId, delivery: DeliveryId },
    Node { node: NodeId, via: NodeId },
}

/// The most that can have become of the attempts so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    /// No subscriber saw the message.
    Unseen,
    /// Subscribers were tried and were gone or refused.
    Gone,
    /// A subscriber was silent.
    Silent,
}

impl Exchanges {
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn get(&self, message: u64) -> Option<&Exchange> {
        self.open.get(&message)
    }

    pub(super) fn get_mut(&mut self, message: u64) -> Option<&mut Exchange> {
        self.open.get_mut(&message)
    }

    pub(super) fn insert(&mut self, message: u64, exchange: Exchange) {
        self.timers.set(exchange.wake, message);
        self.open.insert(message, exchange);
    }

    pub(super) fn remove(&mut self, message: u64) -> Option<Exchange> {
        let exchange = self.open.remove(&message)?;
        self.timers.cancel(exchange.wake, message);
        for number in &exchange.numbers {
            self.attempts.remove(number);
        }
        Some(exchange)
    }

    /// Starts an attempt under a number of its own that ends at an instant.
    pub(super) fn begin(&mut self, message: u64, number: u64, ends: Instant, to: Trying) {
        let Some(exchange) = self.open.get_mut(&message) else { return };
        exchange.attempts += 1;
        exchange.attempt = Some(Attempt { id: number, to });
        match to {
            Trying::Client { client, .. } => exchange.tried_clients.push(client),
            Trying::Node { node, .. } => {
                exchange.tried_nodes.push(node);
                exchange.numbers.push(number);
                self.attempts.insert(number, message);
            }
        }
        self.timers.cancel(exchange.wake, message);
        exchange.wake = ends;
        self.timers.set(ends, message);
    }

    /// The message that an attempt of this number was made for.
    pub(super) fn message_of(&self, number: u64) -> Option<u64> {
        self.attempts.get(&number).copied()
    }

    /// The messages whose present attempt matches.
    pub(super) fn matching(&self, test: impl Fn(&Trying) -> bool) -> Vec<u64> {
        let matches = |exchange: &Exchange| exchange.attempt.is_some_and(|attempt| test(&attempt.to));
        self.open.iter().filter(|(_, exchange)| matches(exchange)).map(|(message, _)| *message).collect()
    }

    pub(super) fn pop_due(&mut self, now: Instant) -> Option<u64> {
        self.timers.pop_due(now)
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.timers.next()
    }
}

impl Exchange {
    pub(super) const fn new(client: ClientId, seq: PublishSeq, topic: Topic, data: Bytes, deadline: Instant) -> Self {
        Self {
            client,
            seq,
            topic,
            data,
            deadline,
            attempt: None,
            tried_clients: Vec::new(),
            tried_nodes: Vec::new(),
            tried_channels: Vec::new(),
            given_up: Vec::new(),
            numbers: Vec::new(),
            attempts: 0,
            fate: Fate::Unseen,
            wake: deadline,
        }
    }

    /// Ends the present attempt.
    pub(super) fn end_attempt(&mut self, fate: Fate) -> Option<Trying> {
        self.fate = self.fate.max(fate);
        self.attempt.take().map(|attempt| attempt.to)
    }

    /// Whether more attempts can be told apart.
    pub(super) const fn can_try(&self) -> bool {
        self.attempts < MAX_ATTEMPTS
    }

    /// The reply's code when nobody answered.
    pub(super) const fn code(&self) -> ResultCode {
        match self.fate {
            Fate::Unseen => ResultCode::NO_SUBSCRIBER,
            Fate::Gone => ResultCode::SUBSCRIBER_GONE,
            Fate::Silent => ResultCode::TIMEOUT,
        }
    }
}
