//! What a traced request carries, and what its hops say of it.

use std::time::Duration;

use bytes::Bytes;
use nuncio_protocol::{
    trace::{Fate, MAX_REPORT, Report, Trace, TraceId, TraceParent},
    unicast::{Content, Message},
};
use nuncio_wire::{DecodeError, trace};

use super::party::{Party, parties, passed_on, unicast_frame, unicast_over};
use super::relay_changes_nothing::request;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn id(n: u8) -> TraceId {
    TraceId::from_bytes(&[n; 16]).unwrap()
}

fn traced(source: &Party, target: &Party) -> Message {
    let mut message = request(source, target, "hello");
    message.header.trace = Trace { id: Some(id(1)), parent: Some(PARENT.parse().unwrap()), taken: None };
    message
}

fn report(origin: &Party, hop: &Party, from: &Party, fate: Fate) -> Report {
    let [took, queued, done] = [1_796_000_000_123_456_789, 1_000, u64::MAX].map(Duration::from_nanos);
    Report { id: id(1), origin: origin.node, hop: hop.node, from: from.node, took, queued, done, fate }
}

#[test]
fn a_relay_reads_the_traces_name_and_the_target_all_of_it() {
    let [a, relay, b] = parties();
    let at_relay = unicast_over(traced(&a, &b), &a, &relay).unwrap();
    assert_eq!(at_relay.header.trace, Trace { id: Some(id(1)), ..Trace::default() });
    let parent: TraceParent = PARENT.parse().unwrap();
    let (header, body) = unicast_frame(traced(&a, &b), &a, &relay).unwrap();
    let secret = parent.trace();
    assert!(![&header[..], &body[..]].concat().windows(8).any(|part| part == &secret.as_bytes()[..8]), "it is sealed");
    let passed = Message { header: passed_on(at_relay.header), ..at_relay };
    let arrived = unicast_over(passed, &relay, &b).unwrap();
    assert_eq!(arrived.header.trace, traced(&a, &b).header.trace);
    assert_eq!(unicast_over(traced(&a, &b), &a, &b), Ok(traced(&a, &b)), "between neighbours");
}

#[test]
fn what_a_relay_changes_of_a_trace_the_target_does_not_believe_and_the_message_comes() {
    let [a, relay, b] = parties();
    for (sent, kept) in [(traced(&a, &b), Some(id(1))), (request(&a, &b, "hello"), None)] {
        let at_relay = unicast_over(sent, &a, &relay).unwrap();
        // A release that knows no traces leaves the name out, too.
        for forged in [None, Some(id(9))] {
            let mut message = Message { header: passed_on(at_relay.header), ..at_relay.clone() };
            message.header.trace.id = forged;
            let arrived = unicast_over(message, &relay, &b).unwrap();
            assert_eq!(arrived.header.trace.id, kept);
        }
    }
}

#[test]
fn an_answer_is_not_traced() {
    let [a, relay, b] = parties();
    for (from, to) in [(&b, &a), (&b, &relay)] {
        let mut answer = Message { content: Content::Reply { body: Bytes::new() }, ..request(&b, &a, "") };
        answer.header.trace.id = Some(id(1));
        assert_eq!(unicast_over(answer, from, to).unwrap().header.trace, Trace::default());
    }
}

#[test]
fn a_report_comes_as_it_was_over_a_link_and_over_two_and_only_its_hop_can_make_it() {
    let [a, relay, b] = parties();
    for fate in [Fate::Sent { to: relay.node }, Fate::Delivered, Fate::Refused] {
        for from in [&a, &relay] {
            let signed = trace::sign(report(&a, &b, from, fate), &b.context).unwrap();
            assert!(trace::encode_report(&signed).len() <= MAX_REPORT);
            let content = || Content::Report(Box::new(signed.clone()));
            let sent = || Message { content: content(), ..request(&b, &a, "") };
            assert_eq!(unicast_over(sent(), &b, &a), Ok(sent()));
            let at_relay = unicast_over(sent(), &b, &relay).unwrap();
            assert!(matches!(at_relay.content, Content::Sealed { asks: false, .. }), "unread");
            let passed = Message { header: passed_on(at_relay.header), ..at_relay };
            assert_eq!(unicast_over(passed, &relay, &a).unwrap().content, content());
            assert_eq!(trace::check(&signed, &a.context), Ok(()));
            // Whoever sends it in his own name, or tells somebody else of it, has no signature for that.
            let as_own = trace::decode_report(trace::encode_report(&signed), relay.node, a.node).unwrap();
            assert_eq!(trace::check(&as_own, &a.context), Err(DecodeError::Signature { node: relay.node }));
            let elsewhere = trace::decode_report(trace::encode_report(&signed), b.node, relay.node).unwrap();
            assert_eq!(trace::check(&elsewhere, &a.context), Err(DecodeError::Signature { node: b.node }));
        }
    }
}

#[test]
fn a_report_that_is_too_long_or_says_nothing_is_refused() {
    let [a, b] = parties();
    let read = |bytes: Vec<u8>| trace::decode_report(bytes.into(), b.node, a.node);
    let too_long = DecodeError::TooLarge { what: "report", bytes: MAX_REPORT + 1, limit: MAX_REPORT };
    assert_eq!(read(vec![0; MAX_REPORT + 1]), Err(too_long));
    assert_eq!(read(Vec::new()), Err(DecodeError::Field { field: "signature" }));
    let signed = trace::sign(report(&a, &b, &a, Fate::Delivered), &b.context).unwrap();
    let good = trace::encode_report(&signed);
    for place in 0..good.len() {
        let mut changed = good.to_vec();
        changed[place] ^= 1;
        // Nothing in it can be changed without being noticed.
        let holds = read(changed).is_ok_and(|read| trace::check(&read, &a.context).is_ok() && read != signed);
        assert!(!holds, "byte {place}");
    }
}

#[test]
fn a_name_of_another_length_spoils_the_frame() {
    let [a, b] = parties();
    let (header, body) = unicast_frame(traced(&a, &b), &a, &b).unwrap();
    let place = header.windows(16).position(|part| part == [1; 16]).unwrap();
    let mut zeros = header.to_vec();
    zeros[place..place + 16].fill(0);
    let read = nuncio_wire::unicast::decode(zeros.into(), body, a.node, &b.context);
    assert_eq!(read, Err(DecodeError::Field { field: "trace" }));
}
