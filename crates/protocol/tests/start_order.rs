//! Nodes that know one address each are one mesh soon after the last start, in whatever order they start.

use std::time::Duration;

use nuncio_protocol::Config;
use nuncio_testkit::simulator::{Simulator, Weather};

const NODES: usize = 5;
const ALL_LINKS: usize = NODES * (NODES - 1) / 2;
const LIMIT: Duration = Duration::from_secs(10);

fn is_full_mesh(network: &Simulator) -> bool {
    network.link_count() == ALL_LINKS && network.running().all(|(_, overlay)| overlay.links().len() == NODES - 1)
}

/// Every order of the numbers from 0 to `count`.
fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let shorter = orders(count - 1);
    let with_last = |at: usize| {
        shorter.iter().map(move |order| {
            let mut order = order.clone();
            order.insert(at, count - 1);
            order
        })
    };
    (0..count).flat_map(with_last).collect()
}

#[test]
fn all_orders_of_five_nodes_end_in_a_full_mesh() {
    let orders = orders(NODES);
    assert_eq!(orders.len(), 120);
    for (seed, order) in orders.iter().enumerate() {
        let mut network = Simulator::new(seed as u64, Weather::default());
        for (place, name) in order.iter().enumerate() {
            network.add_node(Config::default());
            // Each knows the next by name; where that one starts, or whether it has, is the order's affair.
            let known = order.iter().position(|other| *other == (name + 1) % NODES).unwrap();
            network.connect(place, known);
            network.run_for(Duration::from_millis(400));
        }
        assert!(network.run_until(LIMIT, is_full_mesh), "started as {order:?}: {} links", network.link_count());
    }
}

#[test]
fn a_seed_that_starts_half_a_minute_late_is_met_at_once() {
    // A node's pauses are drawn from its number, so other moments are other cases.
    for late in (25_000..40_000).step_by(300) {
        let mut network = Simulator::new(late, Weather::default());
        network.add_nodes(NODES - 1, &Config::default());
        for node in 0..NODES - 1 {
            network.connect(node, NODES - 1);
        }
        network.run_for(Duration::from_millis(late));
        assert_eq!(network.link_count(), 0, "nobody knows anybody yet");
        network.add_node(Config::default());
        assert!(network.run_until(LIMIT, is_full_mesh), "after {late} ms: {} links", network.link_count());
    }
}
