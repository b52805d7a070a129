//! Status sync: B announces its version, A sees that it is newer, asks, and applies the answer.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use nuncio_identity::NodeId;
use nuncio_protocol::{
    Config, Output, PeeringInput, StatusInput,
    peering::Direction,
    status_sync::{Answer, IssuerId, Query, QueryId, Record, Version},
};
use nuncio_testkit::simulator::{Lone, Simulator, Weather, address, announced, node_id, queried, record, sign};

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);

fn announcements(outputs: &[Output]) -> usize {
    outputs.iter().filter(|output| matches!(output, Output::Announce { .. })).count()
}

#[test]
fn a_newer_version_is_asked_for_and_applied() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    assert!(queried(&a.input(announced(1, 1, 1))).is_empty(), "known already");
    assert_eq!(queried(&a.input(announced(1, 1, 2))), [(1, vec![1])]);
    let new = record(1, 2, &[0, 4], &[]);
    let outputs = a.answered(1, vec![new.clone()]);
    assert!(outputs.contains(&Output::NodeChanged { record: new.clone() }));
    assert_eq!(a.overlay.record(&node_id(1)), Some(&new));
}

#[test]
fn older_records_are_ignored() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    let kept = record(1, 5, &[0], &[]);
    a.answered(1, vec![kept.clone()]);
    for other in [record(1, 4, &[], &[]), record(1, 5, &[0], &[])] {
        assert!(a.answered(1, vec![other]).is_empty());
        assert_eq!(a.overlay.record(&node_id(1)), Some(&kept));
    }
}

#[test]
fn a_restarted_node_is_newer_whatever_its_seq() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    a.answered(1, vec![record(1, u64::MAX, &[0], &[])]);
    let mut status = record(1, 1, &[0], &[]).status.clone();
    status.version.epoch = 2;
    let reborn = sign(status);
    a.answered(1, vec![reborn.clone()]);
    assert_eq!(a.overlay.record(&node_id(1)), Some(&reborn));
}

#[test]
fn a_peer_gets_what_it_does_not_know() {
    let mut a = Lone::passive(0);
    a.link(1, &[0, 2], &[]);
    a.answered(1, vec![record(2, 3, &[1], &[]), record(9, 1, &[], &[])]);
    let wanted = Query::All { known: vec![(node_id(1), Version { epoch: 1, seq: 1 })] };
    let outputs = a.input(StatusInput::Queried { pages: 0, query: QueryId(4), peer: node_id(1), wanted });
    let [Output::Answer { query: QueryId(4), records, more: false, .. }] = &outputs[..] else { panic!("{outputs:?}") };
    let nodes: Vec<_> = records.iter().map(|record| record.status.node).collect();
    assert_eq!(nodes, [node_id(0), node_id(2)], "the own record first; node 9 cannot be reached");

    let wanted = Query::Nodes(vec![(node_id(2), Some(Version { epoch: 1, seq: 2 })), (node_id(9), None)]);
    let outputs = a.input(StatusInput::Queried { pages: 0, query: QueryId(5), peer: node_id(1), wanted });
    let [Output::Answer { records, .. }] = &outputs[..] else { panic!("{outputs:?}") };
    assert_eq!(records.len(), 2);
}

