//! Steps of the core: an input, and all that comes of it.

use std::{collections::BTreeSet, hint::black_box, time::Duration};

use bytes::Bytes;
use nuncio_protocol::{
    Header, MAX_LIFETIME, MulticastInput, Output, StatusInput, Topic, UnicastInput,
    amop::{ClientId, ClientInput, ClientOutput, Kind, PublishSeq, ResultCode},
    multicast::{Batch, Destination, Leg, Proof},
    unicast::{Content, ExchangeId, InboundId, Message},
};
use nuncio_testkit::simulator::{Lone, header, listening, node_id, record};

use super::{Turn, Work};

pub(super) const WORK: &[Work] = &[
    Work::new("step/request_and_reply", 5000, request_and_reply),
    Work::new("step/asked_and_answered", 5000, asked_and_answered),
    Work::new("step/passed_on", 5000, passed_on),
    Work::new("step/publish_64", 1000, publish),
    Work::new("step/heard_64", 1000, heard),
    Work::new("step/amop_unicast", 5000, amop_unicast),
    Work::new("step/announced", 5000, announced),
    Work::new("step/record_taken", 5000, record_taken),
];

/// Between two turns of the virtual clock: slow enough for every budget.
const PAUSE: Duration = Duration::from_millis(1);

fn topic() -> Topic {
    Topic::new("prices").expect("a topic")
}

fn linked() -> Lone {
    let mut node = Lone::passive(0);
    node.link(1, &[0], &[]);
    node.link(2, &[0], &[]);
    node
}

/// This node asks, and the answer comes.
fn request_and_reply() -> Turn {
    let (mut node, mut exchange, mut clock) = (linked(), 0, Duration::ZERO);
    Box::new(move || {
        (exchange, clock) = (exchange + 1, clock + PAUSE);
        let (body, timeout) = (Bytes::from_static(&[7; 64]), Duration::from_secs(5));
        let asked = node.input(UnicastInput::Request {
            exchange: ExchangeId(exchange),
            target: node_id(1),
            body: body.clone(),
            timeout,
            trace: Default::default(),
            priority: Default::default(),
        });
        let [Output::SendUnicast { message, .. }] = &asked[..] else { panic!("one message, not {asked:?}") };
        let header = Header { sent: clock, ..header(1, 0, message.header.number) };
        let answer = Message { header, content: Content::Reply { body } };
        let told = node.input(UnicastInput::Received { from: node_id(1), message: answer });
        assert!(told.iter().any(|output| matches!(output, Output::Completed { .. })), "answered");
        node.advance(PAUSE);
    })
}

fn request(number: u64, now: Duration, target: usize) -> Message {
    let header = Header { sent: now, ..header(1, target, number) };
    Message { header, content: Content::Request { body: Bytes::from_static(&[7; 64]) } }
}

fn inbound(outputs: &[Output]) -> Option<InboundId> {
    outputs.iter().find_map(|output| match output {
        Output::Request { inbound, .. } => Some(*inbound),
        _ => None,
    })
}

/// Another node asks, and the application answers.
fn asked_and_answered() -> Turn {
    let (mut node, mut number, mut clock) = (linked(), 0, Duration::ZERO);
    Box::new(move || {
        (number, clock) = (number + 1, clock + PAUSE);
        let asked = node.input(UnicastInput::Received { from: node_id(1), message: request(number, clock, 0) });
        let inbound = inbound(&asked).expect("handed to the application");
        let answered = node.input(UnicastInput::Respond { inbound, body: Bytes::from_static(&[7; 64]) });
        assert!(matches!(answered[..], [Output::SendUnicast { .. }]), "sent");
        node.advance(PAUSE);
    })
}

