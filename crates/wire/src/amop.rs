//! `/nuncio/bridge/2`: AMOP messages between nodes.

mod multicast;

pub use nuncio_protocol::bridge::Frame;

pub use multicast::{MAX_DESTINATIONS, is_to_be_sealed, open_multicast, seal_multicast};

#[cfg(test)]
pub(crate) use multicast::seal_for_each;

use bytes::{Bytes, BytesMut};
use nuncio_identity::NodeId;
use nuncio_protocol::{
    Header, MAX_BODY, Topic,
    amop::{Content, Message, ResultCode, TenantId},
};
use prost::Message as _;

use crate::{
    DecodeError, SigningContext,
    header::{Associated, bounded, decode_priority, encode_priority, end_of},
    length_prefixed,
    multicast::{decode_leg, decode_wanted, encode_leg, encode_wanted},
    proto::{self, BridgeContent, BridgeHeader, SealedBridge, bridge_content, bridge_header},
};

/// The protocol's name.
pub const PROTOCOL: &str = "/nuncio/bridge/2";

/// The same for messages with long payloads, on a stream of their own.
pub const LARGE_PROTOCOL: &str = "/nuncio/bridge-large/2";

/// The same for what is urgent. Releases without priorities have no such stream.
pub const URGENT_PROTOCOL: &str = "/nuncio/bridge-urgent/2";

/// What seals are bound to.
const STREAM: &str = "bridge";

/// Appends a frame for the linked peer `peer`, all but its payload, and returns the payload. Seals what is ours and will be
/// relayed; `None`, and nothing appended, when the key of its target's epoch is not known, or of none of its destinations.
pub fn encode_frame(frame: Frame, peer: NodeId, context: &SigningContext, out: &mut BytesMut) -> Option<Bytes> {
    match frame {
        Frame::Message(message) => encode(message, peer, context, out),
        Frame::Multicast(multicast) => multicast::encode(multicast, peer, context, out),
        Frame::Batch(leg) => encode_leg(&leg, peer, context, out),
        Frame::Wanted(wanted) => Some(encode_wanted(&wanted, peer, context.node(), out)),
    }
}

/// Reads a frame that came from the linked peer `peer`. What was relayed to this node is opened, which proves its source;
/// it stays sealed where its source's key is not known yet, and where it only passes. The signature of a multicast that
/// was relayed, or will be, is checked.
///
/// # Errors
/// When the header is no header, a field is out of bounds, or a seal or signature does not hold.
pub fn decode_frame(header: Bytes, body: Bytes, peer: NodeId, context: &SigningContext) -> Result<Frame, DecodeError> {
    let fields =
        BridgeHeader::decode(header).map_err(|source| DecodeError::Protobuf { message: "bridge header", source })?;
    match &fields.content {
        Some(bridge_header::Content::Multicast(inner)) => {
            multicast::decode(&fields, inner, body, peer, context).map(Frame::Multicast)
        }
        Some(bridge_header::Content::Batch(inner)) => {
            decode_leg(&fields, inner, &body, peer, context).map(Frame::Batch)
        }
        Some(bridge_header::Content::Wanted(inner)) => {
            decode_wanted(&fields, inner, &body, peer, context.node()).map(Frame::Wanted)
        }
        _ => decode_message(fields, body, peer, context).map(Frame::Message),
    }
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
    let Message { header, content: Content::Sealed { asks, bytes } } = message else { return Ok(message) };
    let opened = Associated::new(STREAM, asks, &header).open(&header, "sealed bridge message", &bytes, context)?;
    let Some((inner, data)): Option<(BridgeContent, Bytes)> = opened else {
        return Ok(Message { header, content: Content::Sealed { asks, bytes } });
    };
    bounded(&data, MAX_BODY, false)?;
    let priority = decode_priority(inner.priority());
    let content = match inner.content.ok_or(DecodeError::Field { field: "content" })? {
        bridge_content::Content::Publish(publish) if asks => decode_publish(publish, data)?,
        bridge_content::Content::Result(result) if !asks => Content::Result { code: ResultCode(result.code), data },
        bridge_content::Content::Received(_) if !asks => Content::Received,
        _ => return Err(DecodeError::Field { field: "content" }),
    };
    Ok(Message { header: Header { priority, ..header }, content })
}

