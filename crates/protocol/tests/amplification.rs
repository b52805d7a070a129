//! What a peer brings makes a node send four times as much at the most, whatever kind it is.
//!
//! Not of these are multicasts and gossip, each copy of which is charged to who made it and who brought it, and answers to what
//! a peer asks for by name: records, and missing multicasts. A first sync is longer than its question by design. Those have
//! budgets in bytes: see `answers_to_one_peer_are_bounded_in_bytes` and the tests of repair.

use std::time::Duration;

use bytes::Bytes;
use nuncio_protocol::{
    BridgeInput, Header, Input, MulticastInput, Output, Topic, UnicastInput, amop,
    multicast::Wanted,
    unicast::{Content, Message},
};
use nuncio_testkit::simulator::{Lone, MOST_OUT, announced, brought, header, listening, node_id, sent};

const S: Duration = Duration::from_secs(1);

/// Ten a second for ten seconds; every request that reaches the application is echoed.
fn assert_little_leaves(kind: &str, a: &mut Lone, input: impl Fn(u64) -> Input) {
    let (mut came, mut went) = (0, 0);
    for turn in 0..100 {
        let input = input(turn);
        came += brought(&input).expect("a peer brings it");
        let mut outputs = a.input(input);
        for output in outputs.clone() {
            if let Output::Request { inbound, body, .. } = output {
                outputs.extend(a.input(UnicastInput::Respond { inbound, body }));
            }
        }
        outputs.extend(a.advance(S / 10));
        went += outputs.iter().filter_map(sent).sum::<u64>();
    }
    assert!(went <= MOST_OUT * came, "{kind}: {went} bytes for {came}");
    assert!(went > 0, "{kind}: it does nothing");
}

fn topic() -> Topic {
    Topic::new("prices").expect("a valid topic")
}

fn unicast(header: Header, length: usize) -> Input {
    let content = Content::Request { body: Bytes::from(vec![7; length]) };
    UnicastInput::Received { from: node_id(1), message: Message { header, content } }.into()
}

fn publish(header: Header, length: usize) -> Input {
    let content =
        amop::Content::Publish { message: 1, topic: topic(), tenant: None, data: Bytes::from(vec![7; length]) };
    BridgeInput::Received { from: node_id(1), message: amop::Message { header, content } }.into()
}

/// Sent when it is brought.
fn fresh(turn: u64, header: Header) -> Header {
    Header { sent: S / 10 * u32::try_from(turn).unwrap_or_default(), ..header }
}

#[test]
fn requests_and_publishes_to_this_node_to_others_and_to_nobody() {
    for length in [0, 1000] {
        for target in [0, 2, 3, 99] {
            let to = |turn| fresh(turn, header(1, target, turn + 1));
            let kind = format!("{length} bytes for node {target}");
            assert_little_leaves(&kind, &mut Lone::ring(), |turn| unicast(to(turn), length));
            assert_little_leaves(&kind, &mut Lone::ring(), |turn| publish(to(turn), length));
        }
    }
}

#[test]
fn the_same_request_again_and_one_for_an_earlier_life() {
    assert_little_leaves("again", &mut Lone::ring(), |turn| unicast(fresh(turn, header(1, 0, 1)), 100));
    let outlived = |turn| Header { target_epoch: 0, ..fresh(turn, header(1, 0, turn + 1)) };
    assert_little_leaves("outlived", &mut Lone::ring(), |turn| unicast(outlived(turn), 0));
}

#[test]
fn questions_for_what_others_published() {
    let mut a = Lone::ring();
    a.answered(1, vec![listening(1, 2, &[0, 3], &["prices"])]);
    a.answered(2, vec![listening(2, 2, &[0, 3], &["prices"])]);
    let wanted = |turn| Wanted {
        asker: node_id(1),
        origin: node_id(2),
        epoch: 1,
        topic: Some(topic()),
        from: turn,
        to: turn + 10,
        hops_left: 10,
    };
    assert_little_leaves("wanted", &mut a, |turn| {
        MulticastInput::Wanted { from: node_id(1), wanted: wanted(turn) }.into()
    });
}

/// T10: a member announces one version after another, and nobody ever has them.
#[test]
fn announcements_of_what_nobody_shows() {
    for via in [1, 2] {
        assert_little_leaves("versions of a node that is known", &mut Lone::ring(), |turn| {
            announced(via, 3, turn + 2).into()
        });
    }
    assert_little_leaves("nodes that nothing is known of", &mut Lone::ring(), |turn| {
        announced(1, 100 + turn as usize, 1).into()
    });
}
