//! Frames of the streams between nodes.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use nuncio_protocol::{
    Header, SealEnd, Topic,
    amop::{self, Destination, Multicast, Post, PublishSeq, ResultCode},
    multicast::{self as batches, Batch, Leg, Long, Proof, Wanted},
    peering::Parting,
    trace::{Fate, Report, Signed, Trace, TraceId, TraceParent},
    unicast::{self, Refusal},
};
use nuncio_wire::{
    SigningContext,
    amop::Frame,
    length_prefixed, trace,
    unicast::{Frame as Word, decode_frame, encode_frame},
};

use super::seeds::Seed;
use crate::decoders::{EPOCH, party};

const UNICAST: &str = "unicast_frame";
const BRIDGE: &str = "bridge_frame";
const REPORT: &str = "trace_report";

const CONTEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// From the sender, party 2, to the reader, party 1, or behind it from party 3: sealed then, for the reader or for party 4.
pub(super) fn seeds() -> Vec<Seed> {
    let failure = unicast::Content::Failure { refusal: Refusal::Denied };
    let reply = unicast::Content::Reply { body: "hello".into() };
    let request = || unicast::Content::Request { body: "hello".into() };
    let service = || unicast::Content::ServiceRequest { body: "hello".into() };
    let publish = || amop::Content::Publish { message: 5, topic: topic(), tenant: None, data: "hello".into() };
    let result = || amop::Content::Result { code: ResultCode(-7), data: "Yes".into() };
    let mut alive = BytesMut::new();
    length_prefixed::encode_alive(&mut alive);
    vec![
        (UNICAST, "request", unicast(2, 1, request())),
        (UNICAST, "service_request", unicast(2, 1, service())),
        (UNICAST, "sealed_service_request", unicast(3, 1, service())),
        (UNICAST, "reply", unicast(2, 1, reply)),
        (UNICAST, "failure", unicast(2, 1, failure.clone())),
        (UNICAST, "unanswered", unicast(2, 1, unicast::Content::Unanswered)),
        (UNICAST, "outlived", unicast(2, 1, unicast::Content::Outlived)),
        (UNICAST, "hello", word(Word::Hello { epoch: EPOCH })),
        (UNICAST, "goodbye", word(Word::Goodbye { parting: Parting::Leaving })),
        (UNICAST, "sealed_request", unicast(3, 1, request())),
        (UNICAST, "sealed_failure", unicast(3, 1, failure)),
        (UNICAST, "traced", traced(2, 1)),
        (UNICAST, "sealed_traced", traced(3, 1)),
        (UNICAST, "traced_relayed", traced(3, 4)),
        (UNICAST, "report", unicast(2, 1, unicast::Content::Report(Box::new(report(Fate::Delivered))))),
        (UNICAST, "relayed", unicast(3, 4, request())),
        (UNICAST, "alive", alive.to_vec()),
        (UNICAST, "not_4_gib", vec![0xff, 0xff, 0xff, 0xff, 0, 1, 0]),
        (UNICAST, "not_a_header_beyond_the_frame", vec![0, 0, 0, 3, 0xff, 0xff, 0]),
        (BRIDGE, "publish", bridge(2, Frame::Message(message(2, 1, publish())))),
        (BRIDGE, "result", bridge(2, Frame::Message(message(2, 1, result())))),
        (BRIDGE, "received", bridge(2, Frame::Message(message(2, 1, amop::Content::Received)))),
        (BRIDGE, "sealed_publish", bridge(3, Frame::Message(message(3, 1, publish())))),
        (BRIDGE, "sealed_result", bridge(3, Frame::Message(message(3, 1, result())))),
        (BRIDGE, "multicast", bridge(2, Frame::Multicast(multicast(2, &[1])))),
        (BRIDGE, "multicast_to_two", bridge(2, Frame::Multicast(multicast(2, &[1, 4])))),
        (BRIDGE, "batch", bridge(2, Frame::Batch(batch(2, &[1])))),
        (BRIDGE, "batch_to_two", bridge(2, Frame::Batch(batch(2, &[1, 4])))),
        (BRIDGE, "batch_relayed", bridge(3, Frame::Batch(batch(3, &[2, 1])))),
        (BRIDGE, "wanted", bridge(2, Frame::Wanted(wanted(2)))),
        (BRIDGE, "wanted_relayed", bridge(3, Frame::Wanted(wanted(3)))),
        (BRIDGE, "multicast_relayed", bridge(3, Frame::Multicast(multicast(3, &[1, 4])))),
    ]
}

/// Reports to the reader, and trace contexts.
pub(super) fn reports() -> Vec<Seed> {
    let context = |text: &str| text.as_bytes().to_vec();
    let parent: TraceParent = CONTEXT.parse().unwrap();
    let sent = trace::encode_report(&report(Fate::Sent { to: party(3).0 }));
    vec![
        (REPORT, "sent", sent.to_vec()),
        (REPORT, "delivered", trace::encode_report(&report(Fate::Delivered)).to_vec()),
        (REPORT, "refused", trace::encode_report(&report(Fate::Refused)).to_vec()),
        (REPORT, "not_whole", sent[..sent.len() - 1].to_vec()),
        (REPORT, "context", context(CONTEXT)),
        (REPORT, "context_of_a_later_version", context("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff-more")),
        (REPORT, "context_in_bytes", parent.to_bytes().to_vec()),
        (REPORT, "not_a_context", context("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01")),
    ]
}

