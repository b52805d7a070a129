//! Gossip in two lanes, one for short messages and one for long ones.
//!
//! Gossipsub bounds what waits for a peer in messages, not in bytes. So long ones wait in a short queue of their own, and
//! short ones, announcements among them, do not wait behind them.

use std::time::Duration;

use libp2p::gossipsub::{
    self, IdentityTransform, MaxCountSubscriptionFilter, MessageAuthenticity, MessageId, TopicHash,
    TopicSubscriptionFilter, ValidationMode,
};
use nuncio_protocol::{LARGE_BODY, MAX_BODY, MAX_MULTICAST_TOPIC_BYTES, MAX_RELAYED_TOPICS, TOPIC_COST};
use nuncio_wire::{announcement, multicast};
use sha2::{Digest, Sha256};

/// One lane.
pub(crate) type Gossipsub = gossipsub::Behaviour<IdentityTransform, SubscriptionFilter>;

type SubscriptionFilter = MaxCountSubscriptionFilter<OwnTopics>;

/// Which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Announcements, and bodies up to [`LARGE_BODY`].
    Short,
    /// Longer bodies.
    Long,
}

/// Messages that wait for one peer in a lane at the most: 65 MiB of short ones, 80 MiB of long ones. Further ones are refused
/// with [`crate::PublishError::Busy`]; those of others are not passed on to it.
const SHORT_QUEUE: usize = 1024;
const LONG_QUEUE: usize = 8;

/// Of one peer: its own topics, those it relays, and the overlay's.
const MAX_SUBSCRIPTIONS: usize = MAX_MULTICAST_TOPIC_BYTES / TOPIC_COST + MAX_RELAYED_TOPICS + 8;

/// Bytes that one of them takes when a peer tells all at once.
const SUBSCRIPTION: usize = 300;

impl Lane {
    /// Where a body of so many bytes belongs.
    pub(crate) const fn of(body: usize) -> Self {
        if body > LARGE_BODY { Self::Long } else { Self::Short }
    }

    /// Longest message in this lane, in bytes.
    pub(crate) const fn longest(self) -> usize {
        multicast::MAX_OVERHEAD
            + match self {
                Self::Short => LARGE_BODY,
                Self::Long => MAX_BODY,
            }
    }

    pub(crate) fn gossipsub(self) -> Gossipsub {
        let mut config = gossipsub::ConfigBuilder::default();
        config
            .validation_mode(ValidationMode::Anonymous)
            .validate_messages()
            .message_id_fn(|message| content_id(&message.topic, &message.data))
            .max_transmit_size(self.longest() + MAX_SUBSCRIPTIONS * SUBSCRIPTION)
            .connection_handler_queue_len(SHORT_QUEUE)
            .heartbeat_initial_delay(Duration::from_millis(200))
            .publish_queue_duration(Duration::from_secs(10))
            .forward_queue_duration(Duration::from_secs(10));
        if self == Self::Long {
            // What was sent is kept for a second or two, for those who missed it.
            config.connection_handler_queue_len(LONG_QUEUE).history_length(2).history_gossip(1);
            config.protocol_id_prefix("/nuncio/gossip-large");
        }
        let config = config.build().expect("these constants are within gossipsub's bounds");
        let filter = MaxCountSubscriptionFilter {
            filter: OwnTopics,
            max_subscribed_topics: MAX_SUBSCRIPTIONS,
            max_subscriptions_per_request: MAX_SUBSCRIPTIONS,
        };
        gossipsub::Behaviour::new_with_subscription_filter(MessageAuthenticity::Anonymous, config, filter)
            .expect("anonymous authenticity goes with anonymous validation")
    }
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
            || topic == crate::gossip_pulse::TOPIC
            || matches!(multicast::topic_of(topic), Ok(Some(_)))
    }
}
