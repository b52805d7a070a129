//! The table of nodes is bounded: when it is full, nodes that matter go before nodes that nobody reaches.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use nuncio_protocol::{MAX_NODES, status_sync::Record};
use nuncio_testkit::simulator::{Lone, node_id, record};

const S: Duration = Duration::from_secs(1);

/// The peer brings records of so many nodes that nobody reaches.
fn fill(a: &mut Lone, peer: usize, nodes: std::ops::Range<usize>) {
    for chunk in nodes.collect::<Vec<_>>().chunks(100) {
        a.answered(peer, chunk.iter().map(|n| record(*n, 1, &[], &[])).collect());
        a.advance(Duration::from_millis(1));
    }
}

fn known(a: &Lone, nodes: std::ops::Range<usize>) -> usize {
    nodes.filter(|n| a.overlay.record(&node_id(*n)).is_some()).count()
}

#[test]
fn a_linked_newcomer_finds_room_among_records_of_nodes_that_nobody_reaches() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    fill(&mut a, 1, 10..10 + MAX_NODES + 100);
    a.link(2, &[0], &[("t", 1)]);
    assert!(a.overlay.record(&node_id(2)).is_some());
    assert!(a.overlay.record(&node_id(1)).is_some());
    assert_eq!(a.overlay.nodes().len(), MAX_NODES, "full, and no more than that");
}

#[test]
fn a_peer_that_fills_the_table_pushes_out_its_own_records_only() {
    let mut a = Lone::passive(0);
    a.link(1, &[0, 3], &[]);
    a.link(2, &[0], &[]);
    fill(&mut a, 1, 100..110);
    a.answered(1, vec![record(3, 1, &[1], &[])]);
    a.answered(1, vec![record(1, 2, &[0], &[])]);
    assert_eq!(a.overlay.route(&node_id(3)), None, "node 3 was reached before");
    fill(&mut a, 2, 200..200 + MAX_NODES);
    assert_eq!(known(&a, 100..110), 10);
    assert_eq!(known(&a, 3..4), 1);
    let (oldest, others) = (known(&a, 200..300), known(&a, 300..200 + MAX_NODES));
    assert!(oldest < 100, "the peer that brought most lost its oldest");
    assert_eq!((others, a.overlay.nodes().len()), (MAX_NODES - 100, MAX_NODES));
}

#[test]
fn records_of_nodes_that_were_never_reached_have_a_budget_per_bringer() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    a.link(2, &[0], &[]);
    fill(&mut a, 1, 100..600);
    fill(&mut a, 2, 700..720);
    assert_eq!(known(&a, 100..600), 500, "a node that joins learns all before it has a path");
    a.advance(80 * S);
    assert_eq!(known(&a, 100..600), 256);
    assert_eq!(known(&a, 700..720), 20, "the other one is within its budget");
}

#[test]
fn the_table_is_bounded_in_bytes() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    let bytes = Bytes::from(vec![1; 256 << 10]);
    for n in 10..1210 {
        let big = Record { bytes: bytes.clone(), ..(*record(n, 1, &[], &[])).clone() };
        a.answered(1, vec![big.into()]);
    }
    assert_eq!(known(&a, 10..1210), 1020, "256 MiB of 256 KiB and a little each, beside the record of node 1");
    assert_eq!(known(&a, 1..2), 1);
}

#[test]
fn where_all_are_reached_a_linked_newcomer_goes_before_a_node_that_is_not_linked() {
    let mut a = Lone::passive(0);
    // This node, its peers, and what each peer brings.
    let (peers, each) = (32, MAX_NODES / 32);
    for peer in 1..=peers {
        let most = if peer == peers { each - 2 } else { each - 1 };
        let nodes: Vec<usize> = (peer * 1000..peer * 1000 + most).collect();
        a.link(peer, &[&[0], &nodes[..]].concat(), &[]);
        a.answered(peer, nodes.iter().map(|n| record(*n, 1, &[peer], &[])).collect());
    }
    a.advance(4 * S);
    let reached = a.overlay.nodes().iter().filter(|view| view.reachable).count();
    assert_eq!(reached, MAX_NODES, "the table is full, and all are reached");
    a.answered(1, vec![record(50, 1, &[1], &[])]);
    assert_eq!(known(&a, 50..51), 0, "no room for one more that is not linked");
    a.link(peers + 1, &[0], &[]);
    assert_eq!(known(&a, 1..peers + 2), peers + 1, "linked ones have their place");
    assert_eq!(a.overlay.nodes().len(), MAX_NODES);
}

#[test]
fn where_bytes_are_short_whoever_takes_the_most_makes_room_for_who_takes_its_share() {
    let bytes = Bytes::from(vec![1; 440 << 10]);
    let large = |n: usize| {
        let large = Record { bytes: bytes.clone(), ..(*record(n, 1, &[1], &[])).clone() };
        large.into()
    };
    let mut a = Lone::passive(0);
    a.link(1, &[&[0], &(10..1030).collect::<Vec<_>>()[..]].concat(), &[]);
    for n in 10..700 {
        a.answered(1, vec![large(n)]);
        a.advance(Duration::from_millis(1));
    }
    a.advance(S);
    assert_eq!(known(&a, 10..700), 593, "256 MiB, all of them reached");
    for n in 700..1000 {
        a.answered(1, vec![record(n, 1, &[1], &[])]);
        a.advance(S / 4);
    }
    assert_eq!((known(&a, 700..1000), known(&a, 1..2)), (300, 1));
    assert!((585..593).contains(&known(&a, 10..700)), "few large records made room for many small ones");
    a.answered(1, vec![large(1010), large(1011)]);
    assert!(known(&a, 1010..1012) < 2, "nobody makes room for one more large one");
    assert_eq!(known(&a, 700..1000), 300);
}

