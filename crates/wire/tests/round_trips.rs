//! What is encoded is read back as it was, at a neighbour and behind a relay.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use nuncio_identity::{NodeId, NodeKey};
use nuncio_protocol::{
    MAX_APPLICATION_FIELD, MAX_MULTICAST_TOPIC_BYTES, MAX_NEIGHBOURS, MAX_TOPIC_BYTES, TOPIC_COST, Topic, amop,
    peering::Address,
    status_sync::{Equivocation, IssuerId, Query, Status, Version},
    unicast::{self, ExchangeId, Refusal},
};
use nuncio_wire::{
    DecodeError, SigningContext,
    length_prefixed::{self, Frame},
    multicast, status,
    verdict::{Protocol, Verdict},
};
use proptest::prelude::*;

struct Party {
    node: NodeId,
    context: SigningContext,
}

fn party() -> Party {
    let key = NodeKey::generate();
    Party { node: key.node_id(), context: SigningContext::new(key, "test") }
}

/// Source, relay and target.
fn three() -> [Party; 3] {
    [party(), party(), party()]
}

fn frame(head: BytesMut, body: &[u8]) -> (Bytes, Bytes) {
    let mut buffer = head;
    buffer.extend_from_slice(body);
    match length_prefixed::decode(&mut buffer) {
        Ok(Some(Frame::Message { header, body })) => {
            assert!(buffer.is_empty(), "nothing is left over");
            (header, body)
        }
        other => panic!("a whole frame, not {other:?}"),
    }
}

fn unicast_over(message: unicast::Message, from: &Party, to: &Party) -> Result<unicast::Message, DecodeError> {
    let mut head = BytesMut::new();
    let body = nuncio_wire::unicast::encode(message, to.node, &from.context, &mut head);
    let (header, body) = frame(head, &body);
    nuncio_wire::unicast::decode(header, body, from.node, &to.context)
}

fn amop_over(message: amop::Message, from: &Party, to: &Party) -> Result<amop::Message, DecodeError> {
    let mut head = BytesMut::new();
    let body = nuncio_wire::amop::encode(message, to.node, &from.context, &mut head);
    let (header, body) = frame(head, &body);
    nuncio_wire::amop::decode(header, body, from.node, &to.context)
}

fn request(source: NodeId, target: NodeId, body: Vec<u8>) -> unicast::Message {
    unicast::Message {
        source,
        target,
        epoch: 7,
        id: ExchangeId(9),
        hops_left: 15,
        hops: 1,
        content: unicast::Content::Request { body: body.into(), time_left: Duration::from_millis(1500) },
        signature: None,
    }
}

fn multicast_to(source: NodeId, destinations: Vec<NodeId>) -> amop::Message {
    let (seq, topic) = (amop::PublishSeq([3; 32]), Topic::new("t1").expect("a good name"));
    let content = amop::Content::Multicast { destinations, seq, topic, data: Bytes::from("hey all") };
    amop::Message { source, epoch: 7, id: 1, hops_left: 15, content, signature: None }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_request_to_a_neighbour_comes_as_it_was(body in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let [a, b, _] = three();
        let sent = request(a.node, b.node, body);
        prop_assert_eq!(unicast_over(sent.clone(), &a, &b), Ok(sent));
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let [a, b, _] = three();
        let bytes = Bytes::from(bytes);
        let _ = length_prefixed::decode(&mut BytesMut::from(&bytes[..]));
        let _ = nuncio_wire::unicast::decode(bytes.clone(), Bytes::new(), a.node, &b.context);
        let _ = nuncio_wire::amop::decode(bytes.clone(), Bytes::new(), a.node, &b.context);
        let _ = status::decode_record(bytes.clone(), &b.context);
        let _ = status::decode_query(bytes.clone());
        let _ = status::decode_answer(bytes.clone());
        let _ = status::decode_announcement(&bytes);
        let _ = multicast::decode(multicast::BROADCAST, bytes.clone(), &b.context);
        let _ = Verdict::decode(&bytes);
    }
}

#[test]
fn a_relayed_request_carries_its_sources_signature() {
    let [a, relay, b] = three();
    let sent = request(a.node, b.node, b"hello".to_vec());
    let at_relay = unicast_over(sent, &a, &relay).unwrap();
    assert!(at_relay.signature.is_some());
    let passed_on = unicast::Message { hops_left: 14, hops: 2, ..at_relay };
    let arrived = unicast_over(passed_on.clone(), &relay, &b).unwrap();
    assert_eq!(arrived, passed_on);
}

