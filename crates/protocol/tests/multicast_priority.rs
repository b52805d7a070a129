//! Priorities of multicasts: each has an order of its own, releases without them get all as before, and no node gains by naming
//! everything urgent.

mod heard;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use nuncio_identity::Signature;
use nuncio_protocol::{
    Account, Config, MAX_LIFETIME, MulticastInput, Output, Priority, StatusInput, Topic,
    multicast::{Batch, Destination, Leg, Proof, Wanted, priority_of},
    status_sync::{Record, Status},
};
use nuncio_testkit::simulator::{Heard, Lone, Simulator, Weather, listening, node_id, sign};

use heard::invariant_heard_in_order_or_named;

/// Each batch's cost beside its messages.
const OVERHEAD: usize = 256;

fn topic() -> Topic {
    Topic::new("prices").expect("a valid topic")
}

fn takes_priorities(record: &Arc<Record>) -> Arc<Record> {
    sign(Status { takes_priorities: true, ..Status::clone(&record.status) })
}

/// Node 0; 1 and 2 are linked, 3 is behind 1; all subscribe.
fn node() -> Lone {
    let mut node = Lone::passive(0);
    for (n, neighbours) in [(1, &[0, 3][..]), (2, &[0])] {
        node.link(n, neighbours, &[]);
        node.answered(n, vec![takes_priorities(&listening(n, 2, neighbours, &["prices"]))]);
    }
    node.answered(1, vec![takes_priorities(&listening(3, 1, &[1], &["prices"]))]);
    node.input(StatusInput::MulticastTopics { topics: BTreeSet::from([topic()]) });
    node.outputs();
    node
}

fn publish(node: &mut Lone, priority: Priority, length: usize) -> u64 {
    let body = Bytes::from(vec![0; length]);
    node.overlay.publish_as(priority, Some(&topic()), body, node.now).expect("there is room").number
}

fn sent(node: &mut Lone) -> Vec<Leg> {
    node.overlay.flush(node.now);
    legs(node.outputs())
}

fn legs(outputs: Vec<Output>) -> Vec<Leg> {
    let leg = |output| match output {
        Output::SendBatch { leg, .. } => Some(leg),
        _ => None,
    };
    outputs.into_iter().filter_map(leg).collect()
}

/// The first number that has a priority, as one that publishes to one topic with each numbers its messages.
fn first(priority: Priority) -> u64 {
    let mut other = node();
    publish(&mut other, priority, 1)
}

/// A neighbour asks node 0 for a message of its own once more.
fn wanted(asker: usize, number: u64) -> MulticastInput {
    let (origin, epoch, topic, hops_left) = (node_id(0), 1, Some(topic()), 15);
    let wanted = Wanted { asker: node_id(asker), origin, epoch, topic, from: number, to: number, hops_left };
    MulticastInput::Wanted { from: node_id(asker), wanted }
}

/// A batch of node 1, to node 0 and perhaps another behind it, as node `from` brings it.
fn brought(from: usize, first: u64, length: usize, to: &[usize]) -> MulticastInput {
    let proof = Proof::default();
    proof.signature.set(Signature::from_bytes(&[7; 64]).expect("64 bytes")).expect("empty");
    let batch = Batch {
        origin: node_id(1),
        epoch: 1,
        sent: Duration::ZERO,
        lifetime: MAX_LIFETIME,
        topic: Some(topic()),
        first,
        bodies: vec![Bytes::from(vec![0; length])],
        long: None,
        proof,
    };
    let destinations = to.iter().map(|n| Destination { node: node_id(*n), since: 0 }).collect();
    let (priority, batch) = (batch.priority(), Arc::new(batch));
    MulticastInput::Received { from: node_id(from), leg: Leg { batch, hops_left: 15, priority, destinations } }
}

fn heard(outputs: &[Output]) -> Vec<Priority> {
    let heard = |output: &Output| match output {
        Output::Multicast { first, .. } => Some(priority_of(*first)),
        _ => None,
    };
    outputs.iter().filter_map(heard).collect()
}

#[test]
fn each_priority_has_numbers_of_its_own_and_the_most_urgent_leave_first() {
    let mut node = node();
    for priority in [Priority::Bulk, Priority::Normal, Priority::High, Priority::Control, Priority::Bulk] {
        assert_eq!(priority_of(publish(&mut node, priority, 10)), priority);
    }
    let legs = sent(&mut node);
    let priorities: Vec<_> = legs.iter().map(|leg| leg.priority).collect();
    let mut sorted = priorities.clone();
    sorted.sort_unstable();
    assert_eq!((priorities.len(), &priorities), (8, &sorted), "two links, four priorities");
    assert!(legs.iter().all(|leg| leg.batch.priority() == leg.priority));
    let bulk: Vec<_> =
        legs.iter().filter(|leg| leg.priority == Priority::Bulk).map(|leg| leg.batch.bodies.len()).collect();
    assert_eq!(bulk, [2, 2], "one after the other");
}

