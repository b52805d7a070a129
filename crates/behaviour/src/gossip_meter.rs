//! What peers do with gossip that gossipsub does not tell.
//!
//! It drops what it has seen without a word, and what names a sender or has a signature, which nobody's gossip has here. It does
//! what control messages say however many there are, and gives up a stream that cannot be read only to take the next one. So
//! all of it is counted before gossipsub has it; and pulses are taken there, since whoever was the first to bring one would
//! have it dropped that comes from its own node.

mod brought;
mod handler;
mod rest;

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    gossipsub,
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent,
        ToSwarm,
    },
};
use nuncio_identity::NodeId;
use nuncio_protocol::gossip::Counted;

use self::{
    brought::Brought,
    handler::{Handler, Told, is_long},
    rest::Rest,
};
use crate::{gossip::Gossipsub, gossip_pulse};

/// What a connection of gossipsub heard.
type Heard = THandlerOutEvent<Gossipsub>;

/// Gossipsub, metered.
pub struct Metered {
    pub(crate) gossipsub: Gossipsub,
    /// Bound: an entry for each peer, see [`Brought`].
    peers: HashMap<PeerId, Peer>,
    /// Whose long messages came of late: one for each connection at the most.
    handed: Vec<Arc<Rest>>,
    /// At most what one message of a connection causes.
    events: VecDeque<Event>,
}

/// What is known of a peer.
#[derive(Debug)]
struct Peer {
    /// `None` of what is no node; admission lets none in.
    node: Option<NodeId>,
    brought: Brought,
    rest: Arc<Rest>,
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// What gossipsub tells.
    Gossip(gossipsub::Event),
    /// What a peer did besides, and how often.
    Counted { peer: PeerId, what: Counted, count: usize },
    /// A message of a peer had so many pulses in it, and whether each of them was its own.
    Pulses { peer: PeerId, count: usize, are_its_own: bool },
    /// A peer sent a message with fields that no message here has.
    Foreign { peer: PeerId },
    /// A peer opened one more stream, though none of its streams fails unless it sends what cannot be read.
    Reopened { peer: PeerId },
}

impl Metered {
    pub(crate) fn new(gossipsub: Gossipsub) -> Self {
        Self { gossipsub, peers: HashMap::new(), handed: Vec::new(), events: VecDeque::new() }
    }

    /// A peer is not read for so long.
    pub(crate) fn rest(&mut self, peer: &NodeId, length: Duration, now: Instant) {
        if let Some(peer) = self.peers.get(&(*peer).into()) {
            peer.rest.begin(length, now);
        }
    }

    /// What a connection with a peer keeps to. A connection that is denied yet leaves nothing: the gates come before.
    fn rest_of(&mut self, peer: PeerId) -> Arc<Rest> {
        self.peers.entry(peer).or_insert_with(|| Peer::of(peer)).rest.clone()
    }

    fn meter(&mut self, peer: PeerId, heard: &Heard) {
        let Heard::Message { rpc, invalid_messages } = heard else { return };
        if !invalid_messages.is_empty() {
            self.events.push_back(Event::Foreign { peer });
        }
        let Peer { node, brought, rest } = self.peers.entry(peer).or_insert_with(|| Peer::of(peer));
        if is_long(heard) {
            self.handed.push(Arc::clone(rest));
        }
        let repeated = rpc.messages.iter().filter(|message| brought.has_brought(&message.topic, &message.data)).count();
        let pulses = rpc.messages.iter().filter(|message| message.topic.as_str() == gossip_pulse::TOPIC);
        let is_its_own = |pulse: &[u8]| node.is_some_and(|node| gossip_pulse::is_of(&node, pulse));
        let (count, own) =
            pulses.fold((0, 0), |(count, own), pulse| (count + 1, own + usize::from(is_its_own(&pulse.data))));
        if count > 0 {
            self.events.push_back(Event::Pulses { peer, count, are_its_own: own == count });
        }
        let counts = [
            (Counted::Repeated, repeated),
            (Counted::Control, rpc.control_msgs.len()),
            (Counted::Subscriptions, rpc.subscriptions.len()),
        ];
        let counts = counts.into_iter().filter(|(_, count)| *count > 0);
        self.events.extend(counts.map(|(what, count)| Event::Counted { peer, what, count }));
    }
}

impl Peer {
    fn of(peer: PeerId) -> Self {
        Self { node: peer.try_into().ok(), brought: Brought::default(), rest: Arc::default() }
    }
}

impl fmt::Debug for Metered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metered").finish_non_exhaustive()
    }
}

impl NetworkBehaviour for Metered {
    type ConnectionHandler = Handler<THandler<Gossipsub>>;
    type ToSwarm = Event;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let inner = self.gossipsub.handle_established_inbound_connection(connection, peer, local, remote)?;
        Ok(Handler::new(inner, self.rest_of(peer)))
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let inner = self.gossipsub.handle_established_outbound_connection(connection, peer, address, role, port)?;
        Ok(Handler::new(inner, self.rest_of(peer)))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.gossipsub.on_swarm_event(event);
        if let FromSwarm::ConnectionClosed(closed) = event {
            if closed.remaining_established == 0 {
                self.peers.remove(&closed.peer_id);
            } else if let Some(peer) = self.peers.get(&closed.peer_id) {
                // What was under way there may have ended with it.
                peer.rest.taken();
            }
        }
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {
            Told::Reopened => self.events.push_back(Event::Reopened { peer }),
            Told::Heard(heard) => {
                self.meter(peer, &heard);
                self.gossipsub.on_connection_handler_event(peer, connection, heard);
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(ToSwarm::GenerateEvent(event));
        }
        let polled = self.gossipsub.poll(cx).map(|action| action.map_out(Event::Gossip));
        if polled.is_pending() {
            // Of all that came, it was told how long who brought it rests.
            self.handed.drain(..).for_each(|rest| rest.taken());
        }
        polled
    }
}
