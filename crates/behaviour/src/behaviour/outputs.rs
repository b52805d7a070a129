//! What the core wants done, as libp2p's actions.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use libp2p::{
    gossipsub::IdentTopic,
    swarm::{CloseConnection, ToSwarm},
};
use nuncio_identity::NodeId;
use nuncio_protocol::{
    BridgeInput, Output, PeeringInput, StatusInput, Topic, UnicastInput, amop,
    amop::{ClientInput, ClientOutput},
    peering::{Address, ConnectionId, LinkDownReason},
    status_sync::{Query, Version},
    unicast,
};
use nuncio_wire::{multicast, status, unicast::Frame};

use super::Behaviour;
use crate::{Event, bridge, inner::Inner, status_sync::OpenQuery, unicast::is_large};

impl Behaviour {
    /// Does all the core wants; inputs that this causes are taken at once.
    pub(super) fn drain(&mut self, now: Instant) {
        while let Some(output) = self.overlay.poll_output() {
            self.perform(output, now);
        }
    }

    fn perform(&mut self, output: Output, now: Instant) {
        match output {
            Output::SendUnicast { to, message } => self.send_unicast(to, message, now),
            Output::SendBridge { to, message } => self.send_bridge(to, message, now),
            Output::Completed { exchange, outcome } => self.tell(Event::Completed { exchange, outcome }),
            Output::Request { inbound, source, body } => self.tell(Event::Request { inbound, source, body }),
            Output::Client(output) => self.hand_to_client(output, now),
            Output::Dial { address, expected } => self.dial(address, expected, now),
            Output::Close { connection, reason } => self.close(connection, &reason),
            Output::LinkUp { peer, connection } => {
                self.bind(peer, connection);
                self.tell(Event::LinkUp { peer });
            }
            Output::LinkMoved { peer, connection } => self.bind(peer, connection),
            Output::LinkDown { peer, reason } => {
                self.links.remove(&peer);
                self.tell(Event::LinkDown { peer, reason });
            }
            Output::NodeChanged { record } => {
                self.release_held(record.status.node);
                self.tell(Event::NodeChanged { record });
            }
            Output::ReachabilityChanged { node, reachable } => {
                self.tell(Event::ReachabilityChanged { node, reachable });
            }
            Output::Sign { status } => {
                let record = Arc::new(status::sign_record(status, &self.chain, &self.context));
                self.overlay.handle_input(StatusInput::Signed { record }, now);
            }
            Output::Announce { version } => self.announce(version),
            Output::Query { peer, wanted } => self.query(peer, &wanted),
            Output::Probe { connection } => {
                if let Some(connection) = self.connections.by_name(connection) {
                    self.inner.unicast.probe(connection);
                }
            }
            Output::DuplicateIdentity { node, address, epoch } => {
                self.tell(Event::DuplicateIdentity { node, address, epoch });
            }
            Output::AnswerRevocations { query, held } => {
                let Some(OpenQuery { channel, .. }) = self.queries.close(query) else { return };
                let (lists, agencies) = self.certifier.newer_lists(&held);
                let answer = status::encode_revocations_answer(&lists, &agencies);
                // The peer may be gone; then it needs no answer.
                let _ = self.inner.status.send_response(channel, answer.into());
            }
            // Dropping the channel tells the peer.
            Output::Ignore { query } => drop(self.queries.close(query)),
            Output::Relay { topics } => self.relay(topics),
            Output::Equivocation { proof } => {
                tracing::warn!(node = %proof.node().short(), "a node signed two statuses with one version; it is expelled");
            }
            Output::Answer { query, records, proofs, more } => {
                if let Some(OpenQuery { channel, held }) = self.queries.close(query) {
                    let answer = status::encode_answer(&records, &held, &proofs, more);
                    // The peer may be gone; then it needs no answer.
                    let _ = self.inner.status.send_response(channel, answer.into());
                }
            }
        }
    }

    fn tell(&mut self, event: Event) {
        self.actions.push_back(ToSwarm::GenerateEvent(event));
    }