#[test]
fn a_relay_can_change_nothing_that_matters() {
    let [a, relay, b] = three();
    let at_relay = unicast_over(request(a.node, b.node, b"hello".to_vec()), &a, &relay).unwrap();
    let other = party();
    let redirected = unicast::Message { target: other.node, ..at_relay.clone() };
    let forgeries = [
        unicast::Message { content: request(a.node, b.node, b"jello".to_vec()).content, ..at_relay.clone() },
        unicast::Message { source: other.node, ..at_relay.clone() },
        unicast::Message { epoch: 8, ..at_relay.clone() },
        unicast::Message { id: ExchangeId(10), ..at_relay.clone() },
        unicast::Message { signature: None, ..at_relay.clone() },
        unicast::Message { content: unicast::Content::Failure { refusal: Refusal::Denied }, ..at_relay },
    ];
    for forged in forgeries {
        let source = forged.source;
        assert_eq!(unicast_over(forged, &relay, &b), Err(DecodeError::Signature { node: source }));
    }
    // Meant for another node, it proves nothing there.
    assert!(matches!(unicast_over(redirected, &relay, &other), Err(DecodeError::Signature { .. })));
}

#[test]
fn a_signature_holds_in_its_own_network_only() {
    let [a, relay, b] = three();
    let key = NodeKey::generate();
    let elsewhere = Party { node: key.node_id(), context: SigningContext::new(key, "other") };
    let sent = request(elsewhere.node, b.node, b"hello".to_vec());
    let at_relay = unicast_over(sent, &elsewhere, &relay).unwrap();
    assert!(matches!(unicast_over(at_relay, &relay, &b), Err(DecodeError::Signature { .. })));
    drop(a);
}

#[test]
fn a_multicast_may_be_split_by_relays_but_not_changed() {
    let [a, relay, b] = three();
    let far = party();
    let sent = multicast_to(a.node, vec![relay.node, b.node, far.node]);
    let at_relay = amop_over(sent, &a, &relay).unwrap();
    let amop::Content::Multicast { seq, topic, .. } = &at_relay.content else { panic!("a multicast") };
    let part = |data: &'static str| {
        let (destinations, data) = (vec![b.node], Bytes::from(data));
        amop::Content::Multicast { destinations, seq: *seq, topic: topic.clone(), data }
    };
    let good = amop::Message { content: part("hey all"), ..at_relay.clone() };
    assert_eq!(amop_over(good.clone(), &relay, &b), Ok(good));
    let forged = amop::Message { content: part("hey you"), ..at_relay.clone() };
    assert_eq!(amop_over(forged, &relay, &b), Err(DecodeError::Signature { node: a.node }));
}

#[test]
fn amop_publishes_and_results_come_as_they_were() {
    let [a, b, _] = three();
    let publish = amop::Content::Publish {
        target: b.node,
        message: 5,
        topic: Topic::new("t1").unwrap(),
        data: Bytes::from("hello"),
        time_left: Duration::from_secs(2),
    };
    let result = amop::Content::Result { target: b.node, code: amop::ResultCode(-7), data: Bytes::from("Yes") };
    for content in [publish, result] {
        let sent = amop::Message { source: a.node, epoch: 1, id: 2, hops_left: 15, content, signature: None };
        assert_eq!(amop_over(sent.clone(), &a, &b), Ok(sent));
    }
}

fn empty(node: NodeId, version: Version) -> Status {
    Status {
        node,
        version,
        addresses: Vec::new(),
        neighbours: BTreeSet::new(),
        topics: BTreeMap::new(),
        name: "node0".into(),
        agency: "agencyA".into(),
        software: String::new(),
        multicast_topics: BTreeSet::new(),
        revocations: BTreeMap::new(),
        proofs: 0,
        application: Bytes::new(),
        sealing_key: Bytes::new(),
        clock: Duration::ZERO,
    }
}

#[test]
fn a_record_is_read_back_by_anyone_and_refused_when_changed() {
    let [a, b, _] = three();
    let status = Status {
        addresses: vec![Address::new("127.0.0.1:30300")],
        neighbours: [b.node].into(),
        topics: BTreeMap::from([(Topic::new("t1").unwrap(), 2)]),
        software: "nuncio".into(),
        application: Bytes::from("height 7"),
        proofs: 3,
        sealing_key: Bytes::from(vec![7; 33]),
        clock: Duration::from_millis(1234),
        ..empty(a.node, Version { epoch: 3, seq: 4 })
    };
    let chain = vec![Bytes::from("certificate")];
    let record = status::sign_record(status.clone(), &chain, &a.context);
    let (read, read_chain) = status::decode_record(record.bytes.clone(), &b.context).unwrap();
    assert_eq!((read.status, read_chain), (status, chain));

    let place = record.bytes.windows(8).position(|bytes| bytes == b"height 7").unwrap();
    let mut changed = record.bytes.to_vec();
    changed[place + 7] = b'8';
    let refused = status::decode_record(changed.into(), &b.context);
    assert_eq!(refused.unwrap_err(), DecodeError::Signature { node: a.node });

    let answer = status::decode_answer(status::encode_answer(&[Arc::new(record.clone())], &[], true).into()).unwrap();
    assert_eq!(answer, status::EncodedAnswer { records: vec![record.bytes], proofs: vec![], more: true });
}