fn encode(message: Message, peer: NodeId, context: &SigningContext, out: &mut BytesMut) -> Option<Bytes> {
    let Message { header, content } = message;
    let me = context.node();
    let is_relayed = header.source == me && header.target != peer;
    let (content, body) = match content {
        Content::Sealed { asks, bytes } => (bridge_header::Content::Sealed(SealedBridge { asks }), bytes),
        Content::Publish { message, topic, tenant, data } => {
            let tenant = tenant.map_or(0, |tenant| tenant.0);
            let publish = proto::Publish { message, topic: topic.as_str().to_owned(), tenant };
            if is_relayed {
                seal(&header, bridge_content::Content::Publish(publish), &data, context)?
            } else {
                (bridge_header::Content::Publish(publish), data)
            }
        }
        Content::Result { code, data } => {
            let result = proto::Result { code: code.0 };
            if is_relayed {
                seal(&header, bridge_content::Content::Result(result), &data, context)?
            } else {
                (bridge_header::Content::Result(result), data)
            }
        }
        Content::Received if is_relayed => {
            seal(&header, bridge_content::Content::Received(proto::Received {}), &Bytes::new(), context)?
        }
        Content::Received => (bridge_header::Content::Received(proto::Received {}), Bytes::new()),
    };
    let priority = encode_priority(header.priority);
    let fields = BridgeHeader { content: Some(content), priority, ..BridgeHeader::of(&header, me, peer) };
    length_prefixed::encode(&fields, body.len(), out);
    Some(body)
}

fn seal(
    header: &Header,
    content: bridge_content::Content,
    data: &Bytes,
    context: &SigningContext,
) -> Option<(bridge_header::Content, Bytes)> {
    let asks = matches!(content, bridge_content::Content::Publish(_));
    let inner = BridgeContent { content: Some(content), priority: encode_priority(header.priority) };
    let sealed = Associated::new(STREAM, asks, header).seal(header, &inner, data, context)?;
    Some((bridge_header::Content::Sealed(SealedBridge { asks }), sealed))
}

fn decode_message(
    fields: BridgeHeader,
    body: Bytes,
    peer: NodeId,
    context: &SigningContext,
) -> Result<Message, DecodeError> {
    let me = context.node();
    let mut header = Header { priority: decode_priority(fields.priority()), ..fields.header(me, peer)? };
    let content = fields.content.ok_or(DecodeError::Field { field: "content" })?;
    bounded(&body, MAX_BODY, matches!(content, bridge_header::Content::Sealed(_)))?;
    let in_clear = header.source == peer && header.target == me;
    let content = match content {
        bridge_header::Content::Sealed(SealedBridge { asks }) => {
            header.seal = end_of(&body);
            let message = Message { header, content: Content::Sealed { asks, bytes: body } };
            return if header.target == me { open(message, context) } else { Ok(message) };
        }
        _ if !in_clear => return Err(DecodeError::Seal { node: header.source }),
        bridge_header::Content::Publish(publish) => decode_publish(publish, body)?,
        bridge_header::Content::Result(result) => Content::Result { code: ResultCode(result.code), data: body },
        bridge_header::Content::Received(_) => Content::Received,
        bridge_header::Content::Multicast(_) | bridge_header::Content::Batch(_) | bridge_header::Content::Wanted(_) => {
            return Err(DecodeError::Field { field: "content" });
        }
    };
    Ok(Message { header, content })
}

fn decode_publish(publish: proto::Publish, data: Bytes) -> Result<Content, DecodeError> {
    let tenant = Some(TenantId(publish.tenant)).filter(|tenant| tenant.0 != 0);
    Ok(Content::Publish { message: publish.message, topic: Topic::new(&publish.topic)?, tenant, data })
}
