//! What is pushed, and questions for what is missing: frames of the bridge's stream.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use nuncio_identity::{NodeId, SignError, Signature};
use nuncio_protocol::{
    LARGE_BODY, MAX_BODY, Topic,
    multicast::{Batch, Destination, Leg, Long, MAX_BATCH, MAX_NUMBER, Proof, Wanted, joined},
};

use crate::{
    DecodeError, SigningContext,
    amop::MAX_DESTINATIONS,
    field::{decode_hops, decode_node, decode_signature, encode_clock, encode_millis, encode_node, encode_signature},
    header::bounded,
    length_prefixed,
    proto::{self, BridgeHeader, bridge_header},
    signing::Statement,
};

/// Appends the frame of a batch for the linked peer `peer`, all but the messages, and returns these. What is this node's own is
/// signed when it first goes to more than its receiver; `None`, and nothing appended, when another node's has no signature.
pub(crate) fn encode_leg(leg: &Leg, peer: NodeId, context: &SigningContext, out: &mut BytesMut) -> Option<Bytes> {
    let (Leg { batch, hops_left, destinations, .. }, me) = (leg, context.node());
    let payload = batch.proof.payload.get_or_init(|| joined(&batch.bodies));
    let signature = if batch.origin != me {
        Some(*batch.proof.signature.get()?)
    } else if is_relayed(leg, peer) {
        Some(sign_leg(leg, context).ok()?)
    } else {
        None
    };
    let destination = |destination: &Destination| proto::BatchDestination {
        node: encode_node(destination.node, peer),
        since: destination.since,
    };
    let inner = proto::Batch {
        topic: batch.topic.as_ref().map(|topic| topic.as_str().to_owned()),
        first: batch.first,
        lengths: batch.bodies.iter().map(|body| body.len() as u32).collect(),
        long_number: batch.long.map_or(0, |long| long.number),
        long_length: batch.long.map_or(0, |long| long.length),
        signature: encode_signature(signature),
        destinations: destinations.iter().map(destination).collect(),
    };
    let fields = BridgeHeader {
        source_epoch: batch.epoch,
        hops_left: (*hops_left).into(),
        source: encode_node(batch.origin, me),
        sent_ms: encode_clock(batch.sent),
        lifetime_ms: encode_millis(batch.lifetime),
        content: Some(bridge_header::Content::Batch(inner)),
        ..BridgeHeader::default()
    };
    length_prefixed::encode(&fields, payload.len(), out);
    Some(payload.clone())
}

/// Whether a batch waits for this node's signature before it can go to the linked peer `peer`.
pub fn is_to_be_signed(leg: &Leg, peer: NodeId, context: &SigningContext) -> bool {
    leg.batch.origin == context.node() && is_relayed(leg, peer) && leg.batch.proof.signature.get().is_none()
}

/// Signs a batch of this node's own, once for all ways it goes.
///
/// # Errors
/// When the node's key does not sign now.
pub fn sign_leg(leg: &Leg, context: &SigningContext) -> Result<Signature, SignError> {
    let proof = &leg.batch.proof;
    if let Some(signature) = proof.signature.get() {
        return Ok(*signature);
    }
    let payload = proof.payload.get_or_init(|| joined(&leg.batch.bodies));
    let signature = context.sign(&statement(&leg.batch, payload))?;
    Ok(*proof.signature.get_or_init(|| signature))
}

/// Whether it goes to more than its receiver.
fn is_relayed(leg: &Leg, peer: NodeId) -> bool {
    leg.destinations.iter().any(|destination| destination.node != peer)
}

/// Reads a batch that came from the linked peer `peer`. Where that is not its origin, and where it is to go on, its signature
/// is checked.
pub(crate) fn decode_leg(
    fields: &BridgeHeader,
    inner: &proto::Batch,
    payload: &Bytes,
    peer: NodeId,
    context: &SigningContext,
) -> Result<Leg, DecodeError> {
    let me = context.node();
    let count = inner.destinations.len();
    if count > MAX_DESTINATIONS {
        return Err(DecodeError::TooMany { what: "destinations", count, limit: MAX_DESTINATIONS });
    }
    let destination = |destination: &proto::BatchDestination| {
        Ok(Destination { node: decode_node(&destination.node, me)?, since: destination.since })
    };
    let destinations = inner.destinations.iter().map(destination).collect::<Result<Vec<_>, DecodeError>>()?;
    let bodies = split(&inner.lengths, payload)?;
    if inner.first.saturating_add(bodies.len() as u64) >= MAX_NUMBER {
        return Err(DecodeError::Field { field: "first" });
    }
    if inner.long_length as usize > MAX_BODY {
        return Err(DecodeError::TooLarge { what: "body", bytes: inner.long_length as usize, limit: MAX_BODY });
    }
    let batch = Batch {
        origin: decode_node(&fields.source, peer)?,
        epoch: fields.source_epoch,
        sent: Duration::from_millis(fields.sent_ms),
        lifetime: Duration::from_millis(fields.lifetime_ms.into()),
        topic: decode_topic(inner.topic.as_deref())?,
        first: inner.first,
        bodies,
        long: (inner.long_length > 0).then_some(Long { number: inner.long_number, length: inner.long_length }),
        proof: Proof { signature: OnceLock::new(), payload: payload.clone().into() },
    };
    if batch.origin != peer || destinations.iter().any(|destination| destination.node != me) {
        let signature = decode_signature(&inner.signature)?.ok_or(DecodeError::Signature { node: batch.origin })?;
        context.verify(batch.origin, &statement(&batch, payload), &signature)?;
        batch.proof.signature.get_or_init(|| signature);
    }
    let (priority, hops_left) = (batch.priority(), decode_hops(fields.hops_left));
    Ok(Leg { batch: Arc::new(batch), hops_left, priority, destinations })
}

