//! `/nuncio/unicast/2`: requests and answers between nodes.

use bytes::{Bytes, BytesMut};
use nuncio_identity::NodeId;
use nuncio_protocol::{
    Header, MAX_BODY, MAX_SERVICE_BODY,
    peering::Parting,
    trace::Trace,
    unicast::{Content, Message, Refusal},
};
use prost::Message as _;

use crate::{
    DecodeError, SigningContext,
    header::{Associated, bounded, decode_priority, encode_priority, end_of},
    length_prefixed,
    proto::{self, SealedUnicast, UnicastHeader, UnicastKind},
    trace,
};

/// The protocol's name.
pub const PROTOCOL: &str = "/nuncio/unicast/2";

/// The same for messages with long bodies, on a stream of their own.
pub const LARGE_PROTOCOL: &str = "/nuncio/unicast-large/2";

/// The same for urgent ones, on a stream of their own, which not every release has.
pub const URGENT_PROTOCOL: &str = "/nuncio/unicast-urgent/2";

/// What seals are bound to.
const STREAM: &str = "unicast";

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

/// Appends a frame for the linked peer `peer`, all but its body, and returns the body; as [`encode`] does.
pub fn encode_frame(frame: Frame, peer: NodeId, context: &SigningContext, out: &mut BytesMut) -> Option<Bytes> {
    let header = match frame {
        Frame::Message(message) => return encode(message, peer, context, out),
        Frame::Hello { epoch } => {
            UnicastHeader { kind: UnicastKind::Hello.into(), source_epoch: epoch, ..UnicastHeader::default() }
        }
        Frame::Goodbye { parting } => UnicastHeader {
            kind: UnicastKind::Goodbye.into(),
            parting: encode_parting(parting).into(),
            ..UnicastHeader::default()
        },
    };
    length_prefixed::encode(&header, 0, out);
    Some(Bytes::new())
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
        UnicastKind::Hello => Ok(Frame::Hello { epoch: header.source_epoch }),
        UnicastKind::Goodbye => Ok(Frame::Goodbye { parting: decode_parting(header.parting())? }),
        _ => decode_message(&header, body, peer, context).map(Frame::Message),
    }
}

/// Appends the frame of `message` for the linked peer `peer`, all but its body, and returns the body. Seals what is ours
/// and will be relayed; `None`, and nothing appended, when the key of the target's epoch is not known.
pub fn encode(message: Message, peer: NodeId, context: &SigningContext, out: &mut BytesMut) -> Option<Bytes> {
    let Message { header, content } = message;
    let me = context.node();
    let is_relayed = header.source == me && header.target != peer && !matches!(content, Content::Sealed { .. });
    let (id, parent) = trace::encode_trace(&header.trace);
    let priority = encode_priority(header.priority);
    let (kind, refusal, body) = encode_content(content);
    let (kind, refusal, trace_parent, body) = if is_relayed {
        let asks = matches!(kind, UnicastKind::Request | UnicastKind::ServiceRequest);
        let inner = SealedUnicast { kind: kind.into(), refusal, trace: id.clone(), trace_parent: parent, priority };
        let sealed = Associated::new(STREAM, asks, &header).seal(&header, &inner, &body, context)?;
        (if asks { UnicastKind::SealedRequest } else { UnicastKind::SealedAnswer }, 0, Bytes::new(), sealed)
    } else {
        (kind, refusal, parent, body)
    };
    let fields = UnicastHeader {
        kind: kind.into(),
        refusal,
        trace: id,
        trace_parent,
        priority,
        ..UnicastHeader::of(&header, me, peer)
    };
    length_prefixed::encode(&fields, body.len(), out);
    Some(body)
}

/// Reads a frame that came from the linked peer `peer`. What was relayed to this node is opened, which proves its source;
/// it stays sealed where its source's key is not known yet, and where it only passes.
///
/// # Errors
/// When the header is no header, a field is out of bounds, or the seal does not hold.
pub fn decode(header: Bytes, body: Bytes, peer: NodeId, context: &SigningContext) -> Result<Message, DecodeError> {
    decode_message(&decode_header(header)?, body, peer, context)
}

/// Opens a message of which only the key was missing; gives back the same when it still is.
///
/// # Errors
/// When the seal does not hold, or what is in it makes no sense.
pub fn open(message: Message, context: &SigningContext) -> Result<Message, DecodeError> {
    let source = message.header.source;
    open_sealed(message, context).map_err(|error| error.sealed_by(source))
}

