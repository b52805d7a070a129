//! `/nuncio/unicast/1`: requests, replies and failures between nodes.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use nuncio_identity::NodeId;
use nuncio_protocol::{
    MAX_BODY,
    peering::Parting,
    unicast::{Content, ExchangeId, Message, Refusal},
};
use prost::Message as _;

use crate::{
    DecodeError, SigningContext,
    field::{decode_hops, decode_node, decode_signature, encode_millis, encode_node, encode_signature},
    length_prefixed,
    proto::{self, UnicastHeader, UnicastKind},
    signing::Statement,
};

/// The protocol's name.
pub const PROTOCOL: &str = "/nuncio/unicast/1";

/// The same for messages with long bodies, on a stream of their own.
pub const LARGE_PROTOCOL: &str = "/nuncio/unicast-large/1";

/// What follows on the stream of a link: a message, or a word about the link itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "almost every frame is a message")]
pub enum Frame {
    /// The first frame of each side.
    Hello {
        /// In which epoch the sender runs.
        epoch: u64,
    },
    /// The last frame of a side that ends the link.
    Goodbye {
        /// Why.
        parting: Parting,
    },
    /// A message.
    Message(Message),
}

/// Appends a frame for the linked peer `peer`, all but its body, and returns the body.
pub fn encode_frame(frame: Frame, peer: NodeId, context: &SigningContext, out: &mut BytesMut) -> Bytes {
    let header = match frame {
        Frame::Message(message) => return encode(message, peer, context, out),
        Frame::Hello { epoch } => UnicastHeader { kind: UnicastKind::Hello.into(), epoch, ..UnicastHeader::default() },
        Frame::Goodbye { parting } => UnicastHeader {
            kind: UnicastKind::Goodbye.into(),
            parting: encode_parting(parting).into(),
            ..UnicastHeader::default()
        },
    };
    length_prefixed::encode(&header, 0, out);
    Bytes::new()
}

/// Reads a frame that came from the linked peer `peer`; a message as [`decode`] does.
///
/// # Errors
/// As [`decode`], and when a word about the link carries a body or says nothing known.
pub fn decode_frame(header: Bytes, body: Bytes, peer: NodeId, context: &SigningContext) -> Result<Frame, DecodeError> {
    let header = decode_header(header)?;
    match header.kind() {
        UnicastKind::Hello | UnicastKind::Goodbye if !body.is_empty() => {
            Err(DecodeError::TooLarge { what: "body", bytes: body.len(), limit: 0 })
        }
        UnicastKind::Hello => Ok(Frame::Hello { epoch: header.epoch }),
        UnicastKind::Goodbye => Ok(Frame::Goodbye { parting: decode_parting(header.parting())? }),
        _ => decode_message(&header, body, peer, context).map(Frame::Message),
    }
}

/// Appends the frame of `message` for the linked peer `peer`, all but its body, and returns the body. Signs what is
/// ours and will be relayed.
pub fn encode(message: Message, peer: NodeId, context: &SigningContext, out: &mut BytesMut) -> Bytes {
    let Message { source, target, epoch, id, hops_left, hops, content, signature } = message;
    let (kind, time_left, refusal, body) = match content {
        Content::Request { body, time_left } => (UnicastKind::Request, time_left, None, body),
        Content::Reply { body } => (UnicastKind::Reply, Duration::ZERO, None, body),
        Content::Failure { refusal } => (UnicastKind::Failure, Duration::ZERO, Some(refusal), Bytes::new()),
    };
    let me = context.node();
    let mut header = UnicastHeader {
        id: id.0,
        epoch,
        hops_left: hops_left.into(),
        hops: hops.into(),
        source: encode_node(source, me),
        target: encode_node(target, peer),
        kind: kind.into(),
        time_left_ms: encode_millis(time_left),
        refusal: refusal.map_or(0, |refusal| encode_refusal(refusal).into()),
        signature: Bytes::new(),
        parting: 0,
    };
    header.signature = encode_signature(match signature {
        None if source == me && target != peer => Some(context.sign(&statement(&header, source, target, &body))),
        carried => carried,
    });
    length_prefixed::encode(&header, body.len(), out);
    body
}

/// Reads a frame that came from the linked peer `peer`. A message that was relayed must carry its source's signature;
/// it is checked where the message ends, and carried on where it passes.
///
/// # Errors
/// When the header is no header, a field is out of bounds, or the signature does not hold.
pub fn decode(header: Bytes, body: Bytes, peer: NodeId, context: &SigningContext) -> Result<Message, DecodeError> {
    decode_message(&decode_header(header)?, body, peer, context)
}

