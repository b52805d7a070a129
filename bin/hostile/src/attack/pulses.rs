use std::io;

use super::Scene;
use crate::{
    link::Link,
    meshsub::{self, Rpc},
    pace::Pace,
};

/// So few a second that no budget is passed.
const FEW: u32 = 3;

/// Says in the victim's name, in both lanes, that its gossip comes: where the victim's own are known beforehand, and it takes
/// them for its own, it publishes none itself, and all its links end.
pub(super) async fn in_the_victims_name(link: &Link, scene: &Scene) -> io::Result<()> {
    let mut pace = Pace::per_second(FEW);
    for number in 0_u64.. {
        pace.due().await;
        let pulse = [link.victim.as_bytes().as_slice(), &number.to_be_bytes()].concat();
        let pulse = Rpc::publish(meshsub::PULSE, pulse).framed();
        for out in [&link.gossip, &link.gossip_large] {
            out.send(&pulse).await?;
            scene.count(1);
        }
    }
    Ok(())
}
