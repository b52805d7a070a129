//! Under signatures and seals that do not hold.

use std::{io, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use nuncio_identity::{NodeId, NodeKey, Signature};
use nuncio_protocol::{
    amop::{Destination, Multicast, SealedPost},
    status_sync::Status,
};
use nuncio_wire::{
    amop::{Frame, encode_frame},
    announcement,
    status::encode_answer,
};

use super::{Scene, made_up, queries, whole};
use crate::{link::Link, member::Member, meshsub::Rpc};

/// Announcements of nodes that do not exist.
pub(super) fn announcements(member: &Member, count: usize) -> Vec<Vec<u8>> {
    let own = member.announcement();
    let announcement = |_| {
        let renamed = replaced(&own, member.node(), NodeKey::generate().node_id());
        Rpc::publish(announcement::TOPIC, renamed).framed()
    };
    (0..count).map(announcement).collect()
}

/// The same bytes with another node in them.
fn replaced(bytes: &[u8], old: NodeId, new: NodeId) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some(at) = bytes.windows(NodeId::LENGTH).position(|window| window == old.as_bytes()) {
        bytes[at..at + NodeId::LENGTH].copy_from_slice(new.as_bytes());
    }
    bytes
}

/// An answer with a status that its node has not signed.
pub(super) fn statuses(member: &Member, victim: NodeId) -> Vec<u8> {
    let status = Status { node: NodeKey::generate().node_id(), ..member.status(victim, &[]) };
    encode_answer(&[Arc::new(member.sign(status))], &[].into(), &[], false)
}

/// Requests of another member under no seal of its.
pub(super) async fn requests(link: &Link, scene: &Scene) -> io::Result<()> {
    let other = queries::another_member(link).await?;
    let request = |_| made_up::sealed_request(link, other.node, other.version.epoch);
    let requests: Vec<_> = (0..1024).map(request).collect::<io::Result<_>>()?;
    scene.flood(&link.unicast, &requests).await
}

/// Multicasts for the victim and somebody else, as if signed.
pub(super) async fn multicasts(link: &Link, scene: &Scene) -> io::Result<()> {
    let multicasts: Vec<_> = (0..1024).map(|_| multicast(link)).collect::<io::Result<_>>()?;
    scene.flood(&link.bridge, &multicasts).await
}

fn multicast(link: &Link) -> io::Result<Vec<u8>> {
    let member = &link.member;
    let destination = |node| Destination { node, key: Bytes::from_static(&[7; 32]) };
    let signature = Signature::from_bytes(&[7; Signature::LENGTH]).expect("as long as a signature");
    let multicast = Multicast {
        source: member.node(),
        epoch: member.epoch,
        number: member.number(),
        sent: member.clock(),
        lifetime: Duration::from_secs(30),
        hops_left: 8,
        destinations: vec![destination(link.victim), destination(NodeKey::generate().node_id())],
        priority: Default::default(),
        post: None,
        sealed: Some(SealedPost { bytes: Bytes::from(vec![7; 128]), tenant: Bytes::new(), signature }),
    };
    let mut frame = BytesMut::new();
    let body = encode_frame(Frame::Multicast(multicast), link.victim, &member.context, &mut frame);
    whole(&frame, body)
}
