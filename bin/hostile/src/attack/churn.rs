//! With its own status.

use std::{collections::BTreeSet, io, sync::Arc};

use nuncio_identity::NodeId;
use nuncio_protocol::status_sync::Status;
use nuncio_wire::{announcement, status::encode_answer};

use super::Scene;
use crate::{link::Link, member::Member, meshsub::Rpc, pace::Pace};

/// Announces a new version so many times a second; who asks for it gets what the attack answers.
pub(super) async fn announce(link: &Link, scene: &Scene, rate: u32) -> io::Result<()> {
    let mut pace = Pace::per_second(rate);
    loop {
        pace.due().await;
        link.member.change();
        link.gossip.send(&Rpc::publish(announcement::TOPIC, link.member.announcement()).framed()).await?;
        scene.count(1);
    }
}

/// An answer with two statuses of one version.
pub(super) fn two_of_one_version(member: &Member, victim: NodeId) -> Vec<u8> {
    let status = member.status(victim, &[]);
    let other = Status { neighbours: BTreeSet::new(), ..status.clone() };
    encode_answer(&[status, other].map(|status| Arc::new(member.sign(status))), &[].into(), &[], false)
}
