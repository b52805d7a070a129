use std::sync::Arc;

use nuncio_identity::NodeId;

use super::{First, Record};

/// What an answer changed of the table of nodes, or would have.
#[derive(Debug)]
pub(crate) enum Change {
    /// A record was newer than the one known.
    Applied(Arc<Record>, First),
    /// A record made room for another one.
    Forgotten(NodeId),
    /// A record was shown, and there is no room for it.
    Full(NodeId),
    /// A node is proven to equivocate.
    Convicted(NodeId),
    /// That a node is, is no longer known: there are so many.
    Unproven(NodeId),
}

impl Change {
    /// Whose record was shown, and is not known afterwards.
    pub(super) const fn not_kept(&self) -> Option<NodeId> {
        match self {
            Self::Forgotten(node) | Self::Full(node) => Some(*node),
            _ => None,
        }
    }
}
