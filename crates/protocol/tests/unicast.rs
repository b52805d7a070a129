//! Unicast: A picks the way to B by its node ID and sends; B answers.

use std::time::Duration;

use bytes::Bytes;
use nuncio_identity::NodeId;
use nuncio_protocol::{
    AccessInput, Header, LARGE_BODY, MAX_BODY, Output, PeeringInput, UnicastInput,
    peering::{ConnectionId, Direction},
    status_sync::Query,
    trace::Trace,
    unicast::{Content, ExchangeId, InboundId, Message, Refusal, Reply, UnicastError, Unknown},
};
use nuncio_testkit::simulator::{Lone, header, node_id, record, sign};

const S: Duration = Duration::from_secs(1);

fn request(target: usize) -> UnicastInput {
    UnicastInput::Request {
        exchange: ExchangeId(7),
        target: node_id(target),
        body: Bytes::from_static(b"ping"),
        timeout: 5 * S,
        trace: Trace::default(),
        priority: Default::default(),
    }
}

fn sent(outputs: &[Output]) -> Vec<(NodeId, Message)> {
    let message = |output: &Output| match output {
        Output::SendUnicast { to, message, .. } => Some((*to, message.clone())),
        _ => None,
    };
    outputs.iter().filter_map(message).collect()
}

/// An answer to node 0's first request.
fn answer(from: usize, content: Content) -> Message {
    Message { header: header(from, 0, 1), content }
}

/// A request to node 0.
fn asked(source: usize, number: u64, body: Bytes) -> Message {
    Message { header: header(source, 0, number), content: Content::Request { body } }
}

/// Over one relay.
fn relayed(message: Message) -> Message {
    Message { header: Header { hops: 2, hops_left: 14, ..message.header }, ..message }
}

fn runs(outputs: &[Output]) -> usize {
    outputs.iter().filter(|output| matches!(output, Output::Request { .. })).count()
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
    let (mut a, mut b) = (Lone::passive(0), Lone::passive(1));
    a.link(1, &[0], &[]);
    b.link(0, &[1], &[]);

    let outputs = sent(&a.input(request(1)));
    let (to, message) = &outputs[0];
    assert_eq!((*to, message.header.hops, message.header.hops_left), (node_id(1), 1, 15));

    let outputs = b.input(received(0, message.clone()));
    assert_eq!(
        outputs,
        [Output::Request {
            inbound: InboundId(0),
            source: node_id(0),
            body: "ping".into(),
            parent: None,
            priority: Default::default()
        }]
    );
    let outputs = sent(&b.input(UnicastInput::Respond { inbound: InboundId(0), body: "pong".into() }));
    let (to, reply) = &outputs[0];
    assert_eq!(*to, node_id(0));

    let outputs = a.input(received(1, reply.clone()));
    assert_eq!(outcome(&outputs), Some(Ok(Reply { body: "pong".into(), hops: 1 })));
    assert_eq!(outcome(&a.input(received(1, reply.clone()))), None, "a second reply finds nobody");
}

#[test]
fn what_cannot_be_sent_is_refused_at_once() {
    let mut a = Lone::passive(0);
    assert_eq!(outcome(&a.input(request(1))), Some(Err(UnicastError::NoRoute)));
    a.link(1, &[0], &[]);
    let (exchange, target, timeout, trace) = (ExchangeId(7), node_id(1), S, Trace::default());
    let body = Bytes::from(vec![0; MAX_BODY + 1]);
    let outputs =
        a.input(UnicastInput::Request { exchange, target, body, timeout, trace, priority: Default::default() });
    assert_eq!(outcome(&outputs), Some(Err(UnicastError::TooLarge { bytes: MAX_BODY + 1, limit: MAX_BODY })));
    let body = Bytes::from(vec![0; MAX_BODY]);
    assert_eq!(
        sent(&a.input(UnicastInput::Request { exchange, target, body, timeout, trace, priority: Default::default() }))
            .len(),
        1
    );
}

#[test]
fn a_request_to_ourselves_reaches_our_application() {
    let mut a = Lone::passive(0);
    let outputs = a.input(request(0));
    assert!(matches!(outputs[..], [Output::Request { inbound: InboundId(0), .. }]), "{outputs:?}");
    let outputs = a.input(UnicastInput::Respond { inbound: InboundId(0), body: "me".into() });
    assert_eq!(outcome(&outputs), Some(Ok(Reply { body: "me".into(), hops: 0 })));
}

#[test]
fn silence_ends_at_the_deadline() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    a.input(request(1));
    let outputs = a.advance(5 * S - Duration::from_millis(1));
    assert_eq!((outcome(&outputs), sent(&outputs).len()), (None, 0), "the direct link is not asked twice");
    assert_eq!(outcome(&a.advance(Duration::from_millis(1))), Some(Err(UnicastError::TimedOut { after: 5 * S })));
}

