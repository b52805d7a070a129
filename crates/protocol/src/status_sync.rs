//! Who is at which version, and what each node offers: announce, query, apply.

mod askers;
mod change;
mod comparing;
mod digest;
mod equivocation;
mod fault;
mod input;
mod inquiry;
mod machine;
mod own_status;
mod pace;
mod page;
mod record;
mod table;
#[cfg(test)]
mod tests;
mod version;

pub use digest::TableDigest;
pub use equivocation::{Equivocation, MAX_PROOFS};
pub use input::StatusInput;
pub use record::{PageDigest, Record, Status};
pub use version::Version;

pub(crate) use change::Change;
pub(crate) use fault::MAX_ADDRESSES;
pub(crate) use machine::{StatusSync, empty_status};
pub(crate) use own_status::Facts;
pub(crate) use table::{First, MAX_NAMED};

use std::{collections::BTreeMap, sync::Arc};

use nuncio_identity::NodeId;

/// What one node asks another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// The records of these nodes, if newer than the version behind each.
    Nodes(Vec<(NodeId, Option<Version>)>),
    /// Every record that is newer than, or missing from, what the asker knows.
    All {
        /// What the asker has.
        known: Vec<(NodeId, Version)>,
    },
    /// The revocation lists that are newer than, or missing from, what the asker holds.
    Revocations {
        /// What the asker holds.
        held: BTreeMap<IssuerId, u64>,
    },
    /// The proofs of equivocation against other nodes than those.
    Proofs {
        /// Against whom the asker holds one; at most [`MAX_PROOFS`].
        held: Vec<NodeId>,
    },
    /// Whether the peer would answer [`Query::All`] with other records than these. It says so by having more.
    Same {
        /// Of what the asker would answer.
        digest: TableDigest,
    },
}

/// What a peer answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Verified records only.
    pub records: Vec<Arc<Record>>,
    /// Proofs that nodes equivocate, of verified records.
    pub proofs: Vec<Equivocation>,
    /// Nodes whose records came well signed, but with a certificate that this node refuses.
    pub refused: Vec<NodeId>,
    /// What all records that came weigh, in bytes, verified or not.
    pub bytes: usize,
    /// Whether the peer says that it has more than fitted.
    pub more: bool,
}

impl Answer {
    /// An answer that is whole, and of which nothing was refused.
    pub fn of(records: Vec<Arc<Record>>) -> Self {
        let bytes = records.iter().map(|record| record.bytes.len()).sum();
        Self { records, bytes, ..Self::default() }
    }
}

/// An issuer of revocation lists: SHA-256 of its subject public key info.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IssuerId(pub [u8; 32]);

/// A query of a peer that waits for its answer; named by the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(pub u64);