#[test]
fn where_bytes_are_short_a_record_over_its_share_takes_the_place_of_a_larger_one() {
    let of_bytes = |n: usize, seq, bytes| {
        let one = Record { bytes: Bytes::from(vec![1; bytes]), ..(*record(n, seq, &[1], &[])).clone() };
        vec![one.into()]
    };
    let mut a = Lone::passive(0);
    a.link(1, &[&[0], &(10..1030).collect::<Vec<_>>()[..]].concat(), &[]);
    a.link(2, &[0], &[]);
    for n in 10..700 {
        a.answered(1, of_bytes(n, 1, 440 << 10));
        a.advance(Duration::from_millis(1));
    }
    a.advance(S);
    let large = known(&a, 10..700);
    for n in 710..714 {
        a.answered(1, of_bytes(n, 1, 300 << 10));
    }
    a.advance(S);
    assert!(known(&a, 710..714) < 2, "nobody makes room for what is not much smaller");
    assert_eq!(known(&a, 10..700), large);
    for n in 700..710 {
        a.answered(1, of_bytes(n, 1, 100 << 10));
        a.advance(S);
    }
    a.answered(2, of_bytes(2, 2, 300 << 10));
    assert_eq!(a.overlay.record(&node_id(2)).map(|record| record.status.version.seq), Some(2), "who is linked, too");
    let left = known(&a, 10..700);
    assert!((large - 5..large).contains(&left), "{left} of {large} large ones are left");
    for n in 10..700 {
        a.answered(1, of_bytes(n, 1, 440 << 10));
    }
    assert_eq!((known(&a, 700..710), known(&a, 10..700)), (10, left), "nobody goes back and forth");
}

/// Of an agency that may have any number of them.
fn minted(n: usize, neighbour: usize) -> Arc<Record> {
    Arc::new(Record { agency_path: Some("minting/below".into()), ..(*record(n, 1, &[neighbour], &[])).clone() })
}

/// A full table of nodes that are reached, all but the peers of one agency; peer 1 names these, too.
fn filled_by_one_agency(named: &[usize]) -> Lone {
    let mut a = Lone::passive(0);
    let (peers, each) = (32, MAX_NODES / 32);
    for peer in 1..=peers {
        let most = if peer == peers { each - 2 } else { each - 1 };
        let nodes: Vec<usize> = (peer * 1000..peer * 1000 + most).collect();
        let others = if peer == 1 { named } else { &[] };
        a.link(peer, &[&[0], &nodes[..], others].concat(), &[]);
        a.answered(peer, nodes.iter().map(|n| minted(*n, peer)).collect());
    }
    a.advance(4 * S);
    assert_eq!(a.overlay.nodes().iter().filter(|view| view.reachable).count(), MAX_NODES);
    a
}

#[test]
fn where_all_are_reached_the_agency_with_the_most_makes_room_for_others() {
    let mut a = filled_by_one_agency(&[50, 51, 52]);
    a.answered(1, vec![record(50, 1, &[1], &[]), record(51, 1, &[1], &[])]);
    assert_eq!(known(&a, 50..52), 2);
    a.answered(1, vec![minted(52, 1)]);
    assert_eq!(known(&a, 50..53), 2, "it has enough");
    assert_eq!(known(&a, 1..33), 32, "linked ones have their place");
    assert_eq!(a.overlay.nodes().len(), MAX_NODES);
}

#[test]
fn who_is_out_of_reach_for_a_moment_makes_no_room_for_an_agency_with_more() {
    let mut a = filled_by_one_agency(&[50]);
    a.answered(1, vec![record(50, 1, &[1], &[])]);
    a.advance(4 * S);
    a.answered(
        1,
        vec![record(1, 2, &[&[0], &(1000..1000 + MAX_NODES / 32 - 1).collect::<Vec<_>>()[..]].concat(), &[])],
    );
    a.advance(4 * S);
    assert_eq!(a.overlay.route(&node_id(50)), None);
    a.answered(1, vec![minted(60, 1)]);
    assert_eq!((known(&a, 50..51), known(&a, 60..61)), (1, 0));
    a.answered(1, vec![record(61, 1, &[1], &[])]);
    assert_eq!((known(&a, 50..51), known(&a, 61..62)), (0, 1), "one of its own agency takes its place");
}

#[test]
fn for_nodes_that_nobody_reaches_no_peer_has_all_those_pushed_out_that_are_reached() {
    let mut a = filled_by_one_agency(&[]);
    let invented = |agency: usize, n: usize| {
        Arc::new(Record {
            agency_path: Some(format!("agency {agency}").into()),
            ..(*record(n, 1, &[99_999], &[])).clone()
        })
    };
    for n in 100_000..100_600 {
        a.answered(1, vec![invented(n % 7, n)]);
    }
    let reached = || a.overlay.nodes().iter().filter(|view| view.reachable).count();
    assert_eq!(MAX_NODES - reached(), 256);
}
