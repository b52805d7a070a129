//! AMOP unicast: the publisher's node picks a subscriber, its node delivers, the acknowledgement travels back.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use nuncio_identity::NodeId;
use nuncio_protocol::{
    Account, BridgeInput, Config, Output, PeeringInput, Topic,
    amop::{
        ClientId, ClientInput, ClientOutput, Content, DeliveryId, Kind, Message, PublishLimits, PublishSeq, ResultCode,
    },
};
use nuncio_testkit::simulator::{Lone, header, node_id, record};

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);
const SEQ: PublishSeq = PublishSeq([9; 32]);
const PUBLISHER: ClientId = ClientId(1);

fn topic() -> Topic {
    Topic::new("t").expect("a valid topic")
}

/// Node 0 with a publisher.
fn with_publisher() -> Lone {
    let mut a = Lone::passive(0);
    a.subscriber(PUBLISHER.0, &[]);
    a
}

fn publish(a: &mut Lone) -> Vec<Output> {
    publish_as(a, PUBLISHER)
}

fn publish_as(a: &mut Lone, client: ClientId) -> Vec<Output> {
    a.client(ClientInput::Publish {
        priority: Default::default(),
        client,
        seq: SEQ,
        kind: Kind::Unicast,
        topic: topic(),
        data: "hi".into(),
    })
}

fn sent(outputs: &[Output]) -> Vec<(NodeId, Message)> {
    let message = |output: &Output| match output {
        Output::SendBridge { to, message, .. } => Some((*to, message.clone())),
        _ => None,
    };
    outputs.iter().filter_map(message).collect()
}

fn delivered(outputs: &[Output]) -> Vec<(ClientId, DeliveryId)> {
    let delivery = |output: &Output| match output {
        Output::Client(ClientOutput::Deliver { client, delivery, .. }) => Some((*client, *delivery)),
        _ => None,
    };
    outputs.iter().filter_map(delivery).collect()
}

fn accounts(outputs: &[Output]) -> Vec<Account> {
    let account = |output: &Output| match output {
        Output::Client(ClientOutput::Deliver { account, .. }) | Output::SendBridge { account, .. } => Some(*account),
        _ => None,
    };
    outputs.iter().filter_map(account).collect()
}

fn replied(outputs: &[Output]) -> Option<(ResultCode, Bytes)> {
    let replies: Vec<_> = outputs
        .iter()
        .filter_map(|output| match output {
            Output::Client(ClientOutput::Reply { seq, code, data, .. }) if *seq == SEQ => Some((*code, data.clone())),
            _ => None,
        })
        .collect();
    assert!(replies.len() <= 1, "one reply per publish");
    replies.into_iter().next()
}

fn acknowledge(a: &mut Lone, (client, delivery): (ClientId, DeliveryId)) -> Vec<Output> {
    a.client(ClientInput::Acknowledge { client, delivery, code: ResultCode::OK, data: "got it".into() })
}

fn result(from: usize, attempt: &Message, code: ResultCode) -> BridgeInput {
    let content = Content::Result { code, data: Bytes::new() };
    BridgeInput::Received {
        from: node_id(from),
        message: Message { header: header(from, 0, attempt.header.number), content },
    }
}

#[test]
fn a_message_goes_to_the_subscriber_of_another_node_and_its_answer_comes_back() {
    let (mut publisher, mut subscriber) = (with_publisher(), Lone::passive(1));
    publisher.link(1, &[0], &[("t", 1)]);
    subscriber.link(0, &[1], &[]);
    let client = subscriber.subscriber(5, &["t"]);

    let (to, message) = sent(&publish(&mut publisher)).remove(0);
    assert_eq!(to, node_id(1));
    let outputs = subscriber.input(BridgeInput::Received { from: node_id(0), message: message.clone() });
    let delivery = delivered(&outputs)[0];
    assert_eq!(delivery.0, client);
    assert_eq!(accounts(&outputs), [Account::Of(node_id(0))]);

    let outputs = acknowledge(&mut subscriber, delivery);
    assert_eq!(accounts(&outputs), [Account::Of(node_id(0))], "an answer is of who asked");
    let (to, answer) = sent(&outputs).remove(0);
    assert_eq!(to, node_id(0));
    let outputs = publisher.input(BridgeInput::Received { from: node_id(1), message: answer.clone() });
    assert_eq!(replied(&outputs), Some((ResultCode::OK, "got it".into())));

    assert!(acknowledge(&mut subscriber, delivery).is_empty(), "a second acknowledgement is dropped");
    assert!(publisher.input(BridgeInput::Received { from: node_id(1), message: answer }).is_empty());
    let again = subscriber.input(BridgeInput::Received { from: node_id(0), message });
    assert!(again.is_empty(), "a replayed message is delivered to nobody");
}

