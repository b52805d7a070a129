//! What libp2p reports, as the core's inputs.

use std::{sync::Arc, time::Instant};

use libp2p::{
    core::ConnectedPoint,
    ping,
    swarm::{CloseConnection, ConnectionId, DialError, FromSwarm, NetworkBehaviour, ToSwarm},
};
use nuncio_identity::NodeId;
use nuncio_metrics::MessageKind;
use nuncio_protocol::{
    AccessInput, Account, Input, PeeringInput, Strike, UnicastInput,
    peering::{Address, Direction},
};
use nuncio_wire::{amop, unicast::Frame};

use super::Behaviour;
use crate::{
    Event,
    gossip::Lane,
    inner::{Inner, InnerEvent},
    link_stream::{self, Spoiled},
    peering::from_multiaddr,
};

impl Behaviour {
    pub(super) fn handle_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(opened) => {
                let Some(peer) = self.names.of(opened.peer_id) else { return };
                let (direction, address) = match opened.endpoint {
                    ConnectedPoint::Dialer { address, .. } => (Direction::Outbound, address),
                    ConnectedPoint::Listener { send_back_addr, .. } => (Direction::Inbound, send_back_addr),
                };
                let dialled = self.connections.dialled(opened.connection_id);
                let address = dialled.unwrap_or_else(|| Address::new(&from_multiaddr(address)));
                let connection = self.connections.open(opened.connection_id);
                // The queue of a new connection is empty.
                let _ = self.inner.unicast.send(opened.connection_id, Account::Own, Frame::Hello { epoch: self.epoch });
                self.meter.count_sent(MessageKind::Hello, self.class_of(&peer), 0);
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
    pub(super) fn readmit_if_proved(&mut self, node: NodeId) {
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
            InnerEvent::Unicast(event @ link_stream::Event::Received { .. })
            | InnerEvent::UnicastUrgent(event @ link_stream::Event::Received { .. })
            | InnerEvent::UnicastLarge(event @ link_stream::Event::Received { .. }) => self.handle_unicasts(event),
            InnerEvent::Unicast(link_stream::Event::Alive { connection }) => {
                if let Some(connection) = self.connections.name(connection) {
                    self.handle(PeeringInput::Alive { connection });
                }
            }
            InnerEvent::Unicast(link_stream::Event::Finished { connection }) => self.close_now(connection),
            InnerEvent::Bridge(link_stream::Event::Received { peer, messages, spoiled, read, .. })
            | InnerEvent::BridgeUrgent(link_stream::Event::Received { peer, messages, spoiled, read, .. })
            | InnerEvent::BridgeLarge(link_stream::Event::Received { peer, messages, spoiled, read, .. }) => {
                self.note_spoiled(peer, spoiled);
                self.handle_bridge(peer, messages, read);
            }
            InnerEvent::Unicast(link_stream::Event::Failed { connection, peer, reason, strike })
            | InnerEvent::UnicastUrgent(link_stream::Event::Failed { connection, peer, reason, strike })
            | InnerEvent::UnicastLarge(link_stream::Event::Failed { connection, peer, reason, strike })
            | InnerEvent::Bridge(link_stream::Event::Failed { connection, peer, reason, strike })
            | InnerEvent::BridgeUrgent(link_stream::Event::Failed { connection, peer, reason, strike })
            | InnerEvent::BridgeLarge(link_stream::Event::Failed { connection, peer, reason, strike }) => {
                if let Some(strike) = strike {
                    self.handle(AccessInput::Struck { peer, strike });
                }
                self.give_up(connection, &reason);
            }
            InnerEvent::UnicastUrgent(link_stream::Event::Returned { connection, peer, messages }) => {
                self.send_otherwise(connection, peer, messages);
            }
            InnerEvent::BridgeUrgent(link_stream::Event::Returned { connection, peer, messages }) => {
                self.bridge_otherwise(connection, peer, messages);
            }
            InnerEvent::UnicastUrgent(_)
            | InnerEvent::BridgeUrgent(_)
            | InnerEvent::Unicast(_)
            | InnerEvent::UnicastLarge(_)
            | InnerEvent::Bridge(_)
            | InnerEvent::BridgeLarge(_) => {}
            InnerEvent::Gossip(event) => self.handle_metered(Lane::Short, event),
            InnerEvent::GossipLarge(event) => self.handle_metered(Lane::Long, event),
            InnerEvent::Status(event) => self.handle_status_event(event),
            InnerEvent::Ping(ping::Event { peer, result: Ok(time), .. }) => {
                if let Some(peer) = self.names.of(peer) {
                    self.actions.push_back(ToSwarm::GenerateEvent(Event::RoundTrip { peer, time }));
                }
            }
            InnerEvent::Ping(_) => {}
        }
    }

