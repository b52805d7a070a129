//! Peers that keep their link alive and read nothing, or gossip nothing.

use std::time::{Duration, Instant};

use bytes::Bytes;
use nuncio_behaviour::Event;
use nuncio_protocol::peering::LinkDownReason;
use nuncio_testkit::TestAuthority;

use crate::{
    deaf::Ears,
    multicast::publish_until,
    network::{Node, pair_with},
};

const MIB: usize = 1 << 20;

async fn link_down(node: &mut Node) -> LinkDownReason {
    node.wait("the end of the link", |event| match event {
        Event::LinkDown { reason, .. } => Some(reason),
        _ => None,
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_alive_and_reads_nothing_takes_little_memory_and_is_cut_in_ten_seconds() {
    let ears = Ears::default();
    let (mut a, mut deaf) = pair_with(&TestAuthority::new(), &ears).await;
    publish_until(&a, None, &mut deaf, 100_000).await;
    ears.close();
    let accepted = a.behaviour(|behaviour| {
        (0..100_usize).filter(|_| behaviour.publish(None, Bytes::from(vec![7; MIB])).is_ok()).count()
    });
    assert!(accepted.await <= 17, "what waits for one peer is bounded in bytes");
    let start = Instant::now();
    let reason = link_down(&mut a).await;
    assert!(reason.to_string().contains("reads nothing"), "{reason}");
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_whose_gossip_is_dead_is_made_anew() {
    let ears = Ears::default();
    let (mut a, mut b) = pair_with(&TestAuthority::new(), &ears).await;
    publish_until(&a, None, &mut b, 0).await;
    ears.close_to("/nuncio/gossip/");
    let reason = link_down(&mut b).await;
    assert!(reason.to_string().contains("gossip is dead"), "{reason}");
    ears.open();
    let (a_id, b_id) = (a.id, b.id);
    a.linked(b_id).await;
    b.linked(a_id).await;
}