#[test]
fn without_a_subscriber_the_reply_is_100_at_once() {
    let mut a = with_publisher();
    a.link(1, &[0], &[("other", 1)]);
    assert_eq!(replied(&publish(&mut a)), Some((ResultCode::NO_SUBSCRIBER, Bytes::new())));
}

#[test]
fn block_notifications_cannot_be_published() {
    let mut a = with_publisher();
    a.subscriber(2, &["_block_notify_1"]);
    let topic = Topic::new("_block_notify_1").expect("a valid topic");
    let (client, seq, data) = (PUBLISHER, SEQ, Bytes::new());
    let outputs =
        a.client(ClientInput::Publish { priority: Default::default(), client, seq, kind: Kind::Unicast, topic, data });
    assert_eq!(replied(&outputs).map(|(code, _)| code), Some(ResultCode::NO_SUBSCRIBER));
    assert!(delivered(&outputs).is_empty());
}

#[test]
fn every_subscriber_has_the_same_chance_wherever_it_is() {
    let mut a = with_publisher();
    a.link(1, &[0], &[("t", 1)]);
    a.link(2, &[0], &[("t", 3)]);
    a.subscriber(10, &["t"]);
    a.subscriber(11, &["t"]);
    let mut hits: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..6000 {
        let outputs = publish(&mut a);
        if let Some((to, message)) = sent(&outputs).into_iter().next() {
            *hits.entry(to.short()).or_default() += 1;
            let from = if to == node_id(1) { 1 } else { 2 };
            a.input(result(from, &message, ResultCode::OK));
        } else {
            let delivery = delivered(&outputs)[0];
            *hits.entry(delivery.0.0.to_string()).or_default() += 1;
            acknowledge(&mut a, delivery);
        }
    }
    let expected = [(node_id(1).short(), 1000), (node_id(2).short(), 3000), ("10".into(), 1000), ("11".into(), 1000)];
    for (who, share) in expected {
        let hit = hits[&who];
        assert!(hit.abs_diff(share) < 200, "{who} got {hit} of 6000, {share} expected");
    }
}

#[test]
fn when_a_subscriber_is_gone_the_next_one_gets_the_message() {
    let mut a = with_publisher();
    a.link(1, &[0], &[("t", 1)]);
    a.link(2, &[0], &[("t", 1)]);
    let (first, message) = sent(&publish(&mut a)).remove(0);
    let (first, second) = if first == node_id(1) { (1, 2) } else { (2, 1) };
    let outputs = a.input(result(first, &message, ResultCode::SUBSCRIBER_GONE));
    let (to, message) = sent(&outputs).remove(0);
    assert_eq!(to, node_id(second));
    let outputs = a.input(result(second, &message, ResultCode::SUBSCRIBER_GONE));
    assert_eq!(replied(&outputs), Some((ResultCode::SUBSCRIBER_GONE, Bytes::new())));
}

