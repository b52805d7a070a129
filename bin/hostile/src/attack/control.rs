use std::io;

use nuncio_wire::multicast::BROADCAST;

use super::Scene;
use crate::{
    link::Link,
    meshsub::{Control, Graft, IHave, IWant, Prune, Rpc},
};

/// Subscriptions in a frame: of those it is not the frames that count.
const IN_A_FRAME: usize = 32;

/// Grafts of topics that nobody has, prunes for ever, promises and wishes of messages that do not exist, and
/// subscriptions taken back at once.
pub(super) async fn of_no_use(link: &Link, scene: &Scene) -> io::Result<()> {
    let foreign = || Some("nowhere".to_owned());
    let own = || Some(BROADCAST.to_owned());
    let ids = || (0..100_u8).map(|id| vec![id; 20]).collect();
    let controls = [
        Control { graft: vec![Graft { topic: foreign() }], ..Control::default() },
        Control { prune: vec![Prune { topic: own(), backoff: Some(u64::MAX) }], ..Control::default() },
        Control { graft: vec![Graft { topic: own() }], ..Control::default() },
        Control { ihave: vec![IHave { topic: own(), ids: ids() }], ..Control::default() },
        Control { iwant: vec![IWant { ids: ids() }], ..Control::default() },
    ];
    let mut rpcs: Vec<_> = controls.into_iter().map(|control| Rpc::control(control).framed()).collect();
    let again = (0..IN_A_FRAME).flat_map(|n| Rpc::subscribe(BROADCAST, n % 2 == 1).subscriptions).collect();
    rpcs.push(Rpc { subscriptions: again, ..Rpc::default() }.framed());
    scene.flood(&link.gossip, &rpcs).await
}
