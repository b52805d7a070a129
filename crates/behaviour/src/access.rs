//! Who belongs to the network.

use bytes::Bytes;
use nuncio_identity::NodeId;

/// Judges certificate chains. The handshake has judged those of linked peers; this one is for the chains behind the
/// records of nodes farther away.
pub trait Certifier: Send + Sync {
    /// Whether `chain` (DER, leaf first, without the root) proves that `node` is a member now.
    ///
    /// # Errors
    /// Why it does not, in words.
    fn certify(&self, node: NodeId, chain: &[Bytes]) -> Result<Member, String>;
}

/// What a member's certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The subject's common name.
    pub name: String,
    /// The issuer's common name.
    pub agency: String,
}