#[test]
fn what_one_node_says_of_itself_does_not_end_an_exchange_that_another_can_serve() {
    let of_nodes = [ResultCode::OVER_LIMIT, ResultCode::NO_SUBSCRIBER, ResultCode::TIMEOUT, ResultCode::DENIED];
    for code in of_nodes {
        let mut a = with_publisher();
        a.link(1, &[0], &[("t", 1)]);
        a.link(2, &[0], &[("t", 1)]);
        let (first, message) = sent(&publish(&mut a)).remove(0);
        let (first, second) = if first == node_id(1) { (1, 2) } else { (2, 1) };
        let outputs = a.input(result(first, &message, code));
        assert_eq!(replied(&outputs), None, "{code:?}");
        let (to, message) = sent(&outputs).remove(0);
        assert_eq!(to, node_id(second));
        assert_eq!(replied(&a.input(result(second, &message, code))), Some((code, Bytes::new())), "all say so");
    }
    let mut a = with_publisher();
    a.link(1, &[0], &[("t", 1)]);
    a.link(2, &[0], &[("t", 1)]);
    let (first, message) = sent(&publish(&mut a)).remove(0);
    let first = if first == node_id(1) { 1 } else { 2 };
    let of_a_subscriber = ResultCode(7);
    assert_eq!(replied(&a.input(result(first, &message, of_a_subscriber))), Some((of_a_subscriber, Bytes::new())));
}

#[test]
fn a_silent_subscriber_is_passed_by_and_tried_last_afterwards() {
    let mut a = with_publisher();
    a.link(1, &[0], &[("t", 1)]);
    a.link(2, &[0], &[("t", 1)]);
    let (silent, _) = sent(&publish(&mut a)).remove(0);
    let (other, message) = sent(&a.advance(2 * S)).remove(0);
    assert_ne!(silent, other);
    let answering = if other == node_id(1) { 1 } else { 2 };
    assert!(replied(&a.input(result(answering, &message, ResultCode::OK))).is_some());
    for _ in 0..20 {
        let (to, message) = sent(&publish(&mut a)).remove(0);
        assert_eq!(to, other);
        a.input(result(answering, &message, ResultCode::OK));
    }
}

#[test]
fn silence_everywhere_is_102_within_four_seconds() {
    let mut a = with_publisher();
    for n in 1..=3 {
        a.link(n, &[0], &[("t", 1)]);
    }
    publish(&mut a);
    assert_eq!(replied(&a.advance(4 * S - MS)), None);
    assert_eq!(replied(&a.advance(MS)), Some((ResultCode::TIMEOUT, Bytes::new())));
}

#[test]
fn a_sole_subscriber_may_take_the_whole_time() {
    let mut a = with_publisher();
    a.link(1, &[0], &[("t", 1)]);
    let (_, message) = sent(&publish(&mut a)).remove(0);
    assert!(sent(&a.advance(3 * S)).is_empty());
    assert!(replied(&a.input(result(1, &message, ResultCode::OK))).is_some());
}

#[test]
fn a_message_that_was_not_sent_was_not_seen() {
    let mut a = with_publisher();
    a.link(1, &[0], &[("t", 1)]);
    let (to, message) = sent(&publish(&mut a)).remove(0);
    let outputs = a.input(BridgeInput::NotSent { to, message });
    assert_eq!(replied(&outputs), Some((ResultCode::NO_SUBSCRIBER, Bytes::new())));
}

#[test]
fn a_lost_link_moves_the_message_to_the_next_subscriber() {
    let mut a = with_publisher();
    let connection = a.link(1, &[0], &[("t", 1)]);
    let subscriber = ClientId(2);
    publish(&mut a);
    a.subscriber(subscriber.0, &["t"]);
    let outputs = a.input(PeeringInput::ConnectionClosed { connection, reason: "reset".into() });
    assert_eq!(delivered(&outputs)[0].0, subscriber);
}

#[test]
fn the_publishers_own_session_comes_last() {
    let mut a = Lone::passive(0);
    a.subscriber(PUBLISHER.0, &["t"]);
    let delivery = delivered(&publish(&mut a))[0];
    assert_eq!(delivery.0, PUBLISHER, "the only subscriber there is");
    assert!(replied(&acknowledge(&mut a, delivery)).is_some());
    a.subscriber(2, &["t"]);
    for _ in 0..20 {
        let delivery = delivered(&publish(&mut a))[0];
        assert_eq!(delivery.0, ClientId(2));
        acknowledge(&mut a, delivery);
    }
}

