//! The bridge: AMOP messages between nodes, on their long-lived stream.

use bytes::{Bytes, BytesMut};
use nuncio_identity::NodeId;
use nuncio_protocol::{LARGE_BODY, Priority, amop::Multicast, multicast::Leg};
use nuncio_wire::{
    DecodeError, SigningContext,
    amop::{self, Frame},
};

use crate::link_stream::Protocol;

/// Bytes a message counts for besides its payload, and a destination.
const OVERHEAD: usize = 512;
const DESTINATION: usize = 128;

#[derive(Debug, Clone)]
pub struct Bridge(pub(crate) SigningContext);

impl Protocol for Bridge {
    type Message = Frame;
    const NAME: &'static str = amop::PROTOCOL;
    const LARGE_NAME: &'static str = amop::LARGE_PROTOCOL;
    const URGENT_NAME: &'static str = amop::URGENT_PROTOCOL;

    fn encode(&self, frame: Frame, peer: NodeId, out: &mut BytesMut) -> Option<Bytes> {
        amop::encode_frame(frame, peer, &self.0, out)
    }

    fn decode(&self, header: Bytes, body: Bytes, peer: NodeId) -> Result<Frame, DecodeError> {
        amop::decode_frame(header, body, peer, &self.0)
    }

    fn weight(frame: &Frame) -> usize {
        let destinations = match frame {
            Frame::Message(_) | Frame::Wanted(_) => 0,
            Frame::Multicast(multicast) => multicast.destinations.len(),
            Frame::Batch(leg) => leg.destinations.len(),
        };
        OVERHEAD + destinations * DESTINATION + frame.length()
    }

    fn priority(frame: &Frame) -> Priority {
        frame.priority()
    }
}

/// Whether a frame goes on the stream for long ones: there nobody waits for it who does not send long ones, or much.
pub(crate) fn is_large(frame: &Frame) -> bool {
    frame.length() > LARGE_BODY || frame.priority() == Priority::Bulk
}

/// Parts of a multicast whose destinations each fit one frame.
pub(crate) fn split(multicast: Multicast) -> Vec<Multicast> {
    parts(multicast, |multicast| &mut multicast.destinations)
}

/// Parts of a batch's way whose destinations each fit one frame.
pub(crate) fn split_leg(leg: Leg) -> Vec<Leg> {
    parts(leg, |leg| &mut leg.destinations)
}

fn parts<M: Clone, D: Clone>(mut whole: M, destinations: fn(&mut M) -> &mut Vec<D>) -> Vec<M> {
    if destinations(&mut whole).len() <= amop::MAX_DESTINATIONS {
        return vec![whole];
    }
    let all = std::mem::take(destinations(&mut whole));
    let part = |some: &[D]| {
        let mut part = whole.clone();
        *destinations(&mut part) = some.to_vec();
        part
    };
    all.chunks(amop::MAX_DESTINATIONS).map(part).collect()
}
