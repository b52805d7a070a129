//! What others say of a request or a publish: that it went no further. Its number can be guessed, so any member can say so.

use std::time::Duration;

use bytes::Bytes;
use nuncio_identity::NodeId;
use nuncio_protocol::{
    BridgeInput, Output, Topic, UnicastInput,
    amop::{self, ClientId, ClientInput, ClientOutput, Kind, PublishSeq, ResultCode},
    trace::Trace,
    unicast::{Content, ExchangeId, Message, Refusal, UnicastError},
};
use nuncio_testkit::simulator::{Lone, header, node_id, record};

const S: Duration = Duration::from_secs(1);

/// It is on no way that is used here.
const MEMBER: usize = 9;

const PUBLISHER: ClientId = ClientId(1);

/// Node 0 in a ring with node 3 opposite, which subscribes, and the member beside it.
fn ring() -> Lone {
    let mut a = Lone::ring();
    a.answered(1, vec![record(3, 2, &[1, 2], &[("t", 1)]), record(MEMBER, 1, &[1, 2], &[])]);
    a.subscriber(PUBLISHER.0, &[]);
    a
}

/// Nodes 0 – 1 – 2 – 3.
fn line() -> Lone {
    let mut a = Lone::passive(0);
    a.link(1, &[0, 2], &[]);
    a.answered(1, vec![record(2, 1, &[1, 3], &[]), record(3, 1, &[2], &[("t", 1)])]);
    a.subscriber(PUBLISHER.0, &[]);
    a
}

/// Whom node 0 asks for node 3.
fn request(a: &mut Lone) -> Vec<NodeId> {
    let (exchange, target, body, timeout) = (ExchangeId(7), node_id(3), Bytes::from_static(b"ping"), 5 * S);
    let (trace, priority) = (Trace::default(), Default::default());
    let outputs = a.input(UnicastInput::Request { exchange, target, body, timeout, trace, priority });
    sent(&outputs).into_iter().map(|(to, _)| to).collect()
}

fn sent(outputs: &[Output]) -> Vec<(NodeId, u64)> {
    let message = |output: &Output| match output {
        Output::SendUnicast { to, message, .. } => Some((*to, message.header.number)),
        Output::SendBridge { to, message, .. } => Some((*to, message.header.number)),
        _ => None,
    };
    outputs.iter().filter_map(message).collect()
}

fn outcome(outputs: &[Output]) -> Option<Result<Bytes, UnicastError>> {
    outputs.iter().find_map(|output| match output {
        Output::Completed { outcome, .. } => Some(outcome.clone().map(|reply| reply.body)),
        _ => None,
    })
}

fn replied(outputs: &[Output]) -> Option<ResultCode> {
    outputs.iter().find_map(|output| match output {
        Output::Client(ClientOutput::Reply { code, .. }) => Some(*code),
        _ => None,
    })
}

/// What a node says of a request of node 0, as a peer brings it.
fn said(via: NodeId, source: usize, content: Content) -> UnicastInput {
    UnicastInput::Received { from: via, message: Message { header: header(source, 0, 1), content } }
}

fn turned_back() -> [Content; 2] {
    [Refusal::NoRoute, Refusal::Busy].map(|refusal| Content::Failure { refusal })
}

/// A publish of node 0, and the first hop and number of its attempt.
fn publish(a: &mut Lone) -> (NodeId, u64) {
    let topic = Topic::new("t").expect("a valid topic");
    let (client, seq, kind, data) = (PUBLISHER, PublishSeq([9; 32]), Kind::Unicast, "hi".into());
    let outputs = a.client(ClientInput::Publish { client, seq, kind, priority: Default::default(), topic, data });
    assert_eq!(replied(&outputs), None);
    sent(&outputs)[0]
}

fn result(via: NodeId, source: usize, number: u64, code: ResultCode) -> BridgeInput {
    let content = amop::Content::Result { code, data: Bytes::new() };
    BridgeInput::Received { from: via, message: amop::Message { header: header(source, 0, number), content } }
}

#[test]
fn who_is_on_no_way_of_a_request_says_nothing_of_it() {
    for content in turned_back() {
        let mut a = ring();
        let via = request(&mut a)[0];
        let outputs = a.input(said(via, MEMBER, content.clone()));
        assert!(outputs.is_empty(), "{content:?}: {outputs:?}");
        assert_eq!(outcome(&a.input(said(via, 3, Content::Reply { body: "pong".into() }))), Some(Ok("pong".into())));

        let mut a = Lone::passive(0);
        a.link(3, &[0], &[]);
        a.answered(3, vec![record(MEMBER, 1, &[3], &[])]);
        request(&mut a);
        assert!(a.input(said(node_id(3), MEMBER, content)).is_empty(), "nor of one to a node that is linked");
    }
}