#[test]
fn a_silent_first_hop_is_passed_by() {
    let mut a = Lone::ring();
    let first = sent(&a.input(request(3)));
    let second = sent(&a.advance(2 * S));
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first[0].0, second[0].0, "another first hop");
    assert_eq!(
        first[0].1.header.number, second[0].1.header.number,
        "the same request, so that the target knows it again"
    );
    let outputs = a.input(received(1, relayed(answer(3, pong()))));
    assert_eq!(outcome(&outputs), Some(Ok(Reply { body: "pong".into(), hops: 2 })));
}

#[test]
fn an_answer_that_was_only_slow_speaks_for_the_hop_that_it_came_over() {
    let mut a = Lone::ring();
    let first = sent(&a.input(request(3)))[0].0;
    let second = sent(&a.advance(2 * S))[0].0;
    assert_ne!(first, second);
    let late = UnicastInput::Received { from: first, message: relayed(answer(3, pong())) };
    assert!(outcome(&a.input(late)).is_some());
    assert_eq!(sent(&a.input(request(3)))[0].0, first, "the other one may have swallowed it");
}

#[test]
fn a_dead_link_is_passed_by_at_once() {
    let mut a = Lone::passive(0);
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
    let mut a = Lone::ring();
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
    let mut a = Lone::ring();
    let (to, message) = sent(&a.input(request(3))).remove(0);
    let (other, message) = sent(&a.input(UnicastInput::NotSent { to, message })).remove(0);
    assert_ne!(to, other);
    let outputs = a.input(UnicastInput::NotSent { to: other, message });
    assert_eq!(outcome(&outputs), Some(Err(UnicastError::Refused(Refusal::Busy))));
}

#[test]
fn only_the_target_can_reply() {
    let mut a = Lone::ring();
    a.input(request(3));
    assert_eq!(outcome(&a.input(received(1, answer(1, pong())))), None, "a relay cannot invent the reply");
    let old = Message { header: Header { target_epoch: 0, ..header(3, 0, 1) }, content: pong() };
    assert_eq!(outcome(&a.input(received(1, old))), None, "nor repeat one of an earlier life");
    assert!(outcome(&a.input(received(1, answer(3, pong())))).is_some());
}

#[test]
fn the_target_declines() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    a.input(request(1));
    let outputs = a.input(received(1, answer(1, Content::Failure { refusal: Refusal::NoHandler })));
    assert_eq!(outcome(&outputs), Some(Err(UnicastError::Refused(Refusal::NoHandler))));
}

#[test]
fn pending_calls_to_an_expelled_node_end() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    a.input(request(1));
    let outputs = a.input(AccessInput::Expelled { node: node_id(1) });
    assert_eq!(outcome(&outputs), Some(Err(UnicastError::Unknown(Unknown::Expelled))), "it may have seen it");
}

#[test]
fn the_target_runs_its_application_once_and_answers_where_it_was_asked_last() {
    let mut b = Lone::ring();
    let asked = |via: usize, sent: Duration| {
        let message = relayed(asked(3, 1, "ping".into()));
        received(via, Message { header: Header { sent, ..message.header }, ..message })
    };
    assert_eq!(b.input(asked(1, Duration::ZERO)).len(), 1);
    assert!(b.input(asked(2, S)).is_empty(), "the application has it already");
    assert!(b.input(asked(1, S)).is_empty(), "a copy of what came already");
    let outputs = sent(&b.input(UnicastInput::Respond { inbound: InboundId(0), body: "pong".into() }));
    assert_eq!(outputs[0].0, node_id(2), "the newer way back");
    assert!(b.input(asked(1, S)).is_empty(), "a copy is not answered");
    let outputs = sent(&b.input(asked(1, 2 * S)));
    assert_eq!((outputs[0].0, &outputs[0].1.content), (node_id(1), &pong()), "the kept answer, the newest way back");
    assert!(b.input(UnicastInput::Respond { inbound: InboundId(0), body: "again".into() }).is_empty());
}

#[test]
fn what_an_earlier_life_of_the_target_may_have_run_is_not_sent_to_the_next_one() {
    let mut source = Lone::passive(0);
    let connection = source.link(1, &[0], &[]);
    source.input(request(1));
    source.input(PeeringInput::ConnectionClosed { connection, reason: "reset".into() });
    let outputs = source.open(ConnectionId(9), 1, Direction::Outbound, 2);
    let outputs = [outputs, source.advance(S)].concat();
    assert!(sent(&outputs).is_empty());
    assert_eq!(outcome(&outputs), Some(Err(UnicastError::Unknown(Unknown::Restarted))));
}

