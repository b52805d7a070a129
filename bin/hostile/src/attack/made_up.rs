//! In the names of nodes that do not exist.

use std::{io, time::Duration};

use bytes::{Bytes, BytesMut};
use nuncio_identity::{NodeId, NodeKey};
use nuncio_protocol::{
    Header, SealEnd,
    status_sync::Version,
    unicast::{Content, Message},
};
use nuncio_wire::{
    SigningContext, announcement,
    unicast::{Frame, encode_frame},
};

use super::{Scene, whole};
use crate::{link::Link, member::Member, meshsub::Rpc};

/// Announcements, each under the key of its node.
pub(super) fn announcements(member: &Member, count: usize) -> Vec<Vec<u8>> {
    let announcement = |_| {
        let context = SigningContext::new(NodeKey::generate(), &member.network);
        let version = Version { epoch: member.epoch, seq: 1 };
        Rpc::publish(
            announcement::TOPIC,
            announcement::encode(version, member.clock(), &context).expect("a key in this process signs"),
        )
        .framed()
    };
    (0..count).map(announcement).collect()
}

/// Requests, each of another source.
pub(super) async fn requests(link: &Link, scene: &Scene) -> io::Result<()> {
    let request = |_| sealed_request(link, NodeKey::generate().node_id(), link.member.epoch);
    let requests: Vec<_> = (0..1024).map(request).collect::<io::Result<_>>()?;
    scene.flood(&link.unicast, &requests).await
}

/// A request of a node under a seal that it has not made.
pub(super) fn sealed_request(link: &Link, source: NodeId, source_epoch: u64) -> io::Result<Vec<u8>> {
    let member = &link.member;
    let header = Header {
        source,
        source_epoch,
        target: link.victim,
        target_epoch: link.victim_epoch(),
        number: member.number(),
        sent: member.clock(),
        lifetime: Duration::from_secs(30),
        hops_left: 8,
        hops: 2,
        seal: SealEnd::default(),
        trace: Default::default(),
        priority: Default::default(),
    };
    let content = Content::Sealed { asks: true, bytes: Bytes::from(vec![7; 128]) };
    let mut frame = BytesMut::new();
    let body = encode_frame(Frame::Message(Message { header, content }), link.victim, &member.context, &mut frame);
    whole(&frame, body)
}
