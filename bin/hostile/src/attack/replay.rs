//! What was sent once, again and again.

use std::{io, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use nuncio_protocol::{
    Header, MAX_LIFETIME, SealEnd, Topic,
    amop::{Destination, Multicast, Post, PublishSeq},
    multicast::{self as batches, Batch, Leg, Proof},
    unicast::{Content, Message},
};
use nuncio_wire::{amop, unicast};

use super::{Scene, whole};
use crate::link::Link;

const LIFETIME: Duration = Duration::from_secs(60);

/// What the victim has passed on.
pub(super) async fn gossip(link: &Link, scene: &Scene) -> io::Result<()> {
    let captured = loop {
        let captured = link.heard().messages();
        if !captured.is_empty() {
            break captured;
        }
        if link.connection.has_ended() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    scene.flood(&link.gossip, &captured).await
}

/// A request of its own.
pub(super) async fn request(link: &Link, scene: &Scene) -> io::Result<()> {
    let member = &link.member;
    let header = Header {
        source: member.node(),
        source_epoch: member.epoch,
        target: link.victim,
        target_epoch: link.victim_epoch(),
        number: member.number(),
        sent: member.clock(),
        lifetime: LIFETIME,
        hops_left: 8,
        hops: 1,
        seal: SealEnd::default(),
        trace: Default::default(),
        priority: Default::default(),
    };
    let content = Content::Request { body: Bytes::from_static(b"again") };
    let (mut frame, message) = (BytesMut::new(), unicast::Frame::Message(Message { header, content }));
    let body = unicast::encode_frame(message, link.victim, &member.context, &mut frame);
    scene.flood(&link.unicast, &[whole(&frame, body)?]).await
}

/// A multicast of its own, for the victim alone.
pub(super) async fn multicast(link: &Link, scene: &Scene) -> io::Result<()> {
    let member = &link.member;
    let topic = Topic::new("prices").map_err(io::Error::other)?;
    let multicast = Multicast {
        source: member.node(),
        epoch: member.epoch,
        number: member.number(),
        sent: member.clock(),
        lifetime: LIFETIME,
        hops_left: 8,
        destinations: vec![Destination { node: link.victim, key: Bytes::new() }],
        priority: Default::default(),
        post: Some(Post { seq: PublishSeq([7; 32]), topic, tenant: None, data: Bytes::from_static(b"again") }),
        sealed: None,
    };
    let (mut frame, message) = (BytesMut::new(), amop::Frame::Multicast(multicast));
    let body = amop::encode_frame(message, link.victim, &member.context, &mut frame);
    scene.flood(&link.bridge, &[whole(&frame, body)?]).await
}

/// A batch of multicasts to all, for the victim alone.
pub(super) async fn batch(link: &Link, scene: &Scene) -> io::Result<()> {
    let member = &link.member;
    let batch = Batch {
        origin: member.node(),
        epoch: member.epoch,
        sent: member.clock(),
        lifetime: MAX_LIFETIME,
        topic: None,
        first: 1,
        bodies: vec![Bytes::from_static(b"again")],
        long: None,
        proof: Proof::default(),
    };
    let destinations = vec![batches::Destination { node: link.victim, since: 1 }];
    let leg = Leg { batch: Arc::new(batch), hops_left: 8, priority: Default::default(), destinations };
    let mut frame = BytesMut::new();
    let body = amop::encode_frame(amop::Frame::Batch(leg), link.victim, &member.context, &mut frame);
    scene.flood(&link.bridge, &[whole(&frame, body)?]).await
}
