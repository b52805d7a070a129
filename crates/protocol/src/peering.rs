//! Which links to keep.

mod backoff;
mod bans;
mod dialer;
mod input;
mod link;
mod machine;
mod pace;

pub use input::PeeringInput;

pub(crate) use machine::{Event, Peering};

use std::{fmt, sync::Arc, time::Instant};

use nuncio_identity::NodeId;

/// Longest address that a record may name, in bytes.
const MAX_ADDRESS: usize = 256;

/// Where a node can be dialled, as text the edge understands (`host:port`, a multiaddr). The core only
/// compares it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(Arc<str>);

impl Address {
    /// Takes the text as it is.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One connection, named by the edge; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// Which end opened a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The peer dialled us.
    Inbound,
    /// We dialled the peer.
    Outbound,
}

/// What a node says when it leaves a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Parting {
    /// It stops.
    #[error("it stops")]
    Leaving,
    /// Its operator removed us from its peers.
    #[error("its operator removed this node from its peers")]
    Removed,
    /// It denies us, or our certificate is revoked or expired for it.
    #[error("it denies this node")]
    Denied,
    /// It has a link to another host with our key.
    #[error("it has a link to another host with the key of this node")]
    DuplicateIdentity,
    /// It keeps another connection to us.
    #[error("it keeps another connection to this node")]
    Duplicate,
    /// It holds us to have broken the rules, and refuses us for a while.
    #[error("it banned this node for a while")]
    Banned,
}

/// Why the core closes a connection or calls a link down.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkDownReason {
    /// The connection ended; the edge says how.
    #[error("connection closed: {0}")]
    Closed(Arc<str>),
    /// Another connection to the same peer is kept.
    #[error("replaced by another connection to the same peer")]
    Duplicate,
    /// The operator removed the peer.
    #[error("peer removed by the operator")]
    Removed,
    /// The node is denied or revoked.
    #[error("node is denied")]
    Expelled,
    /// The node broke the rules and is refused for a while.
    #[error("node is banned: {0}")]
    Banned(Arc<str>),
    /// This node stops.
    #[error("this node stops")]
    Leaving,
    /// Another host with the peer's key has a link already.
    #[error("another host with the same key has a link already")]
    DuplicateIdentity,
    /// The peer said goodbye.
    #[error("peer said goodbye: {0}")]
    Parted(Parting),
}

impl LinkDownReason {
    /// What the peer is told before its connection closes; nothing where it is gone, or went itself.
    pub const fn parting(&self) -> Option<Parting> {
        match self {
            Self::Leaving => Some(Parting::Leaving),
            Self::Removed => Some(Parting::Removed),
            Self::Expelled => Some(Parting::Denied),
            Self::Banned(_) => Some(Parting::Banned),
            Self::DuplicateIdentity => Some(Parting::DuplicateIdentity),
            Self::Duplicate => Some(Parting::Duplicate),
            Self::Closed(_) | Self::Parted(_) => None,
        }
    }
}

/// A kept connection to a peer, as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkView {
    /// The peer.
    pub peer: NodeId,
    /// Its connection now.
    pub connection: ConnectionId,
    /// The remote address.
    pub address: Address,
    /// Who dialled.
    pub direction: Direction,
    /// Since when the link is up (moves between connections do not count).
    pub since: Instant,
    /// The configured addresses at which the peer was met; none, if no operator asked for it.
    pub configured: Vec<Address>,
}

/// A node that is refused for a while, as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BanView {
    /// Who.
    pub peer: NodeId,
    /// When it is let in again.
    pub until: Instant,
    /// What it did.
    pub reason: Arc<str>,
}

/// A configured peer without a link, as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingPeerView {
    /// The configured address.
    pub address: Address,
    /// The node last met there, if any.
    pub node: Option<NodeId>,
    /// Whether a dial is under way.
    pub dialing: bool,
    /// Why the last dial failed.
    pub last_error: Option<Arc<str>>,
}
