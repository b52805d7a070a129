//! Priorities of AMOP between nodes: on every hop, in the answer, and no member or client gains by naming everything urgent.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use nuncio_identity::Signature;
use nuncio_protocol::{
    BridgeInput, Header, Output, Priority, Topic,
    amop::{
        ClientId, ClientInput, ClientOutput, Content, Kind, Message, Multicast, Post, PublishSeq, ResultCode,
        SealedPost,
    },
};
use nuncio_testkit::simulator::{Lone, header, multicast, node_id};

const CLIENT: ClientId = ClientId(7);

/// Each message's cost beside its body.
const OVERHEAD: usize = 256;

fn topic() -> Topic {
    Topic::new("alarms").expect("a valid topic")
}

/// Node 0 with a client that subscribes; 1 and 2 are linked and have subscribers.
fn node() -> Lone {
    let mut node = Lone::passive(0);
    node.link(1, &[0], &[("alarms", 1)]);
    node.link(2, &[0], &[]);
    node.client(ClientInput::Connected { client: CLIENT, tenant: None });
    node
}

fn publish(node: &mut Lone, number: u8, kind: Kind, length: usize, priority: Priority) -> Vec<Output> {
    let (seq, data) = (PublishSeq([number; 32]), Bytes::from(vec![number; length]));
    node.client(ClientInput::Publish { client: CLIENT, seq, kind, priority, topic: topic(), data })
}

fn asked(source: usize, target: usize, number: u64, length: usize, priority: Priority) -> Message {
    let header = Header { priority, ..header(source, target, number) };
    let data = Bytes::from(vec![0; length]);
    Message { header, content: Content::Publish { message: number, topic: topic(), tenant: None, data } }
}

/// As what something leaves for other nodes.
fn priorities(outputs: &[Output]) -> Vec<Priority> {
    let priority = |output: &Output| match output {
        Output::SendBridge { message, .. } => Some(message.header.priority),
        Output::SendMulticast { multicast, .. } => Some(multicast.priority),
        _ => None,
    };
    outputs.iter().filter_map(priority).collect()
}

fn received(node: &mut Lone, from: usize, message: Message) -> Vec<Output> {
    node.input(BridgeInput::Received { from: node_id(from), message })
}

fn relayed(source: usize, number: u64, length: usize) -> Multicast {
    let signature = Signature::from_bytes(&[7; 64]).expect("64 bytes");
    let sealed = Some(SealedPost { bytes: Bytes::from(vec![0; length]), tenant: Bytes::new(), signature });
    let of_member = multicast(source, number, [2], Bytes::new());
    Multicast { priority: Priority::Control, post: None, sealed, ..of_member }
}

#[test]
fn what_a_client_publishes_is_as_urgent_as_its_gateway_lets_it_be_and_so_is_the_answer() {
    for priority in Priority::ALL {
        for kind in [Kind::Unicast, Kind::Multicast] {
            assert_eq!(priorities(&publish(&mut node(), 1, kind, 10, priority)), [priority], "{kind:?}");
        }
        let mut relay = node();
        assert_eq!(priorities(&received(&mut relay, 1, asked(1, 2, 1, 10, priority))), [priority]);
        let mut target = node();
        target.client(ClientInput::Subscribe { client: CLIENT, topics: BTreeSet::from([topic()]) });
        let delivered = received(&mut target, 1, asked(1, 0, 1, 10, priority));
        let delivery = delivered.iter().find_map(|output| match output {
            Output::Client(ClientOutput::Deliver { delivery, priority, .. }) => Some((*delivery, *priority)),
            _ => None,
        });
        let (delivery, as_urgent) = delivery.expect("it is for the client");
        let data = Bytes::from("done");
        assert_eq!(as_urgent, priority, "to the client, too");
        let acknowledged =
            target.client(ClientInput::Acknowledge { client: CLIENT, delivery, code: ResultCode::OK, data });
        assert_eq!(priorities(&acknowledged), [priority]);
    }
}

/// As what something comes to clients here.
fn delivered(outputs: &[Output]) -> Vec<Priority> {
    let priority = |output: &Output| match output {
        Output::Client(ClientOutput::Deliver { priority, .. }) => Some(*priority),
        _ => None,
    };
    outputs.iter().filter_map(priority).collect()
}

fn subscriber() -> Lone {
    let mut target = node();
    target.client(ClientInput::Subscribe { client: CLIENT, topics: BTreeSet::from([topic()]) });
    target
}

