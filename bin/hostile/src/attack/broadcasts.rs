use std::time::Duration;

use nuncio_wire::multicast::{BROADCAST, Gossip, encode};

use crate::{member::Member, meshsub::Rpc};

const LIFETIME: Duration = Duration::from_secs(60);

/// Broadcasts that are as they should be when they are sent at this rate.
pub(super) fn of_64_bytes(member: &Member, rate: u32, count: usize) -> Vec<Vec<u8>> {
    let began = member.clock();
    let broadcast = |index: usize| {
        let number = member.number();
        let sent = began + Duration::from_secs(1) * index as u32 / rate.max(1);
        let body = number.to_be_bytes().repeat(8).into();
        let gossip = Gossip { origin: member.node(), epoch: member.epoch, number, sent, lifetime: LIFETIME, body };
        Rpc::publish(BROADCAST, encode(BROADCAST, gossip, &member.context)).framed()
    };
    (0..count).map(broadcast).collect()
}
