//! Gossip in two lanes, one for short messages and one for long ones.
//!
//! Gossipsub bounds what waits for a peer in messages, not in bytes. So long ones wait in a short queue of their own, and
//! short ones, announcements among them, do not wait behind them.

use std::time::Duration;

use libp2p::gossipsub::{
    self, IdentityTransform, MaxCountSubscriptionFilter, MessageAuthenticity, MessageId, TopicHash,
    TopicSubscriptionFilter, ValidationMode,
};
use nuncio_bounds::Bound;
use nuncio_protocol::{LARGE_BODY, MAX_BODY, MAX_MULTICAST_TOPIC_BYTES, MAX_RELAYED_TOPICS, TOPIC_COST};
use nuncio_wire::{announcement, multicast};
use sha2::{Digest, Sha256};

use crate::gossip_recent::KEPT_BEATS;

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

/// Messages that wait for one peer in a lane at the most. Further ones are refused with [`crate::PublishError::Busy`]; those
/// of others are not passed on to it.
const SHORT_QUEUE: usize = 256;
const LONG_QUEUE: usize = 2;

/// How long a message is recognised before its signature is checked; the core knows for longer what it has seen.
const RECOGNISED: Duration = Duration::from_secs(3);

/// What that takes for each message, in bytes.
const PER_RECOGNISED: usize = 256;

/// Of one peer: its own topics, those it relays, and the overlay's.
const MAX_SUBSCRIPTIONS: usize = MAX_MULTICAST_TOPIC_BYTES / TOPIC_COST + MAX_RELAYED_TOPICS + 8;

/// Bytes that one of them takes when a peer tells all at once, and as it is kept.
const SUBSCRIPTION: usize = 300;
const KEPT_SUBSCRIPTION: usize = 512;

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

    const fn queue(self) -> usize {
        match self {
            Self::Short => SHORT_QUEUE,
            Self::Long => LONG_QUEUE,
        }
    }

    /// Longest message of gossipsub's in this lane, in bytes.
    const fn longest_rpc(self) -> usize {
        self.longest() + MAX_SUBSCRIPTIONS * SUBSCRIPTION
    }

    /// What peers can make a lane hold, with so many links.
    pub(crate) fn bounds(self, links: usize) -> [Bound; 3] {
        let [to, from, topics] = match self {
            Self::Short => ["short gossip for a peer", "short gossip of a peer", "its topics"],
            Self::Long => ["long gossip for a peer", "long gossip of a peer", "its topics, of long gossip"],
        };
        let waiting = "it goes without; if all do, the publisher is told to wait";
        [
            Bound::of_bytes(to, self.queue() * self.longest(), waiting).in_entries(self.queue()),
            // One that is being read, and one that waits for the swarm's task.
            Bound::of_bytes(from, 2 * self.longest_rpc(), "it is not read"),
            Bound::of_bytes(topics, MAX_SUBSCRIPTIONS * KEPT_SUBSCRIPTION, "further ones are ignored")
                .in_entries(MAX_SUBSCRIPTIONS),
        ]
        .map(|bound| bound.per("link", links))
    }

    pub(crate) fn gossipsub(self) -> Gossipsub {
        let mut config = gossipsub::ConfigBuilder::default();
        config
            .validation_mode(ValidationMode::Anonymous)
            .validate_messages()
            .message_id_fn(|message| content_id(&message.topic, &message.data))
            .max_transmit_size(self.longest_rpc())
            .connection_handler_queue_len(self.queue())
            .history_length(KEPT_BEATS)
            .history_gossip(1)
            .duplicate_cache_time(RECOGNISED)
            .heartbeat_initial_delay(Duration::from_millis(200))
            .publish_queue_duration(Duration::from_secs(10))
            .forward_queue_duration(Duration::from_secs(10));
        // Another gossipsub may be in the same swarm.
        config.protocol_id_prefix(match self {
            Self::Short => "/nuncio/gossip",
            Self::Long => "/nuncio/gossip-large",
        });
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

/// The names of messages that came of late, in both lanes: a peer has one budget for both.
pub(crate) fn recognised(links: usize) -> Bound {
    let brought = nuncio_protocol::gossip::most_brought(RECOGNISED);
    Bound::of_bytes("names of the messages of a peer", brought * PER_RECOGNISED, "a peer that brings more is banned")
        .in_entries(brought)
        .per("link", links)
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
