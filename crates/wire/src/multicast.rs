//! Multicast and broadcast: what gossipsub carries for applications, signed by their origin; and what is pushed.

mod batch;

pub use batch::{is_to_be_signed, sign_leg};

pub(crate) use batch::{decode_leg, decode_wanted, encode_leg, encode_wanted};

use std::time::Duration;

use bytes::Bytes;
use nuncio_identity::{NodeId, SignError, Signature};
use nuncio_protocol::{
    MAX_BODY, Priority, Topic, TopicError,
    gossip::Stamp,
    multicast::{MAX_NUMBER, priority_of},
};
use prost::Message as _;

use crate::{
    DecodeError, SigningContext,
    field::{decode_signature, encode_clock, encode_millis, encode_signature},
    proto,
    signing::Statement,
};

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
    pub number: u64,
    /// The origin's clock when it was sent.
    pub sent: Duration,
    /// How long after that it counts.
    pub lifetime: Duration,
    /// The application's bytes; at most [`MAX_BODY`].
    pub body: Bytes,
    /// Its number among the messages of its topic, if its origin pushes them.
    pub place: Option<u64>,
}

/// Signs a message of ours and encodes it for a gossipsub topic; its origin is this node, whatever it says.
///
/// # Errors
/// When the node's key does not sign now.
pub fn encode(gossip_topic: &str, gossip: Gossip, context: &SigningContext) -> Result<Vec<u8>, SignError> {
    let gossip = Gossip { origin: context.node(), ..gossip };
    let signature = context.sign(&statement(gossip_topic, &gossip, None))?;
    let placed = gossip.place.map(|place| context.sign(&statement(gossip_topic, &gossip, Some(place)))).transpose()?;
    let (number, signed) = (gossip.place, encode_signature(placed));
    let is_apart = number.is_some_and(|number| priority_of(number) != Priority::Normal);
    let (place, apart) = if is_apart { (None, number) } else { (number, None) };
    let (place_signature, apart_signature) = if is_apart { (Bytes::new(), signed) } else { (signed, Bytes::new()) };
    let message = proto::Gossip {
        origin: Bytes::copy_from_slice(gossip.origin.as_bytes()),
        epoch: gossip.epoch,
        number: gossip.number,
        body: gossip.body,
        signature: Bytes::copy_from_slice(signature.as_bytes()),
        sent_ms: encode_clock(gossip.sent),
        lifetime_ms: encode_millis(gossip.lifetime),
        place,
        place_signature,
        apart,
        apart_signature,
    };
    Ok(message.encode_to_vec())
}

/// A message whose origin's signature has not been checked yet: only then it is worth more than its length.
#[derive(Debug, Clone)]
pub struct Unchecked {
    gossip: Gossip,
    signature: Signature,
    /// Over its place, too.
    placed: Option<Signature>,
}

impl Unchecked {
    /// What it says of itself, if its signatures hold.
    pub const fn stamp(&self) -> Stamp {
        let Gossip { origin, epoch, number, sent, lifetime, .. } = self.gossip;
        Stamp { origin, epoch, number, sent, lifetime }
    }

    /// Checks the signatures: also the one that others check who know no places, and who would blame whoever passed it on. The
    /// gossipsub topic is the one it came over.
    ///
    /// # Errors
    /// When one does not hold.
    pub fn check(self, gossip_topic: &str, context: &SigningContext) -> Result<Gossip, DecodeError> {
        let (gossip, origin) = (&self.gossip, self.gossip.origin);
        context.verify(origin, &statement(gossip_topic, gossip, None), &self.signature)?;
        if let Some(placed) = &self.placed {
            context.verify(origin, &statement(gossip_topic, gossip, gossip.place), placed)?;
        }
        Ok(self.gossip)
    }
}

/// Reads a message that came over a gossipsub topic.
///
/// # Errors
/// When it is no such message, or is too long.
pub fn decode(bytes: Bytes) -> Result<Unchecked, DecodeError> {
    let message = proto::Gossip::decode(bytes).map_err(|source| DecodeError::Protobuf { message: "gossip", source })?;
    let proto::Gossip { origin, epoch, number, body, signature, sent_ms, lifetime_ms, .. } = message;
    let is_apart = message.apart.is_some() || !message.apart_signature.is_empty();
    if is_apart && message.place.is_some() {
        return Err(DecodeError::Field { field: "place" });
    }
    let (place, place_signature) =
        if is_apart { (message.apart, message.apart_signature) } else { (message.place, message.place_signature) };
    if body.len() > MAX_BODY {
        return Err(DecodeError::TooLarge { what: "body", bytes: body.len(), limit: MAX_BODY });
    }
    let origin = NodeId::from_bytes(&origin)?;
    if place.is_some_and(|place| place >= MAX_NUMBER) {
        return Err(DecodeError::Field { field: "place" });
    }
    let missing = DecodeError::Signature { node: origin };
    let signature = decode_signature(&signature)?.ok_or_else(|| missing.clone())?;
    let placed = decode_signature(&place_signature)?;
    if placed.is_some() != place.is_some() {
        return Err(missing);
    }
    let (sent, lifetime) = (Duration::from_millis(sent_ms), Duration::from_millis(lifetime_ms.into()));
    Ok(Unchecked { gossip: Gossip { origin, epoch, number, sent, lifetime, body, place }, signature, placed })
}

fn statement<'a>(gossip_topic: &str, gossip: &'a Gossip, place: Option<u64>) -> Statement<'a> {
    let mut fields = Vec::with_capacity(NodeId::LENGTH + 32 + gossip_topic.len());
    fields.extend_from_slice(gossip.origin.as_bytes());
    for number in [gossip.epoch, gossip.number, encode_clock(gossip.sent), encode_millis(gossip.lifetime).into()] {
        fields.extend_from_slice(&number.to_be_bytes());
    }
    fields.extend(place.into_iter().flat_map(u64::to_be_bytes));
    fields.extend_from_slice(gossip_topic.as_bytes());
    let kind = if place.is_some() { "numbered gossip" } else { "gossip" };
    Statement { kind, fields, body: &gossip.body }
}
