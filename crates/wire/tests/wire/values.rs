//! Every value that travels, within its bounds.

use std::{ops::RangeInclusive, time::Duration};

use bytes::Bytes;
use nuncio_identity::NodeId;
use nuncio_protocol::{
    Header, Priority, SealEnd, Topic,
    amop::{self, Destination, Multicast, Post, PublishSeq, ResultCode, TenantId},
    multicast::{self, Batch, Leg, Long, Proof, Wanted},
    peering::{Address, Parting},
    status_sync::{IssuerId, Query, Status, TableDigest, Version},
    trace::{Fate, Report, Trace, TraceId, TraceParent},
    unicast::{self, Refusal},
};
use nuncio_wire::{
    multicast::Gossip,
    service,
    unicast::Frame,
    verdict::{Protocol, Verdict},
};
use proptest::{collection, option, prelude::*, sample::select};

/// A node and the epoch it is in.
pub(super) type Place = (NodeId, u64);

pub(super) fn bytes(length: usize) -> impl Strategy<Value = Bytes> {
    (0..=length).prop_perturb(|length, mut rng| {
        let mut bytes = vec![0; length];
        rng.fill_bytes(&mut bytes);
        Bytes::from(bytes)
    })
}

/// Text of some of the characters, made fast, since there is much of it.
fn text(characters: &'static str, length: RangeInclusive<usize>) -> impl Strategy<Value = String> {
    let characters: Vec<char> = characters.chars().collect();
    length.prop_perturb(move |length, mut rng| {
        (0..length).map(|_| characters[rng.next_u32() as usize % characters.len()]).collect()
    })
}

/// A name that somebody gave.
fn name(length: usize) -> impl Strategy<Value = String> {
    text("abcdefghij XYZ0123456789'\"\\{}é中", 0..=length)
}

/// Milliseconds, as clocks and lifetimes travel.
fn clock() -> impl Strategy<Value = Duration> {
    any::<u64>().prop_map(Duration::from_millis)
}

fn lifetime() -> impl Strategy<Value = Duration> {
    any::<u32>().prop_map(|millis| Duration::from_millis(millis.into()))
}

pub(super) fn topic() -> impl Strategy<Value = Topic> {
    let name =
        prop_oneof![9 => text("abcXYZ019#!$_/é中", 1..=40), 1 => text("abc", Topic::MAX_LENGTH..=Topic::MAX_LENGTH)];
    name.prop_map(|name| Topic::new(&name).expect("a good name"))
}

pub(super) fn header(source: Place, target: Place) -> impl Strategy<Value = Header> {
    (any::<u64>(), clock(), lifetime(), 0..=16_u8, 1..=16_u8).prop_map(
        move |(number, sent, lifetime, hops_left, hops)| {
            let ((source, source_epoch), (target, target_epoch)) = (source, target);
            Header {
                source,
                source_epoch,
                target,
                target_epoch,
                number,
                sent,
                lifetime,
                hops_left,
                hops,
                seal: SealEnd::default(),
                trace: Default::default(),
                priority: Default::default(),
            }
        },
    )
}

pub(super) fn unicast(source: Place, target: Place) -> impl Strategy<Value = unicast::Message> {
    use unicast::Content;

    let refusal = select(vec![Refusal::NoRoute, Refusal::Busy, Refusal::NoHandler, Refusal::Denied]);
    let content = prop_oneof![
        bytes(600).prop_map(|body| Content::Request { body }),
        bytes(600).prop_map(|body| Content::ServiceRequest { body }),
        bytes(600).prop_map(|body| Content::Reply { body }),
        refusal.prop_map(|refusal| Content::Failure { refusal }),
        Just(Content::Unanswered),
        Just(Content::Outlived),
    ];
    (header(source, target), content).prop_map(|(header, content)| unicast::Message { header, content })
}

