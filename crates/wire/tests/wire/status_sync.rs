//! Records, proofs and revocation lists: what others pass on.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use nuncio_identity::{NodeId, NodeKey};
use nuncio_protocol::{
    MAX_APPLICATION_FIELD, MAX_MULTICAST_TOPIC_BYTES, MAX_NEIGHBOURS, MAX_TOPIC_BYTES, TOPIC_COST, Topic,
    peering::Address,
    status_sync::{Equivocation, IssuerId, Status, Version},
};
use nuncio_wire::{DecodeError, status};

use super::party::{lone, parties};

pub(super) fn empty(node: NodeId) -> Status {
    Status {
        node,
        version: Version { epoch: 3, seq: 4 },
        addresses: Vec::new(),
        neighbours: BTreeSet::new(),
        topics: BTreeMap::new(),
        name: "node0".into(),
        agency: "agencyA".into(),
        software: String::new(),
        multicast_topics: BTreeSet::new(),
        takes_batches: true,
        traces: true,
        takes_priorities: true,
        revocations: BTreeMap::new(),
        proofs: 0,
        application: Bytes::from("height 7"),
        sealing_key: Bytes::new(),
        issues: false,
        clock: Duration::ZERO,
    }
}

#[test]
fn a_record_is_read_by_anyone_in_its_network_and_refused_when_changed() {
    let [a, b] = parties();
    let record = status::sign_record(empty(a.node), &[], &a.context).unwrap();
    assert_eq!(status::decode_record(record.bytes.clone(), &b.context), Ok((record.clone(), vec![])));
    let refused = Err(DecodeError::Signature { node: a.node });
    assert_eq!(status::decode_record(record.bytes.clone(), &lone(1, "other").context), refused);
    let place = record.bytes.windows(8).position(|bytes| bytes == b"height 7").unwrap();
    let mut changed = record.bytes.to_vec();
    changed[place + 7] = b'8';
    assert_eq!(status::decode_record(changed.into(), &b.context), refused);
}

#[test]
fn nobody_puts_other_certificates_behind_a_status() {
    let [a, b] = parties();
    let chain = [Bytes::from_static(b"the leaf"), Bytes::from_static(b"the agency")];
    let record = status::sign_record(empty(a.node), &chain, &a.context).unwrap().bytes;
    let refused = Err(DecodeError::ForeignChain { node: a.node });
    let swapped = replaced(&record, b"the agency", b"another CA");
    assert_eq!(status::decode_record(swapped.into(), &b.context), refused);
    let without = replaced(&record, b"\x1a\x0athe agency", b"");
    assert_eq!(status::decode_record(without.into(), &b.context), refused);
    let moved = replaced(&record, b"\x1a\x08the leaf\x1a\x0athe agency", b"\x1a\x09the leaft\x1a\x09he agency");
    assert_eq!(status::decode_record(moved.into(), &b.context), refused, "the same bytes, cut elsewhere");
}

fn replaced(bytes: &[u8], what: &[u8], by: &[u8]) -> Vec<u8> {
    let at = bytes.windows(what.len()).position(|window| window == what).expect("it is in there");
    [&bytes[..at], by, &bytes[at + what.len()..]].concat()
}

#[test]
fn a_record_that_says_all_that_it_may_fits() {
    let [a] = parties();
    let names = |budget: usize, length: usize| {
        (0..budget / (length + TOPIC_COST)).map(move |n| Topic::new(&format!("{n:0>length$}")).unwrap())
    };
    let nodes: BTreeSet<_> = (0..MAX_NEIGHBOURS).map(|_| NodeKey::generate().node_id()).collect();
    for length in [5, Topic::MAX_LENGTH] {
        let status = Status {
            version: Version { epoch: u64::MAX, seq: u64::MAX },
            addresses: vec![Address::new(&"a".repeat(256)); 8],
            neighbours: nodes.clone(),
            topics: names(MAX_TOPIC_BYTES, length).map(|topic| (topic, u32::MAX)).collect(),
            multicast_topics: names(MAX_MULTICAST_TOPIC_BYTES, length).collect(),
            revocations: (0..64).map(|n| (IssuerId([n; 32]), u64::MAX)).collect(),
            application: vec![0; MAX_APPLICATION_FIELD].into(),
            ..empty(a.node)
        };
        let record = status::sign_record(status.clone(), &vec![Bytes::from(vec![0; 4 << 10]); 5], &a.context).unwrap();
        assert_eq!(status::decode_record(record.bytes, &a.context).map(|(read, _)| read.status), Ok(status));
    }
}

#[test]
fn topics_over_their_budget_are_refused() {
    let [a] = parties();
    let topics = (0..1200).map(|n| (Topic::new(&format!("{n:0>254}")).unwrap(), 1)).collect();
    let status = Status { topics, ..empty(a.node) };
    let refused = status::decode_record(status::sign_record(status, &[], &a.context).unwrap().bytes, &a.context);
    assert!(matches!(refused, Err(DecodeError::TooMany { what: "topic bytes", .. })));
}

#[test]
fn a_proof_of_equivocation_can_be_judged_by_anyone() {
    let [a, b] = parties();
    let own = |name: &str| {
        let status = Status { name: name.into(), ..empty(a.node) };
        Arc::new(status::sign_record(status, &[], &a.context).unwrap())
    };
    let proof = Equivocation::of(own("one"), own("another")).unwrap();
    let bytes = status::encode_answer(&[], &std::collections::HashSet::new(), std::slice::from_ref(&proof), false);
    let [[first, second]] = status::decode_answer(bytes.into()).unwrap().proofs.try_into().unwrap();
    let read = |record| Arc::new(status::decode_record(record, &b.context).unwrap().0);
    assert_eq!(Equivocation::of(read(first), read(second)), Some(proof));
    assert_eq!(Equivocation::of(own("one"), own("one")), None);
}

#[test]
fn an_answer_with_revocation_lists_is_bounded() {
    let large = vec![Bytes::from(vec![0; 512 << 10]); 20];
    let read = status::decode_revocations_answer(status::encode_revocations_answer(&large, &[]).into()).unwrap();
    assert_eq!(read.lists.len(), 8, "4 MiB in all");
    let many = vec![Bytes::from("x"); 100];
    let read = status::decode_revocations_answer(status::encode_revocations_answer(&many, &many).into()).unwrap();
    assert_eq!((read.lists.len(), read.agencies.len()), (64, 64));
}
