//! Whatever numbers, times and lists peers write into their messages: the core overflows nowhere, holds no more than it may,
//! and goes on serving others.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use nuncio_identity::{NodeId, Signature};
use nuncio_protocol::{
    Header, Input, Output, StatusInput, Strike, Topic, UnicastInput,
    amop::{self, Destination, Multicast, Post, PublishSeq, ResultCode, SealedPost},
    bridge::Frame,
    gossip::{Counted, GossipId, GossipInput, Numbered, Stamp},
    multicast::{self, Batch, Leg, Long, MAX_NUMBER, Proof, Wanted},
    status_sync::{Answer, Query, QueryId, Status, TableDigest, Version},
    unicast::{Content, Message, Refusal},
};
use nuncio_testkit::simulator::{Lone, header, node_id, record, sign};
use proptest::{prelude::*, sample::select};

/// The core under test is node 0; 1 and 2 are linked, 3 is known, nothing is known of 4.
const NODES: usize = 5;

fn number() -> BoxedStrategy<u64> {
    select(vec![0, 1, 2, 3, 1 << 36, (1 << 63) - 1, 1 << 63, u64::MAX - 1, u64::MAX]).boxed()
}

fn time() -> BoxedStrategy<Duration> {
    let ms = select(vec![0, 1, 5_000, 60_000, u64::MAX - 1, u64::MAX]).prop_map(Duration::from_millis);
    prop_oneof![9 => ms, 1 => Just(Duration::MAX)].boxed()
}

fn node() -> BoxedStrategy<NodeId> {
    (0..NODES).prop_map(node_id).boxed()
}

fn linked() -> BoxedStrategy<NodeId> {
    (1..=2usize).prop_map(node_id).boxed()
}

fn topic() -> BoxedStrategy<Topic> {
    select(vec!["t", "u"]).prop_map(|name| Topic::new(name).expect("a valid topic")).boxed()
}

fn hops() -> BoxedStrategy<u8> {
    select(vec![0, 1, 15, 16, u8::MAX]).boxed()
}

fn signature() -> Signature {
    Signature::from_bytes(&[0; Signature::LENGTH]).expect("as long as one")
}

fn headers() -> BoxedStrategy<Header> {
    let whose = (node(), node(), number(), number(), number());
    (whose, time(), time(), hops(), hops())
        .prop_map(|((source, target, source_epoch, target_epoch, number), sent, lifetime, hops_left, hops)| Header {
            source,
            source_epoch,
            target,
            target_epoch,
            number,
            sent,
            lifetime,
            hops_left,
            hops,
            ..header(1, 0, 1)
        })
        .boxed()
}

fn unicast() -> BoxedStrategy<Input> {
    let content = prop_oneof![
        Just(Content::Request { body: Bytes::new() }),
        Just(Content::ServiceRequest { body: Bytes::new() }),
        Just(Content::Reply { body: Bytes::new() }),
        Just(Content::Failure { refusal: Refusal::NoRoute }),
        Just(Content::Unanswered),
        Just(Content::Outlived),
        any::<bool>().prop_map(|asks| Content::Sealed { asks, bytes: Bytes::new() }),
    ];
    (linked(), headers(), content)
        .prop_map(|(from, header, content)| {
            UnicastInput::Received { from, message: Message { header, content } }.into()
        })
        .boxed()
}

fn bridge() -> BoxedStrategy<Frame> {
    let content = prop_oneof![
        (number(), topic()).prop_map(|(message, topic)| amop::Content::Publish {
            message,
            topic,
            tenant: None,
            data: Bytes::new()
        }),
        any::<i32>().prop_map(|code| amop::Content::Result { code: ResultCode(code), data: Bytes::new() }),
        Just(amop::Content::Received),
        any::<bool>().prop_map(|asks| amop::Content::Sealed { asks, bytes: Bytes::new() }),
    ];
    (headers(), content).prop_map(|(header, content)| Frame::Message(amop::Message { header, content })).boxed()
}