/// How a request is followed that is.
pub(super) fn trace() -> impl Strategy<Value = Trace> {
    let id = || (1..=u128::MAX).prop_map(|id| TraceId::from_bytes(&id.to_be_bytes()).expect("not zero"));
    let parent = (id(), 1..=u64::MAX, any::<u8>()).prop_map(|(trace, span, flags)| {
        let bytes = [&trace.as_bytes()[..], &span.to_be_bytes(), &[flags]].concat();
        TraceParent::from_bytes(&bytes).expect("whole")
    });
    (proptest::option::of(id()), proptest::option::of(parent)).prop_map(|(id, parent)| Trace {
        id,
        parent,
        taken: None,
    })
}

/// A request or an answer of any priority.
pub(super) fn prioritised(source: Place, target: Place) -> impl Strategy<Value = unicast::Message> {
    (unicast(source, target), select(Priority::ALL.to_vec()))
        .prop_map(|(message, priority)| unicast::Message { header: Header { priority, ..message.header }, ..message })
}

/// A request that is followed.
pub(super) fn traced(source: Place, target: Place) -> impl Strategy<Value = unicast::Message> {
    (header(source, target), bytes(600), trace()).prop_map(|(header, body, trace)| unicast::Message {
        header: Header { trace, ..header },
        content: unicast::Content::Request { body },
    })
}

/// What a hop says to the origin of a message that one of these brought.
pub(super) fn report(hop: NodeId, origin: NodeId, nodes: Vec<NodeId>) -> impl Strategy<Value = Report> {
    let id = (1..=u128::MAX).prop_map(|id| TraceId::from_bytes(&id.to_be_bytes()).expect("not zero"));
    let times = any::<[u64; 3]>().prop_map(|times| times.map(Duration::from_nanos));
    let to = select(nodes.clone()).prop_map(|to| Fate::Sent { to });
    let fate = prop_oneof![to, Just(Fate::Delivered), Just(Fate::Refused)];
    (id, select(nodes), times, fate).prop_map(move |(id, from, [took, queued, done], fate)| Report {
        id,
        origin,
        hop,
        from,
        took,
        queued,
        done,
        fate,
    })
}

/// What neighbours say about their link.
pub(super) fn word() -> impl Strategy<Value = Frame> {
    use Parting::{Banned, Denied, Duplicate, DuplicateIdentity, Leaving, Removed};

    let parting = select(vec![Leaving, Removed, Denied, DuplicateIdentity, Duplicate, Banned]);
    prop_oneof![
        any::<u64>().prop_map(|epoch| Frame::Hello { epoch }),
        parting.prop_map(|parting| Frame::Goodbye { parting }),
    ]
}

pub(super) fn amop(source: Place, target: Place) -> impl Strategy<Value = amop::Message> {
    use amop::Content;

    let content = prop_oneof![
        (any::<u64>(), topic(), bytes(600)).prop_map(|(message, topic, data)| Content::Publish {
            message,
            topic,
            tenant: None,
            data
        }),
        (any::<i32>(), bytes(600)).prop_map(|(code, data)| Content::Result { code: ResultCode(code), data }),
        Just(Content::Received),
    ];
    (header(source, target), content).prop_map(|(header, content)| amop::Message { header, content })
}

/// The same, of a publisher that may have a name.
pub(super) fn amop_named(source: Place, target: Place) -> impl Strategy<Value = amop::Message> {
    use amop::Content;

    (amop(source, target), tenant()).prop_map(|(message, named)| {
        let content = match message.content {
            Content::Publish { message, topic, data, .. } => Content::Publish { message, topic, tenant: named, data },
            other => other,
        };
        amop::Message { content, ..message }
    })
}

fn tenant() -> impl Strategy<Value = Option<TenantId>> {
    option::of((1..=u64::MAX).prop_map(TenantId))
}

/// A multicast as its source makes it, of a publisher that may have a name.
pub(super) fn multicast_named(source: Place, destinations: Vec<NodeId>) -> impl Strategy<Value = Multicast> {
    (multicast(source, destinations), tenant()).prop_map(|(multicast, tenant)| {
        let post = multicast.post.map(|post| Post { tenant, ..post });
        Multicast { post, ..multicast }
    })
}

