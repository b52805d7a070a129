//! Multicast and broadcast over gossipsub, for those to whom nothing can be pushed: signed by the origin, checked once, judged by
//! the core.

use libp2p::{
    PeerId,
    gossipsub::{MessageAcceptance, MessageId},
};
use nuncio_protocol::{Topic, gossip::Judgement};
use nuncio_wire::multicast::Gossip;

use crate::gossip::Lane;

/// A message of gossip that the core has not judged yet.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) lane: Lane,
    pub(crate) message: MessageId,
    pub(crate) from: PeerId,
    /// What the application gets if it is fresh; nothing of an announcement, and of what the core hands on in its turn.
    pub(crate) post: Option<(Option<Topic>, Gossip)>,
}

/// What gossipsub is told.
pub(crate) const fn acceptance(judgement: Judgement) -> MessageAcceptance {
    match judgement {
        Judgement::Fresh => MessageAcceptance::Accept,
        Judgement::Dropped => MessageAcceptance::Ignore,
    }
}

/// Why a multicast or broadcast was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The data is longer than [`nuncio_protocol::MAX_BODY`].
    #[error("data of {bytes} bytes is over the limit of {limit}")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The links to all subscribers are full, or this node has sent as much as others put up with.
    #[error("busy: more was sent at once than the network takes; try again in a moment")]
    Busy,
}
