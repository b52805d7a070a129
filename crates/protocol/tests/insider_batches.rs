//! What one certified member tries with the signed batches of others: their allowance at a node is their own.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use nuncio_protocol::{
    MulticastInput, Output,
    multicast::{Batch, Destination, Leg},
};
use nuncio_testkit::simulator::{Lone, batch, listening, node_id, record};

const S: Duration = Duration::from_secs(1);

/// Next to the node: the member, the honest neighbour that brings all of the origin, and whom that is for.
const MEMBER: usize = 1;
const HONEST: usize = 2;
const TARGET: usize = 3;

/// Behind the honest neighbour.
const ORIGIN: usize = 4;

fn relay() -> Lone {
    let mut relay = Lone::passive(0);
    for (n, neighbours) in [(MEMBER, &[0][..]), (HONEST, &[0, ORIGIN]), (TARGET, &[0])] {
        relay.link(n, &[0], &[]);
        relay.answered(n, vec![listening(n, 2, neighbours, &[])]);
    }
    relay.answered(HONEST, vec![record(ORIGIN, 1, &[HONEST], &[])]);
    relay
}

/// As a neighbour brings it for so many; says whether it goes on to the target.
fn goes_on(relay: &mut Lone, from: usize, batch: Batch, to: impl IntoIterator<Item = usize>) -> bool {
    let destinations = to.into_iter().map(|n| Destination { node: node_id(n), since: 1 }).collect();
    let leg = Leg { batch: Arc::new(batch), hops_left: 15, priority: Default::default(), destinations };
    let outputs = relay.input(MulticastInput::Received { from: node_id(from), leg });
    outputs.iter().any(|output| matches!(output, Output::SendBatch { to, .. } if *to == node_id(TARGET)))
}

fn of_origin(first: u64, body: &[u8]) -> Batch {
    batch(ORIGIN, first, vec![Bytes::copy_from_slice(body)])
}

/// A word that says which number comes next.
fn word(first: u64) -> Batch {
    batch(ORIGIN, first, Vec::new())
}

#[test]
fn a_batch_brought_for_others_each_time_uses_up_nothing_of_its_origin() {
    for again in [of_origin(1, b"now"), word(2)] {
        let (mut relay, mut invented) = (relay(), 500);
        assert!(goes_on(&mut relay, HONEST, of_origin(1, b"now"), [TARGET]));
        for number in 2..=4_000 {
            for _ in 0..4 {
                invented = 500 + (invented + 1) % 20_000;
                goes_on(&mut relay, MEMBER, again.clone(), [invented]);
            }
            let has_gone_on = goes_on(&mut relay, HONEST, of_origin(number, b"now"), [TARGET]);
            assert!(has_gone_on, "{number}, beside {} bodies", again.bodies.len());
            relay.advance(S / 2_400);
        }
        assert_eq!(*relay.overlay.strikes(), BTreeMap::new());
    }
}

/// Six gibibytes at once are what one origin may have copied.
#[test]
fn copies_of_a_batch_for_nodes_that_a_member_names_are_charged_to_the_member() {
    let (mut relay, body) = (relay(), vec![0; 60 << 10]);
    assert!(goes_on(&mut relay, HONEST, of_origin(1, &body), [TARGET]));
    for (count, rounds) in [(384, 280), (1, 400)] {
        for round in 0..rounds {
            let invented = 500 + count * (round % 40);
            goes_on(&mut relay, MEMBER, of_origin(1, &body), invented..invented + count);
        }
    }
    assert!(goes_on(&mut relay, HONEST, of_origin(2, &body), [TARGET]));
}

/// What its origin has not signed so is another one.
#[test]
fn batches_of_an_origin_that_are_other_ones_each_time_go_on_within_its_allowance() {
    let mut relay = relay();
    let passed = (1..=3_000).filter(|n| goes_on(&mut relay, MEMBER, of_origin(*n, b"now"), [TARGET])).count();
    assert_eq!(passed, 1_250, "as many as at once");
}
