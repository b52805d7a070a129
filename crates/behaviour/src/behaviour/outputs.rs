//! What the core wants done, as libp2p's actions.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use libp2p::swarm::{CloseConnection, ToSwarm};
use nuncio_identity::NodeId;
use nuncio_metrics::{DropCause, MessageKind};
use nuncio_protocol::{
    Account, BridgeInput, Input, MulticastInput, Output, PeeringInput, Sealed, Topic, UnicastInput,
    amop::{ClientInput, ClientOutput, Multicast},
    gossip::Change,
    multicast::Leg,
    peering::{Address, ConnectionId, LinkDownReason},
    status_sync::{Record, Status},
    unicast::Message,
};
use nuncio_wire::{
    amop, multicast,
    unicast::{self, Frame},
};

use super::Behaviour;
use crate::{Event, bridge, inner::Inner, meter::Link, notary::Paper};

impl Behaviour {
    /// Does all the core wants; inputs that this causes are taken at once.
    pub(super) fn drain(&mut self, now: Instant) {
        while let Some(output) = self.overlay.poll_output() {
            self.perform(output, now);
        }
    }

    fn perform(&mut self, output: Output, now: Instant) {
        match output {
            Output::SendUnicast { to, account, message } => self.send_unicast(to, account, message, now),
            Output::SendBridge { to, account, message } => self.send_bridge(to, account, message.into(), now),
            Output::SendMulticast { to, account, multicast } => self.send_multicast(to, account, multicast, now),
            Output::SendBatch { to, account, leg } => self.send_leg(to, account, leg, now),
            Output::SendWanted { to, account, wanted } => self.send_bridge(to, account, wanted.into(), now),
            Output::Multicast { origin, epoch, topic, first, bodies } => {
                self.tell(Event::Multicast { origin, topic, epoch, first, bodies });
            }
            Output::Gap { origin, epoch, topic, from, to } => {
                self.tell(Event::Gap { origin, topic, epoch, from, to });
            }
            Output::Unseal(sealed) => self.unseal(sealed, now),
            Output::Judged { id, judgement } => self.conclude_gossip(id, judgement),
            Output::EpochOutrun { seen } => self.tell(Event::EpochOutrun { seen }),
            Output::EpochSpent { epoch } => self.tell(Event::EpochSpent { epoch }),
            Output::Ban { peer, until, reason } => self.tell(Event::Banned { peer, until, reason }),
            Output::Denied { source, topic, reason } => self.tell(Event::Denied { source, topic, reason }),
            Output::OverQuota { source } => self.tell(Event::OverQuota { source }),
            Output::Completed { exchange, outcome } => self.tell(Event::Completed { exchange, outcome }),
            request @ Output::Request { .. } => self.tell_request(request),
            Output::Traced { exchange, traced } => self.tell(Event::Traced { exchange, traced }),
            Output::SignReport { passage } => self.sign_report(&passage, now),
            Output::CheckReport { from, report } => self.check_report(from, report, now),
            Output::ServiceRequest { inbound, source, body } => {
                self.tell(Event::ServiceRequest { inbound, source, body });
            }
            Output::Client(output) => self.hand_to_client(output, now),
            Output::Dial { address, expected } => self.dial(address, expected, now),
            Output::Close { connection, reason } => self.close(connection, &reason),
            Output::LinkUp { peer, connection } => {
                self.bind(peer, connection);
                self.tell(Event::LinkUp { peer });
            }
            Output::LinkMoved { peer, connection } => self.bind(peer, connection),
            Output::LinkDown { peer, reason } => {
                self.unbind(&peer);
                self.tell(Event::LinkDown { peer, reason });
            }
            Output::NodeChanged { record } => self.tell_change(record, now),
            Output::ReachabilityChanged { node, reachable } => {
                self.count_reachability(reachable);
                self.tell(Event::ReachabilityChanged { node, reachable });
            }
            Output::Sign { status } => self.sign_status(status, now),
            Output::Announce { version } => self.announce(version, now),
            Output::Query { peer, wanted } => self.query(peer, &wanted),
            Output::Probe { connection } => self.probe(connection),
            Output::DuplicateIdentity { node, address, epoch } => {
                self.tell(Event::DuplicateIdentity { node, address, epoch });
            }
            Output::AnswerRevocations { query, held } => self.answer_revocations(query, &held),
            // Dropping the channel tells the peer.
            Output::Ignore { query } => drop(self.queries.close(query)),
            Output::Relay { topics } => self.relay(topics),
            Output::Equivocation { proof } => self.tell(Event::Equivocation { node: proof.node() }),
            Output::Answer { query, records, proofs, more } => self.answer(query, &records, &proofs, more),
        }
    }