/// The same, without a name.
pub(super) fn multicast(source: Place, destinations: Vec<NodeId>) -> impl Strategy<Value = Multicast> {
    let post = (any::<[u8; 32]>(), topic(), bytes(600)).prop_map(|(seq, topic, data)| Post {
        seq: PublishSeq(seq),
        topic,
        tenant: None,
        data,
    });
    (any::<u64>(), clock(), lifetime(), 0..=16_u8, post).prop_map(move |(number, sent, lifetime, hops_left, post)| {
        let destinations = destinations.iter().map(|&node| Destination { node, key: Bytes::new() }).collect();
        let ((source, epoch), post) = (source, Some(post));
        Multicast {
            source,
            epoch,
            number,
            sent,
            lifetime,
            hops_left,
            destinations,
            priority: Default::default(),
            post,
            sealed: None,
        }
    })
}

/// A batch as its origin makes it.
pub(super) fn batch(origin: Place, destinations: Vec<NodeId>) -> impl Strategy<Value = Leg> {
    let destination =
        move |since: u64| destinations.iter().map(|&node| multicast::Destination { node, since }).collect::<Vec<_>>();
    let long = (any::<u64>(), 1..=1_000_000_u32).prop_map(|(number, length)| Long { number, length });
    let what = (option::of(topic()), 0..1_u64 << 60, collection::vec(bytes(200), 0..5), option::of(long));
    (clock(), lifetime(), what, any::<u64>(), 0..=16_u8).prop_map(move |(sent, lifetime, what, since, hops_left)| {
        let ((origin, epoch), (topic, first, bodies, long)) = (origin, what);
        let batch = Batch { origin, epoch, sent, lifetime, topic, first, bodies, long, proof: Proof::default() };
        // On the wire it is as urgent as its numbers say.
        Leg { priority: batch.priority(), batch: batch.into(), hops_left, destinations: destination(since) }
    })
}

pub(super) fn wanted(asker: NodeId, origin: Place) -> impl Strategy<Value = Wanted> {
    (option::of(topic()), 0..1_u64 << 60, 0..1_u64 << 60, 0..=16_u8).prop_map(move |(topic, from, more, hops_left)| {
        let (origin, epoch) = origin;
        Wanted { asker, origin, epoch, topic, from, to: from + more, hops_left }
    })
}

pub(super) fn gossip(origin: Place) -> impl Strategy<Value = Gossip> {
    (any::<u64>(), clock(), lifetime(), bytes(600)).prop_map(move |(number, sent, lifetime, body)| {
        let (origin, epoch) = origin;
        Gossip { origin, epoch, number, sent, lifetime, body, place: None }
    })
}

/// A version that somebody may have.
pub(super) fn version() -> impl Strategy<Value = Version> {
    (1..=u64::MAX, any::<u64>()).prop_map(|(epoch, seq)| Version { epoch, seq })
}

fn issuers() -> impl Strategy<Value = std::collections::BTreeMap<IssuerId, u64>> {
    collection::btree_map(any::<[u8; 32]>().prop_map(IssuerId), any::<u64>(), 0..4)
}

pub(super) fn status(node: NodeId, others: Vec<NodeId>) -> impl Strategy<Value = Status> {
    let names = (name(40), name(40), name(40));
    let addresses = collection::vec(text("abc0123456789.:", 1..=40).prop_map(|text| Address::new(&text)), 0..=8);
    let neighbours = collection::btree_set(select(others), 0..4);
    let topics = (collection::btree_map(topic(), any::<u32>(), 0..4), collection::btree_set(topic(), 0..4));
    let opaque = (bytes(100), bytes(64));
    let counts = (version(), issuers(), any::<u32>(), clock(), any::<bool>());
    (names, addresses, neighbours, topics, opaque, counts).prop_map(
        move |(names, addresses, neighbours, topics, opaque, counts)| {
            let (name, agency, software) = names;
            let (topics, multicast_topics) = topics;
            let (application, sealing_key) = opaque;
            let (version, revocations, proofs, clock, issues) = counts;
            Status {
                node,
                version,
                addresses,
                neighbours,
                topics,
                name,
                agency,
                software,
                multicast_topics,
                revocations,
                proofs,
                takes_batches: false,
                traces: false,
                takes_priorities: false,
                application,
                sealing_key,
                issues,
                clock,
            }
        },
    )
}

