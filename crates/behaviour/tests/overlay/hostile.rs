//! Members that break the rules of the wire are banned, and named.

use std::time::{Duration, Instant};

use bytes::Bytes;
use nuncio_behaviour::Event;
use nuncio_identity::NodeId;
use nuncio_protocol::Strike;
use nuncio_testkit::TestAuthority;

use crate::{
    deaf::Ears,
    network::{Node, pair_with},
};

async fn banned(node: &mut Node) -> (NodeId, Strike) {
    node.wait("a ban", |event| match event {
        Event::Banned { peer, reason, .. } => Some((peer, reason)),
        _ => None,
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_whose_streams_carry_no_frames_is_banned_in_ten_seconds() {
    let ears = Ears::default();
    let (mut a, b) = pair_with(&TestAuthority::new(), &ears).await;
    let start = Instant::now();
    ears.babble();
    assert_eq!(banned(&mut a).await, (b.id, Strike::Malformed));
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_whose_signatures_do_not_hold_is_banned_in_ten_seconds() {
    let authority = TestAuthority::new();
    let mut a = Node::start(&authority, "a");
    let mut forger = Node::start_in(&authority, "b", "another network");
    a.dial(&forger).await;
    a.linked(forger.id).await;
    forger.linked(a.id).await;
    let start = Instant::now();
    let forge = async {
        loop {
            let _ = forger.behaviour(|behaviour| behaviour.publish(None, Bytes::from("buy!"))).await;
            tokio::task::yield_now().await;
        }
    };
    let (peer, strike) = tokio::select! {
        banned = banned(&mut a) => banned,
        () = forge => unreachable!("it never ends"),
    };
    assert_eq!((peer, strike), (forger.id, Strike::Forged));
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}
