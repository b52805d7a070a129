//! Node-ID unicast on its long-lived stream.

use bytes::{Bytes, BytesMut};
use nuncio_identity::NodeId;
use nuncio_protocol::{LARGE_BODY, Priority, unicast::Message};
use nuncio_wire::{
    DecodeError, SigningContext,
    unicast::{self, Frame},
};

use crate::{departures::Departures, link_stream::Protocol};

/// Bytes a message counts for besides its body.
const OVERHEAD: usize = 256;

#[derive(Debug, Clone)]
pub struct Unicast {
    context: SigningContext,
    departures: Departures,
}

impl Unicast {
    pub(crate) fn new(context: &SigningContext, departures: &Departures) -> Self {
        Self { context: context.clone(), departures: departures.clone() }
    }
}

impl Protocol for Unicast {
    type Message = Frame;
    const NAME: &'static str = unicast::PROTOCOL;
    const LARGE_NAME: &'static str = unicast::LARGE_PROTOCOL;
    const URGENT_NAME: &'static str = unicast::URGENT_PROTOCOL;

    fn encode(&self, frame: Frame, peer: NodeId, out: &mut BytesMut) -> Option<Bytes> {
        let traced = match &frame {
            Frame::Message(message) if message.header.trace.id.is_some() => Some(message.header),
            _ => None,
        };
        let body = unicast::encode_frame(frame, peer, &self.context, out)?;
        if let Some(header) = traced {
            self.departures.note(&header, peer);
        }
        Some(body)
    }

    fn decode(&self, header: Bytes, body: Bytes, peer: NodeId) -> Result<Frame, DecodeError> {
        unicast::decode_frame(header, body, peer, &self.context)
    }

    fn weight(frame: &Frame) -> usize {
        OVERHEAD
            + match frame {
                Frame::Message(message) => message.content.length(),
                Frame::Hello { .. } | Frame::Goodbye { .. } => 0,
            }
    }

    fn is_first(frame: &Frame) -> bool {
        matches!(frame, Frame::Hello { .. })
    }

    fn is_last(frame: &Frame) -> bool {
        matches!(frame, Frame::Goodbye { .. })
    }

    fn priority(frame: &Frame) -> Priority {
        match frame {
            Frame::Message(message) => message.header.priority,
            Frame::Hello { .. } | Frame::Goodbye { .. } => Priority::Normal,
        }
    }
}

/// Whether a message goes on the stream for long ones: there nobody waits for it who does not send long ones, or much.
pub(crate) fn is_large(message: &Message) -> bool {
    message.content.length() > LARGE_BODY || message.header.priority == Priority::Bulk
}
