//! Who takes more than is due is refused, in bytes, and nobody else is harmed.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use nuncio_protocol::{
    Account, BridgeInput, MAX_BODY, MAX_TOPIC_BYTES, Output, Topic,
    amop::{ClientId, ClientInput, ClientOutput, Content, Kind, Message, PublishSeq, ResultCode, TenantId},
};
use nuncio_testkit::simulator::{Lone, header, node_id};

const S: Duration = Duration::from_secs(1);
const SEQ: PublishSeq = PublishSeq([9; 32]);

fn topic(name: &str) -> Topic {
    Topic::new(name).expect("a valid topic")
}

fn names(count: usize, prefix: &str) -> BTreeSet<Topic> {
    (0..count).map(|n| topic(&format!("{prefix}{n:0>width$}", width = 254 - prefix.len()))).collect()
}

fn subscribe(a: &mut Lone, client: u64, topics: BTreeSet<Topic>) -> Vec<Output> {
    let client = ClientId(client);
    a.client(ClientInput::Connected { client, tenant: None });
    a.client(ClientInput::Subscribe { client, topics })
}

fn is_refused(outputs: &[Output]) -> bool {
    outputs.iter().any(|output| matches!(output, Output::Client(ClientOutput::SubscriptionRefused { .. })))
}

fn publish(a: &mut Lone, client: u64, name: &str, data: Bytes) -> Vec<Output> {
    let (client, kind) = (ClientId(client), Kind::Unicast);
    a.client(ClientInput::Publish { priority: Default::default(), client, seq: SEQ, kind, topic: topic(name), data })
}

fn code(outputs: &[Output]) -> Option<ResultCode> {
    outputs.iter().find_map(|output| match output {
        Output::Client(ClientOutput::Reply { code, .. }) => Some(*code),
        _ => None,
    })
}

fn receivers(outputs: &[Output]) -> Vec<ClientId> {
    let client = |output: &Output| match output {
        Output::Client(ClientOutput::Deliver { client, .. }) => Some(*client),
        _ => None,
    };
    outputs.iter().filter_map(client).collect()
}

#[test]
fn whoever_subscribes_too_much_is_refused_whole_and_keeps_what_it_had() {
    let mut a = Lone::passive(0);
    a.subscriber(1, &[]);
    subscribe(&mut a, 5, BTreeSet::from([topic("orders")]));
    assert!(!is_refused(&subscribe(&mut a, 6, names(3800, "!"))), "less than 1 MiB");
    assert!(is_refused(&subscribe(&mut a, 5, names(4000, "~"))), "more than 1 MiB");
    assert_eq!(receivers(&publish(&mut a, 1, "orders", Bytes::new())), [ClientId(5)]);
    let first = names(1, "~").pop_first().expect("a name");
    assert!(receivers(&publish(&mut a, 1, first.as_str(), Bytes::new())).is_empty());
    let last = names(3800, "!").pop_last().expect("a name");
    assert_eq!(receivers(&publish(&mut a, 1, last.as_str(), Bytes::new())), [ClientId(6)], "also what sorts last");
}

#[test]
fn all_clients_together_have_a_budget_and_who_is_over_it_harms_nobody() {
    let mut a = Lone::passive(0);
    a.subscriber(1, &[]);
    subscribe(&mut a, 5, BTreeSet::from([topic("orders")]));
    let mut refused = 0;
    for client in 100..120 {
        refused += usize::from(is_refused(&subscribe(&mut a, client, names(3800, &format!("{client}-")))));
    }
    assert!(refused > 0 && refused < 10, "{refused}");
    assert_eq!(receivers(&publish(&mut a, 1, "orders", Bytes::new())), [ClientId(5)]);
    a.client(ClientInput::Disconnected { client: ClientId(100) });
    assert!(!is_refused(&subscribe(&mut a, 200, names(3800, "200-"))), "there is room again");
}

