//! What a change costs in a network of a thousand nodes, counted and not timed: work grows with what changed, not with what is
//! known.

use std::{sync::Arc, time::Duration};

use nuncio_protocol::{
    Output, StatusInput, Topic,
    peering::Direction,
    status_sync::{Query, QueryId, Version},
};
use nuncio_testkit::simulator::{Lone, listening, node_id, record};

const NODES: usize = 1000;
const S: Duration = Duration::from_secs(1);

/// Of the `n`-th node: eight, as far apart as the network is wide.
fn neighbours(n: usize) -> Vec<usize> {
    [1, 10, 100, 333].into_iter().flat_map(|far| [(n + far) % NODES, (n + NODES - far) % NODES]).collect()
}

fn network() -> Lone {
    let mut a = Lone::passive(0);
    for n in neighbours(0) {
        a.connect(n, Direction::Outbound);
    }
    for some in (1..NODES).collect::<Vec<_>>().chunks(100) {
        a.answered(1, some.iter().map(|n| record(*n, 1, &neighbours(*n), &[])).collect());
    }
    a.advance(2 * S);
    assert!((1..NODES).all(|n| a.overlay.next_hop(&node_id(n)).is_some()), "all are reached");
    a
}

fn answer(a: &mut Lone, known: Vec<(nuncio_identity::NodeId, Version)>) -> (usize, usize, bool) {
    let outputs =
        a.input(StatusInput::Queried { pages: 0, query: QueryId(1), peer: node_id(1), wanted: Query::All { known } });
    let [Output::Answer { records, more, .. }] = &outputs[..] else { panic!("{outputs:?}") };
    (records.len(), records.iter().map(|record| record.bytes.len()).sum(), *more)
}

#[test]
fn a_record_that_changes_its_topics_moves_nothing_else() {
    let mut a = network();
    let before: Vec<_> = (1..NODES).filter_map(|n| a.overlay.record(&node_id(n)).cloned()).collect();
    let searches = a.overlay.routings();
    for n in (1..NODES).step_by(7) {
        let outputs = a.answered(1, vec![record(n, 2, &neighbours(n), &[("t", 1)])]);
        let told = outputs.iter().filter(|output| matches!(output, Output::NodeChanged { .. })).count();
        assert_eq!((told, outputs.len()), (1, 1), "{outputs:?}");
    }
    a.advance(2 * S);
    assert_eq!(a.overlay.routings(), searches, "no way is computed anew");
    let is_same = |record: &&Arc<_>| {
        let now = a.overlay.records().find(|now| Arc::ptr_eq(now, record));
        now.is_some()
    };
    assert_eq!(before.iter().filter(is_same).count(), NODES - 1 - (1..NODES).step_by(7).count());
}

#[test]
fn a_link_of_two_others_that_is_on_no_shortest_way_moves_nothing_either() {
    let mut a = network();
    let searches = a.overlay.routings();
    // Both are two links away.
    let linked = |n: usize, other: usize| record(n, 2, &[&neighbours(n)[..], &[other]].concat(), &[]);
    a.answered(1, vec![linked(20, 200), linked(200, 20)]);
    a.advance(2 * S);
    assert_eq!(a.overlay.routings(), searches);
}

#[test]
fn who_asks_for_all_gets_what_it_lacks_and_no_more_at_a_time_than_fits() {
    let mut a = network();
    let (count, bytes, more) = answer(&mut a, Vec::new());
    assert_eq!((count, more), (NODES, false));
    assert!(bytes <= 4 << 20, "{bytes}");
    let known = |a: &Lone| a.overlay.records().map(|record| (record.status.node, record.status.version)).collect();
    let all = known(&a);
    assert_eq!(answer(&mut a, all).0, 0);
    let all = known(&a);
    a.answered(1, vec![record(500, 2, &neighbours(500), &[("t", 1)])]);
    assert_eq!(answer(&mut a, all).0, 1);
}

/// Who subscribes is counted for each topic to which is published: 37 times 14,000 is what there is room for.
#[test]
fn of_topics_that_too_many_nodes_subscribe_the_quietest_is_forgotten() {
    let names: Vec<String> = (0..40).map(|n| format!("topic {n}")).collect();
    let topics: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    a.answered(1, vec![listening(1, 2, &[0], &topics)]);
    for some in (2..14_000).collect::<Vec<_>>().chunks(500) {
        a.answered(1, some.iter().map(|n| listening(*n, 1, &[], &topics)).collect());
    }
    let mut publish = |topic: &str| {
        let topic = Topic::new(topic).expect("a valid topic");
        let published = a.overlay.publish(Some(&topic), "x".into(), a.now).expect("there is room");
        a.overlay.flush(a.now);
        a.outputs();
        a.advance(Duration::from_millis(1));
        published.number
    };
    let first: Vec<u64> = topics.iter().map(|topic| publish(topic)).collect();
    for kept in [39, 3] {
        assert_eq!(publish(topics[kept]), first[kept] + 1, "topic {kept} goes on");
    }
    assert!(publish(topics[0]) > first[39], "its numbers have begun anew");
}