/// Appends a question for the linked peer `peer`; it has no body.
pub(crate) fn encode_wanted(wanted: &Wanted, peer: NodeId, me: NodeId, out: &mut BytesMut) -> Bytes {
    let inner = proto::Wanted {
        topic: wanted.topic.as_ref().map(|topic| topic.as_str().to_owned()),
        from: wanted.from,
        to: wanted.to,
    };
    let fields = BridgeHeader {
        hops_left: wanted.hops_left.into(),
        source: encode_node(wanted.asker, me),
        target: encode_node(wanted.origin, peer),
        target_epoch: wanted.epoch,
        content: Some(bridge_header::Content::Wanted(inner)),
        ..BridgeHeader::default()
    };
    length_prefixed::encode(&fields, 0, out);
    Bytes::new()
}

/// Reads a question that came from the linked peer `peer`.
pub(crate) fn decode_wanted(
    fields: &BridgeHeader,
    inner: &proto::Wanted,
    body: &Bytes,
    peer: NodeId,
    me: NodeId,
) -> Result<Wanted, DecodeError> {
    bounded(body, 0, false)?;
    if inner.from > inner.to || inner.to >= MAX_NUMBER {
        return Err(DecodeError::Field { field: "to" });
    }
    Ok(Wanted {
        asker: decode_node(&fields.source, peer)?,
        origin: decode_node(&fields.target, me)?,
        epoch: fields.target_epoch,
        topic: decode_topic(inner.topic.as_deref())?,
        from: inner.from,
        to: inner.to,
        hops_left: decode_hops(fields.hops_left),
    })
}

fn decode_topic(topic: Option<&str>) -> Result<Option<Topic>, DecodeError> {
    Ok(topic.map(Topic::new).transpose()?)
}

fn split(lengths: &[u32], payload: &Bytes) -> Result<Vec<Bytes>, DecodeError> {
    if lengths.len() > MAX_BATCH {
        return Err(DecodeError::TooMany { what: "messages", count: lengths.len(), limit: MAX_BATCH });
    }
    bounded(payload, if lengths.len() > 1 { LARGE_BODY } else { MAX_BODY }, false)?;
    let sum = lengths.iter().map(|length| u64::from(*length)).sum::<u64>();
    if sum != payload.len() as u64 {
        return Err(DecodeError::Field { field: "lengths" });
    }
    // They share what they came in: whoever keeps one by itself copies it, see `multicast::alone`.
    let mut rest = payload.clone();
    Ok(lengths.iter().map(|length| rest.split_to(*length as usize)).collect())
}

/// All but hops and destinations, which change on the way.
fn statement<'a>(batch: &Batch, payload: &'a [u8]) -> Statement<'a> {
    let topic = batch.topic.as_ref().map_or("", Topic::as_str);
    let mut fields = Vec::with_capacity(NodeId::LENGTH + 64 + 4 * batch.bodies.len() + topic.len());
    fields.extend_from_slice(batch.origin.as_bytes());
    let (number, length) = batch.long.map_or((0, 0), |long| (long.number, long.length));
    let clocks = [encode_clock(batch.sent), encode_millis(batch.lifetime).into()];
    for number in [batch.epoch, batch.first, clocks[0], clocks[1], number, length.into(), batch.bodies.len() as u64] {
        fields.extend_from_slice(&number.to_be_bytes());
    }
    for body in &batch.bodies {
        fields.extend_from_slice(&(body.len() as u32).to_be_bytes());
    }
    // No topic has an empty name: that stands for broadcasts.
    fields.extend_from_slice(topic.as_bytes());
    Statement { kind: "batch", fields, body: payload }
}
