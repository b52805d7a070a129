//! AMOP: publish, deliver, acknowledge, reply.
//!
//! What clients see follows FISCO BCOS 2.x; what nodes say to each other is our own.

mod deliver;
mod delivery;
mod exchange;
mod input;
mod machine;
mod memory;
mod multicast;
mod private;
mod publish;
mod quotas;
mod subscriptions;
mod suspects;

pub use input::BridgeInput;
pub(crate) use machine::Amop;
pub use quotas::PublishLimits;

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use nuncio_identity::{NodeId, Signature};

use crate::{Header, Topic, header::Letter};

/// A connected client; named by the gateway, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u64);

/// One delivery to one client; named by the core, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(pub u64);

/// One challenge to a subscriber of a private topic; named by the core, never used twice.
///
/// The channel protocol carries it as a node ID of 128 hexadecimal digits, which SDKs hand back as it is. Three quarters
/// are the ID of the subscriber's node; the rest is drawn, so that a late verdict is never taken for one on another
/// challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChallengeId(pub [u8; NodeId::LENGTH]);

/// The 32 opaque bytes by which a client recognises the answer to its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublishSeq(pub [u8; 32]);

/// The result of a publish, as the channel protocol's 0x31 carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResultCode(pub i32);

impl ResultCode {
    /// A subscriber answered; or the multicast was accepted.
    pub const OK: Self = Self(0);
    /// Nobody could be reached: no subscriber saw the message.
    pub const NO_SUBSCRIBER: Self = Self(100);
    /// Nobody answered in time; up to as many subscribers as were tried may have seen the message.
    pub const TIMEOUT: Self = Self(102);
    /// Refused by a rate limit.
    pub const OVER_LIMIT: Self = Self(103);
    /// Subscribers were tried and were gone or refused.
    pub const SUBSCRIBER_GONE: Self = Self(104);
}

/// Unicast to one subscriber, or multicast to all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// To one subscriber, which acknowledges.
    Unicast,
    /// To every subscriber, none acknowledges.
    Multicast,
}

/// What clients do, as the gateway tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientInput {
    /// A client is there.
    Connected {
        /// Its name.
        client: ClientId,
    },
    /// A client is gone; its subscriptions with it.
    Disconnected {
        /// Its name.
        client: ClientId,
    },
    /// A client says all its topics; they replace what it said before.
    Subscribe {
        /// Who.
        client: ClientId,
        /// All its topics; at most 512.
        topics: BTreeSet<Topic>,
    },
    /// A client publishes (0x30 or 0x35).
    Publish {
        /// Who.
        client: ClientId,
        /// By what it recognises the reply.
        seq: PublishSeq,
        /// To one or to all.
        kind: Kind,
        /// Whereto.
        topic: Topic,
        /// The payload behind the topic; at most [`crate::MAX_BODY`].
        data: Bytes,
    },
    /// A client acknowledges a delivery (0x31).
    Acknowledge {
        /// Who.
        client: ClientId,
        /// Which delivery.
        delivery: DeliveryId,
        /// The result it put in its frame.
        code: ResultCode,
        /// The payload of its answer.
        data: Bytes,
    },
    /// A client says what came of a challenge (0x38).
    ProofJudged {
        /// Who.
        client: ClientId,
        /// Which challenge.
        challenge: ChallengeId,
        /// The private topic it was about.
        topic: Topic,
        /// Whether the subscriber proved itself.
        accepted: bool,
    },
    /// The gateway could not hand a delivery over: the client's queue is full, or it is gone.
    DeliveryFailed {
        /// To whom.
        client: ClientId,
        /// Which delivery.
        delivery: DeliveryId,
    },
}

/// What the core wants clients to get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientOutput {
    /// Push a message to a subscriber.
    Deliver {
        /// To whom.
        client: ClientId,
        /// By what its acknowledgement is recognised. Multicasts have one too; nobody waits for it.
        delivery: DeliveryId,
        /// As 0x30 or as 0x35.
        kind: Kind,
        /// The topic.
        topic: Topic,
        /// The payload.
        data: Bytes,
    },
    /// Ask a publisher of a private topic to challenge a subscriber (0x37).
    Challenge {
        /// Whom to ask.
        client: ClientId,
        /// What it says its verdict about.
        challenge: ChallengeId,
        /// The private topic.
        topic: Topic,
        /// Where the subscriber takes challenges.
        channel: Topic,
    },
    /// Answer a publisher (0x31).
    Reply {
        /// To whom.
        client: ClientId,
        /// Its own seq.
        seq: PublishSeq,
        /// The result.
        code: ResultCode,
        /// The topic it published to: a success body is topic-packed.
        topic: Topic,
        /// The subscriber's answer; for an accepted multicast the published payload; else empty.
        data: Bytes,
    },
}

