//! What the core does with what it is told, in seeded networks: `conformance.toml`.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

use std::time::Duration;

use nuncio_protocol::{Config, Topic, amop::Kind};
use nuncio_testkit::{
    conformance::{Transcript, check},
    simulator::{Simulator, Weather},
};

const NODES: usize = 8;

/// Nodes meet; clients subscribe, publish and ask over lossy links; one node crashes and comes back, one leaves.
fn network(seed: u64) -> Simulator {
    let (second, topic) = (Duration::from_secs(1), Topic::new("prices").unwrap());
    let loss = if seed.is_multiple_of(2) { 0.02 } else { 0.0 };
    let mut network = Simulator::new(seed, Weather { loss, ..Weather::default() });
    network.keep_journal(1 << 20);
    network.add_nodes(NODES, &Config { target_degree: 3, ..Config::default() });
    for node in 1..NODES {
        network.connect(node, (seed as usize + node * node) % node);
    }
    network.run_for(8 * second);
    let clients: Vec<_> = (0..NODES).map(|node| network.add_client(node, node == 5)).collect();
    for client in &clients[2..6] {
        network.subscribe(*client, &[&topic]);
    }
    for node in 2..6 {
        network.listen(node, &[&topic]);
    }
    network.run_for(4 * second);
    for (from, client) in clients.iter().enumerate() {
        network.request(from, (from + 3) % NODES, 5 * second);
        network.publish(*client, if from % 2 == 0 { Kind::Unicast } else { Kind::Multicast }, &topic);
        network.multicast(from, (from % 3 != 0).then_some(&topic));
        network.run_for(second / 4);
    }
    network.crash(1);
    network.leave(7);
    network.request(0, 1, 5 * second);
    network.multicast(0, Some(&topic));
    network.run_for(6 * second);
    network.restart(1);
    network.run_for(10 * second);
    network
}

fn transcript(seed: u64) -> String {
    let mut transcript = Transcript::default();
    for entry in network(seed).journal() {
        transcript.add(format!("{entry:?}").as_bytes());
    }
    transcript.finish()
}

#[test]
fn the_core_conforms() {
    check("core", (1..=4).map(|seed| (format!("seed_{seed}"), transcript(seed))).collect());
}