    fn tell_change(&mut self, record: Arc<Record>, now: Instant) {
        self.learn_key(&record.status);
        self.note_applied(&record.status, now);
        self.tell(Event::NodeChanged { record });
    }

    fn tell_request(&mut self, request: Output) {
        if let Output::Request { inbound, source, body, parent, priority } = request {
            self.tell(Event::Request { inbound, source, body, parent, priority });
        }
    }

    fn tell(&mut self, event: Event) {
        self.actions.push_back(ToSwarm::GenerateEvent(event));
    }

    fn bind(&mut self, peer: NodeId, connection: ConnectionId) {
        if let Some(connection) = self.connections.by_name(connection) {
            let link = Link { connection, class: self.class_of(&peer), received: 0, sent: 0 };
            self.links.insert(peer, link);
            self.pulse.watch(peer);
        }
    }

    fn unbind(&mut self, peer: &NodeId) {
        self.links.remove(peer);
        self.pulse.forget(peer);
    }

    fn probe(&mut self, connection: ConnectionId) {
        if let Some(connection) = self.connections.by_name(connection) {
            self.inner.unicast.probe(connection);
        }
    }

    fn send_unicast(&mut self, to: NodeId, account: Account, message: Message, now: Instant) {
        let (counted, link) = (self.meter.message(&message), self.links.get(&to).copied());
        let unsent = match link {
            Some(Link { connection, .. }) => self.inner.send_unicast(connection, account, message),
            None => Some(Frame::Message(message)),
        };
        match unsent {
            Some(Frame::Message(message)) => self.overlay.handle_input(UnicastInput::NotSent { to, message }, now),
            _ => self.note_sent(&to, counted),
        }
    }

    /// What is to be signed is sealed by its link, unless that would have to wait for the key.
    fn send_multicast(&mut self, to: NodeId, account: Account, multicast: Multicast, now: Instant) {
        for multicast in bridge::split(multicast) {
            if self.notary.signs_at_once() || !amop::is_to_be_sealed(&multicast, to) {
                self.send_bridge(to, account, amop::Frame::Multicast(multicast), now);
            } else if !self.sign(Paper::Multicast { to, account, multicast: Box::new(multicast) }, now) {
                self.drop_message(DropCause::KeyBusy);
                tracing::debug!(to = %to.short(), "too much waits for the node's key, multicast dropped");
            }
        }
    }

    /// The same of a batch of multicasts.
    fn send_leg(&mut self, to: NodeId, account: Account, leg: Leg, now: Instant) {
        let priority = leg.priority;
        for leg in bridge::split_leg(leg) {
            if self.notary.signs_at_once() || !multicast::is_to_be_signed(&leg, to, &self.context) {
                self.send_bridge(to, account, amop::Frame::Batch(leg), now);
            } else if !self.sign(Paper::Batch { to, account, leg: Box::new(leg) }, now) {
                self.drop_message(DropCause::KeyBusy);
                self.overlay.handle_input(MulticastInput::NotSent { to, account, priority, leg: None }, now);
            }
        }
    }

    pub(super) fn send_bridge(&mut self, to: NodeId, account: Account, frame: amop::Frame, now: Instant) {
        let (counted, link) = (self.meter.bridge(&frame), self.links.get(&to).copied());
        let unsent = match link {
            Some(Link { connection, .. }) => self.inner.send_bridge(connection, account, frame),
            None => Some(frame),
        };
        match unsent {
            Some(frame) => self.not_sent((to, account), frame, now),
            None => self.note_sent(&to, counted),
        }
    }

    pub(super) fn not_sent(&mut self, (to, account): (NodeId, Account), frame: amop::Frame, now: Instant) {
        if matches!(frame, amop::Frame::Multicast(_)) {
            self.drop_message(DropCause::LinkFull);
            tracing::debug!(to = %to.short(), "queue of the link is full, multicast dropped");
        }
        if let Some(input) = frame.not_sent(to, account) {
            self.overlay.handle_input(input, now);
        }
    }

