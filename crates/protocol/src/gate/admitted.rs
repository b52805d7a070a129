use std::time::Duration;

use nuncio_identity::NodeId;

/// A message for this node that passed every rule.
#[derive(Debug)]
pub(crate) struct Admitted<M> {
    pub(super) message: M,
    pub(super) from: NodeId,
    pub(super) time_left: Duration,
    pub(super) is_repeated: bool,
}

/// A message for another node that may pass on.
#[derive(Debug)]
pub(crate) struct Passing<M> {
    pub(super) message: M,
    pub(super) from: NodeId,
}

impl<M> Admitted<M> {
    /// The message.
    pub(crate) const fn message(&self) -> &M {
        &self.message
    }

    /// The message, and the peer that brought it.
    pub(crate) fn into_parts(self) -> (NodeId, M) {
        (self.from, self.message)
    }

    /// How long it still counts, at the most.
    pub(crate) const fn time_left(&self) -> Duration {
        self.time_left
    }

    /// Whether it has been admitted before.
    pub(crate) const fn is_repeated(&self) -> bool {
        self.is_repeated
    }
}

impl<M> Passing<M> {
    /// The message, and the peer that brought it.
    pub(crate) fn into_parts(self) -> (NodeId, M) {
        (self.from, self.message)
    }
}
