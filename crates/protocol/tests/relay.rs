//! Multicasts reach subscribers that are joined only through nodes that do not subscribe.

use std::{collections::BTreeSet, time::Duration};

use nuncio_protocol::{AccessInput, Config, Output, StatusInput, Topic};
use nuncio_testkit::simulator::{Lone, node_id, record, sign};

fn topic(name: &str) -> Topic {
    Topic::new(name).expect("a topic")
}

fn subscribing(
    n: usize,
    seq: u64,
    neighbours: &[usize],
    topics: &[&str],
) -> std::sync::Arc<nuncio_protocol::status_sync::Record> {
    let mut status = record(n, seq, neighbours, &[]).status.clone();
    status.multicast_topics = topics.iter().map(|name| topic(name)).collect();
    sign(status)
}

fn relayed(outputs: &[Output]) -> Option<BTreeSet<Topic>> {
    outputs.iter().rev().find_map(|output| match output {
        Output::Relay { topics } => Some(topics.clone()),
        _ => None,
    })
}

#[test]
fn a_node_between_subscribers_relays_and_stops_when_they_do() {
    let mut a = Lone::new(0, Config::default());
    a.link(1, &[0], &[]);
    // Everyone is a neighbour of everyone: nothing to relay.
    assert_eq!(relayed(&a.answered(1, vec![subscribing(1, 2, &[0], &["prices"])])), None);
    // A node behind the neighbour: now subscribers may need us.
    let outputs = a.answered(1, vec![subscribing(2, 1, &[1], &["prices", "news"])]);
    assert_eq!(relayed(&outputs), Some([topic("prices"), topic("news")].into()));
    // What it subscribes itself needs no relay.
    let outputs = a.input(StatusInput::MulticastTopics { topics: [topic("news")].into() });
    assert_eq!(relayed(&outputs), Some([topic("prices")].into()));
    a.answered(1, vec![subscribing(1, 3, &[0], &[])]);
    let outputs = a.answered(1, vec![subscribing(2, 2, &[1], &[])]);
    assert_eq!(relayed(&outputs), Some(BTreeSet::new()));
}

#[test]
fn an_expelled_subscriber_counts_no_more() {
    let mut a = Lone::new(0, Config::default());
    a.link(1, &[0], &[]);
    a.answered(1, vec![subscribing(1, 2, &[0, 2], &[]), subscribing(2, 1, &[1], &["prices"])]);
    let outputs = a.input(AccessInput::Expelled { node: node_id(2) });
    assert_eq!(relayed(&outputs), Some(BTreeSet::new()));
}

/// T7: early names and many of them.
#[test]
fn nodes_that_subscribe_very_much_stop_nobody_elses_topics() {
    let mut a = Lone::new(0, Config::default());
    a.link(1, &[0], &[]);
    let outputs =
        a.answered(1, vec![subscribing(2, 1, &[1], &["prices"]), subscribing(3, 1, &[1], &["prices", "zebra"])]);
    let mut last = relayed(&outputs);
    for n in 10..14 {
        let names: Vec<String> = (0..1400).map(|i| format!("!{n}{i}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        last = relayed(&a.answered(1, vec![subscribing(n, 1, &[1], &names)])).or(last);
    }
    // A little at a time, the names of those who subscribe little first.
    assert!(last.is_some_and(|last| last.contains(&topic("zebra"))));
    let last = relayed(&a.advance(Duration::from_secs(40))).expect("told");
    assert!(last.contains(&topic("prices")) && last.contains(&topic("zebra")));
    assert_eq!(last.len(), nuncio_protocol::MAX_RELAYED_TOPICS);
    let of = |n: usize| last.iter().filter(|topic| topic.as_str().starts_with(&format!("!{n}"))).count();
    assert!((10..14).all(|n| of(n).abs_diff(MAX_SHARE) <= 1), "each of them as many as the others");
}

/// What is left for each of four.
const MAX_SHARE: usize = (nuncio_protocol::MAX_RELAYED_TOPICS - 2) / 4;
