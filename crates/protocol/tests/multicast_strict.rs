//! A subscriber of a release that knows no priorities gets all in one order, as ever, and takes nothing from others.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use nuncio_protocol::{
    MulticastInput, Output, Priority, StatusInput, Topic,
    multicast::{Leg, Wanted, priority_of},
    status_sync::Status,
};
use nuncio_testkit::simulator::{Lone, listening, node_id, sign};

/// Which of its origin's topics a number is of, as those releases count.
const TOPIC_AT: u32 = 36;

fn topic() -> Topic {
    Topic::new("prices").expect("a valid topic")
}

/// Node 0; 1 knows priorities, 2 does not unless it says so; both are linked and subscribe.
fn node() -> Lone {
    let mut node = Lone::passive(0);
    for n in [1, 2] {
        node.link(n, &[0], &[]);
    }
    subscribes(&mut node, 1, 2, true);
    subscribes(&mut node, 2, 2, false);
    node.input(StatusInput::MulticastTopics { topics: BTreeSet::from([topic()]) });
    node.outputs();
    node
}

fn subscribes(node: &mut Lone, n: usize, seq: u64, takes_priorities: bool) {
    let record = listening(n, seq, &[0], &["prices"]);
    node.answered(n, vec![sign(Status { takes_priorities, ..Status::clone(&record.status) })]);
}

fn publish(node: &mut Lone, priority: Priority, body: u8) -> (Priority, Vec<(usize, Leg)>) {
    publish_long(node, priority, vec![body])
}

fn publish_long(node: &mut Lone, priority: Priority, body: Vec<u8>) -> (Priority, Vec<(usize, Leg)>) {
    let published = node.overlay.publish_as(priority, Some(&topic()), body.into(), node.now).expect("there is room");
    node.overlay.flush(node.now);
    assert!(published.is_pushed);
    (priority_of(published.number), legs(node.outputs()))
}

fn legs(outputs: Vec<Output>) -> Vec<(usize, Leg)> {
    let leg = |output| match output {
        Output::SendBatch { to, leg, .. } => Some((if to == node_id(1) { 1 } else { 2 }, leg)),
        _ => None,
    };
    outputs.into_iter().filter_map(leg).collect()
}

/// A reader of a release that knows no priorities.
#[derive(Default)]
struct Former {
    next: u64,
    heard: Vec<u8>,
    missed: u64,
}

impl Former {
    fn take(&mut self, leg: &Leg) {
        assert_eq!(leg.priority, Priority::Normal);
        let first = leg.batch.first;
        if first >> TOPIC_AT < self.next >> TOPIC_AT {
            return;
        }
        if first >> TOPIC_AT > self.next >> TOPIC_AT || self.next == 0 {
            self.next = first;
        }
        self.missed += first.saturating_sub(self.next);
        let known = self.next.saturating_sub(first) as usize;
        self.heard.extend(leg.batch.bodies.iter().skip(known).map(|body| body[0]));
        self.next = self.next.max(leg.batch.end());
    }
}

fn bodies<'a>(legs: impl IntoIterator<Item = &'a (usize, Leg)>, to: usize) -> Vec<u8> {
    let to = legs.into_iter().filter(|(hop, _)| *hop == to);
    to.flat_map(|(_, leg)| leg.batch.bodies.iter().map(|body| body[0])).collect()
}

#[test]
fn others_have_what_is_urgent_as_such_and_it_has_all_once_in_one_order() {
    let (mut node, mut former, mut all) = (node(), Former::default(), Vec::new());
    let mut granted = Vec::new();
    for body in 0..40 {
        let priority = Priority::ALL[usize::from(body) % 4];
        let (as_priority, legs) = publish(&mut node, priority, body);
        granted.push(as_priority == priority);
        legs.iter().filter(|(to, _)| *to == 2).for_each(|(_, leg)| former.take(leg));
        all.extend(legs);
    }
    assert_eq!(granted.iter().position(|granted| *granted), Some(1), "the first has to leave before");
    assert!(granted[1..].iter().all(|granted| *granted));
    assert_eq!((former.heard, former.missed), ((0..40).collect(), 0));
    assert_eq!(bodies(&all, 1), (0..40).collect::<Vec<_>>(), "each once");
    let urgent = all.iter().filter(|(to, leg)| *to == 1 && leg.priority != Priority::Normal).count();
    assert_eq!(urgent, 29, "but for the first");
}

