//! Topics on pages of their own.

use std::{collections::HashSet, sync::Arc};

use nuncio_identity::NodeId;
use nuncio_protocol::{
    Topic,
    status_sync::{Status, Version},
};
use nuncio_wire::{DecodeError, status};

use super::{party::parties, status_sync::empty};

fn with_topics(node: NodeId, seq: u64, topics: impl Iterator<Item = u32>) -> Status {
    let topics = topics.map(|n| (Topic::new(&format!("topic {n}")).expect("a topic"), n)).collect();
    let multicast_topics = [Topic::new("prices").expect("a topic")].into();
    Status { topics, multicast_topics, version: Version { epoch: 1, seq }, ..empty(node) }
}

#[test]
fn few_topics_are_in_the_status_and_many_are_on_pages() {
    let [a, b] = parties();
    for (count, are_on_pages) in [(0, false), (63, false), (64, true), (3500, true)] {
        let status = with_topics(a.node, 1, 0..count);
        let record = status::sign_record(status.clone(), &[], &a.context).unwrap();
        assert_eq!(!record.pages.is_empty(), are_on_pages, "{count}");
        assert_eq!(status::decode_record(record.bytes.clone(), &b.context), Ok((record, vec![])));
    }
}

#[test]
fn a_changed_topic_changes_one_page_and_the_others_do_not_travel_again() {
    let [a, b] = parties();
    let old = status::sign_record(with_topics(a.node, 1, 0..3500), &[], &a.context).unwrap();
    let new = Arc::new(status::sign_record(with_topics(a.node, 2, 0..3501), &[], &a.context).unwrap());
    let held: HashSet<_> = old.pages.iter().copied().collect();
    assert_eq!(new.pages.iter().filter(|page| !held.contains(page)).count(), 1);

    let answer = status::encode_answer(&[Arc::clone(&new)], &held, &[], false);
    assert!(answer.len() * 5 < new.bytes.len(), "{} bytes of {}", answer.len(), new.bytes.len());
    let [short] = status::decode_answer(answer.into()).unwrap().records.try_into().unwrap();
    let left_out = Err(DecodeError::PagesLeftOut { node: a.node });
    assert_eq!(status::decode_record(short.clone(), &b.context), left_out);
    let whole = status::complete(short.clone(), |node| (node == a.node.as_bytes()).then_some(&old)).unwrap();
    assert_eq!(status::decode_record(whole, &b.context).unwrap().0, *new);
    let incomplete = status::complete(short, |_| None).unwrap();
    assert_eq!(status::decode_record(incomplete, &b.context), left_out, "the old record has gone in between");
}

#[test]
fn a_page_that_its_node_did_not_name_is_refused() {
    let [a, b] = parties();
    let record = status::sign_record(with_topics(a.node, 1, 0..200), &[], &a.context).unwrap();
    let place = record.bytes.windows(9).position(|bytes| bytes == b"topic 100").unwrap();
    let mut changed = record.bytes.to_vec();
    changed[place + 8] = b'x';
    let refused = status::decode_record(changed.into(), &b.context);
    assert_eq!(refused.unwrap_err(), DecodeError::Field { field: "pages" });
}

#[test]
fn whoever_leaves_pages_out_keeps_their_places() {
    let [a, b] = parties();
    let record = Arc::new(status::sign_record(with_topics(a.node, 1, 0..3500), &[], &a.context).unwrap());
    let held = record.pages.iter().copied().collect();
    let answer = status::encode_answer(&[Arc::clone(&record)], &held, &[], false);
    let [short] = status::decode_answer(answer.into()).unwrap().records.try_into().unwrap();
    // The last field: an empty page, by its tag and length.
    for (fewer, more) in [(2, 0), (0, 2)] {
        let changed = [&short[..short.len() - fewer], &short[short.len() - more..]].concat();
        let refused = status::decode_record(changed.into(), &b.context);
        assert_eq!(refused.unwrap_err(), DecodeError::Field { field: "pages" });
    }
}
