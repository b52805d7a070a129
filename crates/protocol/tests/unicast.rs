//! Unicast: A picks the way to B by its node ID and sends; B answers.

use std::time::Duration;

use bytes::Bytes;
use nuncio_identity::NodeId;
use nuncio_protocol::{
    AccessInput, Config, LARGE_BODY, MAX_BODY, Output, PeeringInput, UnicastInput,
    unicast::{Content, ExchangeId, InboundId, Message, Refusal, Reply, UnicastError},
};
use nuncio_testkit::simulator::{Lone, node_id, record};

const S: Duration = Duration::from_secs(1);

fn node(n: usize) -> Lone {
    Lone::new(n, Config { target_degree: 0, ..Config::default() })
}

/// Node 0 in a ring with node 3 opposite: 0 – 1 – 3 and 0 – 2 – 3.
fn ring() -> Lone {
    let mut a = node(0);
    a.link(1, &[0, 3], &[]);
    a.link(2, &[0, 3], &[]);
    a.answered(1, vec![record(3, 1, &[1, 2], &[])]);
    a
}

fn request(target: usize) -> UnicastInput {
    UnicastInput::Request {
        exchange: ExchangeId(7),
        target: node_id(target),
        body: Bytes::from_static(b"ping"),
        timeout: 5 * S,
    }
}

fn sent(outputs: &[Output]) -> Vec<(NodeId, Message)> {
    let message = |output: &Output| match output {
        Output::SendUnicast { to, message } => Some((*to, message.clone())),
        _ => None,
    };
    outputs.iter().filter_map(message).collect()
}

fn answer(from: usize, content: Content) -> Message {
    Message {
        source: node_id(from),
        target: node_id(0),
        epoch: 1,
        id: ExchangeId(7),
        hops_left: 15,
        hops: 1,
        content,
        signature: None,
    }
}

fn received(from: usize, message: Message) -> UnicastInput {
    UnicastInput::Received { from: node_id(from), message }
}

fn outcome(outputs: &[Output]) -> Option<Result<Reply, UnicastError>> {
    let outcomes: Vec<_> = outputs
        .iter()
        .filter_map(|output| match output {
            Output::Completed { exchange, outcome } => {
                assert_eq!(*exchange, ExchangeId(7));
                Some(outcome.clone())
            }
            _ => None,
        })
        .collect();
    assert!(outcomes.len() <= 1, "a request ends once");
    outcomes.into_iter().next()
}

fn pong() -> Content {
    Content::Reply { body: Bytes::from_static(b"pong") }
}

#[test]
fn a_request_goes_to_the_linked_target_and_its_reply_comes_back() {
    let (mut a, mut b) = (node(0), node(1));
    a.link(1, &[0], &[]);
    b.link(0, &[1], &[]);

    let outputs = sent(&a.input(request(1)));
    let (to, message) = &outputs[0];
    assert_eq!((*to, message.hops, message.hops_left), (node_id(1), 1, 15));

    let outputs = b.input(received(0, message.clone()));
    assert_eq!(outputs, [Output::Request { inbound: InboundId(0), source: node_id(0), body: "ping".into() }]);
    let outputs = sent(&b.input(UnicastInput::Respond { inbound: InboundId(0), body: "pong".into() }));
    let (to, reply) = &outputs[0];
    assert_eq!(*to, node_id(0));

    let outputs = a.input(received(1, reply.clone()));
    assert_eq!(outcome(&outputs), Some(Ok(Reply { body: "pong".into(), hops: 1 })));
    assert_eq!(outcome(&a.input(received(1, reply.clone()))), None, "a second reply finds nobody");
}

#[test]
fn what_cannot_be_sent_is_refused_at_once() {
    let mut a = node(0);
    assert_eq!(outcome(&a.input(request(1))), Some(Err(UnicastError::NoRoute)));
    a.link(1, &[0], &[]);
    let (exchange, target, timeout) = (ExchangeId(7), node_id(1), S);
    let body = Bytes::from(vec![0; MAX_BODY + 1]);
    let outputs = a.input(UnicastInput::Request { exchange, target, body, timeout });
    assert_eq!(outcome(&outputs), Some(Err(UnicastError::TooLarge { bytes: MAX_BODY + 1, limit: MAX_BODY })));
    let body = Bytes::from(vec![0; MAX_BODY]);
    assert_eq!(sent(&a.input(UnicastInput::Request { exchange, target, body, timeout })).len(), 1);
}