/// The sender's, of a message of the reader that party 4 brought.
fn report(fate: Fate) -> Signed {
    let [(origin, _), (hop, context), (from, _)] = [1, 2, 4].map(party);
    let times = [1_796_000_000_123_456_789, 1_000, 2_000].map(Duration::from_nanos);
    let (id, [took, queued, done]) = (TraceId::from_bytes(&[7; 16]).unwrap(), times);
    trace::sign(Report { id, origin, hop, from, took, queued, done, fate }, &context).unwrap()
}

/// A request that is followed.
fn traced(source: u8, target: u8) -> Vec<u8> {
    let trace = Trace { id: TraceId::from_bytes(&[7; 16]), parent: Some(CONTEXT.parse().unwrap()), taken: None };
    let header = Header { trace, ..header(source, target) };
    let content = unicast::Content::Request { body: "hello".into() };
    over(source, Word::Message(unicast::Message { header, content }), encode_frame, decode_frame)
}

pub(super) fn is_read(target: &str, bytes: &[u8]) -> bool {
    let ((sender, _), (_, reader)) = (party(2), party(1));
    match length_prefixed::decode(&mut BytesMut::from(bytes)) {
        Ok(Some(length_prefixed::Frame::Message { header, body })) if target == UNICAST => {
            decode_frame(header, body, sender, &reader).is_ok()
        }
        Ok(Some(length_prefixed::Frame::Message { header, body })) => {
            nuncio_wire::amop::decode_frame(header, body, sender, &reader).is_ok()
        }
        Ok(Some(_)) => true,
        _ => false,
    }
}

fn topic() -> Topic {
    Topic::new("t1").unwrap()
}

fn header(source: u8, target: u8) -> Header {
    Header {
        source: party(source).0,
        source_epoch: EPOCH,
        target: party(target).0,
        target_epoch: EPOCH,
        number: 9,
        sent: Duration::from_millis(1234),
        lifetime: Duration::from_secs(2),
        hops_left: 15,
        hops: 1,
        seal: SealEnd::default(),
        trace: Default::default(),
        priority: Default::default(),
    }
}

fn message(source: u8, target: u8, content: amop::Content) -> amop::Message {
    amop::Message { header: header(source, target), content }
}

fn multicast(source: u8, destinations: &[u8]) -> Multicast {
    let Header { source, source_epoch, number, sent, lifetime, hops_left, .. } = header(source, 1);
    let destination = |number: &u8| Destination { node: party(*number).0, key: Bytes::new() };
    let post = Some(Post { seq: PublishSeq([3; 32]), topic: topic(), tenant: None, data: "hello".into() });
    let destinations = destinations.iter().map(destination).collect();
    Multicast {
        source,
        epoch: source_epoch,
        number,
        sent,
        lifetime,
        hops_left,
        destinations,
        priority: Default::default(),
        post,
        sealed: None,
    }
}

fn batch(origin: u8, destinations: &[u8]) -> Leg {
    let destination = |number: &u8| batches::Destination { node: party(*number).0, since: 3 };
    let batch = Batch {
        origin: party(origin).0,
        epoch: EPOCH,
        sent: Duration::from_millis(1234),
        lifetime: Duration::from_secs(60),
        topic: Some(topic()),
        first: 7,
        bodies: vec!["one".into(), "two".into()],
        long: Some(Long { number: 5, length: 100_000 }),
        proof: Proof::default(),
    };
    Leg {
        batch: batch.into(),
        hops_left: 15,
        priority: Default::default(),
        destinations: destinations.iter().map(destination).collect(),
    }
}

fn wanted(asker: u8) -> Wanted {
    let (asker, origin, topic) = (party(asker).0, party(1).0, Some(topic()));
    Wanted { asker, origin, epoch: EPOCH, topic, from: 4, to: 9, hops_left: 15 }
}

/// A party that has the keys of all.
fn at_home(number: u8) -> SigningContext {
    let (_, context) = party(number);
    for other in 1..=4 {
        let (node, other) = party(other);
        context.keyring().learn(node, EPOCH, &other.keyring().public());
    }
    context
}

fn word(word: Word) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    encode_frame(word, party(1).0, &party(2).1, &mut bytes).unwrap();
    bytes.to_vec()
}

fn unicast(source: u8, target: u8, content: unicast::Content) -> Vec<u8> {
    let message = Word::Message(unicast::Message { header: header(source, target), content });
    over(source, message, encode_frame, decode_frame)
}

fn bridge(source: u8, frame: Frame) -> Vec<u8> {
    over(source, frame, nuncio_wire::amop::encode_frame, nuncio_wire::amop::decode_frame)
}

/// The sender's frame for the reader: its own, or what it makes of one that came to it from `source`.
fn over<F>(
    source: u8,
    frame: F,
    encode: fn(F, nuncio_identity::NodeId, &SigningContext, &mut BytesMut) -> Option<Bytes>,
    decode: fn(Bytes, Bytes, nuncio_identity::NodeId, &SigningContext) -> Result<F, nuncio_wire::DecodeError>,
) -> Vec<u8> {
    let ((reader, _), (sender, context)) = (party(1), party(2));
    let write = |frame, peer, context: &SigningContext| {
        let mut bytes = BytesMut::new();
        let body = encode(frame, peer, context, &mut bytes).unwrap();
        bytes.extend_from_slice(&body);
        bytes
    };
    if source == 2 {
        return write(frame, reader, &at_home(2)).to_vec();
    }
    let mut bytes = write(frame, sender, &at_home(source));
    let Ok(Some(length_prefixed::Frame::Message { header, body })) = length_prefixed::decode(&mut bytes) else {
        panic!("a frame was made")
    };
    let passed = decode(header, body, party(source).0, &context).unwrap();
    write(passed, reader, &context).to_vec()
}
