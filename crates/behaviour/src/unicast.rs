//! Node-ID unicast on its long-lived stream.

use bytes::{Bytes, BytesMut};
use nuncio_identity::NodeId;
use nuncio_protocol::unicast::{Content, Message};
use nuncio_wire::{DecodeError, SigningContext, unicast};

use crate::link_stream::Protocol;

/// Bytes a message counts for besides its body.
const OVERHEAD: usize = 256;

#[derive(Debug, Clone)]
pub struct Unicast(pub(crate) SigningContext);

impl Protocol for Unicast {
    type Message = Message;
    const NAME: &'static str = unicast::PROTOCOL;

    fn encode(&self, message: Message, peer: NodeId, out: &mut BytesMut) -> Bytes {
        unicast::encode(message, peer, &self.0, out)
    }

    fn decode(&self, header: Bytes, body: Bytes, peer: NodeId) -> Result<Message, DecodeError> {
        unicast::decode(header, body, peer, &self.0)
    }

    fn weight(message: &Message) -> usize {
        OVERHEAD
            + match &message.content {
                Content::Request { body, .. } | Content::Reply { body } => body.len(),
                Content::Failure { .. } => 0,
            }
    }
}
