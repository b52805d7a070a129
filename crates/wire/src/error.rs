use nuncio_identity::{NodeId, ParseNodeIdError};
use nuncio_protocol::TopicError;

/// Why bytes of a peer are not a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Not the protobuf message expected here.
    #[error("not a {message}: {source}")]
    Protobuf {
        /// The message expected.
        message: &'static str,
        /// What the decoder says.
        source: prost::DecodeError,
    },
    /// A frame or document over its limit.
    #[error("{what} of {bytes} bytes is over the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// More items than allowed.
    #[error("{count} {what} are over the limit of {limit}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// A frame whose header is longer than the frame.
    #[error("frame of {frame} bytes with a header of {header}")]
    HeaderBeyondFrame {
        /// Bytes in the frame.
        frame: usize,
        /// Bytes its header claims.
        header: usize,
    },
    /// A node ID that is none.
    #[error("bad node ID: {0}")]
    NodeId(#[from] ParseNodeIdError),
    /// A topic that is none.
    #[error("bad topic: {0}")]
    Topic(#[from] TopicError),
    /// A required field is missing or has a value without meaning.
    #[error("field {field} is missing or invalid")]
    Field {
        /// Its name.
        field: &'static str,
    },
    /// A relayed message that its source has not sealed for this node, or that was changed since.
    #[error("the seal of {node:?} does not hold")]
    Seal {
        /// The claimed source.
        node: NodeId,
    },
    /// A relayed message whose seal holds, and in it is nothing that makes sense: nobody but its source could know.
    #[error("what {node:?} sealed makes no sense: {source}")]
    Sealed {
        /// The source.
        node: NodeId,
        /// What is wrong with it.
        source: Box<DecodeError>,
    },
    /// A relayed message without a valid signature of its source.
    #[error("the signature of {node:?} does not hold")]
    Signature {
        /// The claimed source.
        node: NodeId,
    },
    /// A status behind other certificates than its owner sent it with.
    #[error("the certificates are not those that {node:?} sent with its status")]
    ForeignChain {
        /// Its owner.
        node: NodeId,
    },
    /// A status record without some of its pages, as it travels to whoever holds them.
    #[error("pages of {node:?} were left out")]
    PagesLeftOut {
        /// Its owner, as it says.
        node: NodeId,
    },
}

impl DecodeError {
    /// The same of something that a node had sealed.
    pub(crate) fn sealed_by(self, node: NodeId) -> Self {
        match self {
            Self::Seal { .. } => self,
            other => Self::Sealed { node, source: Box::new(other) },
        }
    }
}
