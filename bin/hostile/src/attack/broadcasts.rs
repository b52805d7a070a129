use std::{io, time::Duration};

use bytes::Bytes;
use nuncio_wire::multicast::{BROADCAST, Gossip, encode};

use super::Scene;
use crate::{link::Link, member::Member, meshsub::Rpc, pace::Pace};

/// Of [`of_a_mebibyte`], a second.
const HEAVY: u32 = 100;
const MIB: usize = 1 << 20;

const LIFETIME: Duration = Duration::from_secs(60);

/// Broadcasts that are as they should be when they are sent at this rate.
pub(super) fn of_64_bytes(member: &Member, rate: u32, count: usize) -> Vec<Vec<u8>> {
    let began = member.clock();
    let broadcast = |index: usize| {
        let number = member.number();
        let sent = began + Duration::from_secs(1) * index as u32 / rate.max(1);
        framed(member, number, sent, number.to_be_bytes().repeat(8).into())
    };
    (0..count).map(broadcast).collect()
}

/// Broadcasts of a mebibyte that are as they should be, far more of them than a network can carry.
pub(super) async fn of_a_mebibyte(link: &Link, scene: &Scene) -> io::Result<()> {
    let (member, body, mut pace) = (&scene.member, Bytes::from(vec![7; MIB]), Pace::per_second(HEAVY));
    loop {
        for _ in 0..pace.due().await {
            let broadcast = framed(member, member.number(), member.clock(), body.clone());
            link.gossip_large.send(&broadcast).await?;
            scene.count(1);
        }
    }
}

fn framed(member: &Member, number: u64, sent: Duration, body: Bytes) -> Vec<u8> {
    let gossip =
        Gossip { origin: member.node(), epoch: member.epoch, number, sent, lifetime: LIFETIME, body, place: None };
    let signed = encode(BROADCAST, gossip, &member.context).expect("the member's key signs");
    Rpc::publish(BROADCAST, signed).framed()
}