fn amop_multicast() -> BoxedStrategy<Frame> {
    let destinations = prop::collection::vec(node().prop_map(|node| Destination { node, key: Bytes::new() }), 0..4);
    let post = prop::option::of(topic().prop_map(|topic| Post {
        seq: PublishSeq([7; 32]),
        topic,
        tenant: None,
        data: Bytes::new(),
    }));
    (node(), number(), number(), time(), time(), hops(), destinations, post)
        .prop_map(|(source, epoch, number, sent, lifetime, hops_left, destinations, post)| {
            let sealed = Some(SealedPost { bytes: Bytes::new(), tenant: Bytes::new(), signature: signature() });
            let priority = Default::default();
            Frame::Multicast(Multicast {
                source,
                epoch,
                number,
                sent,
                lifetime,
                hops_left,
                priority,
                destinations,
                post,
                sealed,
            })
        })
        .boxed()
}

fn batch() -> BoxedStrategy<Frame> {
    let destination = (node(), number()).prop_map(|(node, since)| multicast::Destination { node, since });
    let what = (number(), prop::collection::vec(Just(Bytes::from_static(b"x")), 0..3), prop::option::of(topic()));
    let long = prop::option::of((number(), any::<u32>()).prop_map(|(number, length)| Long { number, length }));
    let goes = (hops(), prop::collection::vec(destination, 0..4), any::<bool>());
    (node(), number(), time(), time(), what, long, goes)
        .prop_map(
            |(origin, epoch, sent, lifetime, (first, bodies, topic), long, (hops_left, destinations, is_signed))| {
                let proof = Proof::default();
                if is_signed {
                    proof.signature.get_or_init(signature);
                }
                let batch = Batch { origin, epoch, sent, lifetime, topic, first, bodies, long, proof };
                Frame::Batch(Leg { batch: batch.into(), hops_left, priority: Default::default(), destinations })
            },
        )
        .boxed()
}

fn wanted() -> BoxedStrategy<Frame> {
    (node(), node(), number(), prop::option::of(topic()), number(), number(), hops())
        .prop_map(|(asker, origin, epoch, topic, from, to, hops_left)| {
            Frame::Wanted(Wanted { asker, origin, epoch, topic, from, to, hops_left })
        })
        .boxed()
}

fn gossip() -> BoxedStrategy<Input> {
    let announced =
        (number(), linked(), node(), number(), number(), time()).prop_map(|(id, via, node, epoch, seq, clock)| {
            GossipInput::Announced { id: GossipId(id), via, node, version: Version { epoch, seq }, clock }
        });
    let numbered = prop::option::of((prop::option::of(topic()), number())).prop_map(|numbered| {
        numbered.map(|(topic, number)| Numbered { topic, number, body: Bytes::from_static(b"x") })
    });
    let received = (linked(), node(), number(), number(), time(), time(), numbered).prop_map(
        |(via, origin, epoch, number, sent, lifetime, numbered)| {
            let stamp = Stamp { origin, epoch, number, sent, lifetime };
            GossipInput::Received { id: GossipId(number), via, stamp, length: 1, numbered }
        },
    );
    let what = select(vec![Counted::Repeated, Counted::Control, Counted::Subscriptions]);
    let counted = (linked(), what, select(vec![0, 1, usize::MAX]))
        .prop_map(|(via, what, count)| GossipInput::Counted { via, what, count });
    prop_oneof![announced, received, counted].prop_map(Into::into).boxed()
}

fn status() -> BoxedStrategy<Input> {
    let version = || (number(), number()).prop_map(|(epoch, seq)| Version { epoch, seq });
    let says = (1..NODES, prop::collection::btree_set(0..NODES, 0..5), version(), time(), any::<u32>(), any::<bool>());
    let recorded = says.prop_map(|(n, neighbours, version, clock, proofs, takes_batches)| {
        let named: Vec<_> = neighbours.into_iter().collect();
        let status = record(n, 1, &named, &[("t", proofs)]).status.clone();
        let multicast_topics = BTreeSet::from([Topic::new("t").expect("a valid topic")]);
        sign(Status { version, clock, proofs, takes_batches, multicast_topics, ..status })
    });
    let answered =
        (linked(), prop::collection::vec(recorded, 0..3), any::<bool>()).prop_map(|(peer, records, more)| {
            StatusInput::Answered { peer, answer: Answer { more, ..Answer::of(records) } }
        });
    let known = || prop::collection::vec((node(), version()), 0..4);
    let query = prop_oneof![
        known().prop_map(|known| Query::All { known }),
        known()
            .prop_map(|known| Query::Nodes(known.into_iter().map(|(node, version)| (node, Some(version))).collect())),
        prop::collection::vec(node(), 0..4).prop_map(|held| Query::Proofs { held }),
        any::<[u8; 16]>().prop_map(|digest| Query::Same { digest: TableDigest::from_bytes(digest) }),
    ];
    let queried = (number(), linked(), query).prop_map(|(query, peer, wanted)| StatusInput::Queried {
        pages: 0,
        query: QueryId(query),
        peer,
        wanted,
    });
    let failed = linked().prop_map(|peer| StatusInput::QueryFailed { peer });
    prop_oneof![3 => answered, 2 => queried, 1 => failed].prop_map(Into::into).boxed()
}

