//! A node that was away may have missed the end of what was published meanwhile: it is told so, and nobody else is for it.

mod origin;

use std::time::Duration;

use bytes::Bytes;
use nuncio_protocol::{Output, PeeringInput, Topic, peering::Direction};
use nuncio_testkit::simulator::{Lone, listening, node_id};

use origin::origin;

const S: Duration = Duration::from_secs(1);

/// Node 0 has published, and has said the end of it often enough.
fn quiet_origin() -> Lone {
    let mut a = origin();
    let topic = Topic::new("prices").expect("a valid topic");
    a.overlay.publish(Some(&topic), Bytes::from_static(b"one"), a.now).expect("there is room");
    a.overlay.flush(a.now);
    a.outputs();
    a.advance(900 * S);
    assert_eq!(words(&a.advance(900 * S)), [0; 4], "all have been told often enough");
    a
}

/// How many batches without messages are for each of the first nodes.
fn words(outputs: &[Output]) -> [usize; 4] {
    let mut words = [0; 4];
    for output in outputs {
        if let Output::SendBatch { leg, .. } = output
            && leg.batch.bodies.is_empty()
        {
            for (n, words) in words.iter_mut().enumerate() {
                *words += leg.destinations.iter().filter(|destination| destination.node == node_id(n)).count();
            }
        }
    }
    words
}

/// Node 3 loses its link to node 1 and gets it back, each after a while.
fn flap(a: &mut Lone, seq: u64, pause: Duration) -> Vec<Output> {
    a.answered(1, vec![listening(3, seq, &[], &["prices"])]);
    let mut outputs = a.advance(pause);
    outputs.extend(a.answered(1, vec![listening(3, seq + 1, &[1], &["prices"])]));
    outputs.extend(a.advance(pause));
    outputs
}

#[test]
fn who_comes_back_is_told_what_it_may_have_missed_and_nobody_else_is() {
    let mut a = quiet_origin();
    let [_, first, second, third] = words(&flap(&mut a, 2, S));
    assert!(third > 0, "it is told");
    assert_eq!((first, second), (0, 0), "the others are not");
    let [_, first, second, third] = words(&a.advance(900 * S));
    assert!((5..20).contains(&third), "{third}: a word may get lost");
    assert_eq!((first, second), (0, 0));
    assert_eq!(words(&a.advance(900 * S)), [0; 4]);
}

#[test]
fn a_node_that_comes_and_goes_has_nobody_else_told_and_is_told_no_more_often_than_it_needs() {
    let mut a = quiet_origin();
    let mut outputs = Vec::new();
    for turn in 0..100 {
        outputs.extend(flap(&mut a, 2 + 2 * turn, S / 2));
    }
    let [_, first, second, third] = words(&outputs);
    assert_eq!((first, second), (0, 0));
    assert!((50..500).contains(&third), "{third}");

    let (mut a, mut outputs) = (quiet_origin(), Vec::new());
    for _ in 0..100 {
        let connection = a.overlay.links().iter().find(|link| link.peer == node_id(2)).map(|link| link.connection);
        let (connection, reason) = (connection.expect("a link"), "reset".into());
        outputs.extend(a.input(PeeringInput::ConnectionClosed { connection, reason }));
        outputs.extend(a.advance(S / 200));
        outputs.extend(a.connect(2, Direction::Outbound).1);
        outputs.extend(a.answered(2, Vec::new()));
        outputs.extend(a.advance(S / 200));
    }
    let [_, first, second, third] = words(&outputs);
    assert_eq!((first, third), (0, 0));
    assert!((1..20).contains(&second), "{second} in a second");
}

/// What others have to check has a budget.
#[test]
fn those_that_come_back_over_others_are_told_within_what_relays_check() {
    let mut a = Lone::passive(0);
    let many: Vec<usize> = (100..110).collect();
    let neighbours = [&[0][..], &many].concat();
    a.link(1, &neighbours, &[]);
    a.answered(1, vec![listening(1, 2, &neighbours, &[])]);
    let topics: Vec<String> = (0..500).map(|n| format!("topic {n}")).collect();
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    let come = |a: &mut Lone, n, seq, neighbours: &[usize]| a.answered(1, vec![listening(n, seq, neighbours, &names)]);
    for n in &many {
        come(&mut a, *n, 1, &[1]);
    }
    for topic in &names {
        let topic = Topic::new(topic).expect("a valid topic");
        a.overlay.publish(Some(&topic), Bytes::from_static(b"one"), a.now).expect("there is room");
        a.overlay.flush(a.now);
        a.outputs();
        a.advance(S / 1_000);
    }
    a.advance(1_800 * S);
    for n in &many {
        come(&mut a, *n, 2, &[]);
    }
    a.advance(S);
    let (mut batches, mut told) = (0, 0);
    let mut count = |outputs: Vec<Output>| {
        for output in outputs {
            if let Output::SendBatch { leg, .. } = output {
                (batches, told) = (batches + 1, told + leg.destinations.len());
            }
        }
        (batches, told)
    };
    for n in &many {
        count(come(&mut a, *n, 3, &[1]));
        count(a.advance(S / 100));
    }
    let (batches, _) = count(Vec::new());
    assert!((1_000..2_000).contains(&batches), "{batches} in a tenth of a second");
    let (_, told) = count(a.advance(10 * S));
    assert!(told >= many.len() * names.len(), "all are told");
}
