use libp2p_identity::{PeerId, PublicKey, secp256k1};

use crate::NodeId;

const IDENTITY_HASH: u64 = 0;

impl From<NodeId> for PeerId {
    fn from(id: NodeId) -> Self {
        let key = id.try_public_key().expect("a node ID is always a point on the curve");
        let key =
            secp256k1::PublicKey::try_from_bytes(&key.serialize()).expect("both libraries read the same SEC1 point");
        PublicKey::from(key).to_peer_id()
    }
}

impl TryFrom<PeerId> for NodeId {
    type Error = NotANodeError;

    fn try_from(peer: PeerId) -> Result<Self, Self::Error> {
        let refusal = NotANodeError { peer };
        let multihash = peer.as_ref();
        if multihash.code() != IDENTITY_HASH {
            return Err(refusal);
        }
        PublicKey::try_decode_protobuf(multihash.digest())
            .ok()
            .and_then(|key| key.try_into_secp256k1().ok())
            .and_then(|key| Self::from_bytes(&key.to_bytes_uncompressed()[1..]).ok())
            .ok_or(refusal)
    }
}

/// A peer ID that does not inline a secp256k1 key, so no node of ours has it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("peer {peer} does not have a secp256k1 key, so it has no node ID")]
pub struct NotANodeError {
    /// The peer.
    pub peer: PeerId,
}