#[test]
fn an_answer_is_cut_at_four_mebibytes_and_the_rest_is_asked_for() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    let neighbours: Vec<usize> = (0..100).collect();
    for n in 2..40 {
        let mut big = (*record(n, 1, &neighbours, &[])).clone();
        big.status.neighbours.insert(node_id(1));
        big.bytes = Bytes::from(vec![n as u8; 200 << 10]);
        let mut first = record(1, n as u64, &[], &[]).status.clone();
        first.neighbours = (0..40).filter(|other| *other != 1).map(node_id).collect();
        a.answered(1, vec![sign(first), big.into()]);
    }
    let known = vec![];
    let outputs =
        a.input(StatusInput::Queried { pages: 0, query: QueryId(1), peer: node_id(1), wanted: Query::All { known } });
    let [Output::Answer { records, more: true, .. }] = &outputs[..] else { panic!("{outputs:?}") };
    let bytes: usize = records.iter().map(|record| record.bytes.len()).sum();
    assert!(bytes <= 4 << 20 && bytes > 3 << 20, "{bytes}");

    let mut b = Lone::passive(50);
    b.connect(0, Direction::Outbound);
    b.answered(0, vec![]);
    let answer = Answer { more: true, ..Answer::of(records.clone()) };
    let outputs = b.input(StatusInput::Answered { peer: node_id(0), answer });
    let asks_on = |output: &Output| matches!(output, Output::Query { wanted: Query::All { .. }, .. });
    assert!(outputs.iter().any(asks_on));
}

/// A page of four mebibytes does not come over a slow line in the time that a query has.
#[test]
fn who_does_not_get_a_page_in_time_is_sent_half_of_it_and_asks_on() {
    let mut a = Lone::passive(0);
    let neighbours: Vec<usize> = (2..=40).collect();
    let near = [&[0][..], &neighbours].concat();
    let connection = a.link(1, &near, &[]);
    for n in &neighbours {
        let mut big = (*record(*n, 1, &[1], &[])).clone();
        big.bytes = Bytes::from(vec![*n as u8; 200 << 10]);
        a.answered(1, vec![big.into()]);
    }
    let ask = |a: &mut Lone, known: Vec<(NodeId, Version)>| {
        let wanted = Query::All { known };
        let outputs = a.input(StatusInput::Queried { pages: 0, query: QueryId(1), peer: node_id(1), wanted });
        let [Output::Answer { records, .. }] = &outputs[..] else { panic!("{outputs:?}") };
        records.clone()
    };
    let weigh = |records: &[Arc<Record>]| records.iter().map(|record| record.bytes.len()).sum::<usize>();
    let mut page = Vec::new();
    for (most, pause) in [(4 << 20, 6), (2 << 20, 60), (1 << 20, 6), (512 << 10, 6)] {
        page = ask(&mut a, Vec::new());
        assert!(weigh(&page) <= most && weigh(&page) > most / 2, "{} of {most}", weigh(&page));
        a.advance(pause * S);
    }
    let names = |page: &[Arc<Record>]| -> Vec<_> {
        page.iter().map(|record| (record.status.node, record.status.version)).collect()
    };
    let mut known = names(&page);
    let next = ask(&mut a, known.clone());
    assert!(weigh(&next) > 256 << 10 && weigh(&next) <= 512 << 10, "the next part is no longer");
    known.extend(names(&next));
    a.advance(60 * S);
    assert!(weigh(&ask(&mut a, known)) > 3 << 20, "another time it may be faster");
    assert!(weigh(&ask(&mut a, Vec::new())) <= 2 << 20);
    a.input(PeeringInput::ConnectionClosed { connection, reason: "it restarts".into() });
    a.link(1, &near, &[]);
    assert!(weigh(&ask(&mut a, Vec::new())) > 3 << 20, "who is linked anew may be another, and takes less for all");

    let mut b = Lone::passive(50);
    b.connect(0, Direction::Outbound);
    let asks_on = |outputs: Vec<Output>| {
        outputs.iter().any(|output| matches!(output, Output::Query { wanted: Query::All { .. }, .. }))
    };
    b.input(StatusInput::QueryFailed { peer: node_id(0) });
    assert!(asks_on(b.advance(10 * S)));
    assert!(asks_on(b.answered(0, page.clone())), "it was a part");
    assert!(!asks_on(b.answered(0, page)), "nothing new came");
}

