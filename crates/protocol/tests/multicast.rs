//! Node multicast and broadcast travel by gossip at the edge. What the core gives them: whose messages
//! may be delivered, and who can be reached at all.

use nuncio_protocol::{AccessInput, Output};
use nuncio_testkit::simulator::{Lone, node_id, record};

#[test]
fn an_origin_is_certified_once_its_record_is_known() {
    let mut a = Lone::passive(0);
    assert!(!a.overlay.is_certified(&node_id(2)));
    a.link(1, &[0, 2], &[]);
    assert!(a.overlay.is_certified(&node_id(1)), "linked: its certificate was seen in the handshake");
    a.answered(1, vec![record(2, 1, &[1], &[])]);
    assert!(a.overlay.is_certified(&node_id(2)), "its record was passed on, certificate included");
}

#[test]
fn an_expelled_origin_is_certified_no_longer() {
    let mut a = Lone::passive(0);
    a.link(1, &[0, 2], &[]);
    a.answered(1, vec![record(2, 1, &[1], &[])]);
    let outputs = a.input(AccessInput::Expelled { node: node_id(2) });
    assert!(outputs.contains(&Output::ReachabilityChanged { node: node_id(2), reachable: false }));
    assert!(!a.overlay.is_certified(&node_id(2)));
    a.input(AccessInput::Readmitted { node: node_id(2) });
    a.answered(1, vec![record(2, 2, &[1], &[])]);
    assert!(a.overlay.is_certified(&node_id(2)));
}
