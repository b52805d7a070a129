//! Which ways a publisher's node avoids, and what a member that answers nobody, or swallows what it should pass on, can do
//! with that.

use std::time::Duration;

use bytes::Bytes;
use nuncio_identity::NodeId;
use nuncio_protocol::{
    BridgeInput, Output, Topic,
    amop::{ClientId, ClientInput, Content, Kind, Message, PublishSeq, ResultCode},
};
use nuncio_testkit::simulator::{Lone, header, record};

const S: Duration = Duration::from_secs(1);

/// Node 0 with a publisher, and two ways, over node 1 and over node 2, to whoever subscribes `3`, `4` and `5`.
fn publisher() -> Lone {
    let mut a = Lone::passive(0);
    a.subscriber(1, &[]);
    for relay in [1, 2] {
        a.link(relay, &[0, 3, 4, 5], &[]);
    }
    a.answered(1, [3, 4, 5].map(|n| record(n, 1, &[1, 2], &[(&n.to_string(), 1)])).into());
    a
}

fn sent(outputs: &[Output]) -> (NodeId, Message) {
    let message = |output: &Output| match output {
        Output::SendBridge { to, message, .. } => Some((*to, message.clone())),
        _ => None,
    };
    outputs.iter().find_map(message).expect("it is sent")
}

fn publish_as(a: &mut Lone, kind: Kind, topic: usize) -> Vec<Output> {
    let (client, seq, topic) = (ClientId(1), PublishSeq([9; 32]), Topic::new(&topic.to_string()).expect("valid"));
    a.client(ClientInput::Publish { priority: Default::default(), client, seq, kind, topic, data: Bytes::new() })
}

fn publish(a: &mut Lone, topic: usize) -> (NodeId, Message) {
    sent(&publish_as(a, Kind::Unicast, topic))
}

/// The subscriber's answer comes over a hop.
fn answer(a: &mut Lone, over: NodeId, subscriber: usize, message: &Message) {
    let (header, content) =
        (header(subscriber, 0, message.header.number), Content::Result { code: ResultCode::OK, data: Bytes::new() });
    a.input(BridgeInput::Received { from: over, message: Message { header, content } });
}

/// Publishes what is answered; says over which hop it went first.
fn hop_of(a: &mut Lone, topic: usize) -> NodeId {
    let (hop, message) = publish(a, topic);
    answer(a, hop, topic, &message);
    hop
}

#[test]
fn a_member_that_answers_nobody_has_no_relay_avoided_for_others() {
    let mut a = publisher();
    let hop = hop_of(&mut a, 3);
    for _ in 0..5 {
        assert_eq!(publish(&mut a, 4).0, hop);
        assert_ne!(sent(&a.advance(S)).0, hop, "it is silent: another way is tried");
        assert_eq!(hop_of(&mut a, 3), hop);
        a.advance(4 * S);
    }
}

#[test]
fn members_that_answer_nobody_on_any_way_are_silent_themselves() {
    let mut a = publisher();
    let hop = hop_of(&mut a, 3);
    publish(&mut a, 4);
    publish(&mut a, 5);
    a.advance(S);
    assert_ne!(hop_of(&mut a, 3), hop, "so far it may be the relay");
    a.advance(4 * S);
    assert_eq!(hop_of(&mut a, 3), hop);
}

#[test]
fn who_swallows_what_is_for_several_is_avoided_whoever_is_asked() {
    let mut a = publisher();
    let hole = publish(&mut a, 4).0;
    publish(&mut a, 5);
    a.advance(S);
    assert_ne!(hop_of(&mut a, 3), hole);
}

#[test]
fn an_answer_clears_the_way_that_the_request_went_and_not_the_one_it_came() {
    let mut a = publisher();
    let (hole, _) = publish(&mut a, 3);
    let (way, message) = sent(&a.advance(S));
    answer(&mut a, way, 3, &message);
    for _ in 0..5 {
        let (hop, message) = publish(&mut a, 3);
        assert_eq!(hop, way);
        // Whoever swallows requests passes on answers, and the subscriber sends them over it.
        answer(&mut a, hole, 3, &message);
    }
}

#[test]
fn nor_does_what_says_that_a_multicast_has_come() {
    let mut a = publisher();
    let (hole, _) = publish(&mut a, 3);
    let (way, message) = sent(&a.advance(S));
    answer(&mut a, way, 3, &message);
    for _ in 0..5 {
        let outputs = publish_as(&mut a, Kind::Multicast, 3);
        let multicast = |output: &Output| match output {
            Output::SendMulticast { to, multicast, .. } => Some((*to, multicast.number)),
            _ => None,
        };
        let (hop, number) = outputs.iter().find_map(multicast).expect("it is sent");
        assert_eq!(hop, way);
        let message = Message { header: header(3, 0, number), content: Content::Received };
        a.input(BridgeInput::Received { from: hole, message });
        assert_eq!(hop_of(&mut a, 3), way);
    }
}
