//! Bytes of the network: frames of a link, seals, signatures.

use std::{hint::black_box, time::Duration};

use bytes::Bytes;
use nuncio_protocol::{
    Topic,
    multicast::{Batch, Destination, Leg, Proof},
    status_sync::Version,
    unicast::{Content, Message},
};
use nuncio_wire::{amop::Frame, announcement};

use super::{Turn, Work};
use crate::party::{Party, bridge_frame, header, parties, unicast_frame};

pub(super) const WORK: &[Work] = &[
    Work::new("codec/unicast_encode_64", 200_000, || encode(64)),
    Work::new("codec/unicast_decode_64", 200_000, || decode(64)),
    Work::new("codec/unicast_seal_1024", 40_000, || seal(1024)),
    Work::new("codec/unicast_open_1024", 40_000, || open(1024)),
    Work::new("codec/batch_encode_64x64", 20_000, batch_encode),
    Work::new("codec/batch_decode_64x64", 10_000, batch_decode),
    Work::new("codec/batch_sign_64x64", 500, batch_sign),
    Work::new("codec/batch_check_64x64", 500, batch_check),
    Work::new("codec/announcement_sign", 500, announcement_sign),
    Work::new("codec/announcement_check", 500, announcement_check),
];

/// What a check takes depends on the signature: so many different ones come in turns.
const SIGNATURES: u64 = 64;

fn request(from: &Party, to: &Party, length: usize) -> Message {
    Message { header: header(from, to), content: Content::Request { body: vec![7; length].into() } }
}

fn encode(length: usize) -> Turn {
    let [a, b] = parties();
    let message = request(&a, &b, length);
    Box::new(move || drop(black_box(unicast_frame(message.clone(), &a, &b).expect("nothing to seal"))))
}

fn decode(length: usize) -> Turn {
    let [a, b] = parties();
    let (head, body) = unicast_frame(request(&a, &b, length), &a, &b).expect("nothing to seal");
    Box::new(move || {
        let read = nuncio_wire::unicast::decode(head.clone(), body.clone(), a.node, &b.context);
        black_box(read.expect("a message"));
    })
}

fn seal(length: usize) -> Turn {
    let [a, relay, b] = parties();
    let message = request(&a, &b, length);
    Box::new(move || drop(black_box(unicast_frame(message.clone(), &a, &relay).expect("the key is known"))))
}

fn open(length: usize) -> Turn {
    let [a, relay, b] = parties();
    let (head, body) = unicast_frame(request(&a, &b, length), &a, &relay).expect("the key is known");
    let passing = nuncio_wire::unicast::decode(head, body, a.node, &relay.context).expect("a message");
    let (head, body) = unicast_frame(passing, &relay, &b).expect("nothing to seal");
    Box::new(move || {
        let read = nuncio_wire::unicast::decode(head.clone(), body.clone(), relay.node, &b.context);
        assert!(matches!(read.expect("a message").content, Content::Request { .. }), "opened");
    })
}

fn leg(origin: &Party, destinations: &[&Party]) -> Leg {
    let batch = Batch {
        origin: origin.node,
        epoch: origin.epoch,
        sent: Duration::from_secs(1),
        lifetime: Duration::from_secs(60),
        topic: Some(Topic::new("prices").expect("a topic")),
        first: 7,
        bodies: vec![Bytes::from(vec![7; 64]); 64],
        long: None,
        proof: Proof::default(),
    };
    let destinations = destinations.iter().map(|party| Destination { node: party.node, since: 1 }).collect();
    Leg { batch: batch.into(), hops_left: 15, priority: Default::default(), destinations }
}

/// A batch that nobody has encoded before.
fn fresh(leg: &Leg) -> Leg {
    Leg { batch: Batch { proof: Proof::default(), ..Batch::clone(&leg.batch) }.into(), ..leg.clone() }
}

fn batch_encode() -> Turn {
    let [a, b] = parties();
    let leg = leg(&a, &[&b]);
    Box::new(move || drop(black_box(bridge_frame(Frame::Batch(fresh(&leg)), &a, &b).expect("its own"))))
}

fn batch_decode() -> Turn {
    let [a, b] = parties();
    let (head, body) = bridge_frame(Frame::Batch(leg(&a, &[&b])), &a, &b).expect("its own");
    Box::new(move || {
        let read = nuncio_wire::amop::decode_frame(head.clone(), body.clone(), a.node, &b.context);
        black_box(read.expect("a batch"));
    })
}

fn batch_sign() -> Turn {
    let [a, relay, b] = parties();
    let leg = leg(&a, &[&relay, &b]);
    Box::new(move || drop(black_box(bridge_frame(Frame::Batch(fresh(&leg)), &a, &relay).expect("signed"))))
}

/// As the node behind a relay does it.
fn batch_check() -> Turn {
    let [a, relay, b] = parties();
    let passed = |first| {
        let leg = leg(&a, &[&relay, &b]);
        let leg = Leg { batch: Batch { first, ..Batch::clone(&leg.batch) }.into(), ..leg };
        let (head, body) = bridge_frame(Frame::Batch(leg), &a, &relay).expect("signed");
        let read = nuncio_wire::amop::decode_frame(head, body, a.node, &relay.context).expect("a batch");
        bridge_frame(read, &relay, &b).expect("signed before")
    };
    let mut all = (1..=SIGNATURES).map(passed).collect::<Vec<_>>().into_iter().cycle();
    Box::new(move || {
        let (head, body) = all.next().expect("there is always one more");
        let read = nuncio_wire::amop::decode_frame(head, body, relay.node, &b.context);
        black_box(read.expect("a batch whose signature holds"));
    })
}

fn announcement_sign() -> Turn {
    let [a] = parties();
    let (version, clock) = (Version { epoch: 1, seq: 2 }, Duration::from_secs(3));
    Box::new(move || drop(black_box(announcement::encode(version, clock, &a.context).expect("a key that signs"))))
}

fn announcement_check() -> Turn {
    let [a, b] = parties();
    let signed = |seq| announcement::encode(Version { epoch: 1, seq }, Duration::from_secs(3), &a.context);
    let mut all =
        (0..SIGNATURES).map(|seq| signed(seq).expect("a key that signs")).collect::<Vec<_>>().into_iter().cycle();
    Box::new(move || {
        let read = announcement::decode(&all.next().expect("there is always one more")).expect("an announcement");
        black_box(read.check(&b.context).expect("a signature that holds"));
    })
}
