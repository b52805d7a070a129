//! A ban holds for all that its node says, over whomever it comes; and answers to nothing end in one.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use nuncio_protocol::{
    AccessInput, BridgeInput, Input, MulticastInput, Output, StatusInput, Strike, Topic, UnicastInput,
    amop::{self, ClientOutput, ResultCode},
    gossip::{GossipId, GossipInput, Judgement, Stamp},
    multicast::{Batch, Destination, Leg, Wanted},
    unicast,
};
use nuncio_testkit::simulator::{Lone, batch, header, listening, multicast, node_id, record};

const S: Duration = Duration::from_secs(1);

/// Brings what the other one says; is next to the node, as is whom some of that is for.
const RELAY: usize = 1;
const BESIDE: usize = 2;
const BANNED: usize = 3;

fn topic() -> Topic {
    Topic::new("t").expect("a valid topic")
}

/// With an application and a client that want the topic.
fn node() -> Lone {
    let mut node = Lone::passive(0);
    for n in [RELAY, BESIDE] {
        node.link(n, &[0], &[]);
        node.answered(n, vec![listening(n, 2, &[0, BANNED], &["t"])]);
    }
    node.answered(RELAY, vec![record(BANNED, 1, &[RELAY, BESIDE], &[])]);
    node.subscriber(5, &["t"]);
    node.input(StatusInput::MulticastTopics { topics: BTreeSet::from([topic()]) });
    node
}

/// How it comes to applications, to clients, to the other neighbour, and by gossip.
#[derive(Debug, PartialEq, Eq)]
struct Heard {
    here: usize,
    passed: usize,
}

fn heard(outputs: &[Output]) -> Heard {
    let count = |is: fn(&&Output) -> bool| outputs.iter().filter(is).count();
    let is_here = |output: &&Output| {
        let is_fresh = matches!(output, Output::Judged { judgement: Judgement::Fresh, .. });
        let is_delivered = matches!(output, Output::Client(ClientOutput::Deliver { .. }) | Output::Multicast { .. });
        is_fresh || is_delivered
    };
    let passed = |output: &&Output| match output {
        Output::SendBatch { to, .. } | Output::SendMulticast { to, .. } => *to == node_id(BESIDE),
        Output::SendWanted { .. } => true,
        _ => false,
    };
    Heard { here: count(is_here), passed: count(passed) }
}

/// The number-th of what it says to many, over the relay, for these.
fn says(number: u64, to: &[usize]) -> [Input; 2] {
    let destinations = to.iter().map(|n| Destination { node: node_id(*n), since: 1 }).collect();
    let batch = Batch { topic: Some(topic()), ..batch(BANNED, number, vec![Bytes::from_static(b"now")]) };
    let leg = Leg { batch: Arc::new(batch), hops_left: 15, priority: Default::default(), destinations };
    let mut cast = multicast(BANNED, number, to.iter().copied(), "hi");
    if let Some(post) = &mut cast.post {
        post.seq.0[0] = number as u8;
    }
    [
        MulticastInput::Received { from: node_id(RELAY), leg }.into(),
        BridgeInput::MulticastReceived { from: node_id(RELAY), multicast: cast }.into(),
    ]
}

fn gossip(number: u64) -> GossipInput {
    let stamp = Stamp { origin: node_id(BANNED), epoch: 1, number, sent: Duration::ZERO, lifetime: 30 * S };
    GossipInput::Received { id: GossipId(number), via: node_id(RELAY), stamp, length: 3, numbered: None }
}

fn wants() -> MulticastInput {
    let (asker, origin) = (node_id(BANNED), node_id(BESIDE));
    let wanted = Wanted { asker, origin, epoch: 1, topic: None, from: 1, to: 1, hops_left: 14 };
    MulticastInput::Wanted { from: node_id(RELAY), wanted }
}

#[test]
fn who_is_banned_is_heard_over_nobody_and_what_is_for_others_passes() {
    let mut node = node();
    for input in says(1, &[0]) {
        assert_eq!(heard(&node.input(input)), Heard { here: 1, passed: 0 });
    }
    for input in says(2, &[0, BESIDE]) {
        assert_eq!(heard(&node.input(input)), Heard { here: 1, passed: 1 });
    }
    assert_eq!(heard(&node.input(gossip(1 << 40))), Heard { here: 1, passed: 0 });
    assert_eq!(heard(&node.input(wants())), Heard { here: 0, passed: 1 });

    node.input(AccessInput::Struck { peer: node_id(BANNED), strike: Strike::Renumbered });
    assert_eq!(node.overlay.bans().len(), 1);
    for input in says(3, &[0]) {
        assert_eq!(heard(&node.input(input)), Heard { here: 0, passed: 0 });
    }
    for input in says(4, &[0, BESIDE]) {
        assert_eq!(heard(&node.input(input)), Heard { here: 0, passed: 1 });
    }
    assert_eq!(heard(&node.input(gossip(2 << 40))), Heard { here: 0, passed: 0 });
    assert_eq!(heard(&node.input(wants())), Heard { here: 0, passed: 0 });
}

#[test]
fn a_neighbour_that_answers_what_nobody_asked_is_cut_off_and_who_passes_such_answers_on_is_not() {
    let of = |from: usize, source: usize, number: u64| {
        let (from, header) = (node_id(from), header(source, 0, number));
        let reply = unicast::Message { header, content: unicast::Content::Reply { body: Bytes::new() } };
        let result = amop::Content::Result { code: ResultCode::OK, data: Bytes::new() };
        let result = amop::Message { header, content: result };
        let received = amop::Message { header, content: amop::Content::Received };
        let inputs: [Input; 3] = [
            UnicastInput::Received { from, message: reply }.into(),
            BridgeInput::Received { from, message: result }.into(),
            BridgeInput::Received { from, message: received }.into(),
        ];
        inputs[number as usize % 3].clone()
    };
    let mut node = node();
    for number in 0..150_000 {
        node.input(of(RELAY, BANNED, number));
    }
    assert!(node.overlay.strikes().is_empty());
    let answers = (0..150_000).take_while(|number| {
        node.input(of(BESIDE, BESIDE, *number));
        node.overlay.bans().is_empty()
    });
    assert!((131_072..132_000).contains(&answers.count()));
    assert_eq!(node.overlay.strikes().keys().copied().collect::<Vec<_>>(), [Strike::Overspent]);
}