fn brought() -> impl Strategy<Value = Input> {
    let frame = prop_oneof![bridge(), amop_multicast(), batch(), wanted()];
    let bridged = (linked(), frame).prop_map(|(from, frame)| frame.received(from));
    prop_oneof![2 => unicast(), 4 => bridged, 2 => gossip(), 2 => status()]
}

proptest! {
    #[test]
    fn no_message_of_a_peer_makes_the_core_stumble(
        inputs in prop::collection::vec((brought(), select(vec![0, 1, 700, 6_000, 70_000])), 1..60),
    ) {
        let mut node = Lone::passive(0);
        node.link(1, &[0, 3], &[]);
        node.link(2, &[0, 3], &[]);
        node.answered(1, vec![record(3, 1, &[1, 2], &[])]);
        node.subscriber(5, &["t"]);
        node.input(StatusInput::MulticastTopics { topics: [Topic::new("t").expect("a valid topic")].into() });
        for (input, then) in inputs {
            node.input(input);
            node.advance(Duration::from_millis(then));
            let over = node.overlay.holdings().find(|holding| !holding.is_within());
            prop_assert!(over.is_none(), "{:?}", over);
        }
        // One that had nothing to do with it.
        node.link(9, &[0], &[]);
        let request = Message { header: header(9, 0, 1), content: Content::Request { body: Bytes::new() } };
        let outputs = node.input(UnicastInput::Received { from: node_id(9), message: request });
        let is_its = |output: &Output| matches!(output, Output::Request { source, .. } if *source == node_id(9));
        prop_assert!(outputs.iter().any(is_its));
    }
}

#[test]
fn numbers_behind_which_none_comes_are_refused_and_whoever_brings_them_is_cut_off() {
    let (last, origin, lifetime) = (MAX_NUMBER - 1, node_id(1), Duration::from_secs(30));
    let batch = |first| {
        let (sent, bodies, proof) = (Duration::ZERO, vec![Bytes::from_static(b"x")], Proof::default());
        let batch = Batch { origin, epoch: 1, sent, lifetime, topic: None, first, bodies, long: None, proof };
        let destinations = vec![multicast::Destination { node: node_id(0), since: 0 }];
        Frame::Batch(Leg { batch: batch.into(), hops_left: 0, priority: Default::default(), destinations })
    };
    let wanted = |from, to| {
        Frame::Wanted(Wanted { asker: origin, origin: node_id(0), epoch: 1, topic: None, from, to, hops_left: 0 })
    };
    let bans = |frame: Frame| {
        let mut node = Lone::passive(0);
        node.link(1, &[0], &[]);
        let outputs = [frame.clone(), frame].map(|frame| node.input(frame.received(origin))).concat();
        outputs.iter().filter(|output| matches!(output, Output::Ban { reason: Strike::Malformed, .. })).count()
    };
    assert_eq!([batch(last - 1), wanted(1, last), wanted(7, 7)].map(bans), [0, 0, 0]);
    assert_eq!([batch(last), batch(u64::MAX), wanted(1, MAX_NUMBER), wanted(8, 7)].map(bans), [1, 1, 1, 1]);

    let mut node = Lone::passive(0);
    node.link(1, &[0], &[]);
    let mut told = |number| {
        let numbered = Some(Numbered { topic: None, number, body: Bytes::from_static(b"x") });
        let stamp = Stamp { origin, epoch: 1, number: 1, sent: Duration::ZERO, lifetime };
        node.input(GossipInput::Received { id: GossipId(1), via: origin, stamp, length: 1, numbered })
    };
    let told = [told(MAX_NUMBER), told(last)]
        .map(|outputs| outputs.iter().any(|output| matches!(output, Output::Multicast { .. })));
    assert_eq!(told, [false, true]);
}
