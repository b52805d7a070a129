//! Revocation lists spread from link to link; a renewed certificate makes a new record.

use std::{collections::BTreeMap, time::Duration};

use nuncio_protocol::{
    AccessInput, Config, Output, StatusInput,
    status_sync::{IssuerId, Query, QueryId},
};
use nuncio_testkit::simulator::{Lone, Simulator, Weather, announced, node_id, record, sign};

const ISSUER: IssuerId = IssuerId([7; 32]);

fn asks_for_lists(outputs: &[Output]) -> bool {
    outputs.iter().any(|output| matches!(output, Output::Query { wanted: Query::Revocations { .. }, .. }))
}

fn with_list(n: usize, seq: u64, number: u64) -> std::sync::Arc<nuncio_protocol::status_sync::Record> {
    let mut status = record(n, seq, &[0], &[]).status.clone();
    status.revocations = BTreeMap::from([(ISSUER, number)]);
    sign(status)
}

#[test]
fn a_linked_peer_with_a_newer_list_is_asked_for_it() {
    let mut a = Lone::new(0, Config::default());
    a.input(StatusInput::RevocationLists { numbers: [(ISSUER, 3)].into() });
    a.link(1, &[0], &[]);
    assert!(!asks_for_lists(&a.answered(1, vec![with_list(1, 2, 3)])), "it has the same");
    assert!(asks_for_lists(&a.answered(1, vec![with_list(1, 3, 4)])), "it has a newer one");
    a.input(StatusInput::RevocationLists { numbers: [(ISSUER, 4)].into() });
    let outputs = a.input(StatusInput::RevocationsAnswered { peer: node_id(1) });
    assert!(!asks_for_lists(&outputs));
}

#[test]
fn a_peer_is_not_asked_again_for_lists_that_were_refused() {
    let mut a = Lone::new(0, Config::default());
    a.link(1, &[0], &[]);
    assert!(asks_for_lists(&a.answered(1, vec![with_list(1, 2, 1)])));
    a.input(StatusInput::RevocationsAnswered { peer: node_id(1) });
    assert!(!asks_for_lists(&a.answered(1, vec![with_list(1, 3, 1)])), "it tells the same");
    assert!(asks_for_lists(&a.answered(1, vec![with_list(1, 4, 2)])), "it tells of another");
    a.input(StatusInput::RevocationsAnswered { peer: node_id(1) });
    a.input(StatusInput::RevocationLists { numbers: BTreeMap::new() });
    assert!(asks_for_lists(&a.answered(1, vec![with_list(1, 5, 2)])), "the rules here may have changed");
}

#[test]
fn a_query_for_lists_that_failed_is_repeated_later() {
    let mut a = Lone::new(0, Config::default());
    a.link(1, &[0], &[]);
    assert!(asks_for_lists(&a.answered(1, vec![with_list(1, 2, 1)])));
    assert!(!asks_for_lists(&a.input(StatusInput::QueryFailed { peer: node_id(1) })));
    assert!(asks_for_lists(&a.advance(Duration::from_secs(3))));
}

#[test]
fn a_query_for_lists_is_answered_by_the_edge() {
    let mut a = Lone::new(0, Config::default());
    a.link(1, &[0], &[]);
    let (query, held) = (QueryId(1), BTreeMap::from([(ISSUER, 2)]));
    let wanted = Query::Revocations { held: held.clone() };
    let outputs = a.input(StatusInput::Queried { pages: 0, query, peer: node_id(1), wanted });
    assert!(outputs.contains(&Output::AnswerRevocations { query, held }));
}

#[test]
fn a_list_loaded_at_one_end_of_a_line_reaches_the_other_end_within_seconds() {
    let config = Config { target_degree: 0, ..Config::default() };
    let mut simulator = Simulator::new(7, Weather::default());
    let nodes: Vec<_> = (0..6).map(|_| simulator.add_node(config.clone())).collect();
    for pair in nodes.windows(2) {
        simulator.connect(pair[0], pair[1]);
    }
    simulator.run_for(Duration::from_secs(10));
    simulator.give(nodes[0], StatusInput::RevocationLists { numbers: [(ISSUER, 5)].into() });
    simulator.run_for(Duration::from_secs(5));
    for node in nodes {
        let overlay = simulator.overlay(node).expect("it runs");
        let own = overlay.record(&overlay.node()).expect("it has signed its status");
        assert_eq!(own.status.revocations.get(&ISSUER), Some(&5), "node {node}");
    }
}

#[test]
fn a_renewed_certificate_is_told_under_a_new_seq() {
    let mut a = Lone::new(0, Config::default());
    a.advance(Duration::from_secs(1));
    let before = a.overlay.version();
    a.input(StatusInput::CertificateRenewed);
    a.advance(Duration::from_secs(1));
    assert!(a.overlay.version().seq > before.seq);
}

/// The edge sees in the record whether there is another certificate, and readmits the node.
#[test]
fn an_expelled_node_that_announces_is_asked_for_but_taken_only_once_readmitted() {
    let mut a = Lone::passive(0);
    a.link(1, &[0, 2], &[]);
    a.answered(1, vec![record(2, 1, &[1], &[])]);
    a.input(AccessInput::Expelled { node: node_id(2) });
    let newer = record(2, 2, &[1], &[]);
    let announced = announced(1, 2, newer.status.version.seq);
    let asked = |outputs: &[Output]| {
        let names = |wanted: &Query| matches!(wanted, Query::Nodes(nodes) if nodes[0].0 == node_id(2));
        outputs.iter().any(|output| matches!(output, Output::Query { wanted, .. } if names(wanted)))
    };
    assert!(asked(&a.input(announced.clone())));
    a.answered(1, vec![newer.clone()]);
    assert!(a.overlay.record(&node_id(2)).is_none(), "it is still expelled");
    a.input(AccessInput::Readmitted { node: node_id(2) });
    a.advance(Duration::from_secs(5));
    a.input(announced);
    a.answered(1, vec![newer]);
    assert!(a.overlay.next_hop(&node_id(2)).is_some());
}