#[test]
fn whoever_subscribes_much_keeps_nobody_elses_topics_from_being_told() {
    let mut a = Lone::passive(0);
    let mut subscribe = |client: u64, tenant: u64, count: u32| {
        let (client, tenant) = (ClientId(client), Some(TenantId(tenant)));
        a.client(ClientInput::Connected { client, tenant });
        let topics = (0..count).map(|n| topic(&format!("{} {n:06}", client.0))).collect();
        assert!(!is_refused(&a.client(ClientInput::Subscribe { client, topics })));
        a.advance(5 * S);
        let told = &a.overlay.record(&node_id(0)).expect("it is signed").status.topics;
        let of = |client: u32| told.keys().filter(|topic| topic.as_str().starts_with(&format!("{client} "))).count();
        assert!(told.keys().map(Topic::cost).sum::<usize>() <= MAX_TOPIC_BYTES);
        [1, 2, 3, 4].map(of)
    };
    let all = MAX_TOPIC_BYTES / topic("1 000000").cost();
    assert_eq!(subscribe(1, 1, 9_000), [9_000, 0, 0, 0], "who is alone has all");
    assert_eq!(subscribe(2, 1, 9_000), [9_000, all - 9_000, 0, 0], "of one tenant what was named stays");
    let [one, two, three, _] = subscribe(3, 3, 9_000);
    assert!(one + two + three > all - 3 && (one + two).abs_diff(three) < 2, "{one} {two} {three}");
    assert_eq!(two, 0, "a tenant's own come in their order");
    assert_eq!(subscribe(4, 4, 1)[3], 1, "few are told beside many");
}

#[test]
fn publishes_are_held_within_a_budget_and_one_client_takes_a_quarter() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[("t", 1)]);
    for client in [1, 2] {
        a.subscriber(client, &[]);
    }
    let long = Bytes::from(vec![0; MAX_BODY]);
    let codes: Vec<_> = (0..8).map(|_| code(&publish(&mut a, 1, "t", long.clone()))).collect();
    assert_eq!(codes[..6], [None; 6]);
    assert_eq!(codes[6..], [Some(ResultCode::OVER_LIMIT); 2]);
    assert_eq!(code(&publish(&mut a, 2, "t", long.clone())), None, "another client is not harmed");
    a.advance(15 * S);
    assert_eq!(code(&publish(&mut a, 1, "t", long)), None, "when they have ended there is room again");
}

fn brought(a: &mut Lone, source: usize, number: u64, data: Bytes) -> Vec<Output> {
    brought_of(a, (source, None), number, data)
}

fn brought_of(a: &mut Lone, (source, tenant): (usize, Option<u64>), number: u64, data: Bytes) -> Vec<Output> {
    let content = Content::Publish { message: number, topic: topic("t"), tenant: tenant.map(TenantId), data };
    a.input(BridgeInput::Received {
        from: node_id(source),
        message: Message { header: header(source, 0, number), content },
    })
}

#[test]
fn messages_of_other_nodes_are_held_within_a_budget_and_one_node_takes_a_quarter() {
    let mut a = Lone::passive(0);
    for n in [1, 2] {
        a.link(n, &[0], &[]);
    }
    a.subscriber(5, &["t"]);
    let long = Bytes::from(vec![0; MAX_BODY]);
    let delivered = (1..=8).filter(|number| !receivers(&brought(&mut a, 1, *number, long.clone())).is_empty()).count();
    assert_eq!(delivered, 6);
    assert!(!receivers(&brought(&mut a, 2, 1, long.clone())).is_empty(), "another node is not harmed");
    a.advance(6 * S);
    let mut later = header(1, 0, 20);
    later.sent = 6 * S;
    let content = Content::Publish { message: 20, topic: topic("t"), tenant: None, data: long };
    let outputs = a.input(BridgeInput::Received { from: node_id(1), message: Message { header: later, content } });
    assert_eq!(receivers(&outputs).len(), 1);
}

#[test]
fn messages_of_one_client_of_another_node_leave_room_to_its_others_and_many_names_gain_nothing() {
    let mut a = Lone::passive(0);
    for n in [1, 2] {
        a.link(n, &[0], &[]);
    }
    a.subscriber(5, &["t"]);
    let (long, mut numbers) = (Bytes::from(vec![0; 1 << 20]), 1..);
    let mut delivered = |whose, tries| {
        let mut is_delivered = || {
            let number = numbers.next().expect("it never ends");
            !receivers(&brought_of(&mut a, whose, number, long.clone())).is_empty()
        };
        (0..tries).filter(|_| is_delivered()).count()
    };
    let flooding = delivered((1, Some(1)), 100);
    assert!((40..50).contains(&flooding), "{flooding} of 64 MiB");
    assert!(delivered((1, Some(2)), 10) == 10, "another client of the same node");
    let invented = (0..200).map(|name| delivered((2, Some(name)), 100)).sum::<usize>();
    assert_eq!(invented, 63, "as many as without a name");
}