#[test]
fn a_request_to_ourselves_reaches_our_application() {
    let mut a = node(0);
    let outputs = a.input(request(0));
    assert!(matches!(outputs[..], [Output::Request { inbound: InboundId(0), .. }]), "{outputs:?}");
    let outputs = a.input(UnicastInput::Respond { inbound: InboundId(0), body: "me".into() });
    assert_eq!(outcome(&outputs), Some(Ok(Reply { body: "me".into(), hops: 0 })));
}

#[test]
fn silence_ends_at_the_deadline() {
    let mut a = node(0);
    a.link(1, &[0], &[]);
    a.input(request(1));
    let outputs = a.advance(5 * S - Duration::from_millis(1));
    assert_eq!((outcome(&outputs), sent(&outputs).len()), (None, 0), "the direct link is not asked twice");
    assert_eq!(outcome(&a.advance(Duration::from_millis(1))), Some(Err(UnicastError::TimedOut { after: 5 * S })));
}

#[test]
fn a_silent_first_hop_is_passed_by() {
    let mut a = ring();
    let first = sent(&a.input(request(3)));
    let second = sent(&a.advance(2 * S));
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first[0].0, second[0].0, "another first hop");
    assert_eq!(first[0].1.id, second[0].1.id, "the same request, so that the target knows it again");
    let outputs = a.input(received(1, Message { hops: 2, ..answer(3, pong()) }));
    assert_eq!(outcome(&outputs), Some(Ok(Reply { body: "pong".into(), hops: 2 })));
}

#[test]
fn a_dead_link_is_passed_by_at_once() {
    let mut a = node(0);
    let direct = a.link(3, &[0, 1], &[]);
    a.link(1, &[0, 3], &[]);
    assert_eq!(sent(&a.input(request(3)))[0].0, node_id(3));
    let outputs = a.input(PeeringInput::ConnectionClosed { connection: direct, reason: "reset".into() });
    let down = outputs.iter().position(|output| matches!(output, Output::LinkDown { .. }));
    let again = outputs.iter().position(|output| matches!(output, Output::SendUnicast { .. }));
    assert!(down < again && down.is_some(), "{outputs:?}");
    assert_eq!(sent(&outputs)[0].0, node_id(1));
}

#[test]
fn a_relay_that_refuses_is_passed_by_and_all_refusals_end_the_request() {
    let mut a = ring();
    let first = sent(&a.input(request(3)))[0].0;
    let (first, second) = if first == node_id(1) { (1, 2) } else { (2, 1) };
    let stuck = Content::Failure { refusal: Refusal::NoRoute };
    let outputs = a.input(received(second, answer(second, stuck.clone())));
    assert!(outputs.is_empty(), "only the first hop can refuse: {outputs:?}");
    let outputs = a.input(received(first, answer(first, stuck.clone())));
    assert_eq!(sent(&outputs)[0].0, node_id(second));
    let outputs = a.input(received(second, answer(second, stuck)));
    assert_eq!(outcome(&outputs), Some(Err(UnicastError::NoRoute)));
}

#[test]
fn a_full_queue_is_passed_by_and_full_queues_everywhere_are_busy() {
    let mut a = ring();
    let (to, message) = sent(&a.input(request(3))).remove(0);
    let (other, message) = sent(&a.input(UnicastInput::NotSent { to, message })).remove(0);
    assert_ne!(to, other);
    let outputs = a.input(UnicastInput::NotSent { to: other, message });
    assert_eq!(outcome(&outputs), Some(Err(UnicastError::Refused(Refusal::Busy))));
}

#[test]
fn only_the_target_can_reply() {
    let mut a = ring();
    a.input(request(3));
    assert_eq!(outcome(&a.input(received(1, answer(1, pong())))), None, "a relay cannot invent the reply");
    let old = Message { epoch: 0, ..answer(3, pong()) };
    assert_eq!(outcome(&a.input(received(1, old))), None, "nor repeat one of an earlier life");
    assert!(outcome(&a.input(received(1, answer(3, pong())))).is_some());
}

#[test]
fn the_target_declines() {
    let mut a = node(0);
    a.link(1, &[0], &[]);
    a.input(request(1));
    let outputs = a.input(received(1, answer(1, Content::Failure { refusal: Refusal::NoHandler })));
    assert_eq!(outcome(&outputs), Some(Err(UnicastError::Refused(Refusal::NoHandler))));
}

#[test]
fn pending_calls_to_an_expelled_node_end() {
    let mut a = node(0);
    a.link(1, &[0], &[]);
    a.input(request(1));
    let outputs = a.input(AccessInput::Expelled { node: node_id(1) });
    assert_eq!(outcome(&outputs), Some(Err(UnicastError::Refused(Refusal::Denied))));
}

