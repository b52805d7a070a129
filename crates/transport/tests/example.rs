//! The example of the README: stock libp2p protocols on the transport.

use std::time::Duration;

#[path = "../examples/ping.rs"]
#[expect(dead_code, unreachable_pub, reason = "it is a program of its own")]
mod ping;

#[tokio::test(flavor = "multi_thread")]
async fn stock_protocols_run_between_members_and_a_stranger_is_told_why_not() {
    let met = tokio::time::timeout(Duration::from_secs(30), ping::meet()).await.expect("in time").expect("they meet");
    let (round_trip, software, refusal) = met;
    assert!(round_trip < Duration::from_secs(5) && software == "example bob", "{round_trip:?}, {software}");
    assert!(refusal.contains("refuses") && refusal.contains("does not chain to ca.crt"), "{refusal}");
}
