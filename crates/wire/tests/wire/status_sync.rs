//! Records, proofs and revocation lists: what others pass on.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use nuncio_identity::NodeId;
use nuncio_protocol::status_sync::{Equivocation, Status, Version};
use nuncio_wire::{DecodeError, status};

use super::party::{lone, parties};

fn empty(node: NodeId) -> Status {
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
        revocations: BTreeMap::new(),
        proofs: 0,
        application: Bytes::from("height 7"),
        sealing_key: Bytes::new(),
        clock: Duration::ZERO,
    }
}

#[test]
fn a_record_is_read_by_anyone_in_its_network_and_refused_when_changed() {
    let [a, b] = parties();
    let record = status::sign_record(empty(a.node), &[], &a.context);
    assert_eq!(status::decode_record(record.bytes.clone(), &b.context), Ok((record.clone(), vec![])));
    let refused = Err(DecodeError::Signature { node: a.node });
    assert_eq!(status::decode_record(record.bytes.clone(), &lone(1, "other").context), refused);
    let place = record.bytes.windows(8).position(|bytes| bytes == b"height 7").unwrap();
    let mut changed = record.bytes.to_vec();
    changed[place + 7] = b'8';
    assert_eq!(status::decode_record(changed.into(), &b.context), refused);
}

#[test]
fn a_proof_of_equivocation_can_be_judged_by_anyone() {
    let [a, b] = parties();
    let own = |name: &str| {
        let status = Status { name: name.into(), ..empty(a.node) };
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
fn an_answer_with_revocation_lists_is_bounded() {
    let large = vec![Bytes::from(vec![0; 512 << 10]); 20];
    let read = status::decode_revocations_answer(status::encode_revocations_answer(&large, &[]).into()).unwrap();
    assert_eq!(read.lists.len(), 8, "4 MiB in all");
    let many = vec![Bytes::from("x"); 100];
    let read = status::decode_revocations_answer(status::encode_revocations_answer(&many, &many).into()).unwrap();
    assert_eq!((read.lists.len(), read.agencies.len()), (64, 64));
}
