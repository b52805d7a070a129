//! The bridge: AMOP messages between nodes, on their long-lived stream.

use bytes::{Bytes, BytesMut};
use nuncio_identity::NodeId;
use nuncio_protocol::{
    LARGE_BODY,
    amop::{Content, Message},
};
use nuncio_wire::{DecodeError, SigningContext, amop};

use crate::link_stream::Protocol;

/// Bytes a message counts for besides its payload.
const OVERHEAD: usize = 512;

#[derive(Debug, Clone)]
pub struct Bridge(pub(crate) SigningContext);

impl Protocol for Bridge {
    type Message = Message;
    const NAME: &'static str = amop::PROTOCOL;
    const LARGE_NAME: &'static str = amop::LARGE_PROTOCOL;

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

/// Whether a message goes on the stream for long ones.
pub(crate) const fn is_large(message: &Message) -> bool {
    let (Content::Publish { data, .. } | Content::Result { data, .. } | Content::Multicast { data, .. }) =
        &message.content;
    data.len() > LARGE_BODY
}

/// Whether a message's destinations fit one frame.
pub(crate) fn fits(message: &Message) -> bool {
    match &message.content {
        Content::Multicast { destinations, .. } => destinations.len() <= amop::MAX_DESTINATIONS,
        Content::Publish { .. } | Content::Result { .. } => true,
    }
}

/// Parts of a multicast whose destinations each fit one frame.
pub(crate) fn split(message: &Message) -> Vec<Message> {
    let Content::Multicast { destinations, seq, topic, data } = &message.content else { return vec![message.clone()] };
    let part = |destinations: &[NodeId]| {
        let (destinations, seq, topic, data) = (destinations.to_vec(), *seq, topic.clone(), data.clone());
        let content = Content::Multicast { destinations, seq, topic, data };
        Message { content, ..message.clone() }
    };
    destinations.chunks(amop::MAX_DESTINATIONS).map(part).collect()
}