#[test]
fn a_record_that_says_all_that_it_may_fits() {
    let [a, _, _] = three();
    let names = |budget: usize, length: usize| {
        (0..budget / (length + TOPIC_COST)).map(move |n| Topic::new(&format!("{n:0>length$}")).unwrap())
    };
    let nodes: BTreeSet<_> = (0..MAX_NEIGHBOURS).map(|_| NodeKey::generate().node_id()).collect();
    for length in [5, Topic::MAX_LENGTH] {
        let status = Status {
            addresses: vec![Address::new(&"a".repeat(256)); 8],
            neighbours: nodes.clone(),
            topics: names(MAX_TOPIC_BYTES, length).map(|topic| (topic, u32::MAX)).collect(),
            multicast_topics: names(MAX_MULTICAST_TOPIC_BYTES, length).collect(),
            revocations: (0..64).map(|n| (IssuerId([n; 32]), u64::MAX)).collect(),
            application: vec![0; MAX_APPLICATION_FIELD].into(),
            ..empty(a.node, Version { epoch: u64::MAX, seq: u64::MAX })
        };
        let record = status::sign_record(status.clone(), &vec![Bytes::from(vec![0; 4 << 10]); 5], &a.context);
        assert_eq!(status::decode_record(record.bytes, &a.context).map(|(read, _)| read.status), Ok(status));
    }
}

#[test]
fn topics_over_their_budget_are_refused() {
    let [a, _, _] = three();
    let topics = (0..1200).map(|n| (Topic::new(&format!("{n:0>254}")).unwrap(), 1)).collect();
    let status = Status { topics, ..empty(a.node, Version { epoch: 1, seq: 1 }) };
    let refused = status::decode_record(status::sign_record(status, &[], &a.context).bytes, &a.context);
    assert!(matches!(refused, Err(DecodeError::TooMany { what: "topic bytes", .. })));
}

#[test]
fn a_proof_of_equivocation_can_be_judged_by_anyone() {
    let [a, b, _] = three();
    let own = |name: &str| {
        let version = Version { epoch: 3, seq: 4 };
        let status = Status { name: name.into(), ..empty(a.node, version) };
        Arc::new(status::sign_record(status, &[], &a.context))
    };
    let proof = Equivocation::of(own("one"), own("another")).unwrap();
    let bytes = status::encode_answer(&[], std::slice::from_ref(&proof), false);
    let [[first, second]] = status::decode_answer(bytes.into()).unwrap().proofs.try_into().unwrap();
    let read = |record| Arc::new(status::decode_record(record, &b.context).unwrap().0);
    assert_eq!(Equivocation::of(read(first), read(second)), Some(proof));
    assert_eq!(Equivocation::of(own("one"), own("one")), None);
}

#[test]
fn queries_and_announcements_come_as_they_were() {
    let [a, b, _] = three();
    let version = Version { epoch: 3, seq: 4 };
    for query in [
        Query::Nodes(vec![(a.node, None), (b.node, Some(version))]),
        Query::All { known: vec![(a.node, version)] },
        Query::All { known: vec![] },
        Query::Revocations { held: [(IssuerId([7; 32]), 3)].into() },
        Query::Revocations { held: BTreeMap::new() },
        Query::Proofs { held: vec![a.node] },
        Query::Proofs { held: vec![] },
    ] {
        assert_eq!(status::decode_query(status::encode_query(&query).into()), Ok(query));
    }
    let first = status::encode_announcement(a.node, version, 1);
    assert_eq!(status::decode_announcement(&first), Ok((a.node, version)));
    assert_ne!(first, status::encode_announcement(a.node, version, 2), "gossip passes both on");
}