#[test]
fn no_session_gets_a_message_twice() {
    let (mut publisher, mut subscriber) = (with_publisher(), Lone::passive(1));
    publisher.link(1, &[0], &[("t", 2)]);
    subscriber.link(0, &[1], &[]);
    subscriber.subscriber(5, &["t"]);
    subscriber.subscriber(6, &["t"]);
    let mut deliver = |message: Message| subscriber.input(BridgeInput::Received { from: node_id(0), message });
    let first = deliver(sent(&publish(&mut publisher)).remove(0).1);
    let second = deliver(sent(&publisher.advance(2 * S)).remove(0).1);
    assert_ne!(delivered(&first)[0].0, delivered(&second)[0].0);
}

#[test]
fn a_session_that_leaves_or_is_full_hands_the_message_to_the_next() {
    let (mut publisher, mut subscriber) = (with_publisher(), Lone::passive(1));
    publisher.link(1, &[0], &[("t", 3)]);
    subscriber.link(0, &[1], &[]);
    for client in 5..8 {
        subscriber.subscriber(client, &["t"]);
    }
    let (_, message) = sent(&publish(&mut publisher)).remove(0);
    let first = delivered(&subscriber.input(BridgeInput::Received { from: node_id(0), message }))[0];
    let second = delivered(&subscriber.client(ClientInput::Disconnected { client: first.0 }))[0];
    let (client, delivery) = second;
    let third = delivered(&subscriber.client(ClientInput::DeliveryFailed { client, delivery }))[0];
    assert!(first.0 != second.0 && second.0 != third.0 && first.0 != third.0);
    let outputs = subscriber.client(ClientInput::Disconnected { client: third.0 });
    let (_, answer) = sent(&outputs).remove(0);
    let outputs = publisher.input(BridgeInput::Received { from: node_id(1), message: answer });
    assert_eq!(replied(&outputs), Some((ResultCode::SUBSCRIBER_GONE, Bytes::new())));
}

#[test]
fn acknowledgements_of_others_and_late_ones_are_dropped() {
    let mut a = with_publisher();
    a.subscriber(2, &["t"]);
    a.subscriber(3, &[]);
    let (client, delivery) = delivered(&publish(&mut a))[0];
    assert!(acknowledge(&mut a, (ClientId(3), delivery)).is_empty(), "not its delivery");
    assert_eq!(replied(&a.advance(4 * S)).map(|(code, _)| code), Some(ResultCode::TIMEOUT));
    assert!(acknowledge(&mut a, (client, delivery)).is_empty(), "too late");
}

#[test]
fn a_publisher_that_leaves_gets_nothing_more() {
    let mut a = with_publisher();
    a.link(1, &[0], &[("t", 1)]);
    let (_, message) = sent(&publish(&mut a)).remove(0);
    assert!(a.client(ClientInput::Disconnected { client: PUBLISHER }).is_empty());
    assert!(a.input(result(1, &message, ResultCode::OK)).is_empty());
    assert_eq!(replied(&a.advance(10 * S)), None);
}

#[test]
fn a_relay_carries_both_ways_and_turns_back_what_it_cannot_carry() {
    let mut relay = Lone::passive(1);
    relay.link(0, &[1], &[]);
    let mut publisher = with_publisher();
    publisher.link(1, &[0, 2], &[]);
    publisher.answered(1, vec![record(2, 1, &[1], &[("t", 1)])]);
    let (to, message) = sent(&publish(&mut publisher)).remove(0);
    assert_eq!(to, node_id(1));
    let outputs = relay.input(BridgeInput::Received { from: node_id(0), message: message.clone() });
    let (to, back) = sent(&outputs).remove(0);
    assert_eq!(to, node_id(0), "no way to node 2");
    let outputs = publisher.input(BridgeInput::Received { from: node_id(1), message: back });
    assert_eq!(replied(&outputs), Some((ResultCode::NO_SUBSCRIBER, Bytes::new())));

    relay.link(2, &[1], &[("t", 1)]);
    let outputs = relay.input(BridgeInput::Received { from: node_id(0), message: message.clone() });
    let (to, passed) = sent(&outputs).remove(0);
    assert_eq!((to, passed.header.hops_left), (node_id(2), message.header.hops_left - 1));
}

