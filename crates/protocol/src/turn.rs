use std::time::Instant;

use nuncio_identity::NodeId;

use crate::{
    Header,
    life::Life,
    onward::Onward,
    outbox::Outbox,
    peering::Peering,
    routing::Routing,
    status_sync::StatusSync,
    trace::{Fate, Tracing},
};

/// What a machine works with while it takes one input.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) routing: &'a mut Routing,
    pub(crate) onward: &'a mut Onward,
    pub(crate) trace: &'a mut Tracing,
    pub(crate) outbox: &'a mut Outbox,
    pub(crate) life: &'a mut Life,
    pub(crate) directory: Directory<'a>,
    pub(crate) now: Instant,
}

impl Turn<'_> {
    /// The header of an answer to its source.
    pub(crate) fn answering(&self, asked: &Header) -> Header {
        let header = self.life.header((asked.source, asked.source_epoch), asked.number, asked.lifetime, self.now);
        Header { priority: asked.priority, ..header }
    }

    /// A request of another node is queued for a link.
    pub(crate) fn passes(&mut self, header: &Header, from: NodeId, to: NodeId) {
        self.trace.handle_passing(header, (from, to), self.directory, self.now);
    }

    /// A request of another node goes no further.
    pub(crate) fn ends(&mut self, header: &Header, from: NodeId, fate: Fate) {
        self.trace.handle_end(header, (from, fate), self.directory, self.outbox, self.now);
    }
}

/// Where to look up what is known of another node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Directory<'a> {
    pub(crate) peering: &'a Peering,
    pub(crate) status_sync: &'a StatusSync,
}

impl Directory<'_> {
    /// The epoch in which a node runs: as it said itself where it is linked, else as its record says.
    pub(crate) fn epoch_of(&self, node: &NodeId) -> Option<u64> {
        let told = self.peering.epoch_of(node);
        told.or_else(|| self.status_sync.record(node).map(|record| record.status.version.epoch))
    }

    /// The same, but for a linked node that has not said its epoch yet: its record may be of an earlier one.
    pub(crate) fn certain_epoch_of(&self, node: &NodeId) -> Option<u64> {
        if self.peering.is_linked(node) { self.peering.epoch_of(node) } else { self.epoch_of(node) }
    }

    /// Whether multicasts may be pushed over the link to a peer: its record says that it takes them, in the epoch in which it
    /// runs.
    pub(crate) fn takes_batches(&self, peer: &NodeId) -> bool {
        let record = self.status_sync.record(peer).filter(|record| record.status.takes_batches);
        record.is_some_and(|record| self.peering.epoch_of(peer) == Some(record.status.version.epoch))
    }

    /// Whether a node takes reports on the messages that it sends in this epoch: its record says so.
    pub(crate) fn traces(&self, node: &NodeId, epoch: u64) -> bool {
        let record = self.status_sync.record(node).filter(|record| record.status.traces);
        record.is_some_and(|record| record.status.version.epoch == epoch)
    }

    /// Whether this node can show others that a node is certified: who gets something of it asks for its record whoever
    /// brought that.
    pub(crate) fn can_show(&self, node: &NodeId) -> bool {
        !self.peering.is_expelled(node) && self.status_sync.record(node).is_some()
    }

    /// Whether the node's certificate was seen: in the handshake of its link, or behind its record.
    pub(crate) fn is_certified(&self, node: &NodeId) -> bool {
        !self.peering.is_expelled(node) && (self.peering.is_linked(node) || self.status_sync.record(node).is_some())
    }
}
