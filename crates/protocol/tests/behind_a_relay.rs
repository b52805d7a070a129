//! Sources behind one honest relay share what that may bring: a hostile one among them takes nothing from the others.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use nuncio_identity::Signature;
use nuncio_protocol::{
    Header, Input, MAX_LIFETIME, MulticastInput, Output, Priority, StatusInput, Topic, UnicastInput,
    multicast::{Batch, Destination, Leg, Proof, Wanted},
    unicast::{Content, Message},
};
use nuncio_testkit::simulator::{Lone, batch, header, listening, node_id, record};

const MS: Duration = Duration::from_millis(1);

/// Next to node 0: the honest relay that brings all, another neighbour, and whom all is for.
const RELAY: usize = 1;
const BESIDE: usize = 2;
const TARGET: usize = 3;

/// Behind the relay.
const HONEST: usize = 4;
const HOSTILE: usize = 5;

fn node() -> Lone {
    let mut node = Lone::passive(0);
    let behind_relay: Vec<_> = [0].into_iter().chain(HONEST..HOSTILE + 10).collect();
    for (n, neighbours) in [(RELAY, &behind_relay[..]), (BESIDE, &[0]), (TARGET, &[0])] {
        node.link(n, neighbours, &[]);
        node.answered(n, vec![listening(n, 2, neighbours, &[])]);
    }
    let behind = (HONEST..HOSTILE + 10).map(|n| record(n, 1, &[RELAY], &[]));
    node.answered(RELAY, behind.collect());
    node.outputs();
    node
}

fn clock(node: &Lone) -> Duration {
    node.overlay.clock(node.now)
}

/// A request as the relay passes it on; says whether it crosses to its target, and as what.
fn request(node: &mut Lone, source: usize, number: u64, priority: Priority) -> Option<Priority> {
    let sent = clock(node);
    let header = Header { sent, lifetime: MAX_LIFETIME, hops_left: 14, priority, ..header(source, TARGET, number) };
    let message = Message { header, content: Content::Request { body: Bytes::from(vec![0; 768]) } };
    let outputs = node.input(UnicastInput::Received { from: node_id(RELAY), message });
    outputs.iter().find_map(|output| match output {
        Output::SendUnicast { to, message, .. } if *to == node_id(TARGET) => Some(message.header.priority),
        _ => None,
    })
}

fn proved() -> Proof {
    let proof = Proof::default();
    proof.signature.set(Signature::from_bytes(&[7; 64]).expect("64 bytes")).expect("empty");
    proof
}

fn pushed(origin: usize, first: u64, messages: usize) -> Input {
    let batch = Batch { proof: proved(), ..batch(origin, first, vec![Bytes::new(); messages]) };
    let destinations = vec![Destination { node: node_id(TARGET), since: 1 }];
    let leg = Leg { batch: Arc::new(batch), hops_left: 14, priority: Priority::Normal, destinations };
    MulticastInput::Received { from: node_id(RELAY), leg }.into()
}

fn wanted(from: usize, asker: usize) -> MulticastInput {
    let (asker, origin) = (node_id(asker), node_id(TARGET));
    let wanted = Wanted { asker, origin, epoch: 1, topic: None, from: 1, to: 1, hops_left: 14 };
    MulticastInput::Wanted { from: node_id(from), wanted }
}

fn crosses(outputs: &[Output]) -> bool {
    outputs.iter().any(|output| match output {
        Output::SendBatch { to, .. } | Output::SendWanted { to, .. } => *to == node_id(TARGET),
        _ => false,
    })
}

#[test]
fn what_an_honest_one_sends_once_more_crosses_whatever_another_sends_again_and_again() {
    let (mut node, mut copies) = (node(), 0);
    for number in 1..=2_000 {
        for _ in 0..20 {
            copies += usize::from(request(&mut node, HOSTILE, 1, Priority::Normal).is_some());
        }
        for copy in 0..2 {
            let crosses = request(&mut node, HONEST, number, Priority::Normal).is_some();
            assert!(crosses, "copy {copy} of {number}");
        }
        node.advance(10 * MS);
    }
    assert!(copies <= 28_000, "{copies}: what the target puts up with, less what the honest one has");
}

#[test]
fn long_batches_of_short_messages_leave_room_for_others_like_them() {
    let (mut node, mut crossed) = (node(), [0; 2]);
    for round in 0..1_000 {
        let input = pushed(HOSTILE, 1 + round * 4_096, 4_096 - round as usize % 7);
        crossed[0] += usize::from(crosses(&node.input(input)));
        crossed[1] += usize::from(round % 5 == 0 && crosses(&node.input(pushed(HONEST, 1 + round * 4_096, 4_096))));
        node.advance(MS);
    }
    assert!(crossed[0] >= 100 && crossed[0] < 600, "{crossed:?}: it sends more than there is");
    assert_eq!(crossed[1], 200, "{crossed:?}");
}

