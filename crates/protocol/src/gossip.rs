//! What gossip carries: announcements, and applications' messages to many. The edge keeps the bytes and checks
//! signatures; what becomes of each is decided here.

mod takes_part;
mod unjudged;

pub use takes_part::{Change, TakesPart};
pub use unjudged::Unjudged;

use std::time::Duration;

use bytes::Bytes;
use nuncio_identity::NodeId;

use crate::{Topic, gate::Gate, status_sync::Version};

/// Most messages of gossip that a peer brings in so long: one that brings more is banned.
pub fn most_brought(time: Duration) -> usize {
    Gate::most_brought(time)
}

/// A message of gossip that waits for its judgement; named by the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GossipId(pub u64);

/// What an application's message to many says of itself, under its origin's signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Who sent it.
    pub origin: NodeId,
    /// In which of its epochs.
    pub epoch: u64,
    /// The origin's number.
    pub number: u64,
    /// The origin's clock when it was sent.
    pub sent: Duration,
    /// How long after that it counts.
    pub lifetime: Duration,
}

/// A message of gossip that has a number among those of its topic: it may be pushed, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbered {
    /// The topic; `None` for a broadcast.
    pub topic: Option<Topic>,
    /// The number.
    pub number: u64,
    /// What it says.
    pub body: Bytes,
}

/// What becomes of a message of gossip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// It is new here: to be passed on, and handed to the application unless it is [`Numbered`].
    Fresh,
    /// Not to be passed on.
    Dropped,
}

/// What a peer does with gossip besides bringing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Messages that it had brought before.
    Repeated,
    /// Grafts, prunes, promises and wishes.
    Control,
    /// Subscriptions begun and ended.
    Subscriptions,
}

/// Gossip whose signature holds; and what peers do with gossip besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GossipInput {
    /// A node's version and clock.
    Announced {
        /// Names it.
        id: GossipId,
        /// The linked peer that brought it.
        via: NodeId,
        /// Whose.
        node: NodeId,
        /// Its version.
        version: Version,
        /// The time since its epoch began.
        clock: Duration,
    },
    /// An application's message.
    Received {
        /// Names it.
        id: GossipId,
        /// The linked peer that brought it.
        via: NodeId,
        /// What it says of itself.
        stamp: Stamp,
        /// Its length, in bytes.
        length: usize,
        /// The message itself, if its origin says which number it has among those of its topic.
        numbered: Option<Numbered>,
    },
    /// What a peer did with gossip besides bringing it.
    Counted {
        /// The peer.
        via: NodeId,
        /// What.
        what: Counted,
        /// How often.
        count: usize,
    },
}
