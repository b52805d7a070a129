//! Node-ID unicast: every request ends in exactly one reply or one error.

mod answers;
mod exchange;
mod input;
mod machine;
mod wanted;

pub use input::UnicastInput;

pub(crate) use machine::Unicast;

use std::{hash::BuildHasher, time::Duration};

use crate::{
    Account, Header,
    hashed::RandomState,
    header::Letter,
    output::of_source,
    trace::{MAX_REPORT, Signed},
};
use bytes::Bytes;

/// A request of ours, named by the edge; never used twice in one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(pub u64);

/// A request that waits for our application's answer; named by the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InboundId(pub u64);

/// What travels between nodes on the unicast stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Whose, for whom, and until when.
    pub header: Header,
    /// What it says.
    pub content: Content,
}

impl Message {
    /// On which account it waits for its link, of those that the owner of this one has: that of its source.
    pub fn account(&self, account: Account) -> Account {
        of_source(account, &self.header.source)
    }
}

/// The content of a [`Message`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Content {
    /// Please answer.
    Request {
        /// The application's bytes.
        body: Bytes,
    },
    /// Please answer, addressed to the node itself: no application sees it.
    ServiceRequest {
        /// What the node's own service reads; at most [`crate::MAX_SERVICE_BODY`].
        body: Bytes,
    },
    /// The answer.
    Reply {
        /// The application's bytes.
        body: Bytes,
    },
    /// There will be no answer, and no application has seen the request.
    Failure {
        /// Why.
        refusal: Refusal,
    },
    /// There will be no answer, though an application had the request.
    Unanswered,
    /// The target has started since the epoch that was asked, and has not seen the request in its present one, which is
    /// the header's.
    Outlived,
    /// A hop of a traced request says when it had that. There is no answer to it.
    Report(Box<Signed>),
    /// What only the target can read.
    Sealed {
        /// Whether it is a request.
        asks: bool,
        /// The rest.
        bytes: Bytes,
    },
}

impl Letter for Message {
    fn header(&self) -> &Header {
        &self.header
    }

    fn header_mut(&mut self) -> &mut Header {
        &mut self.header
    }

    fn asks(&self) -> bool {
        self.content.asks()
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

impl Content {
    /// Whether it is a request, open or sealed.
    pub const fn asks(&self) -> bool {
        matches!(self, Self::Request { .. } | Self::ServiceRequest { .. } | Self::Sealed { asks: true, .. })
    }

    /// Bytes of a body or of what is sealed.
    pub const fn length(&self) -> usize {
        match self {
            Self::Request { body } | Self::ServiceRequest { body } | Self::Reply { body } => body.len(),
            Self::Sealed { bytes, .. } => bytes.len(),
            Self::Report(_) => MAX_REPORT,
            Self::Failure { .. } | Self::Unanswered | Self::Outlived => 0,
        }
    }
}

/// Why a request was not handed to the target's application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
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

/// Why nobody will answer a request that may have been seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unknown {
    /// The node, or this one, has started since it may have got the request.
    #[error("the node has restarted since it may have got the request")]
    Restarted,
    /// The node's application had it, and gave no answer.
    #[error("the node's application had the request and gave no answer")]
    Unanswered,
    /// This node has stopped.
    #[error("this node has stopped while the node may have had the request")]
    Stopped,
    /// The node was denied meanwhile.
    #[error("the node was denied while it may have had the request")]
    Expelled,
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
    /// Nobody will answer any more; the application may have seen the request.
    #[error("no answer: {0}")]
    Unknown(Unknown),
    /// This node has stopped before; nobody saw the request.
    #[error("this node has stopped")]
    Stopped,
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
