//! The libp2p behaviours under the overlay. Gates come first: a connection that a later one denied would leave state
//! in request-response for ever.

use std::{fmt, sync::Arc, time::Duration};

use libp2p::{
    StreamProtocol, connection_limits,
    gossipsub::{IdentTopic, SubscriptionError},
    ping,
    request_response::{self, ProtocolSupport},
    swarm::{ConnectionId, NetworkBehaviour},
};
use nuncio_bounds::{Ledger, SharedBytes};
use nuncio_metrics::Stream;
use nuncio_protocol::{Account, LARGE_BODY, unicast::Message};
use nuncio_wire::{
    SigningContext, amop,
    length_prefixed::{MAX_FRAME, MAX_HEADER, MAX_SEALED_OVERHEAD},
    status,
    unicast::Frame,
};

use crate::{
    Config,
    bridge::{self, Bridge},
    departures::Departures,
    gossip::{Gossipsub, Lane},
    gossip_meter::Metered,
    link_stream::{self, Behaviour as LinkStreams, Beside, Large, Pulse, Room, Urgent},
    status_sync::StatusCodec,
    unicast::{Unicast, is_large},
};

/// Longest frame on a stream for short messages: its length, its header, and what may be sealed.
pub(crate) const SHORT_FRAME: usize = 2 + MAX_HEADER + LARGE_BODY + MAX_SEALED_OVERHEAD;

/// Bytes of short messages that one stream has brought and the swarm's task has not taken; it is not read while there are
/// as many.
pub(crate) const SHORT_INTAKE: usize = 512 << 10;

/// Bytes of urgent messages that wait for a peer: what one node may have of them in a second, of several.
const URGENT_QUEUE: usize = 4 << 20;

/// The same of long messages of all streams, each counted from its beginning on.
pub(crate) const LONG_INTAKE: usize = 256 << 20;

/// Status queries under way on a connection, of both sides together: there is one of each at a time, while those before
/// end.
pub(crate) const MAX_QUERIES: usize = 4;

#[derive(NetworkBehaviour)]
pub struct Inner {
    limits: connection_limits::Behaviour,
    pub(crate) unicast_urgent: LinkStreams<Urgent<Unicast>>,
    pub(crate) unicast: LinkStreams<Unicast>,
    pub(crate) unicast_large: LinkStreams<Large<Unicast>>,
    pub(crate) bridge_urgent: LinkStreams<Urgent<Bridge>>,
    pub(crate) bridge: LinkStreams<Bridge>,
    pub(crate) bridge_large: LinkStreams<Large<Bridge>>,
    pub(crate) gossip: Metered,
    pub(crate) gossip_large: Metered,
    pub(crate) status: request_response::Behaviour<StatusCodec>,
    ping: ping::Behaviour,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").finish_non_exhaustive()
    }
}

