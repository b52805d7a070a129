//! Node-ID unicast on its long-lived stream.

use bytes::{Bytes, BytesMut};
use nuncio_identity::NodeId;
use nuncio_protocol::{
    LARGE_BODY,
    unicast::{Content, Message},
};
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

    fn encode(&self, frame: Frame, peer: NodeId, out: &mut BytesMut) -> Bytes {
        unicast::encode_frame(frame, peer, &self.0, out)
    }

    fn decode(&self, header: Bytes, body: Bytes, peer: NodeId) -> Result<Frame, DecodeError> {
        unicast::decode_frame(header, body, peer, &self.0)
    }

    fn weight(frame: &Frame) -> usize {
        OVERHEAD
            + match frame {
                Frame::Message(Message {
                    content: Content::Request { body, .. } | Content::Reply { body }, ..
                }) => body.len(),
                _ => 0,
            }
    }
}

/// Whether a message goes on the stream for long ones.
pub(crate) const fn is_large(message: &Message) -> bool {
    match &message.content {
        Content::Request { body, .. } | Content::Reply { body } => body.len() > LARGE_BODY,
        Content::Failure { .. } => false,
    }
}
