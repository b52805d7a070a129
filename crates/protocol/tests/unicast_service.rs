//! Requests to a node itself: they travel as others do, and no application gets them.

use std::time::Duration;

use bytes::Bytes;
use nuncio_protocol::{
    Header, MAX_SERVICE_BODY, Output, UnicastInput,
    unicast::{Content, ExchangeId, InboundId, Message, Reply, UnicastError},
};
use nuncio_testkit::simulator::{Lone, header, node_id};

fn request(target: usize, body: Bytes) -> UnicastInput {
    let (exchange, target, timeout) = (ExchangeId(7), node_id(target), Duration::from_secs(5));
    UnicastInput::ServiceRequest { exchange, target, body, timeout, trace: Default::default() }
}

fn sent(outputs: &[Output]) -> Vec<Message> {
    let message = |output: &Output| match output {
        Output::SendUnicast { message, .. } => Some(message.clone()),
        _ => None,
    };
    outputs.iter().filter_map(message).collect()
}

fn outcome(outputs: &[Output]) -> Option<Result<Reply, UnicastError>> {
    outputs.iter().find_map(|output| match output {
        Output::Completed { outcome, .. } => Some(outcome.clone()),
        _ => None,
    })
}

#[test]
fn it_comes_to_the_node_itself_once_and_its_answer_comes_back() {
    let (mut a, mut b) = (Lone::passive(0), Lone::passive(1));
    a.link(1, &[0], &[]);
    b.link(0, &[1], &[]);
    let asked = sent(&a.input(request(1, "renew".into()))).remove(0);
    assert_eq!(asked.content, Content::ServiceRequest { body: "renew".into() });
    let received = |message: &Message| UnicastInput::Received { from: node_id(0), message: message.clone() };
    let outputs = b.input(received(&asked));
    let inbound = InboundId(0);
    assert_eq!(outputs, [Output::ServiceRequest { inbound, source: node_id(0), body: "renew".into() }]);
    assert_eq!(b.input(received(&asked)), [], "a second time it is the same");
    let answer = sent(&b.input(UnicastInput::Respond { inbound, body: "renewed".into() })).remove(0);
    let header = Header { sent: asked.header.sent + Duration::from_millis(1), ..asked.header };
    let again = Message { header, ..asked };
    assert_eq!(sent(&b.input(received(&again)))[0].content, answer.content, "and so is its answer");
    let outputs = a.input(UnicastInput::Received { from: node_id(1), message: answer });
    assert_eq!(outcome(&outputs), Some(Ok(Reply { body: "renewed".into(), hops: 1 })));
}

#[test]
fn a_long_one_is_not_sent_and_one_to_this_node_is_handed_to_itself() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    let (bytes, limit) = (MAX_SERVICE_BODY + 1, MAX_SERVICE_BODY);
    let outputs = a.input(request(1, vec![0; bytes].into()));
    assert_eq!(outcome(&outputs), Some(Err(UnicastError::TooLarge { bytes, limit })));
    let outputs = a.input(request(0, "own".into()));
    assert!(matches!(outputs[..], [Output::ServiceRequest { .. }]), "{outputs:?}");
}

#[test]
fn a_relay_passes_it_on_unread() {
    let mut relay = Lone::passive(1);
    relay.link(0, &[1], &[]);
    relay.link(2, &[1], &[]);
    let message = Message { header: header(0, 2, 1), content: Content::Sealed { asks: true, bytes: "sealed".into() } };
    let outputs = relay.input(UnicastInput::Received { from: node_id(0), message });
    assert!(
        matches!(&sent(&outputs)[..], [Message { content: Content::Sealed { asks: true, .. }, .. }]),
        "{outputs:?}"
    );
}
