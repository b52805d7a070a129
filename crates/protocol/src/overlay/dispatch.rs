//! Each input to its machine.

use std::{sync::Arc, time::Instant};

use nuncio_identity::NodeId;

use super::Overlay;
use crate::{
    AccessInput, BridgeInput, Input, PeeringInput, StatusInput, UnicastInput,
    amop::ClientInput,
    status_sync::{Answer, Change, First, Record},
    turn::Turn,
};

impl Overlay {
    /// Takes one event.
    pub fn handle_input(&mut self, input: impl Into<Input>, now: Instant) {
        match input.into() {
            Input::Peering(input) => self.handle_peering(input, now),
            Input::Status(input) => {
                // Most announcements are no news, and there are more of them than of anything else.
                if !self.handle_status(input, now) {
                    return;
                }
            }
            Input::Unicast(input) => self.handle_unicast(input, now),
            Input::Bridge(input) => self.handle_bridge(input, now),
            Input::Client(input) => self.handle_client(input, now),
            Input::Access(input) => self.handle_access(input, now),
        }
        self.judge();
        self.due = self.earliest_due();
    }

    /// Hands what machines found wrong to the gate.
    fn judge(&mut self) {
        for (peer, strike) in self.outbox.take_strikes() {
            tracing::debug!(peer = %peer.short(), %strike, "a peer broke a rule");
        }
    }

    fn handle_peering(&mut self, input: PeeringInput, now: Instant) {
        self.peering.handle_input(input, &mut self.outbox, now);
        self.settle(now);
    }

    /// Says whether anything may have changed.
    fn handle_status(&mut self, input: StatusInput, now: Instant) -> bool {
        let Self { peering, status_sync, relay, outbox, .. } = self;
        match input {
            StatusInput::LocalAddresses { addresses } => {
                peering.handle_local_addresses(&addresses);
                status_sync.handle_local_addresses(addresses);
            }
            StatusInput::RevocationLists { numbers } => status_sync.handle_revocation_lists(numbers),
            StatusInput::CertificateRenewed => {
                status_sync.handle_certificate_renewed();
                peering.handle_certificate_renewed(outbox, now);
            }
            StatusInput::MulticastTopics { topics } => {
                relay.set_own(topics.clone());
                status_sync.handle_multicast_topics(topics);
            }
            StatusInput::ApplicationField { bytes } => status_sync.handle_application_field(&bytes),
            StatusInput::Signed { record } => status_sync.handle_signed(record, outbox, now),
            // Also of an expelled node: it may have another certificate, which is seen when its record is asked for.
            StatusInput::Announced { via, node, version } => {
                if !status_sync.handle_announced(via, node, version, outbox, now) {
                    return false;
                }
            }
            StatusInput::Queried { query, peer, wanted } => {
                if !peering.is_expelled(&peer) {
                    status_sync.handle_queried(peer, query, wanted, outbox, now);
                }
                return false;
            }
            StatusInput::Answered { peer, answer } => self.apply(peer, answer, now),
            StatusInput::QueryFailed { peer } => status_sync.handle_query_failed(&peer, outbox, now),
            StatusInput::RevocationsAnswered { peer } => status_sync.handle_revocations_answered(&peer),
        }
        self.settle(now);
        true
    }

    fn handle_unicast(&mut self, input: UnicastInput, now: Instant) {
        let Self { peering, unicast, routing, outbox, .. } = self;
        let turn = &mut Turn { routing, outbox, now };
        match input {
            UnicastInput::Request { exchange, target, body, timeout } => {
                unicast.handle_request(exchange, target, body, timeout, turn);
            }
            UnicastInput::Respond { inbound, body } => unicast.handle_respond(inbound, body, turn),
            UnicastInput::Decline { inbound, refusal } => unicast.handle_decline(inbound, refusal, turn),
            UnicastInput::Received { from, message } => {
                if peering.is_linked(&from) && !peering.is_expelled(&message.source) {
                    unicast.handle_received(from, message, turn);
                }
            }
            UnicastInput::NotSent { to, message } => unicast.handle_not_sent(to, message, turn),
        }
    }

    fn handle_bridge(&mut self, input: BridgeInput, now: Instant) {
        let Self { peering, amop, routing, outbox, .. } = self;
        let turn = &mut Turn { routing, outbox, now };
        match input {
            BridgeInput::Received { from, message } => {
                if peering.is_linked(&from) && !peering.is_expelled(&message.source) {
                    amop.handle_received(from, message, turn);
                }
            }
            BridgeInput::NotSent { to, message } => amop.handle_not_sent(to, message, turn),
        }
    }

    fn handle_client(&mut self, input: ClientInput, now: Instant) {
        let Self { status_sync, amop, routing, outbox, .. } = self;
        amop.handle_client(input, &mut Turn { routing, outbox, now });
        if amop.take_topics_changed() {
            status_sync.touch();
            self.settle(now);
        }
    }

    fn handle_access(&mut self, input: AccessInput, now: Instant) {
        match input {
            AccessInput::Expelled { node } => self.expel(node, now),
            AccessInput::Readmitted { node } => self.peering.handle_readmitted(&node, &mut self.outbox, now),
        }
        self.settle(now);
    }

    fn apply(&mut self, peer: NodeId, mut answer: Answer, now: Instant) {
        let (kept, expelled) =
            answer.records.into_iter().partition(|record| !self.peering.is_expelled(&record.status.node));
        answer.records = kept;
        answer.refused.extend(Vec::into_iter(expelled).map(|record: Arc<Record>| record.status.node));
        for change in self.status_sync.handle_answered(peer, answer, &mut self.outbox, now) {
            let (record, is_first) = match change {
                // Convicted by the same answer.
                Change::Applied(record, _) if self.peering.is_expelled(&record.status.node) => {
                    self.status_sync.handle_expelled(&record.status.node, now);
                    continue;
                }
                Change::Applied(record, First(is_first)) => (record, is_first),
                Change::Forgotten(node) => {
                    self.forget(&node);
                    continue;
                }
                Change::Convicted(node) => {
                    self.expel(node, now);
                    continue;
                }
            };
            self.routing.apply(&record);
            self.amop.handle_record(&record);
            self.relay.apply(&record);
            self.peering.handle_record(&record, now);
            if is_first {
                let node = record.status.node;
                let reachable = self.routing.is_reachable(&node);
                self.status_sync.handle_reachability(&node, reachable, now);
                self.peering.handle_reachability(&node, reachable, now);
            }
        }
    }

    fn expel(&mut self, node: NodeId, now: Instant) {
        let Self { peering, status_sync, unicast, amop, routing, relay, outbox, .. } = self;
        relay.forget(&node);
        peering.handle_expelled(node, outbox);
        status_sync.handle_expelled(&node, now);
        routing.forget(&node);
        unicast.handle_expelled(&node, &mut Turn { routing, outbox, now });
        amop.handle_expelled(&node);
    }
}