#[test]
fn the_seq_grows_on_change_only_and_changes_are_taken_together() {
    let mut a = Lone::passive(0);
    assert_eq!(a.overlay.version(), Version { epoch: 1, seq: 1 });
    a.advance(S);
    let outputs = a.input(StatusInput::RevocationLists { numbers: [(IssuerId([1; 32]), 3)].into() });
    assert_eq!((a.overlay.version().seq, announcements(&outputs)), (2, 1), "a first change is told at once");
    a.input(StatusInput::RevocationLists { numbers: [(IssuerId([1; 32]), 4)].into() });
    a.input(StatusInput::ApplicationField { bytes: "height=7".into() });
    a.input(StatusInput::LocalAddresses { addresses: vec![address(0)] });
    assert_eq!(a.overlay.version().seq, 2);
    a.advance(100 * MS);
    assert_eq!(a.overlay.version().seq, 3, "three changes, one version");
    a.input(StatusInput::RevocationLists { numbers: [(IssuerId([1; 32]), 4)].into() });
    a.advance(10 * S);
    assert_eq!(a.overlay.version().seq, 3, "nothing changed");
    let status = &a.overlay.record(&node_id(0)).expect("signed").status;
    assert_eq!((status.revocations[&IssuerId([1; 32])], &status.application[..]), (4, &b"height=7"[..]));
}

#[test]
fn a_status_says_when_it_was_signed_and_time_alone_is_no_change() {
    let mut a = Lone::passive(0);
    a.advance(90 * S);
    assert_eq!(a.overlay.version().seq, 1, "time passed, and that is all");
    a.input(StatusInput::ApplicationField { bytes: "height=7".into() });
    let clock = |a: &Lone| a.overlay.record(&node_id(0)).expect("signed").status.clock;
    assert_eq!(clock(&a), 90 * S);
    a.advance(250 * MS + Duration::from_micros(3));
    a.input(StatusInput::ApplicationField { bytes: "height=8".into() });
    assert_eq!(clock(&a), 90 * S + 250 * MS, "whole milliseconds, as it travels");
}

#[test]
fn the_own_version_is_announced_again_and_ever_more_seldom() {
    let mut a = Lone::passive(0);
    let count = announcements(&a.advance(10 * S));
    assert!((3..=4).contains(&count), "{count} after 2, 4, 6 and 10 s or so");
    a.advance(600 * S);
    let count = announcements(&a.advance(25_600 * S));
    assert!((85..=115).contains(&count), "{count}, every 256 s or so");
    let changed = a.input(StatusInput::ApplicationField { bytes: "height=7".into() });
    let count = announcements(&changed) + announcements(&a.advance(10 * S));
    assert!((4..=5).contains(&count), "{count}: a change begins anew");
}

#[test]
fn who_starts_hears_from_all_soon_and_starts_without_end_make_nobody_loud() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    a.advance(600 * S);
    a.answered(1, vec![record(2, 1, &[], &[])]);
    let count = announcements(&a.advance(2 * S));
    assert!((1..=2).contains(&count), "{count}");
    let mut count = 0;
    for n in 3..200 {
        a.answered(1, vec![record(n, 1, &[], &[])]);
        count += announcements(&a.advance(300 * MS));
    }
    // A pause grows with the nodes known, to 4 s.
    assert!((12..=36).contains(&count), "{count} in a minute");
}

#[test]
fn links_and_topics_are_in_the_status_and_block_notifications_are_not() {
    let mut a = Lone::passive(0);
    a.connect(1, Direction::Inbound);
    a.subscriber(1, &["t", "_block_notify_1"]);
    a.subscriber(2, &["t"]);
    a.advance(S);
    let status = &a.overlay.record(&node_id(0)).expect("signed").status;
    assert!(status.neighbours.contains(&node_id(1)));
    let topics: Vec<_> = status.topics.iter().map(|(topic, count)| (topic.as_str(), *count)).collect();
    assert_eq!(topics, [("t", 2)]);
}