    fn handle_unicasts(&mut self, event: link_stream::Event<Frame>) {
        let link_stream::Event::Received { connection, peer, messages, spoiled, read, .. } = event else { return };
        let (now, class) = (Instant::now(), self.class_of_link(&peer));
        self.note_spoiled(peer, spoiled);
        self.meter.read = Some(read);
        for mut frame in messages {
            if let Frame::Message(message) = &mut frame {
                message.header.trace.taken = message.header.trace.id.map(|_| read);
            }
            let counted = self.meter.unicast(&frame);
            self.note_received(&peer, counted, class);
            self.handle_frame(connection, peer, frame, now);
        }
        self.meter.read = None;
    }

    /// The peer has no stream for what is urgent.
    fn send_otherwise(&mut self, connection: ConnectionId, to: NodeId, frames: Vec<(Account, Frame)>) {
        for (account, frame) in frames {
            if let Err(Frame::Message(message)) = self.inner.unicast.send(connection, account, frame) {
                self.handle(UnicastInput::NotSent { to, message });
            }
        }
    }

    fn bridge_otherwise(&mut self, connection: ConnectionId, to: NodeId, frames: Vec<(Account, amop::Frame)>) {
        for (account, frame) in frames {
            if let Err(frame) = self.inner.bridge.send(connection, account, frame) {
                let now = Instant::now();
                self.not_sent((to, account), frame, now);
                self.drain(now);
            }
        }
    }

    fn handle_bridge(&mut self, from: NodeId, frames: Vec<amop::Frame>, read: Instant) {
        let (now, class) = (Instant::now(), self.class_of_link(&from));
        self.meter.read = Some(read);
        for frame in frames {
            let counted = self.meter.bridge(&frame);
            self.note_received(&from, counted, class);
            self.overlay.handle_input(frame.received(from), now);
            self.drain(now);
        }
        self.meter.read = None;
    }

    /// What the peer forged costs it; what it passed on and could not read, its neighbours have counted as it did.
    fn note_spoiled(&mut self, peer: NodeId, Spoiled { forged, unread }: Spoiled) {
        for _ in 0..forged {
            self.handle(AccessInput::Struck { peer, strike: Strike::Forged });
        }
        if unread > 0 {
            self.handle(AccessInput::Unread { peer, messages: unread });
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
    pub(super) fn give_up(&mut self, connection: ConnectionId, reason: &Arc<str>) {
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
}

/// The derive names the event type; this pins it to what is matched above.
const _: fn(InnerEvent) -> <Inner as NetworkBehaviour>::ToSwarm = |event| event;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use nuncio_identity::NodeKey;
    use nuncio_protocol::{
        StatusInput,
        status_sync::{Answer, Equivocation},
    };
    use nuncio_testkit::simulator::{node_id, record};

    use super::*;
    use crate::{Certifier, Config, Member, prover::Proved};

    /// All have shown a certificate that holds.
    struct AllProved;

    impl Certifier for AllProved {
        fn certify(&self, _: NodeId, _: &[Bytes]) -> Result<Member, String> {
            Err("nobody is asked for".into())
        }

        fn is_proved_anew(&self, _: &NodeId) -> bool {
            true
        }
    }

    #[test]
    fn a_certificate_that_holds_lets_in_who_was_expelled_and_not_who_is_proven_to_equivocate() {
        let mut behaviour =
            Behaviour::new(Config::new(NodeKey::generate(), Vec::new(), "test", Arc::new(AllProved), 1));
        let ([peer, expelled, convicted], rules) = ([1, 2, 3].map(node_id), behaviour.prover.rules());
        let proof = Equivocation::of(record(3, 7, &[1], &[]), record(3, 7, &[2], &[])).expect("they contradict");
        behaviour.handle(StatusInput::Answered { peer, answer: Answer { proofs: vec![proof], ..Answer::default() } });
        behaviour.expel(expelled);
        let records = vec![record(2, 8, &[1], &[]), record(3, 8, &[1], &[])];
        let answer = Answer { records, ..Answer::default() };
        behaviour.handle_proved(peer, Proved { answer, rules, ..Proved::default() });
        behaviour.readmit_if_proved(convicted);
        assert_eq!([expelled, convicted].map(|node| behaviour.overlay.is_expelled(&node)), [false, true]);
    }
}
