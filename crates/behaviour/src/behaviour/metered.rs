//! What the behaviour does, counted; and what it holds, read now and then.

use std::time::Instant;

use bytes::Bytes;
use libp2p::{gossipsub::MessageAcceptance, request_response};
use nuncio_identity::NodeId;
use nuncio_metrics::{DropCause, GossipOutcome, Lane as Where, MessageKind, PeerClass, Reachability};
use nuncio_protocol::{
    gossip::Counted,
    status_sync::{Status, Version},
};

use super::Behaviour;
use crate::{
    gossip::Lane,
    meter::{self, Link},
};

impl Behaviour {
    /// Reads what changes too often to be counted as it does, into [`crate::Config::metrics`]: what waits, what is held, and
    /// what the core counts itself. To be called every second or so.
    pub fn measure(&self) {
        let metrics = &self.meter.metrics;
        let (links, core, dropped) = (&metrics.links, &metrics.core, self.overlay.dropped());
        links.queue_bytes.set(self.inner.unicast.queues());
        links.intake_bytes.set(self.inner.unicast_large.intake());
        links
            .peer_queue_bytes
            .set(self.links.iter().map(|(peer, link)| (vec![peer.short()], self.queued(link) as f64)));
        let bytes = self.links.iter().flat_map(|(peer, link)| {
            [("received", link.received), ("sent", link.sent)]
                .map(|(direction, bytes)| (vec![peer.short(), direction.to_owned()], bytes as f64))
        });
        links.peer_bytes.set(bytes);
        for (cause, count) in [
            (DropCause::GateUnicast, dropped.unicast),
            (DropCause::GateAmop, dropped.amop),
            (DropCause::GateAmopMulticast, dropped.amop_multicasts),
            (DropCause::GateBatch, dropped.batches),
            (DropCause::GateWanted, dropped.wanted),
            (DropCause::NoRecord, dropped.no_record),
        ] {
            links.dropped.copy(cause, count);
        }
        self.measure_reports();
        core.route_searches.copy(self.overlay.routings());
        let held: Vec<_> = self.overlay.holdings().collect();
        core.held_bytes.set(held.iter().map(|held| (vec![held.bound.what.to_owned()], held.bytes as f64)));
        core.held_entries.set(held.iter().map(|held| (vec![held.bound.what.to_owned()], held.entries as f64)));
    }

    /// Bytes that wait for a link, on all its streams.
    fn queued(&self, Link { connection, .. }: &Link) -> usize {
        let inner = &self.inner;
        let unicast = inner.unicast.queued(*connection) + inner.unicast_large.queued(*connection);
        unicast + inner.bridge.queued(*connection) + inner.bridge_large.queued(*connection)
    }

    /// Who a peer is, by its record.
    pub(super) fn class_of(&self, peer: &NodeId) -> PeerClass {
        match self.overlay.record(peer) {
            Some(record) if record.status.agency == self.agency => PeerClass::OwnAgency,
            Some(_) => PeerClass::OtherAgency,
            None => PeerClass::Unknown,
        }
    }

    pub(super) fn class_of_link(&self, peer: &NodeId) -> PeerClass {
        self.links.get(peer).map_or(PeerClass::Unknown, |link| link.class)
    }

    pub(super) fn note_received(&mut self, from: &NodeId, counted: meter::Counted, class: PeerClass) {
        self.meter.received(counted, class);
        if let Some(link) = self.links.get_mut(from) {
            link.received = link.received.saturating_add(counted.bytes());
        }
    }

    pub(super) fn note_sent(&mut self, to: &NodeId, counted: meter::Counted) {
        let class = self.class_of_link(to);
        self.meter.sent(counted, class);
        if let Some(link) = self.links.get_mut(to) {
            link.sent = link.sent.saturating_add(counted.bytes());
        }
    }

    pub(super) fn note_applied(&mut self, status: &Status, now: Instant) {
        self.meter.applied(&status.node, status.version, now);
        let class = self.class_of(&status.node);
        if let Some(link) = self.links.get_mut(&status.node) {
            link.class = class;
        }
    }

    pub(super) fn note_announced(&mut self, node: NodeId, version: Version) {
        if self.overlay.record(&node).is_some_and(|record| record.status.version < version)
            && node != self.context.node()
        {
            self.meter.announced(node, version, Instant::now());
        }
    }

    pub(super) fn drop_message(&self, cause: DropCause) {
        self.meter.metrics.links.dropped.increment(cause);
    }

    pub(super) fn count_reachability(&self, reachable: bool) {
        let to = if reachable { Reachability::Reachable } else { Reachability::Unreachable };
        self.meter.metrics.core.reachability.increment(to);
    }

    pub(super) fn count_status(&self, peer: &NodeId, message: &request_response::Message<Bytes, Bytes>) {
        let (kind, bytes) = match message {
            request_response::Message::Request { request, .. } => (MessageKind::StatusQuery, request.len()),
            request_response::Message::Response { response, .. } => (MessageKind::StatusAnswer, response.len()),
        };
        self.meter.count_received(kind, self.class_of_link(peer), bytes);
    }

    pub(super) fn count_gossip(&self, what: Counted, count: usize) {
        let gossip = &self.meter.metrics.gossip;
        match what {
            Counted::Repeated => gossip.repeated.add(count as u64),
            Counted::Control => gossip.control.add(count as u64),
            Counted::Subscriptions => {}
        }
    }

    /// It was judged as soon as it came.
    pub(super) fn count_gossip_seen(&self, lane: Lane, acceptance: &MessageAcceptance) {
        let outcome = match acceptance {
            MessageAcceptance::Reject => GossipOutcome::Refused,
            _ => GossipOutcome::OverBudget,
        };
        self.count_gossip_outcome(lane, outcome);
    }

    pub(super) fn count_gossip_outcome(&self, lane: Lane, outcome: GossipOutcome) {
        self.count_gossip_outcomes(lane, outcome, 1);
    }

    pub(super) fn count_gossip_outcomes(&self, lane: Lane, outcome: GossipOutcome, count: usize) {
        self.meter.metrics.gossip.received.add((place(lane), outcome), count as u64);
    }

    pub(super) fn count_gossip_published(&self, lane: Lane) {
        self.meter.metrics.gossip.published.increment(place(lane));
    }
}

const fn place(lane: Lane) -> Where {
    match lane {
        Lane::Short => Where::Short,
        Lane::Long => Where::Long,
    }
}