#[test]
fn links_that_open_no_way_are_told_together_and_all_others_at_once() {
    let mut a = Lone::passive(0);
    let all: Vec<_> = (0..10).filter(|n| *n != 1).collect();
    a.link(1, &all, &[]);
    a.answered(1, (2..10).map(|n| record(n, 1, &[1], &[])).collect());
    a.advance(10 * S);
    let before = a.overlay.version().seq;
    let (first, _) = a.connect(2, Direction::Outbound);
    for n in 3..8 {
        a.advance(300 * MS);
        a.connect(n, Direction::Outbound);
    }
    a.advance(300 * MS);
    assert_eq!(a.overlay.version().seq, before, "all of them are reached over node 1");
    a.advance(300 * MS);
    assert_eq!(a.overlay.version().seq, before + 1, "six links, one version, two seconds after the first");
    assert_eq!(a.overlay.record(&node_id(0)).expect("signed").status.neighbours.len(), 7);

    a.advance(10 * S);
    a.connect(20, Direction::Inbound);
    assert_eq!(a.overlay.version().seq, before + 2, "nobody else reaches it");
    a.connect(8, Direction::Outbound);
    a.advance(S);
    a.input(PeeringInput::ConnectionClosed { connection: first, reason: "reset".into() });
    let neighbours = &a.overlay.record(&node_id(0)).expect("signed").status.neighbours;
    assert_eq!(a.overlay.version().seq, before + 3, "a link less is told at once, and what waited with it");
    assert!(!neighbours.contains(&node_id(2)) && neighbours.contains(&node_id(8)));
    a.advance(10 * S);
    assert_eq!(a.overlay.version().seq, before + 3);
}

#[test]
fn a_record_over_the_limits_is_refused_whole() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    let mut status = record(1, 2, &[0], &[]).status.clone();
    status.addresses = (0..9).map(address).collect();
    a.answered(1, vec![sign(status)]);
    assert_eq!(a.overlay.record(&node_id(1)).map(|record| record.status.version.seq), Some(1));
}

#[test]
fn a_node_out_of_reach_is_forgotten_after_a_while() {
    let mut a = Lone::passive(0);
    let connection = a.link(1, &[0], &[]);
    a.input(PeeringInput::ConnectionClosed { connection, reason: "reset".into() });
    a.advance(500 * S);
    assert!(a.overlay.record(&node_id(1)).is_some());
    a.advance(200 * S);
    assert!(a.overlay.record(&node_id(1)).is_none());
}

#[test]
fn an_edge_counts_when_both_ends_name_it() {
    let mut a = Lone::passive(0);
    a.link(1, &[0, 2], &[]);
    a.answered(1, vec![record(2, 1, &[], &[])]);
    assert_eq!(a.overlay.route(&node_id(2)), None, "node 2 does not name node 1");
    let outputs = a.answered(1, vec![record(2, 2, &[1], &[])]);
    assert!(outputs.contains(&Output::ReachabilityChanged { node: node_id(2), reachable: true }));
    assert_eq!(a.overlay.route(&node_id(2)), Some(vec![node_id(0), node_id(1), node_id(2)]));
    a.answered(1, vec![record(5, 1, &[0, 1, 2], &[])]);
    assert_eq!(a.overlay.route(&node_id(5)), None, "a liar names everybody, nobody names it");
}

#[test]
fn a_hundred_nodes_come_to_know_each_other() {
    let mut network = Simulator::new(7, Weather::default());
    network.add_nodes(100, &Config::default());
    for newcomer in 1..100 {
        network.connect(newcomer, newcomer * 7919 % newcomer);
    }
    let complete = |network: &Simulator| {
        network.running().all(|(_, overlay)| {
            let nodes = overlay.nodes();
            nodes.len() == 100 && nodes.iter().all(|node| node.reachable && node.record.is_some())
        })
    };
    let mut seconds = 0;
    while !complete(&network) && seconds < 60 {
        network.run_for(S);
        seconds += 1;
    }
    assert!(complete(&network), "after {seconds} s");
    network.run_for(20 * S);
    let tables = |network: &Simulator| -> Vec<Vec<_>> {
        let versions = |nodes: Vec<nuncio_protocol::NodeView>| {
            nodes.into_iter().filter_map(|view| Some((view.node, view.record?.status.version))).collect()
        };
        network.running().map(|(_, overlay)| versions(overlay.nodes())).collect()
    };
    let tables = tables(&network);
    assert!(tables.iter().all(|table| *table == tables[0]), "all tables are equal");
    assert_eq!(network.observed().link_disorders, 0);
}