#[test]
fn where_nothing_but_normal_messages_are_published_all_share_what_is_sent() {
    let mut node = node();
    for body in 0..10 {
        let (_, legs) = publish(&mut node, Priority::Normal, body);
        let firsts: BTreeSet<_> = legs.iter().map(|(_, leg)| leg.batch.first).collect();
        assert_eq!((legs.len(), firsts.len()), (2, 1));
    }
}

#[test]
fn what_it_missed_before_it_has_numbers_of_its_own_it_is_told_of_and_can_ask_for_what_it_missed_after() {
    let mut node = node();
    let (_, lost) = publish(&mut node, Priority::Control, 0);
    let word = lost.iter().rfind(|(to, _)| *to == 2).expect("the end is said");
    assert!(word.1.batch.bodies.is_empty() && word.1.batch.first == lost[0].1.batch.end());
    publish(&mut node, Priority::High, 1);
    let (_, legs) = publish(&mut node, Priority::Normal, 2);
    let (_, later) = legs.iter().find(|(to, _)| *to == 2).expect("it gets a copy");
    let missing = later.batch.first - 1;
    let (asker, origin, topic) = (node_id(2), node_id(0), Some(topic()));
    let wanted = Wanted { asker, origin, epoch: 1, topic, from: missing, to: missing, hops_left: 15 };
    let answer = crate::legs(node.input(MulticastInput::Wanted { from: node_id(2), wanted: wanted.clone() }));
    assert_eq!(bodies(&answer, 2), [1]);
    let asker = node_id(1);
    let answer = crate::legs(node.input(MulticastInput::Wanted { from: asker, wanted: Wanted { asker, ..wanted } }));
    assert!(answer.is_empty(), "they are not for one that knows priorities");
}

#[test]
fn however_often_it_says_that_it_knows_priorities_or_none_others_have_each_message_once_as_what_it_is() {
    let (mut node, mut all) = (node(), Vec::new());
    publish(&mut node, Priority::Control, 0);
    for body in 1..50 {
        subscribes(&mut node, 2, 2 + u64::from(body), body % 2 == 0);
        let (granted, legs) = publish(&mut node, Priority::Control, body);
        assert_eq!(granted, Priority::Control);
        all.extend(legs);
    }
    assert_eq!(bodies(&all, 1), (1..50).collect::<Vec<_>>());
}

#[test]
fn copies_that_find_no_room_are_missed_by_it_alone() {
    const BODY: usize = 60_000;
    let mut node = node();
    publish(&mut node, Priority::Control, 0);
    let body = Bytes::from(vec![1; BODY]);
    // Many wait at once, as where relays would not check them now.
    let published =
        (0..200).filter(|_| node.overlay.publish_as(Priority::Normal, Some(&topic()), body.clone(), node.now).is_ok());
    assert_eq!(published.count(), 200);
    node.overlay.flush(node.now);
    let (others, copies): (Vec<_>, Vec<_>) = legs(node.outputs()).into_iter().partition(|(to, _)| *to == 1);
    assert_eq!(bodies(&others, 1).len(), 200);
    let copied = bodies(&copies, 2).len();
    assert!((1..200).contains(&copied) && copied * BODY <= 4 << 20, "{copied}");
    let ends: Vec<_> = copies.iter().map(|(_, leg)| (leg.batch.first, leg.batch.end())).collect();
    assert!(ends[0].0 > 100, "the numbers of those that were given up are gone: {ends:?}");
    let (_, legs) = publish(&mut node, Priority::Normal, 2);
    assert_eq!(bodies(&legs, 2), [2]);
}