#[test]
fn whoever_publishes_is_named_to_the_subscribers_node_by_a_number_and_its_messages_wait_on_its_account() {
    let (mut origin, mut far) = (Lone::passive(0), Lone::passive(1));
    origin.link(1, &[0], &[("t", 1)]);
    far.link(0, &[1], &[]);
    far.subscriber(5, &["t"]);
    let mut accounts = Vec::new();
    for (client, tenant) in [(1, Some(TenantId(7))), (2, None)] {
        let client = ClientId(client);
        origin.client(ClientInput::Connected { client, tenant });
        for kind in [Kind::Unicast, Kind::Multicast] {
            let (topic, data, priority) = (topic("t"), Bytes::new(), Default::default());
            let seq = PublishSeq([accounts.len() as u8; 32]);
            let outputs = origin.client(ClientInput::Publish { priority, client, seq, kind, topic, data });
            let from = node_id(0);
            let come = outputs.into_iter().filter_map(|output| match output {
                Output::SendBridge { message, .. } => Some(BridgeInput::Received { from, message }),
                Output::SendMulticast { multicast, .. } => Some(BridgeInput::MulticastReceived { from, multicast }),
                _ => None,
            });
            let delivered = come.flat_map(|input| far.input(input)).filter_map(|output| match output {
                Output::Client(ClientOutput::Deliver { account, .. }) => Some(account),
                _ => None,
            });
            accounts.extend(delivered);
        }
    }
    let [named, unnamed] = [Account::Brought(node_id(0), 7), Account::Of(node_id(0))];
    assert_eq!(accounts, [named, named, unnamed, unnamed]);
}

#[test]
fn many_answered_messages_of_one_node_make_room_for_more() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    let client = a.subscriber(5, &["t"]);
    let long = Bytes::from(vec![0; 1 << 20]);
    for number in 1..=3000 {
        let outputs = brought(&mut a, 1, number, Bytes::new());
        let delivery = outputs.iter().find_map(|output| match output {
            Output::Client(ClientOutput::Deliver { delivery, .. }) => Some(*delivery),
            _ => None,
        });
        let delivery = delivery.expect("what is answered makes room");
        a.client(ClientInput::Acknowledge { client, delivery, code: ResultCode::OK, data: long.clone() });
    }
}

#[test]
fn a_message_of_another_node_is_attempted_no_more_often_than_an_honest_node_does() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    for client in 100..700 {
        a.subscriber(client, &["t"]);
    }
    let mut delivered = |message, numbers: std::ops::RangeInclusive<u64>| {
        let attempt = |number| {
            let content = Content::Publish { message, topic: topic("t"), tenant: None, data: Bytes::new() };
            let message = Message { header: header(1, 0, number), content };
            receivers(&a.input(BridgeInput::Received { from: node_id(1), message })).len()
        };
        numbers.map(attempt).sum::<usize>()
    };
    assert_eq!(delivered(1, 1..=600), 256);
    assert_eq!(delivered(2, 601..=610), 10, "another message");
}

/// A member says that it has as many subscribers as there are numbers.
#[test]
fn a_node_that_names_subscribers_without_end_is_drawn_as_one_with_a_few() {
    let mut a = Lone::passive(0);
    a.subscriber(1, &[]);
    a.link(1, &[0], &[("t", u32::MAX)]);
    for n in 2..=9 {
        a.link(n, &[0], &[("t", 2)]);
    }
    let mut theirs = 0;
    for _ in 0..2_000 {
        for output in publish(&mut a, 1, "t", Bytes::new()) {
            let Output::SendBridge { to, message, .. } = output else { continue };
            let from = (1..=9).find(|n| node_id(*n) == to).expect("one of them");
            theirs += usize::from(from == 1);
            let content = Content::Result { code: ResultCode::OK, data: Bytes::new() };
            let message = Message { header: header(from, 0, message.header.number), content };
            a.input(BridgeInput::Received { from: to, message });
        }
    }
    assert!((850..1_150).contains(&theirs), "{theirs}: sixteen of thirty-two");
}