fn subscribe(a: &mut Lone, client: u64, names: impl Iterator<Item = String>) {
    let names: Vec<String> = names.collect();
    a.subscriber(client, &names.iter().map(String::as_str).collect::<Vec<_>>());
}

fn advertised(a: &Lone) -> &std::collections::BTreeMap<nuncio_protocol::Topic, u32> {
    &a.overlay.record(&node_id(0)).expect("signed").status.topics
}

/// A network in which nothing happens sleeps: nothing but announcements and what forgets wakes a node, and queries that failed.
#[test]
fn nothing_wakes_a_node_in_vain() {
    let mut a = Lone::ring();
    a.advance(600 * S);
    let (end, mut wakes) = (a.now + 3600 * S, 0);
    while let Some(due) = a.overlay.poll_timeout().filter(|due| *due <= end) {
        a.now = a.now.max(due);
        a.overlay.handle_timeout(a.now);
        a.outputs();
        wakes += 1;
    }
    assert!((100..=200).contains(&wakes), "{wakes} in an hour");
}

/// T13, T14.
#[test]
fn topics_of_two_clients_with_long_early_names_push_out_nobodys() {
    let mut a = Lone::passive(0);
    a.subscriber(1, &["orders"]);
    a.advance(S);
    for client in 2..4 {
        subscribe(&mut a, client, (0..512).map(|i| format!("!{client}-{i:0>250}")));
    }
    a.advance(2 * S);
    assert_eq!(advertised(&a).len(), 1 + 1024, "all of them fit");
    subscribe(&mut a, 4, (0..512).map(|i| format!("!!{i:0>250}")));
    a.subscriber(5, &["!"]);
    a.advance(2 * S);
    let bytes: usize = advertised(&a).keys().map(nuncio_protocol::Topic::cost).sum();
    assert!(bytes <= nuncio_protocol::MAX_TOPIC_BYTES);
    let known = |name: &str| advertised(&a).contains_key(&nuncio_protocol::Topic::new(name).expect("a topic"));
    assert!(known("orders") && known("!"), "who has few has them, first or last");
    let of = |beginning: &str| advertised(&a).keys().filter(|topic| topic.as_str().starts_with(beginning)).count();
    let [first, second, last] = ["!2-", "!3-", "!!"].map(of);
    assert!(first.abs_diff(last) < 3 && second.abs_diff(last) < 3, "{first} {second} {last}: of many each has as much");
    assert!(last > 330, "{last}: nothing is left free");
}

/// T17.
#[test]
fn a_client_that_toggles_makes_few_versions_and_the_last_word_counts() {
    let mut a = Lone::passive(0);
    a.advance(10 * S);
    let client = a.subscriber(5, &["t"]);
    let before = a.overlay.version().seq;
    for i in 0..199 {
        let topics = if i % 2 == 0 { [].into() } else { [nuncio_protocol::Topic::new("t").expect("a topic")].into() };
        a.client(nuncio_protocol::amop::ClientInput::Subscribe { client, topics });
        a.advance(50 * MS);
    }
    let versions = a.overlay.version().seq - before;
    assert!((5..=20).contains(&versions), "{versions} in 10 s");
    a.advance(S);
    assert!(advertised(&a).is_empty());
}

#[test]
fn a_node_with_many_links_names_them_all() {
    let mut a = Lone::passive(0);
    for n in 1..400 {
        a.connect(n, Direction::Inbound);
    }
    a.advance(3 * S);
    let status = &a.overlay.record(&node_id(0)).expect("signed").status;
    assert_eq!(status.neighbours.len(), 399);
}
