//! The header of a message between two nodes, and the seal over its content.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use nuncio_identity::NodeId;
use nuncio_protocol::{Header, Priority, SealEnd, trace::Trace};
use prost::Message;

use crate::{
    DecodeError, SigningContext,
    field::{decode_hops, decode_node, encode_clock, encode_millis, encode_node},
    keyring::{self, OpenError},
    length_prefixed::MAX_SEALED_OVERHEAD,
    proto::{self, BridgeHeader, UnicastHeader},
};

/// Bytes of the length in front of a sealed message's own header.
const LENGTH: usize = 2;

macro_rules! carries_header {
    ($($fields:ty),+) => {
        $(impl $fields {
            /// The fields of the header of a message for the linked peer `peer`; all others are empty.
            pub(crate) fn of(header: &Header, me: NodeId, peer: NodeId) -> Self {
                Self {
                    number: header.number,
                    source_epoch: header.source_epoch,
                    hops_left: header.hops_left.into(),
                    hops: header.hops.into(),
                    source: encode_node(header.source, me),
                    target: encode_node(header.target, peer),
                    sent_ms: encode_clock(header.sent),
                    lifetime_ms: encode_millis(header.lifetime),
                    target_epoch: header.target_epoch,
                    ..Self::default()
                }
            }

            /// The header of a message that came from the linked peer `peer`.
            pub(crate) fn header(&self, me: NodeId, peer: NodeId) -> Result<Header, DecodeError> {
                Ok(Header {
                    source: decode_node(&self.source, peer)?,
                    source_epoch: self.source_epoch,
                    target: decode_node(&self.target, me)?,
                    target_epoch: self.target_epoch,
                    number: self.number,
                    sent: Duration::from_millis(self.sent_ms),
                    lifetime: Duration::from_millis(self.lifetime_ms.into()),
                    hops_left: decode_hops(self.hops_left),
                    hops: decode_hops(self.hops).max(1),
                    seal: SealEnd::default(),
                    trace: Trace::default(),
                    priority: Priority::default(),
                })
            }
        })+
    };
}

carries_header!(BridgeHeader, UnicastHeader);

/// What is sealed along with the content: all of the header that must not change on the way.
pub(crate) struct Associated(Vec<u8>);

impl Associated {
    pub(crate) fn new(stream: &'static str, asks: bool, header: &Header) -> Self {
        let mut bytes = Vec::with_capacity(2 * NodeId::LENGTH + 64);
        bytes.extend_from_slice(stream.as_bytes());
        bytes.put_u8(asks.into());
        bytes.extend_from_slice(header.source.as_bytes());
        bytes.put_u64(header.source_epoch);
        bytes.extend_from_slice(header.target.as_bytes());
        bytes.put_u64(header.target_epoch);
        bytes.put_u64(header.number);
        bytes.put_u64(encode_clock(header.sent));
        bytes.put_u32(encode_millis(header.lifetime));
        Self(bytes)
    }

    /// Seals a message for the target; `None` when its key is not known.
    pub(crate) fn seal(
        &self,
        header: &Header,
        inner: &impl Message,
        body: &[u8],
        context: &SigningContext,
    ) -> Option<Bytes> {
        let length = inner.encoded_len();
        let mut plain = keyring::buffer(LENGTH + length + body.len());
        plain.put_u16(u16::try_from(length).ok()?);
        inner.encode_raw(&mut plain);
        plain.extend_from_slice(body);
        context.keyring().seal((header.target, header.target_epoch), &self.0, plain)
    }

    /// Opens what the source sealed; `None` when its key is not known.
    pub(crate) fn open<M: Message + Default>(
        &self,
        header: &Header,
        what: &'static str,
        sealed: &Bytes,
        context: &SigningContext,
    ) -> Result<Option<(M, Bytes)>, DecodeError> {
        let node = header.source;
        let mut plain = match context.keyring().open((node, header.source_epoch), &self.0, sealed) {
            Ok(plain) => plain,
            Err(OpenError::NoKey) => return Ok(None),
            Err(OpenError::Forged) => return Err(DecodeError::Seal { node }),
        };
        let beyond = DecodeError::Field { field: "sealed header" };
        let length = plain.try_get_u16().map_err(|_| beyond.clone())?;
        if usize::from(length) > plain.len() {
            return Err(beyond);
        }
        let inner = M::decode(plain.split_to(length.into()));
        let inner = inner.map_err(|source| DecodeError::Protobuf { message: what, source })?;
        Ok(Some((inner, plain)))
    }
}

/// How urgent a message is, as it stands on the wire.
pub(crate) fn encode_priority(priority: Priority) -> i32 {
    let said = match priority {
        Priority::Control => proto::Priority::Control,
        Priority::High => proto::Priority::High,
        Priority::Normal => proto::Priority::Unspecified,
        Priority::Bulk => proto::Priority::Bulk,
    };
    said.into()
}

/// What a reader does not know is normal.
pub(crate) const fn decode_priority(priority: proto::Priority) -> Priority {
    match priority {
        proto::Priority::Control => Priority::Control,
        proto::Priority::High => Priority::High,
        proto::Priority::Unspecified => Priority::Normal,
        proto::Priority::Bulk => Priority::Bulk,
    }
}

/// The end of a seal: as good as random, and nobody but its source can make it.
pub(crate) fn end_of(sealed: &[u8]) -> SealEnd {
    SealEnd(sealed.last_chunk().copied().map_or(0, u32::from_be_bytes))
}

/// A body that is longer than allowed, sealed or in clear.
pub(crate) fn bounded(body: &Bytes, limit: usize, is_sealed: bool) -> Result<(), DecodeError> {
    let limit = if is_sealed { limit + MAX_SEALED_OVERHEAD } else { limit };
    if body.len() > limit {
        return Err(DecodeError::TooLarge { what: "body", bytes: body.len(), limit });
    }
    Ok(())
}