#[test]
fn batches_that_the_next_one_checks_leave_room_for_those_of_others() {
    let (mut node, mut crossed) = (node(), [0; 2]);
    for round in 0..2_000 {
        for hostile in 0..4 {
            for burst in 0..3 {
                let input = pushed(HOSTILE + hostile, 1 + 3 * round + burst, 1);
                crossed[0] += usize::from(crosses(&node.input(input)));
            }
        }
        crossed[1] += usize::from(round >= 1_000 && crosses(&node.input(pushed(HONEST, 1 + round, 1))));
        node.advance(MS);
    }
    assert!(crossed[0] > 5_000 && crossed[0] < 20_000, "{crossed:?}: they send more than may cross");
    assert!(crossed[1] >= 990, "{crossed:?}");
}

#[test]
fn questions_of_one_neighbour_and_of_many_askers_leave_room_for_others() {
    let (mut node, mut asked) = (node(), 0);
    for round in 0..2_000 {
        for asker in 0..4 {
            asked += usize::from(crosses(&node.input(wanted(BESIDE, HOSTILE + (round + asker) % 10))));
        }
        if round % 25 == 0 {
            assert!(crosses(&node.input(wanted(RELAY, HONEST))), "{round}");
        }
        node.advance(10 * MS);
    }
    assert!(asked < 6_000, "{asked} are not too many for the target");
}

#[test]
fn what_is_urgent_of_many_leaves_its_share_to_each_behind_the_same_neighbour() {
    let (mut node, mut granted, mut numbers) = (node(), [0; 2], 0);
    for round in 0..2_000 {
        for hostile in 0..8 {
            for _ in 0..10 {
                numbers += 1;
                let passed = request(&mut node, HOSTILE + hostile, numbers, Priority::Control);
                granted[0] += usize::from(passed == Some(Priority::Control));
            }
        }
        numbers += 1;
        let is_urgent = request(&mut node, HONEST, numbers, Priority::Control) == Some(Priority::Control);
        granted[1] += usize::from(is_urgent && round >= 500);
        node.advance(5 * MS);
    }
    assert!(granted[0] < 160_000 / 2, "{granted:?}: they send more than they may");
    assert_eq!(granted[1], 1_500, "{granted:?}");
}

#[test]
fn what_is_missing_of_one_origin_is_asked_for_whatever_is_missing_of_another() {
    let topics: Vec<_> = (0..150).map(|n| Topic::new(&format!("topic {n}")).expect("a valid topic")).collect();
    let mut node = node();
    node.input(StatusInput::MulticastTopics { topics: topics.iter().cloned().collect() });
    let leg = |origin: usize, topic: &Topic, first: u64, sent: Duration| {
        let batch = batch(origin, first, vec![Bytes::new()]);
        let batch = Batch { topic: Some(topic.clone()), sent, proof: proved(), ..batch };
        let destinations = vec![Destination { node: node_id(0), since: 0 }];
        let leg = Leg { batch: Arc::new(batch), hops_left: 14, priority: Priority::Normal, destinations };
        MulticastInput::Received { from: node_id(RELAY), leg }
    };
    let asks_for_honest = |outputs: Vec<Output>| {
        let asks =
            |output: &Output| matches!(output, Output::SendWanted { wanted, .. } if wanted.origin == node_id(HONEST));
        outputs.iter().any(asks)
    };
    let mut asked = 0;
    for round in 0..50 {
        // It begins all its topics anew, and leaves one out.
        for (set, topic) in topics.iter().enumerate() {
            let begins = (round as u64 * 500 + set as u64) << 36;
            for first in [begins + 1, begins + 3] {
                node.input(leg(HOSTILE, topic, first, clock(&node)));
            }
        }
        // What it left out is asked for before what comes now.
        let before = node.advance(MS / 2);
        for first in [(round as u64) << 36 | 1, (round as u64) << 36 | 3] {
            node.input(leg(HONEST, &topics[round], first, clock(&node)));
        }
        asked += usize::from(asks_for_honest(before.into_iter().chain(node.advance(22 * MS)).collect()));
        node.advance(100 * MS);
    }
    assert!(asked >= 48, "{asked} of 50");
}

#[test]
fn one_that_asks_for_all_that_was_sent_leaves_answers_to_others_behind_its_relay() {
    let mut node = node();
    for n in [HONEST, HOSTILE] {
        node.answered(RELAY, vec![listening(n, 2, &[RELAY], &[])]);
    }
    let long = Bytes::from(vec![0; 60_000]);
    for _ in 0..200 {
        node.overlay.publish(None, long.clone(), node.now).expect("there is room");
        node.overlay.flush(node.now);
        node.outputs();
        node.advance(20 * MS);
    }
    let mut answered = |asker: usize, to: u64, for_ms: u32| {
        let wanted =
            Wanted { asker: node_id(asker), origin: node_id(0), epoch: 1, topic: None, from: 1, to, hops_left: 14 };
        let outputs = node.input(MulticastInput::Wanted { from: node_id(RELAY), wanted });
        node.advance(for_ms * MS);
        outputs.iter().filter(|output| matches!(output, Output::SendBatch { .. })).count()
    };
    let mut counts = [0; 2];
    for _ in 0..1_000 {
        counts[0] += answered(HOSTILE, 200, 0);
        counts[1] += usize::from(answered(HONEST, 1, 10) > 0);
    }
    assert!(counts[0] < 5_000, "{counts:?}");
    assert!(counts[1] >= 990, "{counts:?}");
}
