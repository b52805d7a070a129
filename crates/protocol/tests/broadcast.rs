//! Broadcast reaches every node that some path leads to: the core says which those are.

use nuncio_protocol::{Config, Output, PeeringInput};
use nuncio_testkit::simulator::{Lone, Simulator, Weather, node_id, record};
use std::time::Duration;

#[test]
fn every_node_of_a_line_is_reachable_from_its_end() {
    let mut network = Simulator::new(3, Weather::default());
    network.add_nodes(6, &Config { target_degree: 0, ..Config::default() });
    for node in 1..6 {
        network.connect(node, node - 1);
    }
    network.run_for(Duration::from_secs(10));
    let end = network.overlay(0).expect("it runs");
    let hops: Vec<_> = (0..6).map(|n| end.nodes().into_iter().find(|view| view.node == node_id(n))?.hops).collect();
    assert_eq!(hops, [Some(0), Some(1), Some(2), Some(3), Some(4), Some(5)]);
}

#[test]
fn losing_the_only_link_loses_all_behind_it() {
    let mut a = Lone::passive(0);
    let connection = a.link(1, &[0, 2], &[]);
    a.answered(1, vec![record(2, 1, &[1], &[])]);
    let outputs = a.input(PeeringInput::ConnectionClosed { connection, reason: "reset".into() });
    for lost in [1, 2] {
        assert!(outputs.contains(&Output::ReachabilityChanged { node: node_id(lost), reachable: false }));
    }
}
