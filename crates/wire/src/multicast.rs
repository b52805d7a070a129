//! What gossipsub carries for applications: multicast and broadcast, signed by their origin.

use bytes::Bytes;
use nuncio_identity::NodeId;
use nuncio_protocol::{MAX_BODY, Topic, TopicError};
use prost::Message as _;

use crate::{DecodeError, SigningContext, field::decode_signature, proto, signing::Statement};

/// The gossipsub topic of broadcasts.
pub const BROADCAST: &str = "nuncio/broadcast";

/// What the gossipsub topics of multicasts start with; the topic's name follows.
pub const TOPIC_PREFIX: &str = "nuncio/topic/";

/// Longest gossip message without its body, in bytes.
pub const MAX_OVERHEAD: usize = 1 << 10;

/// The gossipsub topic of a multicast topic, or of broadcasts.
pub fn gossip_topic(topic: Option<&Topic>) -> String {
    topic.map_or_else(|| BROADCAST.to_owned(), |topic| format!("{TOPIC_PREFIX}{topic}"))
}

/// The multicast topic of a gossipsub topic; `None` for broadcasts and for what is neither.
///
/// # Errors
/// When the name behind the prefix is no topic.
pub fn topic_of(gossip_topic: &str) -> Result<Option<Topic>, TopicError> {
    gossip_topic.strip_prefix(TOPIC_PREFIX).map(Topic::new).transpose()
}

/// An application's message to many nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gossip {
    /// Who sent it.
    pub origin: NodeId,
    /// The origin's epoch.
    pub epoch: u64,
    /// The origin's number of the message within its epoch.
    pub seq: u64,
    /// The application's bytes; at most [`MAX_BODY`].
    pub body: Bytes,
}

/// Signs a message of ours and encodes it for a gossipsub topic.
pub fn encode(gossip_topic: &str, epoch: u64, seq: u64, body: Bytes, context: &SigningContext) -> Vec<u8> {
    let origin = context.node();
    let signature = context.sign(&statement(gossip_topic, origin, epoch, seq, &body));
    let message = proto::Gossip {
        origin: Bytes::copy_from_slice(origin.as_bytes()),
        epoch,
        seq,
        body,
        signature: Bytes::copy_from_slice(signature.as_bytes()),
    };
    message.encode_to_vec()
}

/// Reads a message that came over a gossipsub topic and checks its origin's signature.
///
/// # Errors
/// When it is no such message, is too long, or the signature does not hold.
pub fn decode(gossip_topic: &str, bytes: Bytes, context: &SigningContext) -> Result<Gossip, DecodeError> {
    let message = proto::Gossip::decode(bytes).map_err(|source| DecodeError::Protobuf { message: "gossip", source })?;
    let proto::Gossip { origin, epoch, seq, body, signature } = message;
    if body.len() > MAX_BODY {
        return Err(DecodeError::TooLarge { what: "body", bytes: body.len(), limit: MAX_BODY });
    }
    let origin = NodeId::from_bytes(&origin)?;
    let signature = decode_signature(&signature)?.ok_or(DecodeError::Signature { node: origin })?;
    context.verify(origin, &statement(gossip_topic, origin, epoch, seq, &body), &signature)?;
    Ok(Gossip { origin, epoch, seq, body })
}

fn statement<'a>(gossip_topic: &str, origin: NodeId, epoch: u64, seq: u64, body: &'a [u8]) -> Statement<'a> {
    let mut fields = Vec::with_capacity(NodeId::LENGTH + 16 + gossip_topic.len());
    fields.extend_from_slice(origin.as_bytes());
    fields.extend_from_slice(&epoch.to_be_bytes());
    fields.extend_from_slice(&seq.to_be_bytes());
    fields.extend_from_slice(gossip_topic.as_bytes());
    Statement { kind: "gossip", fields, body }
}