#[test]
fn what_is_over_a_limit_is_answered_103_and_not_sent() {
    let limits = PublishLimits { outgoing: Some(3), per_client: None, per_topic: None };
    let mut a = Lone::new(0, Config { target_degree: 0, publish_limits: limits, ..Config::default() });
    a.subscriber(PUBLISHER.0, &[]);
    a.link(1, &[0], &[("t", 1)]);
    assert_eq!(sent(&publish(&mut a)).len(), 1, "three bytes, topic and payload");
    let outputs = publish(&mut a);
    assert_eq!(replied(&outputs), Some((ResultCode::OVER_LIMIT, Bytes::new())));
    assert!(sent(&outputs).is_empty());
    a.advance(S);
    assert_eq!(sent(&publish(&mut a)).len(), 1);

    let limits = PublishLimits { outgoing: None, per_client: Some(3), per_topic: None };
    let mut a = Lone::new(0, Config { target_degree: 0, publish_limits: limits, ..Config::default() });
    a.subscriber(PUBLISHER.0, &[]);
    a.subscriber(2, &[]);
    a.subscriber(3, &["t"]);
    assert_eq!(delivered(&publish(&mut a)).len(), 1);
    assert_eq!(replied(&publish(&mut a)).map(|(code, _)| code), Some(ResultCode::OVER_LIMIT));
    assert_eq!(delivered(&publish_as(&mut a, ClientId(2))).len(), 1, "another client has its own");
}

/// Node 0 with a publisher and two ways to the subscriber at node 3: over node 1, and over node 2.
fn two_paths() -> Lone {
    let mut a = with_publisher();
    a.link(1, &[0, 3], &[]);
    a.link(2, &[0, 3], &[]);
    a.answered(1, vec![record(3, 1, &[1, 2], &[("t", 1)])]);
    a
}

#[test]
fn a_silent_hop_is_passed_in_time_and_remembered() {
    let (mut a, mut b) = (two_paths(), Lone::passive(3));
    b.link(1, &[3], &[]);
    b.link(2, &[3], &[]);
    b.answered(1, vec![record(0, 1, &[1, 2], &[])]);
    b.subscriber(5, &["t"]);
    let (hole, first) = sent(&publish(&mut a)).remove(0);
    let outputs = a.advance(S);
    let (way, second) = sent(&outputs).remove(0);
    assert_ne!(hole, way);
    assert_eq!(first.header.number, second.header.number, "the same attempt");
    let delivery = delivered(&b.input(BridgeInput::Received { from: way, message: second }))[0];
    let (to, answer) = sent(&acknowledge(&mut b, delivery)).remove(0);
    assert_eq!(to, way);
    let outputs = a.input(BridgeInput::Received { from: way, message: answer });
    assert_eq!(replied(&outputs), Some((ResultCode::OK, "got it".into())));
    // Whoever comes next does not wait for the hole again.
    for _ in 0..20 {
        let (to, message) = sent(&publish(&mut a)).remove(0);
        assert_eq!(to, way);
        a.input(result(3, &message, ResultCode::OK));
    }
    assert!(b.input(BridgeInput::Received { from: hole, message: first }).iter().all(|output| {
        matches!(output, Output::SendBridge { to, message, .. } if *to == hole && matches!(message.content, Content::Result { .. }))
    }));
}

#[test]
fn a_message_on_two_paths_is_delivered_once_and_answered_on_both() {
    let (mut a, mut b) = (two_paths(), Lone::passive(3));
    b.link(1, &[3], &[]);
    b.link(2, &[3], &[]);
    b.answered(1, vec![record(0, 1, &[1, 2], &[])]);
    for client in [5, 6] {
        b.subscriber(client, &["t"]);
    }
    let (_, first) = sent(&publish(&mut a)).remove(0);
    let (_, second) = sent(&a.advance(S)).remove(0);
    let delivery = delivered(&b.input(BridgeInput::Received { from: node_id(1), message: first.clone() }))[0];
    assert!(b.input(BridgeInput::Received { from: node_id(2), message: second.clone() }).is_empty());
    let answers: Vec<_> = sent(&acknowledge(&mut b, delivery)).into_iter().map(|(to, _)| to).collect();
    assert_eq!(answers, [node_id(1), node_id(2)]);
    for (from, message) in [(1, first), (2, second)] {
        let again = b.input(BridgeInput::Received { from: node_id(from), message });
        assert!(again.is_empty(), "on each link once");
    }
}