fn open_sealed(message: Message, context: &SigningContext) -> Result<Message, DecodeError> {
    let Message { mut header, content: Content::Sealed { asks, bytes } } = message else { return Ok(message) };
    let opened = Associated::new(STREAM, asks, &header).open(&header, "sealed unicast", &bytes, context)?;
    let Some((inner, body)): Option<(SealedUnicast, _)> = opened else {
        return Ok(Message { header, content: Content::Sealed { asks, bytes } });
    };
    bounded(&body, MAX_BODY, false)?;
    let content = decode_content(inner.kind(), inner.refusal(), &header, body)?;
    if asks != content.asks() {
        return Err(DecodeError::Field { field: "kind" });
    }
    let taken = header.trace.taken;
    header.trace = Trace { taken, ..trace::decode_trace(asks, &inner.trace, &inner.trace_parent)? };
    header.priority = decode_priority(inner.priority());
    Ok(Message { header, content })
}

fn decode_header(header: Bytes) -> Result<UnicastHeader, DecodeError> {
    UnicastHeader::decode(header).map_err(|source| DecodeError::Protobuf { message: "unicast header", source })
}

fn decode_message(
    fields: &UnicastHeader,
    body: Bytes,
    peer: NodeId,
    context: &SigningContext,
) -> Result<Message, DecodeError> {
    let me = context.node();
    let kind = fields.kind();
    let is_sealed = matches!(kind, UnicastKind::SealedRequest | UnicastKind::SealedAnswer);
    bounded(&body, MAX_BODY, is_sealed)?;
    let mut header = Header { priority: decode_priority(fields.priority()), ..fields.header(me, peer)? };
    if is_sealed {
        header.seal = end_of(&body);
        let asks = kind == UnicastKind::SealedRequest;
        header.trace = trace::decode_trace(asks, &fields.trace, &[])?;
        let content = Content::Sealed { asks, bytes: body };
        let message = Message { header, content };
        return if header.target == me { open(message, context) } else { Ok(message) };
    }
    if header.source != peer || header.target != me {
        return Err(DecodeError::Seal { node: header.source });
    }
    let content = decode_content(kind, fields.refusal(), &header, body)?;
    header.trace = trace::decode_trace(content.asks(), &fields.trace, &fields.trace_parent)?;
    Ok(Message { header, content })
}

fn encode_content(content: Content) -> (UnicastKind, i32, Bytes) {
    match content {
        Content::Request { body } => (UnicastKind::Request, 0, body),
        Content::ServiceRequest { body } => (UnicastKind::ServiceRequest, 0, body),
        Content::Reply { body } => (UnicastKind::Reply, 0, body),
        Content::Failure { refusal } => (UnicastKind::Failure, encode_refusal(refusal).into(), Bytes::new()),
        Content::Unanswered => (UnicastKind::Unanswered, 0, Bytes::new()),
        Content::Outlived => (UnicastKind::Outlived, 0, Bytes::new()),
        Content::Report(report) => (UnicastKind::Report, 0, trace::encode_report(&report)),
        Content::Sealed { asks: true, bytes } => (UnicastKind::SealedRequest, 0, bytes),
        Content::Sealed { asks: false, bytes } => (UnicastKind::SealedAnswer, 0, bytes),
    }
}

fn decode_content(
    kind: UnicastKind,
    refusal: proto::Refusal,
    header: &Header,
    body: Bytes,
) -> Result<Content, DecodeError> {
    match kind {
        UnicastKind::Request => Ok(Content::Request { body }),
        UnicastKind::ServiceRequest => {
            bounded(&body, MAX_SERVICE_BODY, false)?;
            Ok(Content::ServiceRequest { body })
        }
        UnicastKind::Reply => Ok(Content::Reply { body }),
        UnicastKind::Failure => Ok(Content::Failure { refusal: decode_refusal(refusal)? }),
        UnicastKind::Unanswered => Ok(Content::Unanswered),
        UnicastKind::Outlived => Ok(Content::Outlived),
        UnicastKind::Report => {
            let report = trace::decode_report(body, header.source, header.target)?;
            Ok(Content::Report(Box::new(report)))
        }
        _ => Err(DecodeError::Field { field: "kind" }),
    }
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
