//! Gossip and announcements: signed, and bound to where they belong.

use std::time::Duration;

use bytes::Bytes;
use nuncio_protocol::status_sync::Version;
use nuncio_wire::{
    DecodeError, announcement,
    multicast::{self, Gossip},
};

use super::party::{lone, parties};

const VERSION: Version = Version { epoch: 7, seq: 4 };

#[test]
fn gossip_is_bound_to_its_topic_and_network() {
    let [a, b] = parties();
    let sent = Gossip {
        origin: a.node,
        epoch: a.epoch,
        number: 2,
        sent: Duration::from_secs(3),
        lifetime: Duration::from_secs(60),
        body: "all".into(),
        place: None,
    };
    let bytes = Bytes::from(multicast::encode(multicast::BROADCAST, sent.clone(), &a.context).unwrap());
    let read = || multicast::decode(bytes.clone()).unwrap();
    assert_eq!(read().check(multicast::BROADCAST, &b.context), Ok(sent.clone()));
    let refused = Err(DecodeError::Signature { node: a.node });
    assert_eq!(read().check("nuncio/topic/x", &b.context), refused);
    assert_eq!(read().check(multicast::BROADCAST, &lone(1, "other").context), refused);
    // Whoever signs is the origin.
    let own = multicast::encode(multicast::BROADCAST, sent, &b.context).unwrap();
    assert_eq!(multicast::decode(own.into()).unwrap().stamp().origin, b.node);
}

#[test]
fn one_changed_byte_of_gossip_is_one_too_many() {
    let [a, b] = parties();
    let (sent, lifetime) = (Duration::from_secs(3), Duration::from_secs(60));
    for place in [None, Some(77), Some(77 | 1 << 34)] {
        let body = "all".into();
        let gossip = Gossip { origin: a.node, epoch: a.epoch, number: 2, sent, lifetime, body, place };
        let bytes = multicast::encode(multicast::BROADCAST, gossip, &a.context).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let read = multicast::decode(changed.into()).and_then(|read| read.check(multicast::BROADCAST, &b.context));
            assert!(read.is_err(), "byte {at}: {read:?}");
        }
    }
}

#[test]
fn an_announcement_is_its_nodes_own_and_no_two_are_the_same() {
    let [a, b] = parties();
    let bytes = announcement::encode(VERSION, Duration::from_millis(1), &a.context).unwrap();
    assert_ne!(
        bytes,
        announcement::encode(VERSION, Duration::from_millis(2), &a.context).unwrap(),
        "gossip passes both on"
    );
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        let read = announcement::decode(&changed).and_then(|read| read.check(&b.context));
        assert!(read.is_err(), "byte {place}: {read:?}");
    }
    let elsewhere = lone(1, "other");
    let read = announcement::decode(&bytes).unwrap().check(&elsewhere.context);
    assert_eq!(read, Err(DecodeError::Signature { node: a.node }));
}
