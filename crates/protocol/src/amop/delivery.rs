use std::{collections::BTreeMap, time::Instant};

use bytes::Bytes;
use nuncio_identity::NodeId;

use super::{ClientId, DeliveryId};
use crate::{Topic, timers::Timers};

/// Deliveries that wait for their client's acknowledgement.
///
/// Bound: one for each own exchange, and for other nodes the configured most exchanges again; further ones
/// are answered as gone, so that their publisher tries elsewhere.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    open: BTreeMap<DeliveryId, Delivery>,
    timers: Timers<DeliveryId>,
    next: u64,
}

/// A message at a client.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) client: ClientId,
    pub(super) origin: Origin,
}

/// Who wants to know.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "most are for peers: a box for each would cost more than the space")]
pub(super) enum Origin {
    /// An exchange of ours, which also keeps the time.
    Own { message: u64 },
    /// Another node.
    Peer(Errand),
}

/// What another node's publish asks of us.
#[derive(Debug)]
pub(super) struct Errand {
    pub(super) source: NodeId,
    pub(super) epoch: u64,
    pub(super) number: u64,
    pub(super) message: u64,
    /// The link it came over.
    pub(super) via: NodeId,
    pub(super) topic: Topic,
    pub(super) data: Bytes,
    pub(super) ends: Instant,
}

impl Errand {
    /// As what it is remembered.
    pub(super) const fn key(&self) -> (NodeId, u64, u64) {
        (self.source, self.epoch, self.message)
    }
}

impl Deliveries {
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// A name for a delivery.
    pub(super) const fn name(&mut self) -> DeliveryId {
        self.next += 1;
        DeliveryId(self.next)
    }

    pub(super) fn insert(&mut self, id: DeliveryId, delivery: Delivery) {
        if let Origin::Peer(errand) = &delivery.origin {
            self.timers.set(errand.ends, id);
        }
        self.open.insert(id, delivery);
    }

    /// Takes a delivery if it is this client's.
    pub(super) fn take(&mut self, id: DeliveryId, client: ClientId) -> Option<Delivery> {
        if self.open.get(&id)?.client != client {
            return None;
        }
        let delivery = self.open.remove(&id)?;
        if let Origin::Peer(errand) = &delivery.origin {
            self.timers.cancel(errand.ends, id);
        }
        Some(delivery)
    }

    /// Takes a delivery whose time is over.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(DeliveryId, Delivery)> {
        let id = self.timers.pop_due(now)?;
        self.open.remove(&id).map(|delivery| (id, delivery))
    }

    /// Ends the deliveries for another node, and gives them back.
    pub(super) fn drop_source(&mut self, node: &NodeId) -> Vec<(DeliveryId, ClientId)> {
        let theirs = |origin: &Origin| matches!(origin, Origin::Peer(errand) if errand.source == *node);
        let open = self.open.iter().filter(|(_, delivery)| theirs(&delivery.origin));
        let dropped: Vec<_> = open.map(|(id, delivery)| (*id, delivery.client)).collect();
        for (id, client) in &dropped {
            self.take(*id, *client);
        }
        dropped
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.timers.next()
    }
}
