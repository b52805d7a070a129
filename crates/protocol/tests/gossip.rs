//! Multicasts reach by gossip whom nothing can be pushed to, over nodes that do not subscribe.

use std::time::Duration;

use nuncio_protocol::{Config, Topic};
use nuncio_testkit::simulator::{Heard, Simulator, Weather};

const S: Duration = Duration::from_secs(1);

/// A line of four nodes of which the last takes no batches.
fn line(seed: u64) -> Simulator {
    let config = Config { target_degree: 0, ..Config::default() };
    let mut network = Simulator::new(seed, Weather::default());
    network.add_nodes(3, &config);
    network.add_node(Config { takes_batches: false, ..config });
    (1..4).for_each(|node| network.connect(node, node - 1));
    network
}

/// What the application of a node heard of others' multicasts to a topic.
fn heard(network: &Simulator, node: usize, topic: Option<&Topic>) -> Vec<Heard> {
    let of_topic = network.observed().heard.iter().filter(|(who, _)| who.node == node && who.topic.as_ref() == topic);
    of_topic.flat_map(|(_, heard)| heard.clone()).collect()
}

fn messages(heard: &[Heard]) -> usize {
    heard.iter().filter(|heard| matches!(heard, Heard::Message(..))).count()
}

#[test]
fn who_takes_no_batches_hears_multicasts_over_relays_that_do_not_subscribe() {
    let (mut network, topic) = (line(1), Topic::new("prices").expect("a valid topic"));
    network.listen(3, &[&topic]);
    network.run_for(10 * S);
    for _ in 0..5 {
        assert!(network.multicast(0, Some(&topic)));
        network.run_for(S);
    }
    assert_eq!(messages(&heard(&network, 3, Some(&topic))), 5);
    assert!((0..3).all(|node| heard(&network, node, Some(&topic)).is_empty()), "nobody else subscribes");
}

#[test]
fn a_broadcast_is_heard_once_by_those_who_take_batches_and_by_those_who_do_not() {
    let mut network = line(2);
    network.run_for(10 * S);
    for _ in 0..5 {
        assert!(network.multicast(0, None));
        network.run_for(S);
    }
    for node in 1..4 {
        let heard = heard(&network, node, None);
        assert_eq!((messages(&heard), heard.len()), (5, 5), "node {node}");
    }
}
