//! What libp2p reports, as the core's inputs.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use libp2p::{
    core::ConnectedPoint,
    gossipsub::{self, MessageAcceptance},
    ping, request_response,
    swarm::{CloseConnection, ConnectionId, DialError, FromSwarm, NetworkBehaviour, ToSwarm},
};
use nuncio_identity::NodeId;
use nuncio_protocol::{
    AccessInput, BridgeInput, GossipInput, Input, PeeringInput, StatusInput, Strike, UnicastInput,
    gossip::{GossipId, Judgement, Stamp},
    peering::{Address, Direction},
    status_sync::Answer,
};
use nuncio_wire::{
    amop,
    announcement::{self, Announcement},
    multicast as wire, status,
    unicast::Frame,
};

use super::Behaviour;
use crate::{
    Event,
    inner::{Inner, InnerEvent, node_of},
    link_stream,
    multicast::{Pending, acceptance},
    peering::from_multiaddr,
    status_sync::{self, OpenQuery, Refused},
};

impl Behaviour {
    pub(super) fn handle_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(opened) => {
                let Some(peer) = node_of(opened.peer_id) else { return };
                let (direction, address) = match opened.endpoint {
                    ConnectedPoint::Dialer { address, .. } => (Direction::Outbound, address),
                    ConnectedPoint::Listener { send_back_addr, .. } => (Direction::Inbound, send_back_addr),
                };
                let dialled = self.connections.dialled(opened.connection_id);
                let address = dialled.unwrap_or_else(|| Address::new(&from_multiaddr(address)));
                let connection = self.connections.open(opened.connection_id);
                // The queue of a new connection is empty.
                let _ = self.inner.unicast.send(opened.connection_id, Frame::Hello { epoch: self.epoch });
                self.readmit_if_proved(peer);
                self.handle(PeeringInput::ConnectionOpened { connection, peer, direction, address });
            }
            FromSwarm::ConnectionClosed(closed) => {
                let Some(connection) = self.connections.close(closed.connection_id) else { return };
                let reason = match closed.cause {
                    Some(cause) => format!("{cause}").into(),
                    None => Arc::from("closed"),
                };
                self.handle(PeeringInput::ConnectionClosed { connection, reason });
            }
            FromSwarm::DialFailure(failure) => {
                let Some(address) = self.connections.dialled(failure.connection_id) else { return };
                self.handle_dial_failure(address, failure.error);
            }
            _ => {}
        }
    }

    /// Before the core sees what an expelled node brings: it would refuse a connection made by the new certificate.
    fn readmit_if_proved(&mut self, node: NodeId) {
        if self.overlay.is_expelled(&node) && self.certifier.is_proved_anew(&node) {
            self.readmit(node);
        }
    }

    fn handle_dial_failure(&mut self, address: Address, error: &DialError) {
        if matches!(error, DialError::LocalPeerId { .. }) {
            let connection = self.connections.unused_name();
            let (peer, direction) = (self.context.node(), Direction::Outbound);
            self.handle(PeeringInput::ConnectionOpened { connection, peer, direction, address });
            self.handle(PeeringInput::ConnectionClosed { connection, reason: "this node itself".into() });
        } else {
            let reason = (self.describe_dial_error)(error).into();
            self.handle(PeeringInput::DialFailed { address, reason });
        }
    }

    pub(super) fn handle_inner_event(&mut self, event: InnerEvent) {
        match event {
            InnerEvent::Unicast(link_stream::Event::Received { connection, peer, messages })
            | InnerEvent::UnicastLarge(link_stream::Event::Received { connection, peer, messages }) => {
                let now = Instant::now();
                for frame in messages {
                    self.handle_frame(connection, peer, frame, now);
                }
            }
            InnerEvent::Unicast(link_stream::Event::Alive { connection }) => {
                if let Some(connection) = self.connections.name(connection) {
                    self.handle(PeeringInput::Alive { connection });
                }
            }
            InnerEvent::Unicast(link_stream::Event::Finished { connection }) => self.close_now(connection),
            InnerEvent::UnicastLarge(link_stream::Event::Alive { .. } | link_stream::Event::Finished { .. })
            | InnerEvent::Bridge(link_stream::Event::Alive { .. } | link_stream::Event::Finished { .. })
            | InnerEvent::BridgeLarge(link_stream::Event::Alive { .. } | link_stream::Event::Finished { .. }) => {}
            InnerEvent::Bridge(link_stream::Event::Received { peer, messages, .. })
            | InnerEvent::BridgeLarge(link_stream::Event::Received { peer, messages, .. }) => {
                let now = Instant::now();
                for message in messages {
                    let input = match message {
                        amop::Frame::Message(message) => BridgeInput::Received { from: peer, message },
                        amop::Frame::Multicast(multicast) => BridgeInput::MulticastReceived { from: peer, multicast },
                    };
                    self.overlay.handle_input(input, now);
                    self.drain(now);
                }
            }
            InnerEvent::Unicast(link_stream::Event::Failed { connection, reason })
            | InnerEvent::UnicastLarge(link_stream::Event::Failed { connection, reason })
            | InnerEvent::Bridge(link_stream::Event::Failed { connection, reason })
            | InnerEvent::BridgeLarge(link_stream::Event::Failed { connection, reason }) => {
                self.give_up(connection, &reason);
            }
            InnerEvent::Gossip(event) => self.handle_gossip_event(event),
            InnerEvent::Status(event) => self.handle_status_event(event),
            InnerEvent::Ping(ping::Event { peer, result: Ok(time), .. }) => {
                if let Some(peer) = node_of(peer) {
                    self.actions.push_back(ToSwarm::GenerateEvent(Event::RoundTrip { peer, time }));
                }
            }
            InnerEvent::Ping(_) => {}
        }
    }

    fn handle_frame(&mut self, connection: ConnectionId, from: NodeId, frame: Frame, now: Instant) {
        let input: Input = match frame {
            Frame::Message(message) => UnicastInput::Received { from, message }.into(),
            Frame::Hello { epoch } => {
                let Some(connection) = self.connections.name(connection) else { return };
                PeeringInput::Introduced { connection, epoch }.into()
            }
            Frame::Goodbye { parting } => {
                let Some(connection) = self.connections.name(connection) else { return };
                PeeringInput::Farewell { connection, parting }.into()
            }
        };
        self.overlay.handle_input(input, now);
        self.drain(now);
    }

    /// Tells the core at once: the swarm may take its time to close a connection that hangs.
    fn give_up(&mut self, connection: ConnectionId, reason: &Arc<str>) {
        let Some(name) = self.connections.close(connection) else { return };
        if let Some(peer) = self.inner.unicast.peer(connection) {
            tracing::debug!(peer = %peer.short(), %reason, "closing a connection");
            self.actions.push_back(ToSwarm::CloseConnection {
                peer_id: peer.into(),
                connection: CloseConnection::One(connection),
            });
        }
        self.handle(PeeringInput::ConnectionClosed { connection: name, reason: reason.clone() });
    }

    fn handle_status_event(&mut self, event: request_response::Event<Bytes, Bytes>) {
        match event {
            request_response::Event::Message { peer, message, .. } => {
                let Some(peer) = node_of(peer) else { return };
                match message {
                    request_response::Message::Request { request, channel, .. } => {
                        let (wanted, held) = match status::decode_query(request) {
                            Ok(query) => query,
                            Err(error) => return tracing::warn!(peer = %peer.short(), %error, "bad status query"),
                        };
                        let Some(query) = self.queries.open(OpenQuery { channel, held }) else { return };
                        self.handle(StatusInput::Queried { query, peer, wanted });
                    }
                    request_response::Message::Response { request_id, response } => {
                        if self.revocation_queries.remove(&request_id) {
                            self.handle_revocations_answer(peer, response);
                        } else {
                            self.handle_answer(peer, response);
                        }
                    }
                }
            }
            request_response::Event::OutboundFailure { peer, error, request_id, .. } => {
                self.revocation_queries.remove(&request_id);
                let Some(peer) = node_of(peer) else { return };
                tracing::debug!(peer = %peer.short(), %error, "status query failed");
                self.handle(StatusInput::QueryFailed { peer });
            }
            request_response::Event::InboundFailure { .. } | request_response::Event::ResponseSent { .. } => {}
        }
    }

    fn handle_answer(&mut self, peer: NodeId, response: Bytes) {
        let encoded = match status::decode_answer(response) {
            Ok(answer) => answer,
            Err(error) => {
                tracing::warn!(peer = %peer.short(), %error, "bad status answer");
                return self.handle(StatusInput::QueryFailed { peer });
            }
        };
        let mut answer = Answer { more: encoded.more, ..Answer::default() };
        for proof in encoded.proofs {
            match status_sync::prove_equivocation(proof, &self.context, &*self.certifier) {
                Ok(proof) => answer.proofs.push(proof),
                Err(reason) => tracing::warn!(peer = %peer.short(), %reason, "refused a proof of equivocation"),
            }
        }
        for bytes in encoded.records {
            let bytes = self.complete(bytes);
            answer.bytes += bytes.len();
            match status_sync::prove(bytes, &self.context, &*self.certifier) {
                Ok(record) => {
                    self.readmit_if_proved(record.status.node);
                    answer.records.push(record);
                }
                Err(Refused { node, reason }) => {
                    tracing::warn!(peer = %peer.short(), %reason, "refused a status record");
                    answer.refused.extend(node);
                }
            }
        }
        self.handle(StatusInput::Answered { peer, answer });
    }

    /// Puts the pages into a record that were not sent, as they are held.
    fn complete(&self, record: Bytes) -> Bytes {
        let held = |node: &[u8]| NodeId::from_bytes(node).ok().and_then(|node| self.overlay.record(&node));
        // What is no record is refused when it is read.
        status::complete(record.clone(), |node| held(node).map(|held| &**held)).unwrap_or(record)
    }

    /// The node judges the lists; whether they hold or not, the peer has answered.
    fn handle_revocations_answer(&mut self, peer: NodeId, response: Bytes) {
        match status::decode_revocations_answer(response) {
            Ok(status::RevocationsAnswer { lists, agencies }) => {
                self.actions.push_back(ToSwarm::GenerateEvent(Event::RevocationLists { peer, lists, agencies }));
                self.handle(StatusInput::RevocationsAnswered { peer });
            }
            Err(error) => {
                tracing::warn!(peer = %peer.short(), %error, "bad answer to a query for revocation lists");
                self.handle(StatusInput::QueryFailed { peer });
            }
        }
    }

    fn handle_gossip_event(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message { propagation_source, message_id, message } => {
                let acceptance = match node_of(propagation_source) {
                    Some(via) if message.topic.as_str() == announcement::TOPIC => {
                        self.handle_announcement(via, &message_id, &message.data)
                    }
                    Some(via) => self.handle_gossip(via, &message_id, message),
                    None => Some(MessageAcceptance::Ignore),
                };
                if let Some(acceptance) = acceptance {
                    self.inner.gossip.report_message_validation_result(&message_id, &propagation_source, acceptance);
                }
            }
            gossipsub::Event::SlowPeer { peer_id, .. } => {
                if let Some(peer) = node_of(peer_id) {
                    tracing::debug!(peer = %peer.short(), "a peer takes gossip slower than it comes; some was dropped");
                }
            }
            _ => {}
        }
    }

    /// `None` when the core will judge it.
    fn handle_announcement(
        &mut self,
        via: NodeId,
        message: &gossipsub::MessageId,
        data: &[u8],
    ) -> Option<MessageAcceptance> {
        let now = Instant::now();
        let unchecked = match announcement::decode(data) {
            Ok(unchecked) => unchecked,
            Err(error) => return Some(self.refuse_gossip(via, Strike::Malformed, &error)),
        };
        if !self.overlay.may_check_announcement(via, unchecked.node(), now) {
            self.drain(now);
            return Some(MessageAcceptance::Ignore);
        }
        match unchecked.check(&self.context) {
            Ok(Announcement { node, version, clock }) => {
                let id = self.judging.add(Pending { message: message.clone(), from: via.into(), post: None });
                self.handle(GossipInput::Announced { id, via, node, version, clock });
                None
            }
            Err(error) => Some(self.refuse_gossip(via, Strike::Forged, &error)),
        }
    }

    /// `None` when the core will judge it.
    fn handle_gossip(
        &mut self,
        via: NodeId,
        message_id: &gossipsub::MessageId,
        message: gossipsub::Message,
    ) -> Option<MessageAcceptance> {
        let now = Instant::now();
        let (name, length) = (message.topic.as_str().to_owned(), message.data.len());
        let topic = match wire::topic_of(&name) {
            Ok(topic) => topic,
            Err(error) => return Some(self.refuse_gossip(via, Strike::Malformed, &error)),
        };
        let unchecked = match wire::decode(message.data.into()) {
            Ok(unchecked) => unchecked,
            Err(error) => return Some(self.refuse_gossip(via, Strike::Malformed, &error)),
        };
        if !self.overlay.may_check_gossip(via, unchecked.origin(), length, now) {
            self.drain(now);
            return Some(MessageAcceptance::Ignore);
        }
        match unchecked.check(&name, &self.context) {
            Ok(gossip) => {
                let wire::Gossip { origin, epoch, number, sent, lifetime, .. } = gossip;
                let stamp = Stamp { origin, epoch, number, sent, lifetime };
                let (message, post) = (message_id.clone(), Some((topic, gossip)));
                let id = self.judging.add(Pending { message, from: via.into(), post });
                self.handle(GossipInput::Received { id, via, stamp, length });
                None
            }
            Err(error) => Some(self.refuse_gossip(via, Strike::Forged, &error)),
        }
    }

    fn refuse_gossip(&mut self, via: NodeId, strike: Strike, error: &dyn std::error::Error) -> MessageAcceptance {
        tracing::debug!(peer = %via.short(), %error, "refused gossip");
        self.handle(AccessInput::Struck { peer: via, strike });
        MessageAcceptance::Reject
    }

    /// The core has judged a message of gossip.
    pub(super) fn conclude_gossip(&mut self, id: GossipId, judgement: Judgement) {
        let Some(Pending { message, from, post }) = self.judging.remove(id) else { return };
        self.inner.gossip.report_message_validation_result(&message, &from, acceptance(judgement));
        let Some((topic, gossip)) = post.filter(|_| judgement == Judgement::Fresh) else { return };
        if topic.as_ref().is_none_or(|topic| self.subscribed.contains(topic)) {
            let id = (gossip.epoch, gossip.number);
            let event = Event::Multicast { origin: gossip.origin, topic, data: gossip.body, id };
            self.actions.push_back(ToSwarm::GenerateEvent(event));
        }
    }
}

/// The derive names the event type; this pins it to what is matched above.
const _: fn(InnerEvent) -> <Inner as NetworkBehaviour>::ToSwarm = |event| event;