/// A request crosses this node.
fn passed_on() -> Turn {
    let (mut node, mut number, mut clock) = (linked(), 0, Duration::ZERO);
    Box::new(move || {
        (number, clock) = (number + 1, clock + PAUSE);
        let mut message = request(number, clock, 2);
        message.content = Content::Sealed { asks: true, bytes: Bytes::from_static(&[7; 96]) };
        let passed = node.input(UnicastInput::Received { from: node_id(1), message });
        assert!(passed.iter().any(|output| matches!(output, Output::SendUnicast { .. })), "passed on");
        node.advance(PAUSE);
    })
}

/// This node publishes sixty-four messages at once, for two subscribers.
fn publish() -> Turn {
    let mut node = linked();
    for n in [1, 2] {
        node.answered(n, vec![listening(n, 2, &[0], &["prices"])]);
    }
    Box::new(move || {
        for _ in 0..64 {
            node.overlay.publish(Some(&topic()), Bytes::from_static(&[7; 64]), node.now).expect("there is room");
        }
        node.overlay.flush(node.now);
        let sent = node.outputs();
        assert_eq!(sent.iter().filter(|output| matches!(output, Output::SendBatch { .. })).count(), 2);
        node.advance(64 * PAUSE);
    })
}

/// A batch of sixty-four messages arrives from its origin.
fn heard() -> Turn {
    let (mut node, mut first, mut clock) = (linked(), 1, Duration::ZERO);
    node.answered(1, vec![listening(1, 2, &[0], &["prices"])]);
    node.input(StatusInput::MulticastTopics { topics: BTreeSet::from([topic()]) });
    Box::new(move || {
        let batch = Batch {
            origin: node_id(1),
            epoch: 1,
            sent: clock,
            lifetime: MAX_LIFETIME,
            topic: Some(topic()),
            first,
            bodies: vec![Bytes::from_static(&[7; 64]); 64],
            long: None,
            proof: Proof::default(),
        };
        (first, clock) = (first + 64, clock + 64 * PAUSE);
        let destinations = vec![Destination { node: node_id(0), since: 1 }];
        let leg = Leg { batch: batch.into(), hops_left: 15, priority: Default::default(), destinations };
        let told = node.input(MulticastInput::Received { from: node_id(1), leg });
        assert!(told.iter().any(|output| matches!(output, Output::Multicast { .. })), "told");
        node.advance(64 * PAUSE);
    })
}

/// A client publishes to another client of this node, which acknowledges.
fn amop_unicast() -> Turn {
    let (mut node, mut number) = (linked(), 0_u64);
    let publisher = node.subscriber(1, &[]);
    node.subscriber(2, &["prices"]);
    Box::new(move || {
        number += 1;
        let mut seq = [0; 32];
        seq[..8].copy_from_slice(&number.to_be_bytes());
        let data = Bytes::from_static(&[7; 64]);
        let asked = node.client(ClientInput::Publish {
            priority: Default::default(),
            client: publisher,
            seq: PublishSeq(seq),
            kind: Kind::Unicast,
            topic: topic(),
            data: data.clone(),
        });
        let delivery = asked.iter().find_map(|output| match output {
            Output::Client(ClientOutput::Deliver { delivery, .. }) => Some(*delivery),
            _ => None,
        });
        let (client, delivery) = (ClientId(2), delivery.expect("delivered"));
        let told = node.client(ClientInput::Acknowledge { client, delivery, code: ResultCode::OK, data });
        assert!(told.iter().any(|output| matches!(output, Output::Client(ClientOutput::Reply { .. }))), "answered");
        node.advance(PAUSE);
    })
}

/// A neighbour's announcement of what is known.
fn announced() -> Turn {
    let mut node = linked();
    Box::new(move || {
        black_box(node.input(nuncio_testkit::simulator::announced(1, 2, 1)));
        node.advance(64 * PAUSE);
    })
}

/// A neighbour's new record, with the same links.
fn record_taken() -> Turn {
    let (mut node, mut seq) = (linked(), 1);
    Box::new(move || {
        seq += 1;
        black_box(node.answered(1, vec![record(1, seq, &[0], &[])]));
        node.advance(1000 * PAUSE);
    })
}