pub(super) fn query(nodes: Vec<NodeId>) -> impl Strategy<Value = Query> {
    let node = select(nodes);
    let asked = collection::vec((node.clone(), option::of(version())), 0..8);
    let known = collection::vec((node.clone(), (any::<u64>(), any::<u64>())), 0..8)
        .prop_map(|known| known.into_iter().map(|(node, (epoch, seq))| (node, Version { epoch, seq })).collect());
    prop_oneof![
        asked.prop_map(Query::Nodes),
        known.prop_map(|known| Query::All { known }),
        issuers().prop_map(|held| Query::Revocations { held }),
        collection::vec(node, 0..8).prop_map(|held| Query::Proofs { held }),
        any::<[u8; 16]>().prop_map(|digest| Query::Same { digest: TableDigest::from_bytes(digest) }),
    ]
}

pub(super) fn service_request() -> impl Strategy<Value = service::Request> {
    let chain = collection::vec(bytes(600), 0..=service::MAX_CHAIN);
    (bytes(600), chain).prop_map(|(request, chain)| service::Request::Renewal { request, chain })
}

pub(super) fn file_request() -> impl Strategy<Value = service::Request> {
    // A letter has three bytes at the most.
    let offer = (name(service::MAX_FILE_NAME / 3), any::<u64>(), any::<[u8; 32]>())
        .prop_map(|(name, length, sha256)| service::Request::FileOffer(service::FileOffer { name, length, sha256 }));
    let data = (any::<u8>(), bytes(600)).prop_map(|(first, rest)| [&[first], &rest[..]].concat().into());
    let chunk = (any::<u64>(), any::<u64>(), data).prop_map(|(transfer, offset, data)| {
        service::Request::FileChunk(service::FileChunk { transfer, offset, data })
    });
    prop_oneof![offer, chunk]
}

pub(super) fn file_progress() -> impl Strategy<Value = service::Answer> {
    use service::FileState::{Busy, Checking, Differs, Done, Receiving, Unknown};
    let state = select(vec![Receiving, Checking, Done, Unknown, Differs, Busy]);
    (any::<u64>(), any::<u64>(), state).prop_map(|(transfer, received, state)| {
        service::Answer::FileProgress(service::FileProgress { transfer, received, state })
    })
}

pub(super) fn enrolment() -> impl Strategy<Value = service::Enrolment> {
    (any::<[u8; 16]>(), bytes(64), bytes(600)).prop_map(|(invitation, secret, request)| service::Enrolment {
        invitation,
        secret,
        request,
    })
}

pub(super) fn sdk_issuers() -> impl Strategy<Value = service::Answer> {
    let chain = collection::vec(bytes(200), 0..=service::MAX_CHAIN);
    let issuer = (chain, any::<u32>()).prop_map(|(chain, sessions)| service::SdkIssuer { chain, sessions });
    (collection::vec(issuer, 0..=service::MAX_ISSUERS), any::<u32>())
        .prop_map(|(issuers, others)| service::Answer::SdkIssuers { issuers, others })
}

pub(super) fn service_answer() -> impl Strategy<Value = service::Answer> {
    prop_oneof![
        collection::vec(bytes(600), 0..=service::MAX_CHAIN).prop_map(|chain| service::Answer::Renewed { chain }),
        name(200).prop_map(|reason| service::Answer::Refused { reason }),
    ]
}

pub(super) fn verdict() -> impl Strategy<Value = Verdict> {
    let protocol = (any::<u32>(), any::<u32>(), collection::btree_set(text("abc019-", 1..=32), 0..=8));
    let protocol = protocol.prop_map(|(one, other, features)| {
        // 0 is what is absent in version 1.
        let (lowest, highest) = (one.min(other).max(1), one.max(other).max(1));
        Protocol { lowest, highest, features }
    });
    (name(100), any::<u32>(), option::of(name(400)), protocol)
        .prop_map(|(network, max_body, refusal, protocol)| Verdict { network, max_body, refusal, protocol })
}