    /// What could not be opened before is opened now, or dropped.
    fn unseal(&mut self, sealed: Sealed, now: Instant) {
        let input: Result<Input, _> = match sealed {
            Sealed::Unicast { from, message } => {
                unicast::open(message, &self.context).map(|message| UnicastInput::Received { from, message }.into())
            }
            Sealed::Bridge { from, message } => {
                amop::open(message, &self.context).map(|message| BridgeInput::Received { from, message }.into())
            }
            Sealed::Multicast { from, multicast } => amop::open_multicast(multicast, &self.context)
                .map(|multicast| BridgeInput::MulticastReceived { from, multicast }.into()),
        };
        let is_open = |input: &Input| match input {
            Input::Unicast(UnicastInput::Received { message, .. }) => {
                !matches!(message.content, nuncio_protocol::unicast::Content::Sealed { .. })
            }
            Input::Bridge(BridgeInput::Received { message, .. }) => {
                !matches!(message.content, nuncio_protocol::amop::Content::Sealed { .. })
            }
            Input::Bridge(BridgeInput::MulticastReceived { multicast, .. }) => multicast.post.is_some(),
            _ => false,
        };
        match input {
            Ok(input) if is_open(&input) => self.overlay.handle_input(input, now),
            Ok(_) => {
                self.drop_message(DropCause::Unopened);
                tracing::debug!("dropped a message: its source's record has no key that fits");
            }
            Err(error) => {
                self.drop_message(DropCause::Unopened);
                tracing::debug!(%error, "dropped a message");
            }
        }
    }

    pub(super) fn learn_key(&self, status: &Status) {
        let (keyring, epoch) = (self.context.keyring(), status.version.epoch);
        if !keyring.learn(status.node, epoch, &status.sealing_key) {
            keyring.retain(|node| self.overlay.record(node).is_some());
            keyring.learn(status.node, epoch, &status.sealing_key);
        }
    }

    fn hand_to_client(&mut self, output: ClientOutput, now: Instant) {
        let Some(clients) = &self.clients else { return self.tell(Event::Client(output)) };
        if let Err(ClientOutput::Deliver { client, delivery, .. }) = clients.handle_output(output) {
            let failed = ClientInput::DeliveryFailed { client, delivery };
            self.overlay.handle_input(failed, now);
        }
    }

    fn dial(&mut self, address: Address, expected: Option<NodeId>, now: Instant) {
        match self.connections.dial(address.clone(), expected, now) {
            Ok(opts) => self.actions.push_back(ToSwarm::Dial { opts }),
            Err(reason) => {
                self.overlay.handle_input(PeeringInput::DialFailed { address, reason: reason.into() }, now);
            }
        }
    }

    /// Says goodbye first.
    fn close(&mut self, name: ConnectionId, reason: &LinkDownReason) {
        let Some(connection) = self.connections.by_name(name) else { return };
        let Some(peer) = self.inner.unicast.peer(connection) else { return };
        tracing::debug!(peer = %peer.short(), %reason, "closing a connection");
        let said = match reason.parting() {
            Some(parting) => self.inner.unicast.send(connection, Account::Own, Frame::Goodbye { parting }).is_ok(),
            None => false,
        };
        if said {
            self.meter.count_sent(MessageKind::Goodbye, self.class_of_link(&peer), 0);
        }
        if said { self.inner.unicast.finish(connection) } else { self.close_now(connection) }
    }

    pub(super) fn close_now(&mut self, connection: libp2p::swarm::ConnectionId) {
        let Some(peer) = self.inner.unicast.peer(connection) else { return };
        let connection = CloseConnection::One(connection);
        self.actions.push_back(ToSwarm::CloseConnection { peer_id: peer.into(), connection });
    }

    fn relay(&mut self, topics: BTreeSet<Topic>) {
        let change = self.takes_part.set_relayed(topics);
        take_part(&mut self.inner, &change);
    }
}

/// Takes part in the gossip of some topics, and in that of others no more.
pub(super) fn take_part(inner: &mut Inner, change: &Change) {
    for topic in &change.joined {
        if let Err(error) = inner.join(&multicast::gossip_topic(Some(topic))) {
            tracing::warn!(%topic, %error, "cannot subscribe");
        }
    }
    for topic in &change.left {
        inner.leave(&multicast::gossip_topic(Some(topic)));
    }
}