#[test]
fn the_target_runs_its_application_once_and_answers_where_it_was_asked_last() {
    let mut b = ring();
    let asked = |via: usize| {
        let body = Bytes::from_static(b"ping");
        let content = Content::Request { body, time_left: S };
        received(via, Message { hops: 2, hops_left: 14, ..answer(3, content) })
    };
    assert_eq!(b.input(asked(1)).len(), 1);
    assert!(b.input(asked(2)).is_empty(), "the application has it already");
    let outputs = sent(&b.input(UnicastInput::Respond { inbound: InboundId(0), body: "pong".into() }));
    assert_eq!(outputs[0].0, node_id(2), "the newer way back");
    let outputs = sent(&b.input(asked(1)));
    assert_eq!((outputs[0].0, &outputs[0].1.content), (node_id(1), &pong()), "the kept answer, the newest way back");
    assert!(b.input(UnicastInput::Respond { inbound: InboundId(0), body: "again".into() }).is_empty());
}

#[test]
fn a_target_that_has_just_started_does_not_run_what_its_earlier_life_may_have_run() {
    let mut source = node(0);
    let connection = source.link(1, &[0], &[]);
    let first = sent(&source.input(request(1))).remove(0).1;
    source.input(PeeringInput::ConnectionClosed { connection, reason: "reset".into() });
    let (_, outputs) = source.connect(1, nuncio_protocol::peering::Direction::Outbound);
    let second = sent(&outputs).remove(0).1;

    let mut reborn = node(1);
    reborn.link(0, &[1], &[]);
    assert!(reborn.input(received(0, second.clone())).is_empty());
    assert_eq!(reborn.input(received(0, first)).len(), 1, "what is sent for the first time it runs");
    reborn.advance(4 * S);
    let other = Message { id: ExchangeId(8), ..second };
    assert_eq!(reborn.input(received(0, other)).len(), 1, "it was running when the first attempt was made");
}

#[test]
fn ids_that_left_the_window_are_not_run_again() {
    let mut b = node(0);
    b.link(1, &[0], &[]);
    let asked = |id: u64| {
        let content = Content::Request { body: Bytes::new(), time_left: S };
        received(1, Message { id: ExchangeId(id), ..answer(1, content) })
    };
    let runs = |outputs: &[Output]| outputs.iter().filter(|output| matches!(output, Output::Request { .. })).count();
    for id in 1..=5000 {
        assert_eq!(runs(&b.input(asked(id))), 1);
        b.input(UnicastInput::Decline { inbound: InboundId(id - 1), refusal: Refusal::NoHandler });
    }
    assert!((1..=5000).all(|id| runs(&b.input(asked(id))) == 0));
}

#[test]
fn a_long_request_that_thousands_overtook_is_run() {
    let mut b = node(0);
    b.link(1, &[0], &[]);
    let asked = |id: u64, bytes: usize| {
        let content = Content::Request { body: vec![0; bytes].into(), time_left: S };
        received(1, Message { id: ExchangeId(id), ..answer(1, content) })
    };
    let runs = |outputs: &[Output]| outputs.iter().filter(|output| matches!(output, Output::Request { .. })).count();
    for id in 2..=5000 {
        b.input(asked(id, 0));
        b.input(UnicastInput::Decline { inbound: InboundId(id - 2), refusal: Refusal::NoHandler });
    }
    assert_eq!(runs(&b.input(asked(1, LARGE_BODY + 1))), 1);
    assert_eq!(runs(&b.input(asked(1, LARGE_BODY + 1))), 0, "and once only");
    assert_eq!(runs(&b.input(asked(1, LARGE_BODY))), 0, "a small one is as old as its id");
}

#[test]
fn a_relay_passes_on_and_never_back() {
    let mut relay = node(1);
    relay.link(0, &[1], &[]);
    relay.link(3, &[1], &[]);
    let content = Content::Request { body: Bytes::new(), time_left: S };
    let message = Message { source: node_id(0), target: node_id(3), ..answer(0, content) };
    let (to, passed) = sent(&relay.input(received(0, message.clone()))).remove(0);
    assert_eq!((to, passed.hops, passed.hops_left), (node_id(3), 2, 14));

    let worn_out = Message { hops_left: 0, ..message.clone() };
    let (to, failure) = sent(&relay.input(received(0, worn_out))).remove(0);
    assert_eq!((to, failure.target), (node_id(0), node_id(0)));
    assert_eq!(failure.content, Content::Failure { refusal: Refusal::NoRoute });

    let (to, failure) = sent(&relay.input(received(3, Message { source: node_id(4), ..message }))).remove(0);
    assert_eq!(to, node_id(3), "the only way on is back: a failure goes there, the message does not");
    assert_eq!(failure.content, Content::Failure { refusal: Refusal::NoRoute });
}