#[test]
fn what_is_urgent_does_not_wait_for_what_is_missing_of_another_priority_and_that_still_comes_in_order() {
    let mut node = node();
    for priority in [Priority::Bulk, Priority::Normal] {
        let (slow, control) = (first(priority), first(Priority::Control) + u64::from(priority == Priority::Normal));
        assert_eq!(heard(&node.input(brought(1, slow, 1, &[0]))), [priority]);
        assert_eq!(heard(&node.input(brought(1, slow + 2, 1, &[0]))), [], "one is missing");
        assert_eq!(heard(&node.input(brought(1, control, 1, &[0]))), [Priority::Control]);
        assert_eq!(heard(&node.input(brought(1, slow + 1, 1, &[0]))), [priority, priority]);
    }
}

#[test]
fn what_is_missing_is_repaired_within_its_priority() {
    let mut node = node();
    let numbers = Priority::ALL.map(|priority| publish(&mut node, priority, 10));
    sent(&mut node);
    for (number, priority) in numbers.into_iter().zip(Priority::ALL) {
        let legs = legs(node.input(wanted(2, number)));
        let found: Vec<_> = legs.iter().map(|leg| (leg.batch.first, leg.batch.bodies.len(), leg.priority)).collect();
        assert_eq!(found, [(number, 1, priority)]);
    }
}

#[test]
fn what_goes_as_normal_or_not_at_all_spends_nothing_of_what_may_be_urgent() {
    const BODY: usize = 10_000;
    let mut node = node();
    node.answered(2, vec![listening(2, 3, &[0], &["prices"])]);
    // Before it has left, those who know one order only have no numbers of their own.
    let numbers: Vec<_> = (0..50).map(|_| publish(&mut node, Priority::Control, BODY)).collect();
    assert!(numbers.into_iter().all(|number| priority_of(number) == Priority::Normal));
    sent(&mut node);
    for n in [1, 2] {
        let (to, account, priority) = (node_id(n), Account::Own, Priority::Control);
        node.input(MulticastInput::NotSent { to, account, priority, leg: None });
    }
    let body = Bytes::from(vec![0; BODY]);
    for _ in 0..50 {
        assert!(node.overlay.publish_as(Priority::Control, Some(&topic()), body.clone(), node.now).is_err());
        assert_eq!(priority_of(publish(&mut node, Priority::Control, 100_000)), Priority::Normal, "too long");
    }
    node.advance(Duration::from_millis(5));
    let granted = (0..100).filter(|_| {
        let number = publish(&mut node, Priority::Control, BODY);
        sent(&mut node);
        priority_of(number) == Priority::Control
    });
    assert_eq!(granted.count(), (256 << 10) / (BODY + OVERHEAD), "all of it is there");
}

#[test]
fn an_epoch_without_numbers_for_further_topics_says_so_and_the_next_one_has_them() {
    let mut node = Lone::new(0, Config { target_degree: 0, number_sets: 2, ..Config::default() });
    let publish = |node: &mut Lone, topic: &str| {
        let (topic, body) = (Topic::new(topic).expect("a valid topic"), Bytes::from_static(b"x"));
        node.overlay.publish(Some(&topic), body, node.now).map(|publication| (publication.epoch, publication.number))
    };
    let spent = |outputs: &[Output]| outputs.contains(&Output::EpochSpent { epoch: 1 });
    let first = ["a", "b"].map(|topic| publish(&mut node, topic).expect("there are numbers"));
    assert!(!spent(&sent_all(&mut node)));
    assert!(publish(&mut node, "c").is_err() && publish(&mut node, "d").is_err());
    let outputs = sent_all(&mut node);
    assert!(spent(&outputs) && outputs.len() == 1, "once: {outputs:?}");
    assert_eq!(publish(&mut node, "a"), Ok((1, first[0].1 + 1)), "those that have some go on");
    let (a, body) = (Topic::new("a").expect("a valid topic"), Bytes::from_static(b"x"));
    let urgent =
        node.overlay.publish_as(Priority::High, Some(&a), body, node.now).map(|publication| publication.number);
    assert_eq!(urgent, Ok(first[0].1 + 2), "what is urgent as well, as normal");
    node.advance(Duration::from_secs(10));
    assert!(publish(&mut node, "c").is_err() && spent(&sent_all(&mut node)), "the disk was full, perhaps");
    node.overlay.begin_epoch(2, node.now);
    node.outputs();
    let mut numbers = ["a", "b"].map(|topic| publish(&mut node, topic).expect("they go on"));
    assert!(numbers.iter().all(|(epoch, _)| *epoch == 2));
    numbers.sort_unstable();
    assert!(numbers[0].1 >> 36 == 0 && numbers[1].1 >> 36 == 1, "{numbers:?}: each has its own");
    assert!(publish(&mut node, "c").is_err(), "there are two");
}

