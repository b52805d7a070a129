use std::time::Instant;

use nuncio_identity::NodeId;

use super::{Signed, TraceId};

/// What the edge says about traced messages and reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraceInput {
    /// A traced request left for a link.
    Departed {
        /// Its trace.
        id: TraceId,
        /// Its source, in which of its epochs, and its number.
        message: (NodeId, u64, u64),
        /// The linked peer.
        to: NodeId,
        /// When.
        at: Instant,
    },
    /// The report of [`crate::Output::SignReport`] is signed.
    Signed {
        /// It.
        report: Box<Signed>,
        /// The message: its source, in which of its epochs, and its number.
        message: (NodeId, u64, u64),
    },
    /// The signature of [`crate::Output::CheckReport`] was checked; `None` when there was no room for that.
    Checked {
        /// Of which trace.
        id: TraceId,
        /// Whose.
        hop: NodeId,
        /// Whether it holds.
        holds: Option<bool>,
    },
}