    fn bind(&mut self, peer: NodeId, connection: ConnectionId) {
        if let Some(connection) = self.connections.by_name(connection) {
            self.links.insert(peer, connection);
        }
    }

    fn send_unicast(&mut self, to: NodeId, message: unicast::Message, now: Instant) {
        let sent = match self.links.get(&to) {
            Some(connection) if is_large(&message) => {
                self.inner.unicast_large.send(*connection, Frame::Message(message))
            }
            Some(connection) => self.inner.unicast.send(*connection, Frame::Message(message)),
            None => Err(Frame::Message(message)),
        };
        if let Err(Frame::Message(message)) = sent {
            self.overlay.handle_input(UnicastInput::NotSent { to, message }, now);
        }
    }

    fn send_bridge(&mut self, to: NodeId, message: amop::Message, now: Instant) {
        if bridge::fits(&message) {
            return self.send_bridge_frame(to, message, now);
        }
        for part in bridge::split(&message) {
            self.send_bridge_frame(to, part, now);
        }
    }

    fn send_bridge_frame(&mut self, to: NodeId, message: amop::Message, now: Instant) {
        let sent = match self.links.get(&to) {
            Some(connection) if bridge::is_large(&message) => self.inner.bridge_large.send(*connection, message),
            Some(connection) => self.inner.bridge.send(*connection, message),
            None => Err(message),
        };
        if let Err(message) = sent {
            self.overlay.handle_input(BridgeInput::NotSent { to, message }, now);
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
        match self.connections.dial(address.clone(), expected) {
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
            Some(parting) => self.inner.unicast.send(connection, Frame::Goodbye { parting }).is_ok(),
            None => false,
        };
        if said { self.inner.unicast.finish(connection) } else { self.close_now(connection) }
    }

    pub(super) fn close_now(&mut self, connection: libp2p::swarm::ConnectionId) {
        let Some(peer) = self.inner.unicast.peer(connection) else { return };
        let connection = CloseConnection::One(connection);
        self.actions.push_back(ToSwarm::CloseConnection { peer_id: peer.into(), connection });
    }

    fn relay(&mut self, topics: BTreeSet<Topic>) {
        for topic in topics.iter().filter(|topic| !self.relayed.contains(topic) && !self.subscribed.contains(topic)) {
            join(&mut self.inner, topic);
        }
        for topic in self.relayed.iter().filter(|topic| !topics.contains(topic) && !self.subscribed.contains(topic)) {
            self.inner.gossip.unsubscribe(&IdentTopic::new(multicast::gossip_topic(Some(topic))));
        }
        self.relayed = topics;
    }

    fn query(&mut self, peer: NodeId, wanted: &Query) {
        let pages = |node: NodeId| self.overlay.record(&node).map(|record| record.pages.clone()).unwrap_or_default();
        let held: Vec<_> = match wanted {
            Query::Nodes(nodes) => nodes.iter().flat_map(|(node, _)| pages(*node)).collect(),
            Query::All { known } => known.iter().flat_map(|(node, _)| pages(*node)).collect(),
            Query::Revocations { .. } | Query::Proofs { .. } => Vec::new(),
        };
        let request = self.inner.status.send_request(&peer.into(), status::encode_query(wanted, held).into());
        if matches!(wanted, Query::Revocations { .. }) {
            self.revocation_queries.insert(request);
        }
    }

    fn announce(&mut self, version: Version) {
        self.last_announcement += 1;
        let announcement = status::encode_announcement(self.context.node(), version, self.last_announcement);
        // Nobody to tell yet: the next announcement comes soon.
        let _ = self.inner.gossip.publish(IdentTopic::new(status::ANNOUNCE), announcement);
    }
}

/// Takes part in a topic's gossip.
pub(super) fn join(inner: &mut Inner, topic: &Topic) {
    let topic = IdentTopic::new(multicast::gossip_topic(Some(topic)));
    if let Err(error) = inner.gossip.subscribe(&topic) {
        tracing::warn!(%topic, %error, "cannot subscribe");
    }
}
