use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bytes::Bytes;
use nuncio_identity::NodeId;

use super::{ExchangeId, Refusal, UnicastError};
use crate::{routing::Routing, timers::Timers};

/// The requests of this node that have not ended.
///
/// Bound: the configured most exchanges; further requests are refused as busy.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    open: BTreeMap<ExchangeId, Exchange>,
    timers: Timers<ExchangeId>,
}

/// One request of this node.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) target: NodeId,
    pub(super) body: Bytes,
    pub(super) timeout: Duration,
    pub(super) deadline: Instant,
    /// The first hop of the present attempt; `None` while it waits for a path, or at this node itself.
    pub(super) via: Option<NodeId>,
    /// First hops of earlier attempts that failed.
    pub(super) tried: Vec<NodeId>,
    /// Whether an attempt may have come through.
    pub(super) maybe_seen: bool,
    /// Why the last attempt failed, where it was refused.
    pub(super) refusal: Refusal,
    wake: Instant,
}

impl Exchanges {
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn contains(&self, id: ExchangeId) -> bool {
        self.open.contains_key(&id)
    }

    pub(super) fn get_mut(&mut self, id: ExchangeId) -> Option<&mut Exchange> {
        self.open.get_mut(&id)
    }

    pub(super) fn insert(&mut self, id: ExchangeId, exchange: Exchange) {
        self.timers.set(exchange.wake, id);
        self.open.insert(id, exchange);
    }

    pub(super) fn remove(&mut self, id: ExchangeId) -> Option<Exchange> {
        let exchange = self.open.remove(&id)?;
        self.timers.cancel(exchange.wake, id);
        Some(exchange)
    }

    /// The exchanges whose present attempt matches.
    pub(super) fn matching(&self, test: impl Fn(&Exchange) -> bool) -> Vec<ExchangeId> {
        self.open.iter().filter(|(_, exchange)| test(exchange)).map(|(id, _)| *id).collect()
    }

    /// Has an exchange looked at again, no later than its deadline.
    pub(super) fn wake_at(&mut self, id: ExchangeId, at: Instant) {
        if let Some(exchange) = self.open.get_mut(&id) {
            self.timers.cancel(exchange.wake, id);
            exchange.wake = at.min(exchange.deadline);
            self.timers.set(exchange.wake, id);
        }
    }

    pub(super) fn pop_due(&mut self, now: Instant) -> Option<ExchangeId> {
        self.timers.pop_due(now)
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.timers.next()
    }
}

impl Exchange {
    pub(super) fn new(target: NodeId, body: Bytes, timeout: Duration, now: Instant) -> Self {
        let deadline = now + timeout;
        Self {
            target,
            body,
            timeout,
            deadline,
            via: None,
            tried: Vec::new(),
            maybe_seen: false,
            refusal: Refusal::NoRoute,
            wake: deadline,
        }
    }

    /// Ends the present attempt; says whether there was one.
    pub(super) fn give_up_hop(&mut self) -> bool {
        let hop = self.via.take();
        self.tried.extend(hop);
        hop.is_some()
    }

    /// Another first hop, once all were tried any; `None` where no path exists.
    pub(super) fn choose_hop(&mut self, routing: &mut Routing, again: bool) -> Option<NodeId> {
        let hop = routing.next_hop_without(&self.target, &self.tried);
        if hop.is_some() || !again {
            return hop;
        }
        self.tried.clear();
        routing.next_hop(&self.target)
    }

    /// How it ends when nothing more can be tried.
    pub(super) const fn failure(&self) -> UnicastError {
        match (self.maybe_seen, self.refusal) {
            (true, _) => UnicastError::TimedOut { after: self.timeout },
            (false, Refusal::NoRoute) => UnicastError::NoRoute,
            (false, refusal) => UnicastError::Refused(refusal),
        }
    }
}
