use std::{
    io,
    sync::atomic::{AtomicUsize, Ordering},
};

use bytes::BytesMut;
use nuncio_wire::unicast::{Frame, encode_frame};

use super::Scene;
use crate::link::Link;

/// Which stream is next: the victim ends a connection with the first.
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// Writes bytes that are no frames to one of the streams of a link, at each link another one.
pub(super) async fn frames(link: &Link, scene: &Scene) -> io::Result<()> {
    let streams = [&link.unicast, &link.unicast_large, &link.bridge, &link.bridge_large];
    let stream = streams[NEXT.fetch_add(1, Ordering::Relaxed) % streams.len()];
    scene.flood(stream, &[vec![0xff; 1024]]).await
}

/// Says its epoch, which is said once, as often as can be.
pub(super) async fn introductions(link: &Link, scene: &Scene) -> io::Result<()> {
    let (mut hello, epoch) = (BytesMut::new(), scene.member.epoch);
    encode_frame(Frame::Hello { epoch }, link.victim, &scene.member.context, &mut hello);
    scene.flood(&link.unicast, &[hello.to_vec()]).await
}
