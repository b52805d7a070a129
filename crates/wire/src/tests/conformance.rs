//! The bytes of every wire type: `conformance.toml`.
//!
//! Signatures are deterministic (RFC 6979); what is sealed is so here because the sealing keys are fixed.

#[path = "../../tests/wire/values.rs"]
mod values;

use std::{collections::HashSet, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use nuncio_identity::{NodeId, NodeKey};
use nuncio_protocol::{
    amop::Multicast,
    status_sync::{Equivocation, Record, Status},
    unicast::{Content, Message},
};
use nuncio_testkit::conformance::{Table, Transcript, check};
use proptest::{
    collection,
    prelude::any,
    strategy::{Just, Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use crate::{SigningContext, amop, announcement, keyring::Keyring, multicast, service, status, trace, unicast};

/// Values of each type.
const VALUES: usize = 4096;

const EPOCH: u64 = 7;

/// Source, relay and target: fixed keys, so that every run has the same.
fn three() -> ([NodeId; 3], SigningContext) {
    let parties = [1, 2, 3].map(|number| {
        let mut secret = [0; 32];
        secret[31] = number;
        let key = NodeKey::from_secret_bytes(&secret).unwrap();
        let keyring = Keyring::of_secret(key.node_id(), "conformance", &[number; 32]);
        SigningContext::with_keyring(key, "conformance", keyring)
    });
    let [source, others @ ..] = &parties;
    source.keyring().begin(EPOCH);
    for other in others {
        source.keyring().learn(other.node(), EPOCH, &other.keyring().public());
    }
    (parties.each_ref().map(SigningContext::node), source.clone())
}

fn hash<S: Strategy>(strategy: S, mut encode: impl FnMut(S::Value) -> Vec<u8>) -> String {
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let mut transcript = Transcript::default();
    for _ in 0..VALUES {
        transcript.add(&encode(strategy.new_tree(&mut runner).unwrap().current()));
    }
    transcript.finish()
}

/// A frame as it leaves for a peer.
fn frame<F>(
    encode: fn(F, NodeId, &SigningContext, &mut BytesMut) -> Option<Bytes>,
    peer: NodeId,
) -> impl FnMut(F) -> Vec<u8> {
    let (_, context) = three();
    move |value| {
        let mut bytes = BytesMut::new();
        let body = encode(value, peer, &context, &mut bytes).unwrap();
        bytes.extend_from_slice(&body);
        bytes.to_vec()
    }
}

fn streams() -> Vec<(&'static str, String)> {
    let ([source, relay, target], context) = three();
    let (from, to) = ((source, EPOCH), (target, EPOCH));
    let unicasts = || values::unicast(from, to).prop_map(unicast::Frame::Message);
    let traced = || values::traced(from, to).prop_map(unicast::Frame::Message);
    let prioritised = || values::prioritised(from, to).prop_map(unicast::Frame::Message);
    let reports = || {
        let reports = (values::header(from, to), values::report(source, target, vec![source, relay, target]));
        reports.prop_map(|(header, report)| {
            let content = Content::Report(Box::new(trace::sign(report, &three().1).unwrap()));
            unicast::Frame::Message(Message { header, content })
        })
    };
    let priorities = proptest::sample::select(nuncio_protocol::Priority::ALL.to_vec());
    let prioritised_amop = || {
        (values::amop(from, to), priorities.clone()).prop_map(|(message, priority)| {
            let header = nuncio_protocol::Header { priority, ..message.header };
            amop::Frame::Message(nuncio_protocol::amop::Message { header, ..message })
        })
    };
    let messages = || values::amop(from, to).prop_map(amop::Frame::Message);
    let named = || values::amop_named(from, to).prop_map(amop::Frame::Message);
    let sealed = |multicast: Multicast| {
        let post = multicast.post.as_ref().unwrap();
        let (destinations, sealed) = amop::seal_for_each(&multicast, post, post.seq.0, &context).unwrap().unwrap();
        amop::Frame::Multicast(Multicast { destinations, sealed: Some(sealed), ..multicast })
    };
    let to_one = values::multicast(from, vec![target]).prop_map(amop::Frame::Multicast);
    let to_many = values::multicast(from, vec![relay, target]).prop_map(&sealed);
    let named_to_one = values::multicast_named(from, vec![target]).prop_map(amop::Frame::Multicast);
    let named_to_many = values::multicast_named(from, vec![relay, target]).prop_map(&sealed);
    let batch = values::batch(from, vec![target]).prop_map(amop::Frame::Batch);
    let batches = values::batch(from, vec![relay, target]).prop_map(amop::Frame::Batch);
    let wanted = values::wanted(source, to).prop_map(amop::Frame::Wanted);
    vec![
        ("unicast", hash(unicasts(), frame(unicast::encode_frame, target))),
        ("unicast_prioritised", hash(prioritised(), frame(unicast::encode_frame, target))),
        ("unicast_prioritised_relayed", hash(prioritised(), frame(unicast::encode_frame, relay))),
        ("unicast_relayed", hash(unicasts(), frame(unicast::encode_frame, relay))),
        ("unicast_report", hash(reports(), frame(unicast::encode_frame, target))),
        ("unicast_report_relayed", hash(reports(), frame(unicast::encode_frame, relay))),
        ("unicast_traced", hash(traced(), frame(unicast::encode_frame, target))),
        ("unicast_traced_relayed", hash(traced(), frame(unicast::encode_frame, relay))),
        ("unicast_word", hash(values::word(), frame(unicast::encode_frame, target))),
        ("bridge", hash(messages(), frame(amop::encode_frame, target))),
        ("bridge_prioritised", hash(prioritised_amop(), frame(amop::encode_frame, target))),
        ("bridge_prioritised_relayed", hash(prioritised_amop(), frame(amop::encode_frame, relay))),
        ("bridge_relayed", hash(messages(), frame(amop::encode_frame, relay))),
        ("bridge_batch", hash(batch, frame(amop::encode_frame, target))),
        ("bridge_batch_relayed", hash(batches, frame(amop::encode_frame, target))),
        ("bridge_named", hash(named(), frame(amop::encode_frame, target))),
        ("bridge_named_relayed", hash(named(), frame(amop::encode_frame, relay))),
        ("bridge_wanted", hash(wanted, frame(amop::encode_frame, relay))),
        ("bridge_multicast", hash(to_one, frame(amop::encode_frame, target))),
        ("bridge_multicast_relayed", hash(to_many, frame(amop::encode_frame, relay))),
        ("bridge_multicast_named", hash(named_to_one, frame(amop::encode_frame, target))),
        ("bridge_multicast_named_relayed", hash(named_to_many, frame(amop::encode_frame, relay))),
    ]
}

/// Statuses that say what their nodes take.
fn takers() -> Vec<(&'static str, String)> {
    let (nodes, context) = three();
    let [source, ..] = nodes;
    let own = || values::status(source, nodes.to_vec());
    vec![
        (
            "status_record_of_one_that_takes_batches",
            hash(own(), |own| {
                status::sign_record(Status { takes_batches: true, ..own }, &[], &context).unwrap().bytes.to_vec()
            }),
        ),
        (
            "status_record_of_one_that_traces",
            hash(own(), |own| {
                status::sign_record(Status { traces: true, ..own }, &[], &context).unwrap().bytes.to_vec()
            }),
        ),
        (
            "status_record_of_one_that_takes_priorities",
            hash(own(), |own| {
                status::sign_record(Status { takes_priorities: true, ..own }, &[], &context).unwrap().bytes.to_vec()
            }),
        ),
    ]
}

fn documents() -> Vec<(&'static str, String)> {
    let (nodes, context) = three();
    let [source, ..] = nodes;
    let gossip = (values::topic(), values::gossip((source, EPOCH)));
    let gossiped = |topic, gossip| multicast::encode(&multicast::gossip_topic(Some(&topic)), gossip, &context).unwrap();
    let own = || values::status(source, nodes.to_vec());
    let record = (own(), collection::vec(values::bytes(100), 0..=status::MAX_CHAIN));
    // In an answer, records are bytes as they came.
    let carried = |status, bytes| Arc::new(Record { status, bytes, pages: Vec::new(), agency_path: None });
    let lists = || collection::vec(values::bytes(100), 0..4);
    vec![
        (
            "announcement",
            hash((values::version(), any::<u64>()), |(version, clock)| {
                announcement::encode(version, Duration::from_millis(clock), &context).unwrap()
            }),
        ),
        ("gossip", hash(gossip, |(topic, gossip)| gossiped(topic, gossip))),
        (
            "status_record",
            hash(record, |(own, chain)| status::sign_record(own, &chain, &context).unwrap().bytes.to_vec()),
        ),
        (
            "gossip_numbered",
            hash((values::topic(), values::gossip((source, EPOCH)), 0..1_u64 << 63), |(topic, gossip, place)| {
                gossiped(topic, multicast::Gossip { place: Some(place), ..gossip })
            }),
        ),
        ("status_query", hash(values::query(nodes.to_vec()), |query| status::encode_query(&query, []))),
        (
            "status_answer",
            hash((own(), values::bytes(600), any::<bool>()), |(own, bytes, more)| {
                status::encode_answer(&[carried(own, bytes)], &HashSet::new(), &[], more)
            }),
        ),
        (
            "status_proofs",
            hash((own(), values::bytes(600), values::bytes(600)), |(own, one, other)| {
                let differs = Status { proofs: !own.proofs, ..own.clone() };
                let proof = Equivocation::of(carried(own, one), carried(differs, other)).unwrap();
                status::encode_answer(&[], &HashSet::new(), &[proof], false)
            }),
        ),
        (
            "revocations_answer",
            hash((lists(), lists()), |(lists, agencies)| status::encode_revocations_answer(&lists, &agencies)),
        ),
        ("verdict", hash(values::verdict(), |verdict| verdict.encode())),
    ]
}

/// What nodes ask each other themselves.
fn questions() -> Vec<(&'static str, String)> {
    vec![
        ("service_probe", hash(Just(service::Request::Probe), |request| request.encode().to_vec())),
        ("service_probed", hash(Just(service::Answer::Probed), |answer| answer.encode().to_vec())),
        ("service_request", hash(values::service_request(), |request| request.encode().to_vec())),
        ("file_request", hash(values::file_request(), |request| request.encode().to_vec())),
        ("file_progress", hash(values::file_progress(), |answer| answer.encode().to_vec())),
        ("sdk_issuers", hash(values::sdk_issuers(), |answer| answer.encode().to_vec())),
        ("sdk_authorities", hash(Just(service::Request::SdkAuthorities), |request| request.encode().to_vec())),
        ("enrolment", hash(values::enrolment(), |enrolment| enrolment.encode().to_vec())),
        ("service_answer", hash(values::service_answer(), |answer| answer.encode().to_vec())),
    ]
}

#[test]
fn the_wire_conforms() {
    let mut found = streams();
    found.extend(documents());
    found.extend(takers());
    found.extend(questions());
    check("wire", found.into_iter().map(|(name, hash)| (name.to_owned(), hash)).collect::<Table>());
}
