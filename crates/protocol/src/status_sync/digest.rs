use nuncio_identity::NodeId;
use sha2::{Digest as _, Sha256};

use super::Version;

/// Stands for a set of versions of nodes: the sum, modulo 2^128, of what stands for each of them, which is the first half of
/// SHA-256 over the node ID and then epoch and seq, eight bytes each, the highest first.
///
/// Two sets with one digest can be made on purpose by who may sign many records. Then their difference is learnt when the node
/// announces itself again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TableDigest(u128);

impl TableDigest {
    /// As it is written: the highest byte first.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// Reads it.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    /// Of one version of a node.
    pub(super) fn of(node: &NodeId, version: Version) -> Self {
        let mut hash = Sha256::new();
        hash.update(node.as_bytes());
        hash.update(version.epoch.to_be_bytes());
        hash.update(version.seq.to_be_bytes());
        let hash = hash.finalize();
        Self(hash[..16].iter().fold(0, |sum, byte| sum << 8 | u128::from(*byte)))
    }

    /// Of two sets that have nothing in common.
    #[must_use]
    pub(super) const fn with(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }
}
