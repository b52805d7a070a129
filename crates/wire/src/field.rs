//! Fields that several protocols share.

use std::time::Duration;

use bytes::Bytes;
use nuncio_identity::{NodeId, Signature};
use nuncio_protocol::MAX_HOPS;

use crate::DecodeError;

/// A node that is left out when the connection tells it.
pub(crate) fn encode_node(node: NodeId, implied: NodeId) -> Bytes {
    if node == implied { Bytes::new() } else { Bytes::copy_from_slice(node.as_bytes()) }
}

pub(crate) fn decode_node(bytes: &[u8], implied: NodeId) -> Result<NodeId, DecodeError> {
    if bytes.is_empty() { Ok(implied) } else { Ok(NodeId::from_bytes(bytes)?) }
}

pub(crate) fn encode_signature(signature: Option<Signature>) -> Bytes {
    signature.map_or_else(Bytes::new, |signature| Bytes::copy_from_slice(signature.as_bytes()))
}

pub(crate) fn decode_signature(bytes: &[u8]) -> Result<Option<Signature>, DecodeError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    Signature::from_bytes(bytes).map(Some).ok_or(DecodeError::Field { field: "signature" })
}

pub(crate) fn decode_hops(hops: u32) -> u8 {
    u8::try_from(hops).unwrap_or(u8::MAX).min(MAX_HOPS)
}

pub(crate) fn encode_millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

/// A node's clock: the milliseconds since its epoch began.
pub(crate) fn encode_clock(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
