//! Strangers at the p2p port of a whole node.

use std::time::Duration;

use nuncio_testkit::{TestAuthority, crowd::Crowd};
use tokio::time::Instant;

use super::rig::{Node, linked};

/// A message of 127 bytes, of which the rest drips.
const OPENING: &[u8] = b"\x7f";

/// T3.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_joins_within_three_seconds_while_two_thousand_strangers_stand_at_the_port() {
    let authority = TestAuthority::new();
    let member = Node::start(&authority, "member", &[]);
    let _crowd = Crowd::gather(member.address.parse().expect("an address"), 50, 2000, OPENING).await;
    // The middle one of three: the crowd runs on the same processors as the nodes.
    let mut taken = Vec::new();
    for name in ["first", "second", "third"] {
        let started = Instant::now();
        let newcomer = Node::start_aloof(&authority, name, &[&member]);
        newcomer.sees("the member", |snapshot| linked(snapshot) == 1).await;
        taken.push(started.elapsed());
        newcomer.stop().await;
    }
    taken.sort();
    assert!(taken[1] < Duration::from_secs(3), "{taken:?}");
}
