//! Pushed multicasts: in clear from their origin to a neighbour, signed where others are shown whose they are.

use std::time::Duration;

use bytes::Bytes;
use nuncio_identity::NodeId;
use nuncio_protocol::{
    MAX_BODY, Topic,
    multicast::{Batch, Destination, Leg, Long, MAX_BATCH, Proof, Wanted},
};
use nuncio_wire::{DecodeError, amop::Frame};

use super::party::{Party, bridge_frame, bridge_over, lone, parties};

fn leg(origin: &Party, bodies: Vec<Bytes>, destinations: &[NodeId]) -> Leg {
    let batch = Batch {
        origin: origin.node,
        epoch: origin.epoch,
        sent: Duration::from_millis(1234),
        lifetime: Duration::from_secs(60),
        topic: Some(Topic::new("prices").unwrap()),
        first: 7,
        bodies,
        long: Some(Long { number: 5, length: 100_000 }),
        proof: Proof::default(),
    };
    let destinations = destinations.iter().map(|&node| Destination { node, since: 3 }).collect();
    Leg { batch: batch.into(), hops_left: 15, priority: Default::default(), destinations }
}

fn two() -> Vec<Bytes> {
    vec![Bytes::from_static(b"one"), Bytes::from_static(b"two")]
}

fn over(leg: &Leg, from: &Party, to: &Party) -> Result<Leg, DecodeError> {
    match bridge_over(Frame::Batch(leg.clone()), from, to)? {
        Frame::Batch(leg) => Ok(leg),
        other => panic!("a batch, not {other:?}"),
    }
}

#[test]
fn a_neighbours_own_batch_is_read_as_it_was_and_can_be_shown_to_nobody_else() {
    let [a, b, c] = parties();
    for bodies in [two(), vec![], vec![Bytes::new()], vec![vec![9; MAX_BODY].into()]] {
        let sent = leg(&a, bodies, &[b.node]);
        let read = over(&sent, &a, &b).unwrap();
        assert_eq!(read, sent);
        assert!(read.batch.proof.signature.get().is_none());
        let onward = Leg { destinations: vec![Destination { node: c.node, since: 0 }], ..read };
        assert!(bridge_frame(Frame::Batch(onward), &b, &c).is_none());
    }
}

#[test]
fn what_a_relay_passes_on_is_checked_at_each_node_and_is_its_origins_to_the_last_bit() {
    let [a, b, c] = parties();
    let sent = leg(&a, two(), &[b.node, c.node]);
    let at_relay = over(&sent, &a, &b).unwrap();
    assert_eq!(at_relay, sent);
    let onward = Leg { destinations: sent.destinations[1..].to_vec(), hops_left: 14, ..at_relay };
    assert_eq!(over(&onward, &b, &c).unwrap(), onward);
    let changes: [fn(&mut Batch); 9] = [
        |batch| batch.epoch += 1,
        |batch| batch.first += 1,
        |batch| batch.sent += Duration::from_millis(1),
        |batch| batch.lifetime += Duration::from_millis(1),
        |batch| batch.topic = None,
        |batch| batch.long = None,
        |batch| batch.bodies[1] = Bytes::from_static(b"owt"),
        |batch| batch.bodies = vec![Bytes::from_static(b"onet"), Bytes::from_static(b"wo")],
        |batch| batch.bodies.truncate(1),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut batch = Batch::clone(&onward.batch);
        change(&mut batch);
        batch.proof.payload = Bytes::from(batch.bodies.concat()).into();
        let changed = Leg { batch: batch.into(), ..onward.clone() };
        assert_eq!(over(&changed, &b, &c), Err(DecodeError::Signature { node: a.node }), "change {number}");
    }
    // In the name of somebody else, and in another network.
    let forged = Leg { batch: Batch { origin: c.node, ..Batch::clone(&onward.batch) }.into(), ..onward.clone() };
    assert_eq!(over(&forged, &b, &a), Err(DecodeError::Signature { node: c.node }));
    let abroad = lone(1, "other");
    assert_eq!(over(&onward, &b, &abroad), Err(DecodeError::Signature { node: a.node }));
}

#[test]
fn lengths_that_lie_and_numbers_without_end_are_refused() {
    let [a, b] = parties();
    let many = leg(&a, vec![Bytes::new(); MAX_BATCH + 1], &[b.node]);
    assert!(matches!(over(&many, &a, &b), Err(DecodeError::TooMany { what: "messages", .. })));
    let long = leg(&a, vec![vec![0; 40 << 10].into(), vec![0; 40 << 10].into()], &[b.node]);
    assert!(matches!(over(&long, &a, &b), Err(DecodeError::TooLarge { .. })));
    let mut cut = leg(&a, two(), &[b.node]);
    std::sync::Arc::get_mut(&mut cut.batch).unwrap().proof.payload = Bytes::from_static(b"onetw").into();
    assert_eq!(over(&cut, &a, &b), Err(DecodeError::Field { field: "lengths" }));
    let mut far = leg(&a, two(), &[b.node]);
    std::sync::Arc::get_mut(&mut far.batch).unwrap().first = u64::MAX - 1;
    assert_eq!(over(&far, &a, &b), Err(DecodeError::Field { field: "first" }));
}

#[test]
fn a_question_is_read_as_it_was_at_a_neighbour_and_behind_a_relay() {
    let [a, b, c] = parties();
    let topic = Topic::new("prices").unwrap();
    for (topic, origin) in [(Some(topic), &b), (None, &c)] {
        let wanted = Wanted { asker: a.node, origin: origin.node, epoch: 9, topic, from: 4, to: 9, hops_left: 15 };
        let at_b = bridge_over(Frame::Wanted(wanted.clone()), &a, &b).unwrap();
        assert_eq!(at_b, Frame::Wanted(wanted.clone()));
        assert_eq!(bridge_over(at_b, &b, &c).unwrap(), Frame::Wanted(wanted.clone()));
        let backwards = Frame::Wanted(Wanted { from: 5, to: 4, ..wanted });
        assert_eq!(bridge_over(backwards, &a, &b), Err(DecodeError::Field { field: "to" }));
    }
}