#[test]
fn what_comes_to_a_client_is_as_urgent_as_it_was_published_within_its_sources_budget() {
    for priority in Priority::ALL {
        for kind in [Kind::Unicast, Kind::Multicast] {
            let published = publish(&mut subscriber(), 1, kind, 10, priority);
            let here = delivered(&published);
            assert!(here.iter().all(|came| *came == priority) && (kind == Kind::Unicast || here.len() == 1));
        }
    }
    const BODY: usize = 10_000;
    let mut target = subscriber();
    let mut cast = |number: u64| {
        let of_member = multicast(1, number, [0], Bytes::from(vec![0; BODY]));
        let post = of_member.post.map(|post| Post { seq: PublishSeq([number as u8; 32]), topic: topic(), ..post });
        let multicast = Multicast { priority: Priority::Control, post, ..of_member };
        delivered(&target.input(BridgeInput::MulticastReceived { from: node_id(1), multicast }))
    };
    let came: Vec<_> = (1..201).flat_map(&mut cast).collect();
    let control = came.iter().filter(|priority| **priority == Priority::Control).count();
    assert_eq!((came.len(), control), (200, (1 << 20) / (BODY + OVERHEAD)), "the rest is normal");
}

#[test]
fn what_is_delivered_and_passed_on_of_a_linked_source_counts_once() {
    const BODY: usize = 10_000;
    let (mut target, mut control) = (subscriber(), [0; 2]);
    for number in 1..201 {
        let sealed = relayed(1, number, BODY).sealed;
        let of_member = multicast(1, number, [0, 2], Bytes::from(vec![0; BODY]));
        let post = of_member.post.map(|post| Post { seq: PublishSeq([number as u8; 32]), topic: topic(), ..post });
        let multicast = Multicast { priority: Priority::Control, post, sealed, ..of_member };
        let outputs = target.input(BridgeInput::MulticastReceived { from: node_id(1), multicast });
        for (control, came) in control.iter_mut().zip([delivered(&outputs), priorities(&outputs)]) {
            assert_eq!(came.len(), 1);
            *control += usize::from(came[0] == Priority::Control);
        }
    }
    assert_eq!(control, [(1 << 20) / (BODY + OVERHEAD); 2]);
}

#[test]
fn a_member_that_names_everything_control_has_its_budget_at_relay_and_target_and_all_goes_on() {
    const BODY: usize = 10_000;
    let budget = (1 << 20) / (BODY + OVERHEAD);
    let control = |all: Vec<Priority>| {
        assert_eq!(all.len(), 300, "what is not urgent goes on, too");
        all.into_iter().filter(|priority| *priority == Priority::Control).count()
    };
    let mut relay = node();
    let mut asked_of = |number| received(&mut relay, 1, asked(1, 2, number, BODY, Priority::Control));
    assert_eq!(control((1..301).flat_map(|number| priorities(&asked_of(number))).collect()), budget);

    let mut relay = node();
    let mut cast = |number| {
        let multicast = relayed(1, number, BODY);
        relay.input(BridgeInput::MulticastReceived { from: node_id(1), multicast })
    };
    assert_eq!(control((1..301).flat_map(|number| priorities(&cast(number))).collect()), budget);

    // Nobody here subscribes: it is told so, as urgently as it may have it.
    let mut target = node();
    let mut refused = |number| received(&mut target, 1, asked(1, 0, number, BODY, Priority::Control));
    assert_eq!(
        control((1..301).flat_map(|number| priorities(&refused(number))).collect()),
        (1 << 20) / (BODY + 2 * OVERHEAD)
    );
}

#[test]
fn what_all_clients_of_a_node_publish_as_control_is_bounded_and_takes_nothing_of_its_applications() {
    const BODY: usize = 10_000;
    let mut node = node();
    let all: Vec<_> = (0..100)
        .flat_map(|number| {
            node.advance(Duration::from_micros(1));
            priorities(&publish(&mut node, number, Kind::Unicast, BODY, Priority::Control))
        })
        .collect();
    let control = all.iter().filter(|priority| **priority == Priority::Control).count();
    assert_eq!((all.len(), control), (100, (256 << 10) / (BODY + OVERHEAD)));
    let body = Bytes::from(vec![0; BODY]);
    let own = node.overlay.publish_as(Priority::Control, None, body, node.now).expect("there is room");
    assert_eq!(nuncio_protocol::multicast::priority_of(own.number), Priority::Control);
}
