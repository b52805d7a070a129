//! Each input to its machine.

use std::time::Instant;

use nuncio_identity::NodeId;

use super::Overlay;
use crate::{
    AccessInput, BridgeInput, Input, MulticastInput, Output, PeeringInput, StatusInput, UnicastInput,
    amop::ClientInput,
    forwarding,
    gate::Waiting,
    status_sync::{Answer, Change, First},
    trace::Tracing,
    turn::Directory,
};

impl Overlay {
    /// Takes one event.
    pub fn handle_input(&mut self, input: impl Into<Input>, now: Instant) {
        match input.into() {
            Input::Peering(input) => self.handle_peering(input, now),
            Input::Status(input) => self.handle_status(input, now),
            Input::Unicast(input) => self.handle_unicast(input, now),
            Input::Multicast(input) => self.handle_multicast(input, now),
            Input::Bridge(input) => self.handle_bridge(input, now),
            Input::Client(input) => self.handle_client(input, now),
            Input::Gossip(input) => self.handle_gossip(input, now),
            Input::Trace(input) => self.with_turn(now, |turn| Tracing::handle_input(input, turn)),
            Input::Access(input) => self.handle_access(input, now),
        }
        self.judge(now);
    }

    /// Hands what machines found wrong to the gate.
    pub(super) fn judge(&mut self, now: Instant) {
        for (peer, strike) in self.outbox.take_strikes() {
            tracing::debug!(peer = %peer.short(), %strike, "a peer broke a rule");
            if let Some(until) = self.gate.strike(peer, strike, now) {
                self.peering.handle_banned(peer, until, strike.to_string().into(), &mut self.outbox, now);
                self.outbox.push(Output::Ban { peer, until, reason: strike });
                self.settle(now);
            }
        }
    }

    fn handle_peering(&mut self, input: PeeringInput, now: Instant) {
        if matches!(input, PeeringInput::Leave) {
            self.with_unicast(now, |unicast, turn| unicast.handle_leave(turn));
        }
        let is_introduced = matches!(input, PeeringInput::Introduced { .. });
        self.peering.handle_input(input, &mut self.outbox, now);
        self.settle(now);
        if is_introduced {
            self.multicast.handle_links_changed();
            self.with_unicast(now, |unicast, turn| unicast.handle_routes_changed(turn));
        }
    }

