//! Strangers at the door.

use std::{net::SocketAddr, time::Duration};

use libp2p::multiaddr::Protocol;
use nuncio_door::Limits;
use nuncio_testkit::{TestAuthority, crowd::Crowd};
use tokio::time::{Instant, timeout};

use crate::meeting::{Door, Medium, Party, assert_says, dial, soon};

/// A message of 127 bytes, of which the rest drips.
const OPENING: &[u8] = b"\x7f";

fn port(door: &Door) -> SocketAddr {
    let port = door.address.iter().find_map(|part| if let Protocol::Tcp(port) = part { Some(port) } else { None });
    ([127, 0, 0, 1], port.unwrap()).into()
}

/// T3.
#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_silent_and_dripping_connections_keep_no_node_out_and_are_cut() {
    let authority = TestAuthority::new();
    let node = Party::new(authority.node("node"), authority.policy()).with_deadline(Duration::from_secs(5));
    let mut door = Door::open(node.transport(Medium::Tcp), Medium::Tcp).await;
    let crowd = Crowd::gather(port(&door), 50, 2000, OPENING).await;
    // The middle one of five: the crowd runs on the same processors as the port.
    let mut taken = Vec::new();
    for _ in 0..5 {
        let friend = Party::new(authority.node("friend"), authority.policy()).with_deadline(Duration::from_secs(5));
        let started = Instant::now();
        dial(&mut friend.transport(Medium::Tcp), &door.address).await.unwrap();
        taken.push(started.elapsed());
        soon(door.admitted()).await;
    }
    taken.sort();
    assert!(taken[2] < Duration::from_secs(3), "it took {taken:?}");
    timeout(Duration::from_secs(10), crowd.is_cut()).await.expect("all are cut within ten seconds");
}

#[tokio::test]
async fn whoever_makes_room_is_told_in_the_log_of_this_side_and_the_newcomer_is_in() {
    let authority = TestAuthority::new();
    let limits = Limits { places: 1, places_per_network: 1, places_per_source: 1, ..Limits::new(1, 16, 128) };
    let node = Party::new(authority.node("node"), authority.policy()).with_limits(limits);
    let mut door = Door::open(node.transport(Medium::Tcp), Medium::Tcp).await;
    let crowd = Crowd::gather(port(&door), 1, 1, OPENING).await;
    let friend = Party::new(authority.node("friend"), authority.policy());
    let mut transport = friend.transport(Medium::Tcp);
    let address = door.address.clone();
    let (dialed, first) = tokio::join!(dial(&mut transport, &address), door.outcome());
    dialed.unwrap();
    assert_says(&first, &["its handshake had made no end when its place was needed", "hint: "], "the first");
    soon(door.admitted()).await;
    soon(crowd.is_cut()).await;
}

/// T4: what comes too often costs no TLS.
#[tokio::test]
async fn an_address_that_connects_too_often_is_closed_before_tls_until_time_has_passed() {
    let authority = TestAuthority::new();
    let node = Party::new(authority.node("node"), authority.policy()).with_limits(Limits::new(64, 1, 2));
    let door = Door::open(node.transport(Medium::Tcp), Medium::Tcp).await;
    let friend = Party::new(authority.node("friend"), authority.policy());
    let come = || async { dial(&mut friend.transport(Medium::Tcp), &door.address).await };
    let all_at_once = futures::future::join_all((0..20).map(|_| come())).await;
    let admitted = all_at_once.iter().filter(|connection| connection.is_ok()).count();
    assert!((2..20).contains(&admitted), "{admitted} of 20, two at once and one a second");
    soon(async { while come().await.is_err() {} }).await;
}
