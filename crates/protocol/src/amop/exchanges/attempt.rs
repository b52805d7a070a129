use std::time::Instant;

use nuncio_identity::NodeId;

use super::super::{ClientId, DeliveryId, private::Subscriber};
use crate::routing::WaysTaken;

/// A subscriber, or a node with subscribers, that can be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Candidate {
    Client(ClientId),
    Node(NodeId),
    /// A subscriber of a private topic at another node.
    Session(NodeId, Subscriber),
}

/// One try of one candidate.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) candidate: Candidate,
    /// Of the message to another node: the same over every path.
    pub(super) number: u64,
    /// At a client here.
    pub(super) delivery: Option<DeliveryId>,
    /// The first hops over which it was sent.
    pub(super) paths: Vec<Path>,
    /// Those that turned it back and were on no way of it.
    pub(super) ways_taken: WaysTaken,
    /// Whether an answer may still come.
    pub(super) is_open: bool,
}

/// A first hop that was used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Path {
    pub(super) via: NodeId,
    /// It is known that the message went no further.
    pub(super) has_failed: bool,
}

/// The attempt that others wait for, and until when they do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Present {
    pub(super) index: usize,
    /// When it is tried over another path.
    pub(super) again_at: Option<Instant>,
    /// When the next candidate is tried.
    pub(super) until: Instant,
}

/// The most that can have become of the attempts so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    /// No subscriber saw the message.
    Unseen,
    /// The nodes that were tried take no more of this one.
    OverLimit,
    /// The nodes that were tried do not let this one publish to the topic.
    Denied,
    /// Subscribers were tried and were gone or refused.
    Gone,
    /// A subscriber was silent.
    Silent,
}

impl Candidate {
    pub(super) const fn node(&self) -> Option<NodeId> {
        match self {
            Self::Client(_) => None,
            Self::Node(node) | Self::Session(node, _) => Some(*node),
        }
    }
}

impl Attempt {
    pub(super) fn at_node(candidate: Candidate, number: u64, via: NodeId) -> Self {
        let paths = vec![Path { via, has_failed: false }];
        Self { candidate, number, delivery: None, paths, ways_taken: WaysTaken::default(), is_open: true }
    }

    pub(super) fn at_client(client: ClientId, delivery: DeliveryId) -> Self {
        let candidate = Candidate::Client(client);
        let (paths, ways_taken) = (Vec::new(), WaysTaken::default());
        Self { candidate, number: 0, delivery: Some(delivery), paths, ways_taken, is_open: true }
    }

    /// Whether it was sent over this hop, and not known to have failed there.
    pub(super) fn is_on(&self, via: &NodeId) -> bool {
        self.is_open && self.paths.iter().any(|path| path.via == *via && !path.has_failed)
    }

    /// The first hops over which it was sent.
    pub(super) fn tried(&self) -> impl Iterator<Item = NodeId> {
        self.paths.iter().map(|path| path.via)
    }

    /// Notes that a path failed; says whether they all have.
    pub(super) fn fail_path(&mut self, via: &NodeId) -> bool {
        for path in self.paths.iter_mut().filter(|path| path.via == *via) {
            path.has_failed = true;
        }
        self.paths.iter().all(|path| path.has_failed)
    }
}