    fn handle_status(&mut self, input: StatusInput, now: Instant) {
        let Self { peering, status_sync, relay, multicast, outbox, .. } = self;
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
                multicast.handle_topics(topics.clone());
                status_sync.handle_multicast_topics(topics);
            }
            StatusInput::ApplicationField { bytes } => status_sync.handle_application_field(&bytes),
            StatusInput::Signed { record } => status_sync.handle_signed(record, outbox, now),
            StatusInput::Queried { query, peer, wanted, pages } => {
                if !peering.is_expelled(&peer) {
                    status_sync.handle_queried(peer, (query, wanted, pages), outbox, now);
                }
                return;
            }
            StatusInput::Answered { peer, answer } => self.apply(peer, answer, now),
            StatusInput::QueryFailed { peer } => status_sync.handle_query_failed(&peer, outbox, now),
            StatusInput::RevocationsAnswered { peer } => status_sync.handle_revocations_answered(&peer),
        }
        self.settle(now);
    }

    fn handle_unicast(&mut self, input: UnicastInput, now: Instant) {
        match input {
            UnicastInput::Request { exchange, target, body, timeout, trace, priority } => {
                self.with_unicast(now, |unicast, turn| {
                    unicast.handle_request(exchange, target, (body, trace, priority), timeout, turn);
                });
            }
            UnicastInput::ServiceRequest { exchange, target, body, timeout, trace } => {
                self.with_unicast(now, |unicast, turn| {
                    unicast.handle_service_request(exchange, target, (body, trace), timeout, turn);
                });
            }
            UnicastInput::Respond { inbound, body } => {
                self.with_unicast(now, |unicast, turn| unicast.handle_respond(inbound, body, turn));
            }
            UnicastInput::Decline { inbound, refusal } => {
                self.with_unicast(now, |unicast, turn| unicast.handle_decline(inbound, refusal, turn));
            }
            UnicastInput::Abandon { inbound } => {
                self.with_unicast(now, |unicast, turn| unicast.handle_abandon(inbound, turn));
            }
            UnicastInput::Received { from, message } => self.receive_unicast(from, message, now),
            UnicastInput::NotSent { to, message } if message.header.source != self.life.node => {
                self.with_turn(now, |turn| forwarding::handle_not_sent(to, &message, turn));
            }
            UnicastInput::NotSent { to, message } => {
                self.with_unicast(now, |unicast, turn| unicast.handle_not_sent(to, message, turn));
            }
        }
    }

    fn handle_multicast(&mut self, input: MulticastInput, now: Instant) {
        match input {
            MulticastInput::Received { from, leg } => self.receive_batch(from, leg, now),
            MulticastInput::Wanted { from, wanted } => self.receive_wanted(from, wanted, now),
            MulticastInput::NotSent { to, account, priority, leg } => {
                if let Some(leg) = leg {
                    self.onward.handle_not_sent(&to, leg.mark());
                }
                // What others fill is their share: there is room for this node's own.
                if account.is_own() {
                    self.multicast.handle_not_sent(to, priority, now);
                }
            }
        }
    }

    fn handle_bridge(&mut self, input: BridgeInput, now: Instant) {
        match input {
            BridgeInput::Received { from, message } => self.receive_bridge(from, message, now),
            BridgeInput::MulticastReceived { from, multicast } => self.receive_multicast(from, multicast, now),
            BridgeInput::NotSent { to, message } if message.header.source != self.life.node => {
                self.with_turn(now, |turn| forwarding::handle_not_sent(to, &message, turn));
            }
            BridgeInput::MulticastNotSent { to, multicast } => self.onward.handle_not_sent(&to, multicast.mark()),
            BridgeInput::NotSent { to, message } => {
                self.with_amop(now, |amop, turn| amop.handle_not_sent(to, message, turn));
            }
        }
    }

    fn handle_client(&mut self, input: ClientInput, now: Instant) {
        self.with_amop(now, |amop, turn| amop.handle_client(input, turn));
        if self.amop.take_topics_changed() {
            self.status_sync.touch();
            self.settle(now);
        }
    }

    fn handle_access(&mut self, input: AccessInput, now: Instant) {
        match input {
            AccessInput::Expelled { node } => {
                self.peering.handle_expelled(node, &mut self.outbox);
                self.turn_out(&node, now);
            }
            AccessInput::Readmitted { node } => {
                // Whatever certificate it shows: a proof against it stands.
                if !self.status_sync.is_convicted(&node) {
                    self.gate.handle_readmitted(&node);
                }
                self.peering.handle_readmitted(&node, &mut self.outbox, now);
            }
            AccessInput::Struck { peer, strike } => self.outbox.strike(peer, strike),
            AccessInput::Unread { peer, messages } => self.gate.handle_unread(&peer, messages),
            AccessInput::RightsChanged { rights } => self.amop.handle_rights_changed(rights),
        }
        self.settle(now);
    }

    fn apply(&mut self, peer: NodeId, mut answer: Answer, now: Instant) {
        for source in &answer.refused {
            let waiting = self.gate.handle_refused(&peer, source, now);
            self.drop_gossip(waiting.iter().filter_map(Waiting::gossip));
        }
        let expelled = answer.records.extract_if(.., |record| self.peering.is_expelled(&record.status.node));
        answer.refused.extend(expelled.map(|record| record.status.node));
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
                // It was shown, so nobody is to blame for what waited for it.
                Change::Full(node) => {
                    let waiting = self.gate.drop_shown(&peer, &node);
                    self.drop_gossip(waiting.iter().filter_map(Waiting::gossip));
                    continue;
                }
                Change::Convicted(node) => {
                    self.peering.handle_convicted(node, &mut self.outbox);
                    self.turn_out(&node, now);
                    continue;
                }
                Change::Unproven(node) => {
                    self.peering.handle_unproven(&node);
                    continue;
                }
            };
            let node = record.status.node;
            self.routing.apply(&record);
            self.amop.handle_record(&record);
            self.multicast.handle_record(&record);
            self.relay.apply(&record);
            self.peering.handle_record(&record, now);
            self.gate.handle_record(node, record.status.version.epoch, record.status.clock, now);
            if is_first {
                let reachable = self.routing.is_reachable(&node);
                self.status_sync.handle_reachability(&node, reachable, now);
                self.peering.handle_reachability(&node, reachable, now);
            }
            self.release(&node, now);
        }
        self.gate.tidy(Directory { peering: &self.peering, status_sync: &self.status_sync });
    }

    /// Forgets a node that is expelled.
    fn turn_out(&mut self, node: &NodeId, now: Instant) {
        self.relay.forget(node);
        self.status_sync.handle_expelled(node, now);
        self.routing.forget(node);
        self.with_unicast(now, |unicast, turn| unicast.handle_expelled(node, turn));
        self.amop.handle_expelled(node);
        self.multicast.handle_forgotten(node);
    }
}
