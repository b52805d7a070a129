//! The libp2p behaviours under the overlay. Gates come first: a connection that a later one denied would leave state
//! in request-response for ever.

use std::{fmt, time::Duration};

use libp2p::{
    PeerId, StreamProtocol, connection_limits,
    gossipsub::{
        self, MaxCountSubscriptionFilter, MessageAuthenticity, MessageId, TopicHash, TopicSubscriptionFilter,
        ValidationMode,
    },
    ping,
    request_response::{self, ProtocolSupport},
    swarm::NetworkBehaviour,
};
use nuncio_protocol::{MAX_BODY, MAX_MULTICAST_TOPIC_BYTES, MAX_RELAYED_TOPICS, TOPIC_COST};
use nuncio_wire::{SigningContext, announcement, multicast, status};
use sha2::{Digest, Sha256};

use crate::{
    Config,
    bridge::Bridge,
    link_stream::{self, Behaviour as LinkStreams, Large},
    status_sync::StatusCodec,
    unicast::Unicast,
};

/// Gossip messages that wait for one peer at the most; further ones are refused with [`crate::PublishError::Busy`].
const GOSSIP_QUEUE: usize = 1024;

/// Of one peer: its own topics, those it relays, and the overlay's.
const MAX_SUBSCRIPTIONS: usize = MAX_MULTICAST_TOPIC_BYTES / TOPIC_COST + MAX_RELAYED_TOPICS + 8;

#[derive(NetworkBehaviour)]
pub struct Inner {
    limits: connection_limits::Behaviour,
    pub(crate) unicast: LinkStreams<Unicast>,
    pub(crate) unicast_large: LinkStreams<Large<Unicast>>,
    pub(crate) bridge: LinkStreams<Bridge>,
    pub(crate) bridge_large: LinkStreams<Large<Bridge>>,
    pub(crate) gossip: gossipsub::Behaviour<gossipsub::IdentityTransform, SubscriptionFilter>,
    pub(crate) status: request_response::Behaviour<StatusCodec>,
    ping: ping::Behaviour,
}

pub(crate) type SubscriptionFilter = MaxCountSubscriptionFilter<OwnTopics>;

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
            gossip: gossip(),
            status: request_response::Behaviour::with_codec(
                StatusCodec,
                [(StreamProtocol::new(status::PROTOCOL), ProtocolSupport::Full)],
                request_response::Config::default().with_request_timeout(Duration::from_secs(5)),
            ),
            ping: ping::Behaviour::new(ping::Config::new().with_interval(Duration::from_secs(10))),
        }
    }
}

fn gossip() -> gossipsub::Behaviour<gossipsub::IdentityTransform, SubscriptionFilter> {
    let config = gossipsub::ConfigBuilder::default()
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(|message| content_id(&message.topic, &message.data))
        .max_transmit_size(MAX_BODY + multicast::MAX_OVERHEAD + (64 << 10))
        .connection_handler_queue_len(GOSSIP_QUEUE)
        .heartbeat_initial_delay(Duration::from_millis(200))
        .publish_queue_duration(Duration::from_secs(10))
        .forward_queue_duration(Duration::from_secs(10))
        .build()
        .expect("these constants are within gossipsub's bounds");
    let filter = MaxCountSubscriptionFilter {
        filter: OwnTopics,
        max_subscribed_topics: MAX_SUBSCRIPTIONS,
        max_subscriptions_per_request: MAX_SUBSCRIPTIONS,
    };
    gossipsub::Behaviour::new_with_subscription_filter(MessageAuthenticity::Anonymous, config, filter)
        .expect("anonymous authenticity goes with anonymous validation")
}

/// Messages carry their origin's number and signature, so equal content is the same message.
fn content_id(topic: &TopicHash, data: &[u8]) -> MessageId {
    let mut hash = Sha256::new();
    hash.update(topic.as_str().as_bytes());
    hash.update([0]);
    hash.update(data);
    MessageId::new(&hash.finalize()[..20])
}

/// Only the overlay's topics exist.
#[derive(Debug, Clone, Default)]
pub struct OwnTopics;

impl TopicSubscriptionFilter for OwnTopics {
    fn can_subscribe(&mut self, topic: &TopicHash) -> bool {
        let topic = topic.as_str();
        topic == announcement::TOPIC
            || topic == multicast::BROADCAST
            || matches!(multicast::topic_of(topic), Ok(Some(_)))
    }
}

/// The peer's node ID; admission lets none in without.
pub(crate) fn node_of(peer: PeerId) -> Option<nuncio_identity::NodeId> {
    peer.try_into().ok()
}
