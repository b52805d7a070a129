//! Nodes that have each other's keys, and the way between them.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use nuncio_identity::{NodeId, NodeKey};
use nuncio_protocol::{Header, SealEnd, unicast};
use nuncio_wire::{
    DecodeError, SigningContext, amop,
    length_prefixed::{self, Frame},
};

pub(super) struct Party {
    pub(super) node: NodeId,
    pub(super) epoch: u64,
    pub(super) context: SigningContext,
}

/// A node that has started in an epoch and knows nobody.
pub(super) fn lone(epoch: u64, network: &str) -> Party {
    let key = NodeKey::generate();
    let party = Party { node: key.node_id(), epoch, context: SigningContext::new(key, network) };
    party.context.keyring().begin(epoch);
    party
}

/// Two nodes learn each other's keys, as from their records.
pub(super) fn meet(a: &Party, b: &Party) {
    for (one, other) in [(a, b), (b, a)] {
        assert!(one.context.keyring().learn(other.node, other.epoch, &other.context.keyring().public()));
    }
}

/// So many nodes, each in an epoch of its own, that know each other.
pub(super) fn parties<const N: usize>() -> [Party; N] {
    let parties = std::array::from_fn(|number| lone(7 + number as u64, "test"));
    for (number, one) in parties.iter().enumerate() {
        for other in &parties[..number] {
            meet(one, other);
        }
    }
    parties
}

/// The header of a message that starts on its way.
pub(super) fn header(source: &Party, target: &Party) -> Header {
    Header {
        source: source.node,
        source_epoch: source.epoch,
        target: target.node,
        target_epoch: target.epoch,
        number: 9,
        sent: Duration::from_millis(1234),
        lifetime: Duration::from_millis(1500),
        hops_left: 15,
        hops: 1,
        seal: SealEnd::default(),
        trace: Default::default(),
        priority: Default::default(),
    }
}

/// The same, one link further.
pub(super) fn passed_on(header: Header) -> Header {
    Header { hops_left: header.hops_left - 1, hops: header.hops + 1, ..header }
}

/// Header and body of a frame, as they leave a stream.
pub(super) fn cut(mut head: BytesMut, body: &[u8]) -> (Bytes, Bytes) {
    head.extend_from_slice(body);
    match length_prefixed::decode(&mut head) {
        Ok(Some(Frame::Message { header, body })) => {
            assert!(head.is_empty(), "nothing is left over");
            (header, body)
        }
        other => panic!("a whole frame, not {other:?}"),
    }
}

/// A unicast message's frame from one node to its neighbour; `None` when it could not be sealed.
pub(super) fn unicast_frame(message: unicast::Message, from: &Party, to: &Party) -> Option<(Bytes, Bytes)> {
    let mut head = BytesMut::new();
    let body = nuncio_wire::unicast::encode(message, to.node, &from.context, &mut head);
    assert!(body.is_some() || head.is_empty(), "what cannot be sealed leaves nothing");
    Some(cut(head, &body?))
}

pub(super) fn unicast_over(
    message: unicast::Message,
    from: &Party,
    to: &Party,
) -> Result<unicast::Message, DecodeError> {
    let (header, body) = unicast_frame(message, from, to).expect("the target's key is known");
    nuncio_wire::unicast::decode(header, body, from.node, &to.context)
}

/// A frame of the bridge from one node to its neighbour; `None` when it could not be sealed.
pub(super) fn bridge_frame(frame: amop::Frame, from: &Party, to: &Party) -> Option<(Bytes, Bytes)> {
    let mut head = BytesMut::new();
    let body = amop::encode_frame(frame, to.node, &from.context, &mut head);
    assert!(body.is_some() || head.is_empty(), "what cannot be sealed leaves nothing");
    Some(cut(head, &body?))
}

pub(super) fn bridge_over(frame: amop::Frame, from: &Party, to: &Party) -> Result<amop::Frame, DecodeError> {
    let (header, body) = bridge_frame(frame, from, to).expect("the target's key is known");
    amop::decode_frame(header, body, from.node, &to.context)
}