impl Inner {
    pub(crate) fn new(config: &Config, context: &SigningContext, departures: &Departures) -> Self {
        // Incoming handshakes are bounded by the transport's door, which lets newcomers in when it is full.
        let limits = connection_limits::ConnectionLimits::default()
            .with_max_pending_outgoing(Some(config.max_pending_dials))
            .with_max_established(Some(config.max_connections))
            .with_max_established_per_peer(Some(4));
        let meter = |stream| (config.metrics.clone(), stream);
        let short = link_stream::Config {
            queue_bytes: config.link_queue,
            queues: Arc::new(Ledger::new(config.link_queues)),
            longest: SHORT_FRAME,
            intake: Room::Each(SHORT_INTAKE),
            pulse: Pulse::new(config.heartbeat),
            alive: 1,
            silence: config.silence,
            meter: meter(Stream::Unicast),
        };
        // Whether the peer lives one stream shows; the others, whether they are served.
        let (alive, intake) = (3, Room::All(Arc::new(SharedBytes::new(LONG_INTAKE))));
        let long = link_stream::Config {
            longest: MAX_FRAME,
            intake,
            alive,
            meter: meter(Stream::UnicastLarge),
            ..short.clone()
        };
        let urgent = link_stream::Config {
            queue_bytes: URGENT_QUEUE.min(config.link_queue),
            intake: Room::Each(SHORT_INTAKE / 2),
            alive,
            meter: meter(Stream::UnicastUrgent),
            ..short.clone()
        };
        let bridge_urgent = link_stream::Config { meter: meter(Stream::BridgeUrgent), ..urgent.clone() };
        let bridge = link_stream::Config { alive, meter: meter(Stream::Bridge), ..short.clone() };
        let bridge_large = link_stream::Config { meter: meter(Stream::BridgeLarge), ..long.clone() };
        Self {
            limits: connection_limits::Behaviour::new(limits),
            unicast_urgent: LinkStreams::new(Beside(Unicast::new(context, departures)), urgent),
            unicast: LinkStreams::new(Unicast::new(context, departures), short),
            unicast_large: LinkStreams::new(Beside(Unicast::new(context, departures)), long),
            bridge_urgent: LinkStreams::new(Beside(Bridge(context.clone())), bridge_urgent),
            bridge: LinkStreams::new(Bridge(context.clone()), bridge),
            bridge_large: LinkStreams::new(Beside(Bridge(context.clone())), bridge_large),
            gossip: Metered::new(Lane::Short.gossipsub()),
            gossip_large: Metered::new(Lane::Long.gossipsub()),
            status: request_response::Behaviour::with_codec(
                StatusCodec,
                [(StreamProtocol::new(status::PROTOCOL), ProtocolSupport::Full)],
                request_response::Config::default()
                    .with_request_timeout(Duration::from_secs(5))
                    .with_max_concurrent_streams(MAX_QUERIES),
            ),
            ping: ping::Behaviour::new(ping::Config::new().with_interval(Duration::from_secs(10))),
        }
    }

    /// Queues a message on the stream of its kind; an urgent one on that of the others, where the peer has none for it or that
    /// is full. Gives it back when there is no room.
    pub(crate) fn send_unicast(&self, connection: ConnectionId, account: Account, message: Message) -> Option<Frame> {
        let (is_large, is_urgent) = (is_large(&message), message.header.priority.is_urgent());
        let account = message.account(account);
        let frame = Frame::Message(message);
        if is_large {
            return self.unicast_large.send(connection, account, frame).err();
        }
        let frame = if is_urgent { self.unicast_urgent.send(connection, account, frame).err()? } else { frame };
        self.unicast.send(connection, account, frame).err()
    }

    /// The same of what goes over the bridge.
    pub(crate) fn send_bridge(
        &self,
        connection: ConnectionId,
        account: Account,
        frame: amop::Frame,
    ) -> Option<amop::Frame> {
        let account = frame.account(account);
        if bridge::is_large(&frame) {
            return self.bridge_large.send(connection, account, frame).err();
        }
        let is_urgent = frame.priority().is_urgent();
        let frame = if is_urgent { self.bridge_urgent.send(connection, account, frame).err()? } else { frame };
        self.bridge.send(connection, account, frame).err()
    }

    pub(crate) fn lane(&mut self, lane: Lane) -> &mut Gossipsub {
        match lane {
            Lane::Short => &mut self.gossip.gossipsub,
            Lane::Long => &mut self.gossip_large.gossipsub,
        }
    }

    /// Takes part in a topic's gossip, in both lanes.
    pub(crate) fn join(&mut self, topic: &str) -> Result<(), SubscriptionError> {
        let topic = IdentTopic::new(topic);
        for lane in [Lane::Short, Lane::Long] {
            self.lane(lane).subscribe(&topic)?;
        }
        Ok(())
    }

    pub(crate) fn leave(&mut self, topic: &str) {
        let topic = IdentTopic::new(topic);
        for lane in [Lane::Short, Lane::Long] {
            self.lane(lane).unsubscribe(&topic);
        }
    }
}
