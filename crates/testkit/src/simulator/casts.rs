use std::time::Duration;

use bytes::Bytes;
use nuncio_identity::Signature;
use nuncio_protocol::{
    MAX_LIFETIME, Topic,
    amop::{Destination, Multicast, Post, PublishSeq, SealedPost},
    multicast::{Batch, Proof},
};

use super::names::node_id;

/// Multicasts to all of the `origin`-th node in its first epoch, sent when that began, as they come over more than one link.
pub fn batch(origin: usize, first: u64, bodies: Vec<Bytes>) -> Batch {
    Batch {
        origin: node_id(origin),
        epoch: 1,
        sent: Duration::ZERO,
        lifetime: MAX_LIFETIME,
        topic: None,
        first,
        bodies,
        long: None,
        proof: Proof { signature: signature(first).into(), ..Proof::default() },
    }
}

/// An AMOP multicast to `t`, as it comes over more than one link and is opened by the edge.
///
/// # Panics
/// Never: `t` is a topic.
pub fn multicast(
    source: usize,
    number: u64,
    destinations: impl IntoIterator<Item = usize>,
    data: impl Into<Bytes>,
) -> Multicast {
    let (topic, data) = (Topic::new("t").expect("a valid topic"), data.into());
    let destination = |n| Destination { node: node_id(n), key: Bytes::new() };
    Multicast {
        source: node_id(source),
        epoch: 1,
        number,
        sent: Duration::ZERO,
        lifetime: Duration::from_secs(30),
        hops_left: 15,
        destinations: destinations.into_iter().map(destination).collect(),
        priority: Default::default(),
        post: Some(Post { seq: PublishSeq([9; 32]), topic, tenant: None, data: data.clone() }),
        sealed: Some(SealedPost { bytes: data, tenant: Bytes::new(), signature: signature(number) }),
    }
}

/// Another one for each number.
fn signature(number: u64) -> Signature {
    let mut bytes = [1; Signature::LENGTH];
    bytes[Signature::LENGTH - 8..].copy_from_slice(&number.to_be_bytes());
    Signature::from_bytes(&bytes).expect("as long as one")
}