fn sent_all(node: &mut Lone) -> Vec<Output> {
    node.overlay.flush(node.now);
    node.outputs()
}

#[test]
fn what_an_application_names_control_beyond_its_budget_and_what_is_long_goes_as_normal() {
    const BODY: usize = 10_000;
    let mut node = node();
    assert_eq!(priority_of(publish(&mut node, Priority::Control, 100_000)), Priority::Normal, "too long");
    node.advance(Duration::from_secs(2));
    let control = |node: &mut Lone| {
        let number = publish(node, Priority::Control, BODY);
        sent(node);
        priority_of(number) == Priority::Control
    };
    assert_eq!((0..1000).filter(|_| control(&mut node)).count(), (256 << 10) / (BODY + OVERHEAD));
    node.advance(Duration::from_secs(1));
    assert!(control(&mut node));
}

#[test]
fn a_member_that_names_everything_control_has_its_budget_at_each_relay_and_all_of_it_goes_on() {
    const BODY: usize = 10_000;
    let (mut relay, first) = (node(), first(Priority::Control));
    let mut passed = |from, numbers: std::ops::Range<u64>| {
        let leg = |number| legs(relay.input(brought(from, first + number, BODY, &[2]))).remove(0).priority;
        numbers.map(leg).filter(|priority| *priority == Priority::Control).count()
    };
    assert_eq!(passed(1, 0..500), (1 << 20) / (BODY + OVERHEAD), "the others have gone as normal");
}

#[test]
fn one_that_asks_again_and_again_for_what_is_urgent_takes_nothing_of_what_is_urgent_here() {
    let mut node = node();
    let number = publish(&mut node, Priority::Control, 60_000);
    sent(&mut node);
    let mut answers = Vec::new();
    for _ in 0..100 {
        answers.extend(legs(node.input(wanted(2, number))));
    }
    let urgent = answers.iter().filter(|leg| leg.priority == Priority::Control).count();
    assert!((1..=(1 << 20) / 60_000).contains(&urgent) && urgent < answers.len(), "{urgent} of {}", answers.len());
    assert_eq!(
        priority_of(publish(&mut node, Priority::Control, 60_000)),
        Priority::Control,
        "of its own nothing is gone"
    );
}

#[test]
fn a_link_that_has_no_room_for_bulk_makes_nothing_urgent_wait() {
    let mut node = node();
    publish(&mut node, Priority::Bulk, 10);
    sent(&mut node);
    for n in [1, 2] {
        node.input(MulticastInput::NotSent {
            to: node_id(n),
            account: Account::Own,
            priority: Priority::Bulk,
            leg: None,
        });
    }
    let refused = node.overlay.publish_as(Priority::Bulk, Some(&topic()), Bytes::new(), node.now);
    assert!(refused.is_err());
    for priority in [Priority::Control, Priority::High, Priority::Normal] {
        assert_eq!(priority_of(publish(&mut node, priority, 10)), priority);
    }
    let body = Bytes::from(vec![0; 60_000]);
    let mut takes = |priority| node.overlay.publish_as(priority, Some(&topic()), body.clone(), node.now).is_ok();
    assert!((0..1000).take_while(|_| takes(Priority::Normal)).count() < 300, "what has not left is bounded");
    assert!(takes(Priority::Control), "that is no reason for what is urgent to wait");
}

#[test]
fn where_a_fifth_of_all_is_lost_each_priority_comes_in_its_order_to_the_end() {
    let weather = Weather { loss: 0.2, full: 0.05, ..Weather::default() };
    let mut network = Simulator::new(7, weather);
    network.add_nodes(4, &Config { target_degree: 0, ..Config::default() });
    for (a, b) in [(0, 1), (1, 2), (2, 3), (3, 0), (1, 3)] {
        network.connect(a, b);
    }
    for node in 1..4 {
        network.listen(node, &[&topic()]);
    }
    network.run_for(Duration::from_secs(20));
    for number in 0..600 {
        assert!(network.multicast_as(Priority::ALL[number % 4], 0, Some(&topic()), 10));
        network.run_for(Duration::from_millis(2));
    }
    network.calm();
    network.run_for(Duration::from_secs(120));
    invariant_heard_in_order_or_named(&network);
    let published: Vec<_> = network.observed().published.values().flatten().map(|(number, _)| *number).collect();
    let mut gaps = 0;
    for priority in Priority::ALL {
        let last = published.iter().rfind(|number| priority_of(**number) == priority).expect("some of each");
        for node in 1..4 {
            let mut heard = network.observed().heard.iter();
            let heard = heard.find(|(listening, _)| listening.node == node && listening.priority == priority);
            let (_, heard) = heard.expect("some of each are heard");
            gaps += heard.iter().filter(|heard| matches!(heard, Heard::Gap(..))).count();
            assert!(matches!(heard.last(), Some(Heard::Message(number, _) | Heard::Gap(_, number)) if number == last));
        }
    }
    assert!(gaps <= 2, "{gaps}");
}
