//! Who belongs to the network.

use std::collections::BTreeMap;

use bytes::Bytes;
use nuncio_identity::NodeId;
use nuncio_protocol::status_sync::IssuerId;

/// Judges certificate chains. The handshake has judged those of linked peers; this one is for the chains behind the
/// records of nodes farther away.
pub trait Certifier: Send + Sync {
    /// Whether `chain` (DER, leaf first, without the root) proves that `node` is a member now.
    ///
    /// # Errors
    /// Why it does not, in words.
    fn certify(&self, node: NodeId, chain: &[Bytes]) -> Result<Member, String>;

    /// The revocation lists held that are newer than, or missing from, what a peer holds, and the certificates of
    /// the agencies that signed them; all DER. Unless this is implemented, none are held.
    fn newer_lists(&self, held: &BTreeMap<IssuerId, u64>) -> (Vec<Bytes>, Vec<Bytes>) {
        let _ = held;
        (Vec::new(), Vec::new())
    }

    /// Takes a revocation list that a peer brought, with the certificates of agencies that may have signed it, all DER; says
    /// whether it is newer than what was held. Of an answer with several lists, the agencies come with the first one and count for
    /// the others too. Called outside the swarm's task. Unless this is implemented, none is taken.
    fn take_list(&self, peer: NodeId, list: &[u8], agencies: &[Bytes]) -> bool {
        let _ = (peer, list, agencies);
        false
    }

    /// Whether an expelled node has shown, since it was expelled, another certificate that holds. It is then let in
    /// again at once, unless it is proven to equivocate. Unless this is implemented, only [`Behaviour::readmit`](crate::Behaviour::readmit) does so.
    fn is_proved_anew(&self, node: &NodeId) -> bool {
        let _ = node;
        false
    }
}

/// What a member's certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The subject's common name.
    pub name: String,
    /// The issuer's common name.
    pub agency: String,
    /// The agencies above it, as [`nuncio_rights::agency_path`] writes them: `agency` alone where that is the only one.
    pub agency_path: String,
}