#[test]
fn the_same_life_of_the_target_gets_it_again() {
    let mut source = Lone::passive(0);
    let connection = source.link(1, &[0], &[]);
    let first = sent(&source.input(request(1))).remove(0).1;
    source.input(PeeringInput::ConnectionClosed { connection, reason: "reset".into() });
    let outputs = source.open(ConnectionId(9), 1, Direction::Outbound, 1);
    let outputs = [outputs, source.advance(S)].concat();
    let again = sent(&outputs).remove(0).1;
    assert_eq!((again.header.number, again.header.target_epoch), (first.header.number, 1));
}

#[test]
fn a_request_for_an_earlier_life_is_not_run_and_its_source_learns_of_the_present_one() {
    let mut b = Lone::passive(0);
    b.link(1, &[0], &[]);
    let stale = Message { header: Header { target_epoch: 0, ..header(1, 0, 1) }, ..asked(1, 1, Bytes::new()) };
    let outputs = b.input(received(1, stale));
    assert_eq!(runs(&outputs), 0);
    assert_eq!(sent(&outputs)[0].1.content, Content::Outlived);
    assert_eq!(runs(&b.input(received(1, asked(1, 1, Bytes::new())))), 1, "its number was not used up");
}

#[test]
fn a_target_that_had_started_before_the_request_gets_it_in_its_present_life() {
    for (uptime, again) in [(Duration::ZERO, false), (3600 * S, true)] {
        let mut a = Lone::ring();
        a.input(request(3));
        a.advance(S / 10);
        let born = Header { source_epoch: 5, sent: uptime, ..header(3, 0, 1) };
        let outlived = received(1, relayed(Message { header: born, content: Content::Outlived }));
        assert!(sent(&a.input(outlived)).is_empty(), "its new epoch is not proved yet");
        let mut status = record(3, 1, &[1, 2], &[]).status.clone();
        (status.version.epoch, status.clock) = (5, uptime);
        let outputs = a.answered(1, vec![sign(status)]);
        let (again_sent, ended) = (sent(&outputs), outcome(&outputs));
        assert_eq!(again_sent.len(), usize::from(again), "{outputs:?}");
        assert!(again_sent.iter().all(|(_, message)| message.header.target_epoch == 5));
        assert_eq!(ended.is_some(), !again, "an earlier life may have run it");
    }
}

#[test]
fn each_number_runs_once_however_many_overtook_it() {
    let mut b = Lone::passive(0);
    b.link(1, &[0], &[]);
    let asked = |number: u64, bytes: usize| received(1, asked(1, number, vec![0; bytes].into()));
    for number in 2..=20_000 {
        assert_eq!(runs(&b.input(asked(number, 0))), 1);
        b.input(UnicastInput::Decline { inbound: InboundId(number - 2), refusal: Refusal::NoHandler });
    }
    assert!((2..=20_000).all(|number| runs(&b.input(asked(number, 0))) == 0));
    assert_eq!(runs(&b.input(asked(1, LARGE_BODY + 1))), 1);
    assert_eq!(runs(&b.input(asked(1, LARGE_BODY + 1))), 0, "and once only");
}

#[test]
fn what_counts_no_more_is_not_run() {
    let mut b = Lone::passive(0);
    b.link(1, &[0], &[]);
    let late = Header { lifetime: Duration::ZERO, ..header(1, 0, 1) };
    let content = Content::Request { body: Bytes::new() };
    assert_eq!(runs(&b.input(received(1, Message { header: late, content: content.clone() }))), 0);
    let endless = Header { lifetime: 3600 * S, ..header(1, 0, 2) };
    assert_eq!(runs(&b.input(received(1, Message { header: endless, content: content.clone() }))), 0);
    // The source's clock was read to be at 10 s; what it sent at 2 s for 5 s is held back no longer.
    let read = Header { sent: 10 * S, ..header(1, 0, 3) };
    assert_eq!(runs(&b.input(received(1, Message { header: read, content: content.clone() }))), 1);
    let held_back = Header { sent: 2 * S, ..header(1, 0, 4) };
    assert_eq!(runs(&b.input(received(1, Message { header: held_back, content }))), 0);
}

#[test]
fn a_source_that_nobody_has_certified_is_not_heard_until_its_record_comes() {
    let mut b = Lone::ring();
    let outputs = b.input(received(1, relayed(asked(77, 1, Bytes::new()))));
    assert_eq!(runs(&outputs), 0);
    let asks =
        |output: &Output| matches!(output, Output::Query { peer, wanted: Query::Nodes(_) } if *peer == node_id(1));
    assert!([outputs, b.answered(1, vec![])].concat().iter().any(asks), "who brought it is asked for the record");
    assert_eq!(runs(&b.answered(1, vec![record(77, 1, &[3], &[])])), 1, "it comes in with the record");
}

