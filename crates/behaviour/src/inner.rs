//! The libp2p behaviours under the overlay. Gates come first: a connection that a later one denied would leave state
//! in request-response for ever.

use std::{fmt, time::Duration};

use libp2p::{
    PeerId, StreamProtocol, connection_limits,
    gossipsub::{IdentTopic, SubscriptionError},
    ping,
    request_response::{self, ProtocolSupport},
    swarm::NetworkBehaviour,
};
use nuncio_wire::{SigningContext, status};

use crate::{
    Config,
    bridge::Bridge,
    gossip::{Gossipsub, Lane},
    gossip_meter::Metered,
    link_stream::{self, Behaviour as LinkStreams, Large},
    status_sync::StatusCodec,
    unicast::Unicast,
};

#[derive(NetworkBehaviour)]
pub struct Inner {
    limits: connection_limits::Behaviour,
    pub(crate) unicast: LinkStreams<Unicast>,
    pub(crate) unicast_large: LinkStreams<Large<Unicast>>,
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
    pub(crate) fn new(config: &Config, context: &SigningContext) -> Self {
        // Incoming handshakes are bounded by the transport's door, which lets newcomers in when it is full.
        let limits = connection_limits::ConnectionLimits::default()
            .with_max_pending_outgoing(Some(config.max_pending_dials))
            .with_max_established(Some(config.max_connections))
            .with_max_established_per_peer(Some(4));
        let streams = link_stream::Config {
            queue_bytes: config.link_queue,
            heartbeat: config.heartbeat,
            silence: config.silence,
        };
        Self {
            limits: connection_limits::Behaviour::new(limits),
            unicast: LinkStreams::new(Unicast(context.clone()), streams),
            unicast_large: LinkStreams::new(Large(Unicast(context.clone())), streams),
            bridge: LinkStreams::new(Bridge(context.clone()), streams),
            bridge_large: LinkStreams::new(Large(Bridge(context.clone())), streams),
            gossip: Metered::new(Lane::Short.gossipsub()),
            gossip_large: Metered::new(Lane::Long.gossipsub()),
            status: request_response::Behaviour::with_codec(
                StatusCodec,
                [(StreamProtocol::new(status::PROTOCOL), ProtocolSupport::Full)],
                request_response::Config::default().with_request_timeout(Duration::from_secs(5)),
            ),
            ping: ping::Behaviour::new(ping::Config::new().with_interval(Duration::from_secs(10))),
        }
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

/// The peer's node ID; admission lets none in without.
pub(crate) fn node_of(peer: PeerId) -> Option<nuncio_identity::NodeId> {
    peer.try_into().ok()
}