#[test]
fn gossip_is_bound_to_its_topic() {
    let [a, b, _] = three();
    let sent = multicast::encode(multicast::BROADCAST, 1, 2, Bytes::from("all"), &a.context);
    let read = multicast::decode(multicast::BROADCAST, sent.clone().into(), &b.context).unwrap();
    assert_eq!((read.origin, read.epoch, read.seq, read.body), (a.node, 1, 2, Bytes::from("all")));
    let elsewhere = multicast::decode("nuncio/topic/x", sent.into(), &b.context);
    assert_eq!(elsewhere, Err(DecodeError::Signature { node: a.node }));
}

fn verdict(network: &str, features: usize) -> Verdict {
    let longest = |number| format!("{number:0>width$}", width = Protocol::MAX_FEATURE_LENGTH);
    let protocol = Protocol { features: (0..features).map(longest).collect(), ..Protocol::of_this_release() };
    Verdict { network: network.into(), max_body: 10 << 20, refusal: None, protocol }
}

#[test]
fn verdicts_come_as_they_were_and_long_words_are_cut() {
    for features in [0, 3, Protocol::MAX_FEATURES] {
        let admitted = verdict("test", features);
        assert_eq!(Verdict::decode(&admitted.encode()[2..]), Ok(admitted.clone()));
        let short = Verdict { refusal: Some("x".repeat(300)), ..verdict(&"n".repeat(512), features) };
        assert_eq!(Verdict::decode(&short.encode()[2..]), Ok(short), "room is kept for words");
        let wordy = Verdict { refusal: Some("é".repeat(5000)), ..admitted };
        let bytes = wordy.encode();
        assert!(bytes.len() <= 2 + Verdict::MAX_LENGTH);
        assert_eq!(usize::from(u16::from_be_bytes([bytes[0], bytes[1]])), bytes.len() - 2);
        assert!(Verdict::decode(&bytes[2..]).unwrap().refusal.unwrap().starts_with('é'));
    }
}

#[test]
fn a_verdict_without_versions_is_of_version_1_and_unknown_fields_are_passed_over() {
    let of_version_1 = [b"\x0a\x04test".as_slice(), b"\x10\x07"].concat();
    let read = Verdict::decode(&of_version_1).unwrap();
    assert_eq!((read.protocol.lowest, read.protocol.highest, read.max_body), (1, 1, 7));
    // Field 1000, a string, as a later release may send it.
    let later = [&verdict("test", 1).encode()[2..], b"\xc2\x3e\x03new"].concat();
    assert_eq!(Verdict::decode(&later), Ok(verdict("test", 1)));
}

#[test]
fn words_about_a_link_come_as_they_were_and_carry_nothing() {
    use nuncio_protocol::peering::Parting;
    use nuncio_wire::unicast::{Frame as Word, decode_frame, encode_frame};

    let [a, b, _] = three();
    use Parting::{Banned, Denied, Duplicate, DuplicateIdentity, Leaving, Removed};
    let partings = [Leaving, Removed, Denied, DuplicateIdentity, Duplicate, Banned];
    let goodbyes = partings.into_iter().map(|parting| Word::Goodbye { parting });
    for word in goodbyes.chain([Word::Hello { epoch: 0 }, Word::Hello { epoch: u64::MAX }]) {
        let mut head = BytesMut::new();
        let body = encode_frame(word.clone(), b.node, &a.context, &mut head);
        let (header, body) = frame(head, &body);
        assert_eq!(decode_frame(header.clone(), body, a.node, &b.context), Ok(word));
        let laden = decode_frame(header.clone(), Bytes::from("x"), a.node, &b.context);
        assert_eq!(laden, Err(DecodeError::TooLarge { what: "body", bytes: 1, limit: 0 }));
        let as_message = nuncio_wire::unicast::decode(header, Bytes::new(), a.node, &b.context);
        assert_eq!(as_message, Err(DecodeError::Field { field: "kind" }));
    }
}

#[test]
fn an_answer_with_revocation_lists_comes_as_it_was_and_is_bounded() {
    let (lists, agencies) = (vec![Bytes::from("list"), Bytes::from("other")], vec![Bytes::from("agency")]);
    let read = status::decode_revocations_answer(status::encode_revocations_answer(&lists, &agencies).into());
    assert_eq!(read, Ok(status::RevocationsAnswer { lists, agencies }));
    let large = vec![Bytes::from(vec![0; 512 << 10]); 20];
    let read = status::decode_revocations_answer(status::encode_revocations_answer(&large, &[]).into()).unwrap();
    assert_eq!(read.lists.len(), 8, "4 MiB in all");
    let many = vec![Bytes::from("x"); 100];
    let read = status::decode_revocations_answer(status::encode_revocations_answer(&many, &many).into()).unwrap();
    assert_eq!((read.lists.len(), read.agencies.len()), (64, 64));
}
