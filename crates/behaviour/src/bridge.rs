//! The bridge: AMOP messages between nodes, on their long-lived stream.

use bytes::{Bytes, BytesMut};
use nuncio_identity::NodeId;
use nuncio_protocol::amop::{Content, Message};
use nuncio_wire::{DecodeError, SigningContext, amop};

use crate::link_stream::Protocol;

/// Bytes a message counts for besides its payload.
const OVERHEAD: usize = 512;

#[derive(Debug, Clone)]
pub struct Bridge(pub(crate) SigningContext);

impl Protocol for Bridge {
    type Message = Message;
    const NAME: &'static str = amop::PROTOCOL;

    fn encode(&self, message: Message, peer: NodeId, out: &mut BytesMut) -> Bytes {
        amop::encode(message, peer, &self.0, out)
    }

    fn decode(&self, header: Bytes, body: Bytes, peer: NodeId) -> Result<Message, DecodeError> {
        amop::decode(header, body, peer, &self.0)
    }

    fn weight(message: &Message) -> usize {
        match &message.content {
            Content::Publish { data, .. } | Content::Result { data, .. } => OVERHEAD + data.len(),
            Content::Multicast { destinations, data, .. } => {
                OVERHEAD + data.len() + destinations.len() * NodeId::LENGTH
            }
        }
    }
}

/// Parts of a multicast whose destinations each fit one frame.
pub(crate) fn split(message: Message) -> Vec<Message> {
    match &message.content {
        Content::Multicast { destinations, seq, topic, data } if destinations.len() > amop::MAX_DESTINATIONS => {
            let part = |destinations: &[NodeId]| {
                let content = Content::Multicast {
                    destinations: destinations.to_vec(),
                    seq: *seq,
                    topic: topic.clone(),
                    data: data.clone(),
                };
                Message { content, ..message.clone() }
            };
            destinations.chunks(amop::MAX_DESTINATIONS).map(part).collect()
        }
        _ => vec![message],
    }
}
