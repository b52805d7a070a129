use std::{hash::BuildHasher, time::Duration};

use bytes::Bytes;
use nuncio_identity::{NodeId, Signature};

use super::{PublishSeq, ResultCode, TenantId};
use crate::{Header, Priority, Topic, copies::Mark, hashed::RandomState, header::Letter};

/// What travels between two nodes on the bridge stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Whose, for whom, and until when. The number is that of the attempt.
    pub header: Header,
    /// What it says.
    pub content: Content,
}

/// The content of a [`Message`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Content {
    /// Deliver to one of your clients and tell me.
    Publish {
        /// The publisher's message: the same for every attempt, so that no client gets it twice.
        message: u64,
        /// The topic.
        topic: Topic,
        /// Which of the source's clients published it, if it says so: a name that means nothing elsewhere.
        tenant: Option<TenantId>,
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
    /// The multicast of this number is here; said to its source by a node that it reached over others.
    Received,
    /// What only the target can read.
    Sealed {
        /// Whether it is a publish.
        asks: bool,
        /// The rest.
        bytes: Bytes,
    },
}

impl Content {
    /// Bytes of its payload.
    pub const fn length(&self) -> usize {
        match self {
            Self::Publish { data, .. } | Self::Result { data, .. } => data.len(),
            Self::Received => 0,
            Self::Sealed { bytes, .. } => bytes.len(),
        }
    }
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
    /// How urgent it is. Nobody has signed it: each relay takes it for so much of its source and of whoever brought it.
    pub priority: Priority,
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
    /// Which of the source's clients published it, if it says so: a name that means nothing elsewhere.
    pub tenant: Option<TenantId>,
    /// The payload.
    pub data: Bytes,
}

/// A [`Post`] that the destinations alone can read, and that its source has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedPost {
    /// Sequence number, topic and payload under a key of its own.
    pub bytes: Bytes,
    /// The publisher, under the same key; empty where the source does not say.
    pub tenant: Bytes,
    /// The source's, over all but hops, destinations and the publisher.
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
        self.content.length()
    }

    fn digest(&self, hasher: &RandomState) -> u64 {
        hasher.hash_one(&self.content)
    }
}

impl Multicast {
    /// Bytes of its content.
    pub fn length(&self) -> usize {
        let sealed = self.sealed.as_ref().map(|sealed| sealed.bytes.len());
        sealed.or_else(|| self.post.as_ref().map(|post| post.data.len())).unwrap_or_default()
    }

    /// By what a copy of it is known.
    pub(crate) fn mark(&self) -> Mark {
        let signature = self.sealed.as_ref().map(|sealed| &sealed.signature);
        Mark::of_signed(&self.source, self.number, signature, self.destinations.first().map(|first| &first.node))
    }

    /// Bytes that it takes with its destinations.
    pub fn weight(&self) -> usize {
        let destinations = self.destinations.iter().map(|one| size_of::<Destination>() + one.key.len());
        self.length() + destinations.sum::<usize>()
    }
}
