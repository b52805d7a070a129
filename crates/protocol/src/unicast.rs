//! Node-ID unicast: every request ends in exactly one reply or one error.

mod exchange;
mod input;
mod machine;
mod seen;
mod sent_again;

pub use input::UnicastInput;

pub(crate) use machine::Unicast;

use std::time::Duration;

use bytes::Bytes;
use nuncio_identity::{NodeId, Signature};

/// A request of ours, named by the edge; never used twice in one epoch. It is also the number that travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(pub u64);

/// A request that waits for our application's answer; named by the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InboundId(pub u64);

/// What travels between nodes on the unicast stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who made it: the requester of a request, the replier of a reply or failure.
    pub source: NodeId,
    /// Whom it is for.
    pub target: NodeId,
    /// The requester's epoch, in replies and failures too.
    pub epoch: u64,
    /// The requester's number for the exchange, in replies and failures too.
    pub id: ExchangeId,
    /// Links it may still cross after this one; the source starts at [`crate::MAX_HOPS`] − 1,
    /// and one to three lower for a request of which an earlier attempt may have come through.
    pub hops_left: u8,
    /// Links it has crossed when it arrives; 1 from a neighbour.
    pub hops: u8,
    /// What it says.
    pub content: Content,
    /// The source's signature; the edge makes and checks it when the message is relayed. The core only
    /// carries it.
    pub signature: Option<Signature>,
}

/// The content of a [`Message`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Please answer.
    Request {
        /// The application's bytes.
        body: Bytes,
        /// How long the requester still waits.
        time_left: Duration,
    },
    /// The answer.
    Reply {
        /// The application's bytes.
        body: Bytes,
    },
    /// There will be no answer.
    Failure {
        /// Why.
        refusal: Refusal,
    },
}

/// Why a request was not handed to the target's application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No path to the target from here.
    #[error("no route to the node")]
    NoRoute,
    /// A queue on the way, or the target's application, is full.
    #[error("busy: a queue on the way is full")]
    Busy,
    /// No application at the target takes requests.
    #[error("no application listens at the node")]
    NoHandler,
    /// The target's access list refuses us.
    #[error("denied by the node")]
    Denied,
}

/// A reply, and how it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The application's bytes.
    pub body: Bytes,
    /// Links the reply crossed.
    pub hops: u8,
}

/// How a request ends when it does not end in a reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnicastError {
    /// No path to the node; its application did not see the request.
    #[error("no route to the node")]
    NoRoute,
    /// No answer in time; the application may have seen the request.
    #[error("timed out after {after:?}")]
    TimedOut {
        /// The time it was given.
        after: Duration,
    },
    /// Refused; the application did not see the request.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// The body is longer than [`crate::MAX_BODY`].
    #[error("body of {bytes} bytes is over the limit of {limit}")]
    TooLarge {
        /// The body's length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
}
