//! Node-ID unicast on its long-lived stream.

use bytes::{Bytes, BytesMut};
use nuncio_identity::NodeId;
use nuncio_protocol::{LARGE_BODY, unicast::Message};
use nuncio_wire::{
    DecodeError, SigningContext,
    unicast::{self, Frame},
};

use crate::link_stream::Protocol;

/// Bytes a message counts for besides its body.
const OVERHEAD: usize = 256;

#[derive(Debug, Clone)]
pub struct Unicast(pub(crate) SigningContext);

impl Protocol for Unicast {
    type Message = Frame;
    const NAME: &'static str = unicast::PROTOCOL;
    const LARGE_NAME: &'static str = unicast::LARGE_PROTOCOL;

    fn encode(&self, frame: Frame, peer: NodeId, out: &mut BytesMut) -> Option<Bytes> {
        unicast::encode_frame(frame, peer, &self.0, out)
    }

    fn decode(&self, header: Bytes, body: Bytes, peer: NodeId) -> Result<Frame, DecodeError> {
        unicast::decode_frame(header, body, peer, &self.0)
    }

    fn weight(frame: &Frame) -> usize {
        OVERHEAD
            + match frame {
                Frame::Message(message) => message.content.length(),
                Frame::Hello { .. } | Frame::Goodbye { .. } => 0,
            }
    }
}

/// Whether a message goes on the stream for long ones.
pub(crate) const fn is_large(message: &Message) -> bool {
    message.content.length() > LARGE_BODY
}