#[test]
fn topics_without_number_leave_it_with_numbers_that_only_grow() {
    let (mut node, mut newest) = (node(), 0);
    let names: Vec<_> = (0..600).map(|n| format!("topic {n}")).collect();
    let topics: Vec<_> = names.iter().map(String::as_str).collect();
    for (n, takes_priorities) in [(1, true), (2, false)] {
        let record = listening(n, 9, &[0], &topics);
        node.answered(n, vec![sign(Status { takes_priorities, ..Status::clone(&record.status) })]);
    }
    for round in 0..2 {
        for name in &names {
            let topic = Topic::new(name).expect("a valid topic");
            for priority in [Priority::Bulk, Priority::Normal] {
                node.now += Duration::from_millis(1);
                let body = Bytes::from_static(b"x");
                node.overlay.publish_as(priority, Some(&topic), body, node.now).expect("there is room");
                node.overlay.flush(node.now);
                for (_, leg) in
                    legs(node.outputs()).into_iter().filter(|(to, leg)| *to == 2 && !leg.batch.bodies.is_empty())
                {
                    let first = leg.batch.first;
                    if *name == names[0] {
                        assert!(first > newest, "{round}: {first} after {newest}");
                        newest = first;
                    }
                }
            }
        }
    }
    assert!(newest >> 62 == 1, "copies");
}

#[test]
fn a_burst_that_ends_where_copies_find_no_room_is_told_to_it_all_the_same() {
    let mut node = node();
    publish(&mut node, Priority::Control, 0);
    let body = Bytes::from(vec![1; 60_000]);
    let publish = |node: &mut Lone| node.overlay.publish(Some(&topic()), body.clone(), node.now).map(drop);
    let fit = (4 << 20) / body.len();
    (0..=fit).for_each(|_| publish(&mut node).expect("there is room"));
    node.overlay.flush(node.now);
    assert!(bodies(&legs(node.outputs()), 2).is_empty(), "all were given up");
    let words = legs(node.advance(Duration::from_secs(1)));
    let word = words.iter().find(|(to, leg)| *to == 2 && leg.batch.bodies.is_empty() && leg.batch.first >> 62 == 1);
    assert!(word.is_some_and(|(_, leg)| leg.batch.first & 0xffff > fit as u64), "{word:?}");
}

#[test]
fn topics_whose_copies_were_forgotten_split_no_other_that_serves_all_with_one_order() {
    let mut node = node();
    publish(&mut node, Priority::Normal, 0);
    let names: Vec<_> = (0..600).map(|n| format!("topic {n}")).chain(["prices".to_owned()]).collect();
    let topics: Vec<_> = names.iter().map(String::as_str).collect();
    for (n, takes_priorities) in [(1, true), (2, false)] {
        let record = listening(n, 9, &[0], &topics);
        node.answered(n, vec![sign(Status { takes_priorities, ..Status::clone(&record.status) })]);
    }
    for name in &names[..600] {
        let topic = Topic::new(name).expect("a valid topic");
        for priority in [Priority::Bulk, Priority::Normal, Priority::Normal] {
            node.now += Duration::from_millis(1);
            node.overlay.publish_as(priority, Some(&topic), Bytes::from_static(b"x"), node.now).expect("there is room");
            node.overlay.flush(node.now);
        }
        node.outputs();
        let (_, legs) = publish(&mut node, Priority::Normal, 1);
        assert_eq!((bodies(&legs, 1), bodies(&legs, 2)), (vec![1], vec![1]), "each once, {name}");
        assert!(legs.iter().all(|(_, leg)| leg.batch.first >> 62 == 0));
    }
}

#[test]
fn where_a_node_on_the_way_to_it_takes_no_batches_gossip_goes_to_it_as_well() {
    let mut node = node();
    // Node 4 knows one order only, behind 3, which takes no batches.
    node.link(3, &[0, 4], &[]);
    let of = |n, neighbours: &[usize], topics: &[&str]| Status::clone(&listening(n, 3, neighbours, topics).status);
    let no_batches = Status { takes_batches: false, ..of(3, &[0, 4], &[]) };
    let former = Status { takes_priorities: false, ..of(4, &[3], &["prices"]) };
    node.answered(3, vec![sign(no_batches), sign(former)]);
    publish(&mut node, Priority::Normal, 0);
    publish(&mut node, Priority::Control, 1);
    for priority in [Priority::Normal, Priority::Control] {
        let published = node.overlay.publish_as(priority, Some(&topic()), Bytes::from_static(b"x"), node.now);
        let published = published.expect("there is room");
        assert_eq!(priority_of(published.number), priority);
        assert!(published.needs_gossip && published.gossip.is_some(), "{published:?}");
    }
}