#[test]
fn what_a_node_behind_the_first_hop_says_ends_no_request_as_one_that_was_not_seen() {
    for content in turned_back() {
        let mut a = line();
        let via = request(&mut a)[0];
        assert_eq!(outcome(&a.input(said(via, 2, content.clone()))), None, "{content:?}");
        let outputs = a.advance(2 * S);
        assert_eq!((outcome(&outputs), sent(&outputs).len()), (None, 1), "it is tried again");
        assert!(a.input(said(via, 2, content.clone())).is_empty());
        assert_eq!(outcome(&a.advance(3 * S)), Some(Err(UnicastError::TimedOut { after: 5 * S })));

        let mut a = line();
        let via = request(&mut a)[0];
        assert_eq!(outcome(&a.input(said(via, 2, content))), None);
        assert_eq!(outcome(&a.input(said(via, 3, Content::Reply { body: "pong".into() }))), Some(Ok("pong".into())));
    }
}

#[test]
fn what_a_node_behind_the_first_hop_says_again_and_again_sends_no_request_again_and_again() {
    let mut a = line();
    let via = request(&mut a)[0];
    let outputs: Vec<_> = (0..100).flat_map(|_| a.input(said(via, 2, turned_back()[0].clone()))).collect();
    assert!(outputs.is_empty(), "{outputs:?}");
}

/// As if it had come to be on the way meanwhile, which nobody looks at.
fn comes_between(a: &mut Lone, members: &[usize]) {
    a.answered(1, vec![record(3, 3, &[&[1, 2], members].concat(), &[("t", 1)])]);
    a.answered(1, members.iter().map(|member| record(*member, 2, &[1, 2, 3], &[])).collect());
    // Else they are on none of the shortest.
    a.answered(1, vec![record(1, 2, &[&[0], members].concat(), &[]), record(2, 2, &[&[0], members].concat(), &[])]);
}

#[test]
fn however_many_say_in_vain_that_it_went_no_further_who_may_have_had_it_is_believed() {
    let members: Vec<_> = (MEMBER..MEMBER + 9).collect();
    let mut a = ring();
    a.answered(1, members.iter().map(|member| record(*member, 1, &[1, 2], &[])).collect());
    let via = request(&mut a)[0];
    let turned = || turned_back()[0].clone();
    assert!(members.iter().all(|member| a.input(said(via, *member, turned())).is_empty()));
    comes_between(&mut a, &[MEMBER + 20]);
    assert!(members.iter().all(|member| a.input(said(via, *member, turned())).is_empty()));
    assert_eq!(sent(&a.input(said(via, MEMBER + 20, turned()))).len(), 1);

    let mut a = ring();
    let (via, number) = publish(&mut a);
    let code = ResultCode::NO_SUBSCRIBER;
    a.answered(1, members.iter().map(|member| record(*member, 1, &[1, 2], &[])).collect());
    assert!(members.iter().all(|member| a.input(result(via, *member, number, code)).is_empty()));
    comes_between(&mut a, &[MEMBER + 20]);
    assert!(members.iter().all(|member| a.input(result(via, *member, number, code)).is_empty()));
    assert_eq!(sent(&a.input(result(via, MEMBER + 20, number, code))).len(), 1);
}

#[test]
fn who_is_on_no_way_of_a_publish_says_nothing_of_it() {
    let mut a = ring();
    let (via, number) = publish(&mut a);
    let outputs = a.input(result(via, MEMBER, number, ResultCode::NO_SUBSCRIBER));
    assert!(outputs.is_empty(), "{outputs:?}");
    assert_eq!(replied(&a.input(result(via, 3, number, ResultCode::OK))), Some(ResultCode::OK));
}

#[test]
fn what_a_node_behind_the_first_hop_says_ends_no_publish_as_one_that_was_not_seen() {
    let mut a = line();
    let (via, number) = publish(&mut a);
    assert_eq!(replied(&a.input(result(via, 2, number, ResultCode::NO_SUBSCRIBER))), None);
    assert_eq!(replied(&a.input(result(via, 3, number, ResultCode::OK))), Some(ResultCode::OK), "it was delivered");

    let mut a = line();
    let (via, number) = publish(&mut a);
    a.input(result(via, 2, number, ResultCode::NO_SUBSCRIBER));
    assert_eq!(replied(&a.advance(4 * S)), Some(ResultCode::TIMEOUT));

    // Others are tried at once.
    let mut a = line();
    let (via, number) = publish(&mut a);
    a.answered(1, vec![record(2, 2, &[1, 3], &[("t", 1)])]);
    let again = sent(&a.input(result(via, 2, number, ResultCode::NO_SUBSCRIBER)));
    assert_eq!(again.len(), 1);
    assert_ne!(again[0].1, number, "another attempt");
}

#[test]
fn the_first_hop_says_of_a_publish_that_it_went_no_further() {
    let mut a = line();
    let (via, number) = publish(&mut a);
    let outputs = a.input(result(via, 1, number, ResultCode::NO_SUBSCRIBER));
    assert_eq!(replied(&outputs), Some(ResultCode::NO_SUBSCRIBER));
}
