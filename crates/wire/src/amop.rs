//! `/nuncio/bridge/1`: AMOP messages between nodes.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use nuncio_identity::NodeId;
use nuncio_protocol::{
    MAX_BODY, Topic,
    amop::{Content, Message, PublishSeq, ResultCode},
};
use prost::Message as _;

use crate::{
    DecodeError, SigningContext,
    field::{decode_hops, decode_node, decode_signature, encode_millis, encode_node, encode_signature},
    length_prefixed,
    proto::{self, BridgeHeader, bridge_header},
    signing::Statement,
};

/// The protocol's name.
pub const PROTOCOL: &str = "/nuncio/bridge/1";

/// The same for messages with long payloads, on a stream of their own.
pub const LARGE_PROTOCOL: &str = "/nuncio/bridge-large/1";

/// Most destinations one multicast frame names; a longer list is sent in several frames.
pub const MAX_DESTINATIONS: usize = 512;

/// Appends the frame of `message` for the linked peer `peer`, all but its payload, and returns the payload. Signs what
/// is ours and will be relayed.
pub fn encode(message: Message, peer: NodeId, context: &SigningContext, out: &mut BytesMut) -> Bytes {
    let Message { source, epoch, id, hops_left, content, signature } = message;
    let me = context.node();
    let ends_at_peer = target(&content).is_some_and(|target| target == peer)
        || matches!(&content, Content::Multicast { destinations, .. } if destinations[..] == [peer]);
    let signature = match signature {
        None if source == me && !ends_at_peer => Some(context.sign(&statement(source, epoch, id, &content))),
        carried => carried,
    };
    let (content, body) = encode_content(content, peer);
    let header = BridgeHeader {
        id,
        epoch,
        hops_left: hops_left.into(),
        source: encode_node(source, me),
        signature: encode_signature(signature),
        content: Some(content),
    };
    length_prefixed::encode(&header, body.len(), out);
    body
}

/// Reads a frame that came from the linked peer `peer`. A message that was relayed must carry its source's signature;
/// it is checked at every node that delivers it, and carried on where it only passes.
///
/// # Errors
/// When the header is no header, a field is out of bounds, or the signature does not hold.
pub fn decode(header: Bytes, body: Bytes, peer: NodeId, context: &SigningContext) -> Result<Message, DecodeError> {
    if body.len() > MAX_BODY {
        return Err(DecodeError::TooLarge { what: "payload", bytes: body.len(), limit: MAX_BODY });
    }
    let header =
        BridgeHeader::decode(header).map_err(|source| DecodeError::Protobuf { message: "bridge header", source })?;
    let me = context.node();
    let source = decode_node(&header.source, peer)?;
    let signature = decode_signature(&header.signature)?;
    let content = decode_content(header.content.ok_or(DecodeError::Field { field: "content" })?, body, me)?;
    let ends_here = match &content {
        Content::Multicast { destinations, .. } => destinations.contains(&me),
        other => target(other) == Some(me),
    };
    if source != peer && ends_here {
        let signature = signature.ok_or(DecodeError::Signature { node: source })?;
        context.verify(source, &statement(source, header.epoch, header.id, &content), &signature)?;
    }
    Ok(Message {
        source,
        epoch: header.epoch,
        id: header.id,
        hops_left: decode_hops(header.hops_left),
        content,
        signature,
    })
}

fn target(content: &Content) -> Option<NodeId> {
    match content {
        Content::Publish { target, .. } | Content::Result { target, .. } => Some(*target),
        Content::Multicast { .. } => None,
    }
}

fn encode_content(content: Content, peer: NodeId) -> (bridge_header::Content, Bytes) {
    match content {
        Content::Publish { target, message, topic, data, time_left } => {
            let publish = proto::Publish {
                target: encode_node(target, peer),
                message,
                topic: topic.as_str().to_owned(),
                time_left_ms: encode_millis(time_left),
            };
            (bridge_header::Content::Publish(publish), data)
        }
        Content::Result { target, code, data } => {
            let result = proto::Result { target: encode_node(target, peer), code: code.0 };
            (bridge_header::Content::Result(result), data)
        }
        Content::Multicast { destinations, seq, topic, data } => {
            let multicast = proto::Multicast {
                destinations: destinations.iter().map(|node| Bytes::copy_from_slice(node.as_bytes())).collect(),
                seq: Bytes::copy_from_slice(&seq.0),
                topic: topic.as_str().to_owned(),
            };
            (bridge_header::Content::Multicast(multicast), data)
        }
    }
}

fn decode_content(content: bridge_header::Content, data: Bytes, me: NodeId) -> Result<Content, DecodeError> {
    Ok(match content {
        bridge_header::Content::Publish(publish) => Content::Publish {
            target: decode_node(&publish.target, me)?,
            message: publish.message,
            topic: Topic::new(&publish.topic)?,
            data,
            time_left: Duration::from_millis(publish.time_left_ms.into()),
        },
        bridge_header::Content::Result(result) => {
            Content::Result { target: decode_node(&result.target, me)?, code: ResultCode(result.code), data }
        }
        bridge_header::Content::Multicast(multicast) => {
            let count = multicast.destinations.len();
            if count > MAX_DESTINATIONS {
                return Err(DecodeError::TooMany { what: "destinations", count, limit: MAX_DESTINATIONS });
            }
            let seq = multicast.seq.as_ref().try_into().map_err(|_| DecodeError::Field { field: "seq" })?;
            let destinations = multicast.destinations.iter().map(|node| NodeId::from_bytes(node));
            Content::Multicast {
                destinations: destinations.collect::<Result<_, _>>()?,
                seq: PublishSeq(seq),
                topic: Topic::new(&multicast.topic)?,
                data,
            }
        }
    })
}

/// Hops, the time left and a multicast's destinations change on the way, so they are outside.
fn statement(source: NodeId, epoch: u64, id: u64, content: &Content) -> Statement<'_> {
    let mut fields = Vec::with_capacity(2 * NodeId::LENGTH + 64);
    fields.extend_from_slice(source.as_bytes());
    fields.extend_from_slice(&epoch.to_be_bytes());
    fields.extend_from_slice(&id.to_be_bytes());
    match content {
        Content::Publish { target, message, topic, data, .. } => {
            fields.extend_from_slice(target.as_bytes());
            fields.extend_from_slice(&message.to_be_bytes());
            fields.extend_from_slice(topic.as_str().as_bytes());
            Statement { kind: "amop publish", fields, body: data }
        }
        Content::Result { target, code, data } => {
            fields.extend_from_slice(target.as_bytes());
            fields.extend_from_slice(&code.0.to_be_bytes());
            Statement { kind: "amop result", fields, body: data }
        }
        Content::Multicast { seq, topic, data, .. } => {
            fields.extend_from_slice(&seq.0);
            fields.extend_from_slice(topic.as_str().as_bytes());
            Statement { kind: "amop multicast", fields, body: data }
        }
    }
}