/// Where outputs for clients go; the gateway is one.
pub trait ClientPort: Send + Sync {
    /// Queues an output for its client and returns at once.
    ///
    /// # Errors
    /// Gives a delivery back when the client is gone or its queue is full. A reply for a client that is
    /// gone is dropped.
    fn handle_output(&self, output: ClientOutput) -> Result<(), ClientOutput>;
}

/// What travels between two nodes on the bridge stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Whose, for whom, and until when. The number is that of the attempt.
    pub header: Header,
    /// What it says.
    pub content: Content,
}

/// The content of a [`Message`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Deliver to one of your clients and tell me.
    Publish {
        /// The publisher's message: the same for every attempt, so that no client gets it twice.
        message: u64,
        /// The topic.
        topic: Topic,
        /// The payload.
        data: Bytes,
    },
    /// What became of a publish.
    Result {
        /// The subscriber's result, or [`ResultCode::SUBSCRIBER_GONE`].
        code: ResultCode,
        /// The subscriber's answer.
        data: Bytes,
    },
    /// What only the target can read.
    Sealed {
        /// Whether it is a publish.
        asks: bool,
        /// The rest.
        bytes: Bytes,
    },
}

/// A message for all subscribers of many nodes, on the bridge stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Multicast {
    /// Who made it.
    pub source: NodeId,
    /// In which of its epochs.
    pub epoch: u64,
    /// The source's number.
    pub number: u64,
    /// The source's clock when it was sent.
    pub sent: Duration,
    /// How long after that it counts.
    pub lifetime: Duration,
    /// Links it may still cross after this one.
    pub hops_left: u8,
    /// The nodes still to reach over this link, the receiver perhaps among them.
    pub destinations: Vec<Destination>,
    /// What it says; `None` at a node that only passes it on.
    pub post: Option<Post>,
    /// The same as it travels over more than one link; `None` at its source, and from a neighbour for this node alone.
    pub sealed: Option<SealedPost>,
}

/// A node that a multicast is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Who.
    pub node: NodeId,
    /// The key to the content, which this node alone can open; empty at the source.
    pub key: Bytes,
}

/// What a multicast says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// The publisher's seq: the same message handed to several nodes is delivered once.
    pub seq: PublishSeq,
    /// The topic.
    pub topic: Topic,
    /// The payload.
    pub data: Bytes,
}

/// A [`Post`] that the destinations alone can read, and that its source has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedPost {
    /// Sequence number, topic and payload under a key of its own.
    pub bytes: Bytes,
    /// The source's, over all but hops and destinations.
    pub signature: Signature,
}

impl Destination {
    /// One whose key is not made yet.
    pub(crate) const fn open(node: NodeId) -> Self {
        Self { node, key: Bytes::new() }
    }
}

impl Letter for Message {
    fn header(&self) -> &Header {
        &self.header
    }

    fn header_mut(&mut self) -> &mut Header {
        &mut self.header
    }

    fn asks(&self) -> bool {
        matches!(self.content, Content::Publish { .. } | Content::Sealed { asks: true, .. })
    }

    fn is_sealed(&self) -> bool {
        matches!(self.content, Content::Sealed { .. })
    }

    fn length(&self) -> usize {
        match &self.content {
            Content::Publish { data, .. } | Content::Result { data, .. } => data.len(),
            Content::Sealed { bytes, .. } => bytes.len(),
        }
    }
}

impl Multicast {
    /// Bytes of its content.
    pub fn length(&self) -> usize {
        let sealed = self.sealed.as_ref().map(|sealed| sealed.bytes.len());
        sealed.or_else(|| self.post.as_ref().map(|post| post.data.len())).unwrap_or_default()
    }
}