#[test]
fn what_a_hop_turns_back_or_loses_goes_over_another_at_once() {
    let mut a = two_paths();
    let (hop, message) = sent(&publish(&mut a)).remove(0);
    let outputs = a.input(BridgeInput::NotSent { to: hop, message });
    let (other, message) = sent(&outputs).remove(0);
    assert_ne!(hop, other);
    let from = if other == node_id(1) { 1 } else { 2 };
    let outputs = a.input(result(from, &message, ResultCode::NO_SUBSCRIBER));
    assert_eq!(replied(&outputs), Some((ResultCode::NO_SUBSCRIBER, Bytes::new())), "both say that nobody saw it");
}

/// A handler that takes 2.5 s, beside another subscriber: whoever answers first ends the exchange.
#[test]
fn a_slow_handler_answers_though_another_one_was_tried_meanwhile() {
    let mut a = with_publisher();
    for client in [2, 3] {
        a.subscriber(client, &["t"]);
    }
    let slow = delivered(&publish(&mut a))[0];
    let silent = delivered(&a.advance(2 * S))[0];
    assert_ne!(slow.0, silent.0);
    a.advance(S / 2);
    assert_eq!(replied(&acknowledge(&mut a, slow)), Some((ResultCode::OK, "got it".into())));
    assert!(acknowledge(&mut a, silent).is_empty(), "the other one's is late");

    let mut a = with_publisher();
    a.link(1, &[0], &[("t", 1)]);
    a.link(2, &[0], &[("t", 1)]);
    let (slow, message) = sent(&publish(&mut a)).remove(0);
    let (gone, second) = sent(&a.advance(2 * S)).remove(0);
    let number = |node| if node == node_id(1) { 1 } else { 2 };
    assert_eq!(replied(&a.input(result(number(gone), &second, ResultCode::SUBSCRIBER_GONE))), None, "one is left");
    let outputs = a.input(result(number(slow), &message, ResultCode::OK));
    assert_eq!(replied(&outputs).map(|(code, _)| code), Some(ResultCode::OK));
}

#[test]
fn a_slow_session_of_another_node_answers_though_a_second_one_was_tried() {
    let (mut publisher, mut subscriber) = (with_publisher(), Lone::passive(1));
    publisher.link(1, &[0], &[("t", 2)]);
    subscriber.link(0, &[1], &[]);
    subscriber.subscriber(5, &["t"]);
    subscriber.subscriber(6, &["t"]);
    let from = node_id(0);
    let message = sent(&publish(&mut publisher)).remove(0).1;
    let slow = delivered(&subscriber.input(BridgeInput::Received { from, message }))[0];
    let message = sent(&publisher.advance(2 * S)).remove(0).1;
    subscriber.advance(2 * S);
    subscriber.input(BridgeInput::Received { from, message });
    subscriber.advance(S / 2);
    let answer = sent(&acknowledge(&mut subscriber, slow)).remove(0).1;
    let outputs = publisher.input(BridgeInput::Received { from: node_id(1), message: answer });
    assert_eq!(replied(&outputs), Some((ResultCode::OK, "got it".into())));
}

#[test]
fn a_long_body_has_longer() {
    let mut a = with_publisher();
    a.link(1, &[0], &[("t", 1)]);
    let data = Bytes::from(vec![0; nuncio_protocol::MAX_BODY]);
    let (client, seq, kind) = (PUBLISHER, SEQ, Kind::Unicast);
    let outputs =
        a.client(ClientInput::Publish { priority: Default::default(), client, seq, kind, topic: topic(), data });
    let (_, message) = sent(&outputs).remove(0);
    assert_eq!(message.header.lifetime, 14 * S, "a second for each MiB");
    assert_eq!(replied(&a.advance(14 * S - MS)), None);
    assert_eq!(replied(&a.advance(MS)).map(|(code, _)| code), Some(ResultCode::TIMEOUT));
}