#[test]
fn invented_sources_neither_push_an_honest_one_out_nor_go_on() {
    let mut b = Lone::ring();
    assert_eq!(runs(&b.input(received(1, relayed(asked(3, 1, Bytes::new()))))), 1);
    b.input(UnicastInput::Respond { inbound: InboundId(0), body: Bytes::new() });
    let mut banned = false;
    for n in 100..100 + 2048 {
        let invented = relayed(asked(n, 1, Bytes::new()));
        let passing = Message { header: Header { target: node_id(3), ..invented.header }, ..invented.clone() };
        for message in [invented, passing] {
            let outputs = b.input(received(1, message));
            assert!(runs(&outputs) == 0 && sent(&outputs).is_empty());
        }
    }
    banned |= b.advance(6 * S).iter().any(|output| matches!(output, Output::Ban { peer, .. } if *peer == node_id(1)));
    assert!(banned, "who brings what it cannot show the records of is cut off");
    assert_eq!(runs(&b.input(received(2, relayed(asked(3, 1, Bytes::new()))))), 0, "a replay finds its number");
}

#[test]
fn a_node_that_lost_its_data_is_heard_under_a_lower_epoch_over_its_own_link_and_its_old_life_no_more() {
    let mut b = Lone::passive(0);
    let connection = b.link(1, &[0], &[]);
    assert_eq!(runs(&b.input(received(1, asked(1, 1, Bytes::new())))), 1);
    b.input(PeeringInput::ConnectionClosed { connection, reason: "reset".into() });
    b.open(ConnectionId(9), 1, Direction::Inbound, 0);
    let of_epoch = |epoch: u64| {
        let message = asked(1, 1, Bytes::new());
        received(1, Message { header: Header { source_epoch: epoch, ..message.header }, ..message })
    };
    assert_eq!(runs(&b.input(of_epoch(0))), 1);
    assert_eq!(runs(&b.input(of_epoch(1))), 0, "a replay of its old life");
}

#[test]
fn a_stopping_node_tells_who_waits_that_it_may_have_been_seen() {
    let mut b = Lone::passive(0);
    b.link(1, &[0], &[]);
    b.input(received(1, asked(1, 1, Bytes::new())));
    assert_eq!(sent(&b.input(PeeringInput::Leave))[0].1.content, Content::Unanswered);
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    a.input(request(1));
    let outputs = a.input(received(1, answer(1, Content::Unanswered)));
    assert_eq!(outcome(&outputs), Some(Err(UnicastError::Unknown(Unknown::Unanswered))));
}

#[test]
fn a_relay_passes_on_and_never_back() {
    let mut relay = Lone::passive(1);
    relay.link(0, &[1], &[]);
    relay.link(3, &[1], &[]);
    relay.answered(3, vec![record(4, 1, &[3], &[])]);
    let content = Content::Request { body: Bytes::new() };
    let message = Message { header: header(0, 3, 1), content };
    let (to, passed) = sent(&relay.input(received(0, message.clone()))).remove(0);
    assert_eq!((to, passed.header.hops, passed.header.hops_left), (node_id(3), 2, 14));

    let worn_out = Message { header: Header { hops_left: 0, ..message.header }, ..message.clone() };
    let (to, failure) = sent(&relay.input(received(0, worn_out))).remove(0);
    assert_eq!((to, failure.header.target), (node_id(0), node_id(0)));
    assert_eq!(failure.content, Content::Failure { refusal: Refusal::NoRoute });

    let returning = Message { header: Header { source: node_id(4), ..message.header }, ..message };
    let (to, failure) = sent(&relay.input(received(3, returning))).remove(0);
    assert_eq!(to, node_id(3), "the only way on is back: a failure goes there, the message does not");
    assert_eq!(failure.content, Content::Failure { refusal: Refusal::NoRoute });
}

#[test]
fn requests_that_have_not_ended_are_bounded_in_bytes_and_further_ones_are_refused_as_busy() {
    let mut a = Lone::ring();
    let body = Bytes::from(vec![0; MAX_BODY]);
    let ask = |a: &mut Lone, exchange| {
        let exchange = ExchangeId(exchange);
        let (target, body, timeout, trace) = (node_id(3), body.clone(), 5 * S, Trace::default());
        let asked = UnicastInput::Request { exchange, target, body, timeout, trace, priority: Default::default() };
        a.input(asked).into_iter().find_map(|output| match output {
            Output::Completed { outcome, .. } => Some(outcome),
            _ => None,
        })
    };
    for exchange in 0..12 {
        assert_eq!(ask(&mut a, exchange), None, "{exchange}");
    }
    assert_eq!(ask(&mut a, 12), Some(Err(UnicastError::Refused(Refusal::Busy))));
    a.advance(6 * S);
    assert_eq!(ask(&mut a, 13), None, "when they have ended there is room again");
}
