use libp2p_identity::PeerId;
use secp256k1::PublicKey;

use crate::NodeId;

const COMPRESSED: usize = 33;
/// What stands before the compressed point in the peer ID of a secp256k1 key: the multihash that inlines 37 bytes, and in
/// these libp2p's protobuf of a public key, type 2 with 33 bytes of data
/// (<https://github.com/libp2p/specs/blob/master/peer-ids/peer-ids.md#keys>).
const HEAD: [u8; 6] = [0x00, 37, 0x08, 0x02, 0x12, 33];

/// Written byte by byte, as libp2p's own types would compute the point anew.
impl From<NodeId> for PeerId {
    fn from(id: NodeId) -> Self {
        let (x, y) = id.as_bytes().split_at(NodeId::LENGTH / 2);
        let is_odd = y[y.len() - 1] & 1;
        let mut bytes = [0; HEAD.len() + COMPRESSED];
        bytes[..HEAD.len()].copy_from_slice(&HEAD);
        bytes[HEAD.len()] = 2 | is_odd;
        bytes[HEAD.len() + 1..].copy_from_slice(x);
        Self::from_bytes(&bytes).expect("an inlined key of up to 42 bytes is a peer ID")
    }
}

impl TryFrom<PeerId> for NodeId {
    type Error = NotANodeError;

    fn try_from(peer: PeerId) -> Result<Self, Self::Error> {
        inlined(&peer)
            .and_then(|compressed| PublicKey::from_byte_array_compressed(compressed).ok())
            .map(|key| Self::from_public_key(&key))
            .ok_or(NotANodeError { peer })
    }
}

fn inlined(peer: &PeerId) -> Option<[u8; COMPRESSED]> {
    peer.to_bytes().strip_prefix(&HEAD)?.try_into().ok()
}

/// A peer ID that does not inline a secp256k1 key, so no node of ours has it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("peer {peer} does not have a secp256k1 key, so it has no node ID")]
pub struct NotANodeError {
    /// The peer.
    pub peer: PeerId,
}
