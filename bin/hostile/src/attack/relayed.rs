//! Over the victim to another member, so that the victim is blamed for it.

use std::{io, time::Duration};

use bytes::{Bytes, BytesMut};
use nuncio_protocol::{
    Header, MAX_SERVICE_BODY, SealEnd,
    status_sync::Status,
    unicast::{Content, Message},
};
use nuncio_wire::unicast::{Frame, encode_frame};

use super::{Scene, queries, whole};
use crate::{link::Link, pace::Pace};

/// So many a second that the victim does not even see much traffic.
const FEW: u32 = 50;

/// One request, again and again.
pub(super) async fn copies(link: &Link, scene: &Scene) -> io::Result<()> {
    let target = queries::another_member(link).await?;
    let request = sealed(link, &target, Content::Request { body: Bytes::from_static(b"again") })?;
    scene.flood(&link.unicast, &[request]).await
}

/// Requests that are longer than any may be, which none but their target can see.
pub(super) async fn nonsense(link: &Link, scene: &Scene) -> io::Result<()> {
    let target = queries::another_member(link).await?;
    let mut pace = Pace::per_second(FEW);
    loop {
        for _ in 0..pace.due().await {
            let body = Bytes::from(vec![0; MAX_SERVICE_BODY + 1]);
            // Longer than what the stream for short messages carries.
            link.unicast_large.send(&sealed(link, &target, Content::ServiceRequest { body })?).await?;
            scene.count(1);
        }
    }
}

fn sealed(link: &Link, target: &Status, content: Content) -> io::Result<Vec<u8>> {
    let (member, epoch) = (&link.member, target.version.epoch);
    member.context.keyring().learn(target.node, epoch, &target.sealing_key);
    let header = Header {
        source: member.node(),
        source_epoch: member.epoch,
        target: target.node,
        target_epoch: epoch,
        number: member.number(),
        sent: member.clock(),
        lifetime: Duration::from_secs(30),
        hops_left: 8,
        hops: 1,
        seal: SealEnd::default(),
        trace: Default::default(),
        priority: Default::default(),
    };
    let (mut frame, message) = (BytesMut::new(), Frame::Message(Message { header, content }));
    let body = encode_frame(message, link.victim, &member.context, &mut frame);
    whole(&frame, body)
}
