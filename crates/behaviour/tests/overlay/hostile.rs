//! Members that break the rules of the wire are banned, and named.

use std::time::{Duration, Instant};

use bytes::Bytes;
use nuncio_behaviour::Event;
use nuncio_identity::NodeId;
use nuncio_protocol::{
    Strike, Topic,
    amop::{ClientInput, Kind, PublishSeq},
};
use nuncio_testkit::TestAuthority;

use crate::{
    amop::{CLIENT, knows_topic, subscribe},
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

/// Who knows a node's next pulse and is the first to publish it would have that node's own dropped.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_pulses_in_the_name_of_another_is_banned() {
    let ears = Ears::default();
    let (mut a, forger) = pair_with(&TestAuthority::new(), &ears).await;
    ears.pulse_as(forger.id, a.id);
    assert_eq!(banned(&mut a).await, (forger.id, Strike::Malformed));
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

/// A relay checks the signature of a multicast before it passes it on, so whoever brings a bad one made it.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_whose_multicasts_are_not_as_their_source_signed_them_is_banned() {
    let (authority, ears) = (TestAuthority::new(), Ears::default());
    let mut forger = Node::start_deaf(&authority, "forger", &ears);
    let (mut a, c) = (Node::start(&authority, "a"), Node::start(&authority, "c"));
    for node in [&forger, &a, &c] {
        node.behaviour(|behaviour| behaviour.set_addresses([])).await;
    }
    forger.dial(&a).await;
    a.dial(&c).await;
    forger.reaches(c.id).await;
    let topic = Topic::new("prices").unwrap();
    for node in [&a, &c] {
        subscribe(node, &topic).await;
        knows_topic(&mut forger, &topic).await;
    }
    forger.behaviour(|behaviour| behaviour.client(ClientInput::Connected { client: CLIENT, tenant: None })).await;
    ears.tamper();
    let forge = async {
        for number in 0_u64.. {
            let (mut seq, data) = ([0; 32], Bytes::from("sell!"));
            seq[..8].copy_from_slice(&number.to_be_bytes());
            let (seq, topic) = (PublishSeq(seq), topic.clone());
            let input = ClientInput::Publish {
                priority: Default::default(),
                client: CLIENT,
                seq,
                kind: Kind::Multicast,
                topic,
                data,
            };
            forger.behaviour(|behaviour| behaviour.client(input)).await;
        }
    };
    tokio::select! {
        banned = banned(&mut a) => assert_eq!(banned, (forger.id, Strike::Forged)),
        () = forge => unreachable!("it never ends"),
    }
}