fn decode_header(header: Bytes) -> Result<UnicastHeader, DecodeError> {
    UnicastHeader::decode(header).map_err(|source| DecodeError::Protobuf { message: "unicast header", source })
}

fn decode_message(
    header: &UnicastHeader,
    body: Bytes,
    peer: NodeId,
    context: &SigningContext,
) -> Result<Message, DecodeError> {
    if body.len() > MAX_BODY {
        return Err(DecodeError::TooLarge { what: "body", bytes: body.len(), limit: MAX_BODY });
    }
    let me = context.node();
    let source = decode_node(&header.source, peer)?;
    let target = decode_node(&header.target, me)?;
    let signature = decode_signature(&header.signature)?;
    if source != peer && target == me {
        let signature = signature.ok_or(DecodeError::Signature { node: source })?;
        context.verify(source, &statement(header, source, target, &body), &signature)?;
    }
    let content = match header.kind() {
        UnicastKind::Request => Content::Request { body, time_left: Duration::from_millis(header.time_left_ms.into()) },
        UnicastKind::Reply => Content::Reply { body },
        UnicastKind::Failure => Content::Failure { refusal: decode_refusal(header.refusal())? },
        UnicastKind::Unspecified | UnicastKind::Hello | UnicastKind::Goodbye => {
            return Err(DecodeError::Field { field: "kind" });
        }
    };
    Ok(Message {
        source,
        target,
        epoch: header.epoch,
        id: ExchangeId(header.id),
        hops_left: decode_hops(header.hops_left),
        hops: decode_hops(header.hops).max(1),
        content,
        signature,
    })
}

/// Hops and the time left change on the way, so they are outside.
fn statement<'a>(header: &UnicastHeader, source: NodeId, target: NodeId, body: &'a [u8]) -> Statement<'a> {
    let mut fields = Vec::with_capacity(2 * NodeId::LENGTH + 24);
    fields.extend_from_slice(source.as_bytes());
    fields.extend_from_slice(target.as_bytes());
    fields.extend_from_slice(&header.epoch.to_be_bytes());
    fields.extend_from_slice(&header.id.to_be_bytes());
    fields.extend_from_slice(&header.kind.to_be_bytes());
    fields.extend_from_slice(&header.refusal.to_be_bytes());
    Statement { kind: "unicast", fields, body }
}

fn encode_refusal(refusal: Refusal) -> proto::Refusal {
    match refusal {
        Refusal::NoRoute => proto::Refusal::NoRoute,
        Refusal::Busy => proto::Refusal::Busy,
        Refusal::Denied => proto::Refusal::Denied,
        _ => proto::Refusal::NoHandler,
    }
}

fn decode_refusal(refusal: proto::Refusal) -> Result<Refusal, DecodeError> {
    match refusal {
        proto::Refusal::NoRoute => Ok(Refusal::NoRoute),
        proto::Refusal::Busy => Ok(Refusal::Busy),
        proto::Refusal::NoHandler => Ok(Refusal::NoHandler),
        proto::Refusal::Denied => Ok(Refusal::Denied),
        proto::Refusal::Unspecified => Err(DecodeError::Field { field: "refusal" }),
    }
}

fn encode_parting(parting: Parting) -> proto::Parting {
    match parting {
        Parting::Leaving => proto::Parting::Leaving,
        Parting::Removed => proto::Parting::Removed,
        Parting::Denied => proto::Parting::Denied,
        Parting::DuplicateIdentity => proto::Parting::DuplicateIdentity,
        Parting::Duplicate => proto::Parting::Duplicate,
        Parting::Banned => proto::Parting::Banned,
    }
}

fn decode_parting(parting: proto::Parting) -> Result<Parting, DecodeError> {
    match parting {
        proto::Parting::Leaving => Ok(Parting::Leaving),
        proto::Parting::Removed => Ok(Parting::Removed),
        proto::Parting::Denied => Ok(Parting::Denied),
        proto::Parting::DuplicateIdentity => Ok(Parting::DuplicateIdentity),
        proto::Parting::Duplicate => Ok(Parting::Duplicate),
        proto::Parting::Banned => Ok(Parting::Banned),
        proto::Parting::Unspecified => Err(DecodeError::Field { field: "parting" }),
    }
}
