//! Multicasts between nodes: over each edge of the tree once, in the origin's order, and nothing lost in silence.

mod heard;
mod origin;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use nuncio_identity::NodeId;
use nuncio_protocol::{
    Account, Config, MAX_LIFETIME, MulticastInput, Output, PeeringInput, Priority, StatusInput, Strike, Topic,
    multicast::{Batch, Destination, Leg, Proof, Wanted},
    peering::{ConnectionId, Direction},
    status_sync::{Answer, Record, Status},
};
use nuncio_testkit::simulator::{Heard, Lone, Simulator, Weather, address, listening, node_id, sign};

use heard::invariant_heard_in_order_or_named;
use origin::origin;

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);

fn topic() -> Topic {
    Topic::new("prices").expect("a valid topic")
}

fn takes_no_batches(record: Arc<Record>) -> Arc<Record> {
    sign(Status { takes_batches: false, ..Status::clone(&record.status) })
}

fn publish(a: &mut Lone, bodies: &[&'static str]) -> Vec<Output> {
    for body in bodies {
        a.overlay.publish(Some(&topic()), Bytes::from_static(body.as_bytes()), a.now).expect("there is room");
    }
    a.overlay.flush(a.now);
    a.outputs()
}

fn legs(outputs: &[Output]) -> Vec<(NodeId, Leg)> {
    let leg = |output: &Output| match output {
        Output::SendBatch { to, leg, .. } => Some((*to, leg.clone())),
        _ => None,
    };
    outputs.iter().filter_map(leg).collect()
}

fn told(outputs: &[Output]) -> Vec<Result<(u64, usize), (u64, u64)>> {
    let told = |output: &Output| match output {
        Output::Multicast { first, bodies, .. } => Some(Ok((*first, bodies.len()))),
        Output::Gap { from, to, .. } => Some(Err((*from, *to))),
        _ => None,
    };
    outputs.iter().filter_map(told).collect()
}

fn asked(outputs: &[Output]) -> Vec<(NodeId, u64, u64)> {
    let asked = |output: &Output| match output {
        Output::SendWanted { to, wanted, .. } => Some((*to, wanted.from, wanted.to)),
        _ => None,
    };
    outputs.iter().filter_map(asked).collect()
}

/// As the `from`-th node sends it to node 0.
fn received(from: usize, batch: Batch) -> MulticastInput {
    let destinations = vec![Destination { node: node_id(0), since: 1 }];
    MulticastInput::Received {
        from: node_id(from),
        leg: Leg { batch: batch.into(), hops_left: 15, priority: Default::default(), destinations },
    }
}

fn batch(origin: usize, first: u64, count: usize) -> Batch {
    Batch {
        origin: node_id(origin),
        epoch: 1,
        sent: Duration::ZERO,
        lifetime: MAX_LIFETIME,
        topic: Some(topic()),
        first,
        bodies: vec![Bytes::from_static(b"x"); count],
        long: None,
        proof: Proof::default(),
    }
}

fn listener() -> Lone {
    let mut a = Lone::passive(0);
    for n in [1, 2] {
        a.link(n, &[0], &[]);
        a.answered(n, vec![listening(n, 2, &[0], &["prices"])]);
    }
    a.input(StatusInput::MulticastTopics { topics: BTreeSet::from([topic()]) });
    a
}

#[test]
fn what_is_published_together_leaves_as_one_batch_over_each_edge_once() {
    let mut a = origin();
    let legs = legs(&publish(&mut a, &["one", "two", "three"]));
    let to: Vec<_> = legs.iter().map(|(to, leg)| (*to, leg.destinations.len(), leg.batch.bodies.len())).collect();
    let mut expected = vec![(node_id(1), 2, 3), (node_id(2), 1, 3)];
    expected.sort_unstable();
    assert_eq!(to, expected);
    assert!(legs.iter().all(|(_, leg)| leg.batch.first == 1 && leg.destinations.iter().all(|one| one.since == 1)));
}

#[test]
fn who_does_not_take_batches_is_left_to_gossip_and_who_is_not_known_to_gets_none() {
    let mut a = origin();
    let none = a.overlay.publish(Some(&topic()), Bytes::new(), a.now).expect("there is room");
    assert!(none.is_pushed && none.gossip.is_none());
    // A release that knows nothing of batches subscribes, behind node 2.
    let records = vec![takes_no_batches(listening(4, 1, &[2], &["prices"])), listening(2, 3, &[0, 4], &["prices"])];
    a.input(StatusInput::Answered { peer: node_id(2), answer: Answer::of(records) });
    let both = a.overlay.publish(Some(&topic()), Bytes::new(), a.now).expect("there is room");
    assert!(both.is_pushed && both.gossip.is_some());
    a.overlay.flush(a.now);
    let reached: BTreeSet<_> =
        legs(&a.outputs()).iter().flat_map(|(_, leg)| leg.destinations.clone()).map(|one| one.node).collect();
    assert_eq!(reached, [1, 2, 3].map(node_id).into());
}

#[test]
fn one_that_takes_no_batches_makes_nobody_wait_and_is_still_reached() {
    let mut a = origin();
    a.answered(2, vec![takes_no_batches(listening(4, 1, &[2], &["prices"])), listening(2, 3, &[0, 4], &["prices"])]);
    for _ in 0..2 {
        let publish = |_| a.overlay.publish(Some(&topic()), Bytes::new(), a.now).expect("nobody waits");
        let gossip = (0..20_000).map(publish).filter(|publication| publication.gossip.is_some()).count();
        assert!((10..=500).contains(&gossip), "{gossip} signatures, which all nodes check");
        a.overlay.flush(a.now);
        assert!(legs(&a.outputs()).iter().any(|(to, _)| *to == node_id(1)));
        a.advance(S);
    }
}

#[test]
fn who_has_just_linked_is_reached_over_others_or_by_a_little_gossip() {
    let mut a = origin();
    let opened = |a: &mut Lone, n: usize| {
        let (connection, direction, address) = (ConnectionId(100 + n as u64), Direction::Outbound, address(n));
        a.input(PeeringInput::ConnectionOpened { connection, peer: node_id(n), direction, address });
        connection
    };
    let connections = [3, 5].map(|n| opened(&mut a, n));
    a.answered(1, vec![listening(3, 2, &[0, 1], &["prices"]), listening(5, 1, &[0], &["prices"])]);
    let to = |outputs: &[Output]| -> BTreeSet<_> {
        let to = |(hop, leg): (NodeId, Leg)| leg.destinations.into_iter().map(move |one| (hop, one.node, one.since));
        legs(outputs).into_iter().flat_map(to).collect()
    };
    let publish_all = |a: &mut Lone| {
        let publish = |_| a.overlay.publish(Some(&topic()), Bytes::new(), a.now).expect("nobody waits");
        (0..20_000).map(publish).filter(|publication| publication.gossip.is_some()).count()
    };
    let gossip = publish_all(&mut a);
    assert!((1..=500).contains(&gossip), "{gossip}: one of them has no other way");
    a.overlay.flush(a.now);
    let over_others = [(1, 1, 1), (2, 2, 1), (1, 3, 1)].map(|(hop, n, since)| (node_id(hop), node_id(n), since));
    assert_eq!(to(&a.outputs()), over_others.into());
    for connection in connections {
        a.input(PeeringInput::Introduced { connection, epoch: 1 });
    }
    let direct = [1, 2, 3, 5].map(|n| (node_id(n), node_id(n), 1));
    assert_eq!(to(&publish(&mut a, &["two"])), direct.into(), "the first ones, too, are to be had");
    a.advance(S);
    assert_eq!(publish_all(&mut a), 0);
}

#[test]
fn whoever_joins_later_is_told_where_its_messages_begin() {
    let mut a = origin();
    publish(&mut a, &["one", "two"]);
    a.answered(2, vec![listening(2, 3, &[0, 5], &["prices"]), listening(5, 1, &[2], &["prices"])]);
    let since: BTreeSet<_> = legs(&publish(&mut a, &["three"]))
        .iter()
        .flat_map(|(_, leg)| leg.destinations.clone())
        .map(|one| (one.since, one.node == node_id(5)))
        .collect();
    assert_eq!(since, BTreeSet::from([(1, false), (3, true)]));
}

#[test]
fn the_end_is_said_again_after_a_quiet_moment_and_not_for_ever() {
    let mut a = origin();
    publish(&mut a, &["one"]);
    let words = legs(&a.advance(S));
    assert!(words.iter().any(|(_, leg)| leg.batch.bodies.is_empty() && leg.batch.first == 2));
    let more = legs(&a.advance(3600 * S)).len();
    assert!((6..40).contains(&more), "{more}");
}

#[test]
fn a_relay_splits_and_keeps_what_it_passes_on_for_those_who_ask() {
    let (mut a, mut relay) = (origin(), Lone::passive(1));
    relay.link(0, &[1], &[]);
    relay.link(3, &[1], &[]);
    relay.answered(3, vec![listening(0, 2, &[1], &[]), listening(3, 2, &[1], &["prices"])]);
    let (_, leg) =
        legs(&publish(&mut a, &["one", "two"])).into_iter().find(|(to, _)| *to == node_id(1)).expect("a leg");
    let signature = nuncio_identity::Signature::from_bytes(&[0; nuncio_identity::Signature::LENGTH]);
    leg.batch.proof.signature.get_or_init(|| signature.expect("as long as one"));
    let onward = legs(&relay.input(MulticastInput::Received { from: node_id(0), leg }));
    let [(to, onward)] = &onward[..] else { panic!("one edge: {onward:?}") };
    assert_eq!((*to, onward.destinations.len(), onward.hops_left), (node_id(3), 1, 14));
    let wanted = |from, to| Wanted {
        asker: node_id(3),
        origin: node_id(0),
        epoch: 1,
        topic: Some(topic()),
        from,
        to,
        hops_left: 15,
    };
    let outputs = relay.input(MulticastInput::Wanted { from: node_id(3), wanted: wanted(2, 2) });
    assert_eq!(legs(&outputs).len(), 1, "it has that");
    let outputs = relay.input(MulticastInput::Wanted { from: node_id(3), wanted: wanted(5, 6) });
    assert_eq!((legs(&outputs), asked(&outputs)), (vec![], vec![(node_id(0), 5, 6)]), "its origin may have that");
    let outputs = a.input(MulticastInput::Wanted { from: node_id(1), wanted: wanted(1, 9) });
    let [(to, repair)] = &legs(&outputs)[..] else { panic!("one answer: {outputs:?}") };
    assert_eq!((*to, repair.batch.bodies.len(), repair.destinations[0].node), (node_id(1), 2, node_id(3)));
}

#[test]
fn what_the_origin_has_no_more_it_says_and_the_asker_tells_it_at_once() {
    let mut a = origin();
    publish(&mut a, &["one", "two"]);
    a.advance(51 * S);
    publish(&mut a, &["three"]);
    let wanted =
        Wanted { asker: node_id(2), origin: node_id(0), epoch: 1, topic: Some(topic()), from: 1, to: 2, hops_left: 15 };
    let answer = legs(&a.input(MulticastInput::Wanted { from: node_id(2), wanted }));
    assert_eq!(answer.iter().map(|(_, leg)| leg.destinations[0].since).collect::<Vec<_>>(), [3]);
}

#[test]
fn what_is_kept_for_those_who_miss_it_keeps_nothing_else_of_what_the_application_had() {
    let (mut a, owner) = (origin(), Arc::new(vec![7; 1 << 20]));
    let large = Bytes::from_owner(Shared(owner.clone()));
    for together in [1, 3] {
        for n in 0..together {
            a.overlay.publish(Some(&topic()), large.slice(n..n + 8), a.now).expect("there is room");
        }
        a.overlay.flush(a.now);
        assert_eq!(legs(&a.outputs()).iter().map(|(_, leg)| leg.batch.bodies.len()).sum::<usize>(), 2 * together);
    }
    drop(large);
    assert_eq!(Arc::strong_count(&owner), 1);
    let wanted =
        Wanted { asker: node_id(2), origin: node_id(0), epoch: 1, topic: Some(topic()), from: 1, to: 4, hops_left: 15 };
    let kept = legs(&a.input(MulticastInput::Wanted { from: node_id(2), wanted }));
    let bodies = kept.iter().flat_map(|(_, leg)| &leg.batch.bodies);
    assert_eq!(bodies.map(|body| body[..] == [7; 8]).collect::<Vec<_>>(), [true; 4]);
}

/// Says by its count whether any of it is kept.
struct Shared(Arc<Vec<u8>>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[test]
fn a_hole_is_asked_for_where_the_later_one_came_from_and_given_up_by_name() {
    let mut a = listener();
    assert_eq!(told(&a.input(received(1, batch(1, 1, 1)))), [Ok((1, 1))]);
    assert_eq!(told(&a.input(received(1, batch(1, 4, 1)))), []);
    assert_eq!(asked(&a.advance(100 * MS)), [(node_id(1), 2, 3)]);
    assert_eq!(told(&a.input(received(1, batch(1, 2, 2)))), [Ok((2, 2)), Ok((4, 1))]);
    a.input(received(1, batch(1, 8, 1)));
    let outputs = a.advance(30 * S);
    assert_eq!(told(&outputs), [Err((5, 7)), Ok((8, 1))]);
    assert!(asked(&outputs).len() < 20, "{:?}", asked(&outputs).len());
}

/// T3: a batch in another's name needs that one's signature, which the edge checks; T4: one of an earlier life; T9: late.
#[test]
fn only_a_certified_origin_in_its_present_life_and_in_time_is_heard_and_nothing_twice() {
    let mut a = listener();
    for refused in [
        Batch { origin: node_id(77), ..batch(1, 1, 1) },
        Batch { origin: node_id(0), ..batch(1, 1, 1) },
        Batch { epoch: 0, ..batch(1, 1, 1) },
        Batch { lifetime: Duration::ZERO, ..batch(1, 1, 1) },
        Batch { lifetime: 3600 * S, ..batch(1, 1, 1) },
        Batch { topic: Some(Topic::new("unwanted").expect("valid")), ..batch(1, 1, 1) },
    ] {
        assert_eq!(told(&a.input(received(1, refused.clone()))), [], "{refused:?}");
    }
    assert_eq!(told(&a.input(received(1, batch(1, 1, 2)))), [Ok((1, 2))]);
    for _ in 0..100 {
        assert_eq!(told(&a.input(received(2, batch(1, 1, 2)))), []);
    }
    a.advance(61 * S);
    assert_eq!(told(&a.input(received(2, batch(1, 3, 1)))), [], "too old by its origin's clock, perhaps");
}

#[test]
fn who_brings_the_same_again_and_again_and_who_floods_is_cut_off() {
    let mut a = listener();
    a.input(received(1, batch(1, 1, 1)));
    let replays = (0..40_000).take_while(|_| {
        a.input(received(1, batch(1, 1, 1)));
        a.overlay.bans().is_empty()
    });
    assert!((20_000..20_100).contains(&replays.count()));
    assert_eq!(a.overlay.strikes().keys().copied().collect::<Vec<_>>(), [Strike::Replayed]);
    let mut a = listener();
    a.input(received(1, batch(1, 1, 1)));
    let replays = (0..40_000).take_while(|_| {
        a.input(received(2, batch(1, 1, 1)));
        a.overlay.bans().is_empty()
    });
    assert!((5_000..5_100).contains(&replays.count()), "each signature is checked");
    assert_eq!(a.overlay.bans().len(), 1);
    assert_eq!(told(&a.input(received(1, batch(1, 2, 1)))), [Ok((2, 1))], "its origin did not do it");
    let mut a = listener();
    let words = (0..1_000_000).take_while(|n| {
        a.input(received(1, batch(1, n + 1, 0)));
        a.overlay.bans().is_empty()
    });
    assert!((400_000..600_000).contains(&words.count()));
}

/// A question is short, and its answer long.
#[test]
fn questions_without_end_move_no_more_than_a_bounded_share_and_end_in_a_ban() {
    let mut a = origin();
    let body = Bytes::from(vec![0; 60 << 10]);
    for _ in 0..600 {
        a.overlay.publish(Some(&topic()), body.clone(), a.now).expect("there is room");
        a.overlay.flush(a.now);
        a.outputs();
        a.advance(MS);
    }
    let (mut sent, mut questions) = (0, 0);
    while a.overlay.bans().is_empty() {
        let wanted = Wanted {
            asker: node_id(2),
            origin: node_id(0),
            epoch: 1,
            topic: Some(topic()),
            from: 1 + questions % 600,
            to: 600,
            hops_left: 15,
        };
        questions += 1;
        let outputs = a.input(MulticastInput::Wanted { from: node_id(2), wanted });
        sent += legs(&outputs).iter().map(|(_, leg)| leg.batch.length()).sum::<usize>();
        assert!(questions < 5_000, "it is never cut off");
    }
    let published = 600 * body.len();
    assert!(sent <= 4 * published, "{sent} bytes for {published}");
    assert!(sent <= 33 << 20, "{sent}");
    assert_eq!(a.overlay.links().len(), 1, "others are linked still");
}

#[test]
fn a_full_link_makes_the_publisher_wait_when_there_is_no_other() {
    let mut a = origin();
    publish(&mut a, &["one"]);
    let are_full = |a: &mut Lone, account| {
        for n in [1, 2] {
            a.input(MulticastInput::NotSent { to: node_id(n), account, priority: Priority::Normal, leg: None });
        }
    };
    are_full(&mut a, Account::Of(node_id(2)));
    assert!(a.overlay.publish(Some(&topic()), Bytes::new(), a.now).is_ok(), "others have filled their share");
    are_full(&mut a, Account::Own);
    assert!(a.overlay.publish(Some(&topic()), Bytes::new(), a.now).is_err());
    a.advance(10 * MS);
    assert!(a.overlay.publish(Some(&topic()), Bytes::new(), a.now).is_ok());
    a.input(MulticastInput::NotSent { to: node_id(1), account: Account::Own, priority: Priority::Normal, leg: None });
    assert!(a.overlay.publish(Some(&topic()), Bytes::new(), a.now).is_ok(), "a slow one holds up nobody");
    let body = Bytes::from(vec![0; 1 << 20]);
    let taken = (0..100).take_while(|_| a.overlay.publish(Some(&topic()), body.clone(), a.now).is_ok()).count();
    assert!(taken <= 16, "what has not left is bounded");
}

#[test]
fn what_is_taken_back_has_used_no_number_and_nobody_gets_it() {
    let mut a = origin();
    let publish = |a: &mut Lone, body: &'static str| {
        a.overlay.publish(Some(&topic()), Bytes::from_static(body.as_bytes()), a.now).expect("there is room")
    };
    publish(&mut a, "one");
    let last = publish(&mut a, "two");
    a.overlay.take_back(Some(&topic()), &last);
    a.overlay.take_back(Some(&topic()), &last);
    assert_eq!(publish(&mut a, "three").number, last.number);
    a.overlay.flush(a.now);
    let sent = legs(&a.outputs());
    assert!(sent.iter().all(|(_, leg)| leg.batch.bodies == ["one", "three"]), "{sent:?}");
    a.overlay.take_back(Some(&topic()), &last);
    assert_eq!(publish(&mut a, "four").number, last.number + 1, "what has left stays where it is");
}

#[test]
fn what_gossip_does_not_carry_to_those_who_take_nothing_else_is_told_and_is_no_brake_for_the_others() {
    let mut a = origin();
    let publish = |a: &mut Lone| a.overlay.publish(Some(&topic()), Bytes::new(), a.now).expect("there is room");
    assert!(!publish(&mut a).needs_gossip);
    a.answered(1, vec![takes_no_batches(listening(3, 2, &[1], &["prices"]))]);
    let taken: Vec<_> = (0..400).map(|_| publish(&mut a)).collect();
    assert!(taken.iter().all(|publication| publication.is_pushed && publication.needs_gossip));
    let missed = taken.iter().filter(|publication| publication.gossip.is_none()).count();
    assert!((200..400).contains(&missed), "{missed} of 400 at once");
}

fn network(seed: u64, weather: Weather, links: &[(usize, usize)], nodes: usize) -> Simulator {
    let mut network = Simulator::new(seed, weather);
    network.add_nodes(nodes, &Config { target_degree: 0, ..Config::default() });
    for (a, b) in links {
        network.connect(*a, *b);
    }
    for node in 0..nodes {
        network.listen(node, &[&topic()]);
    }
    network.run_for(20 * S);
    network
}

/// Node 0 publishes so many, each after some milliseconds.
fn publish_many(network: &mut Simulator, count: usize, pause: Duration) -> usize {
    let mut taken = 0;
    for _ in 0..count {
        taken += usize::from(network.multicast(0, Some(&topic())));
        network.run_for(pause);
    }
    taken
}

fn gaps(network: &Simulator) -> usize {
    network.observed().heard.values().flatten().filter(|heard| matches!(heard, Heard::Gap(..))).count()
}

/// Whether all that run still, but node 0, have heard of the last message of node 0, if only as part of a gap.
fn is_complete(network: &Simulator, nodes: usize) -> bool {
    let observed = network.observed();
    let Some(published) = observed.published.iter().rfind(|((origin, ..), _)| *origin == 0) else { return false };
    let ((_, epoch, topic), messages) = published;
    let last = messages.last().map_or(0, |(number, _)| *number);
    let running: Vec<_> = network.running().map(|(number, _)| number).collect();
    (1..nodes).filter(|node| running.contains(node)).all(|node| {
        let mut streams = observed.heard.iter().filter(|(listening, _)| {
            listening.node == node
                && listening.origin == node_id(0)
                && listening.epoch == *epoch
                && listening.topic == *topic
        });
        streams.any(|(_, heard)| match heard.last() {
            Some(Heard::Message(number, _)) => *number == last,
            Some(Heard::Gap(_, to)) => *to == last,
            None => false,
        })
    })
}

#[test]
fn a_line_of_six_hears_everything_in_order_and_each_edge_carries_it_once() {
    let links = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)];
    let mut network = network(1, Weather::default(), &links, 6);
    let before = network.observed().traffic.messages;
    assert_eq!(publish_many(&mut network, 200, MS), 200);
    network.run_for(200 * MS);
    assert_eq!(network.observed().traffic.messages - before, 200 * links.len() as u64);
    network.run_for(60 * S);
    assert!(is_complete(&network, 6) && gaps(&network) == 0);
    invariant_heard_in_order_or_named(&network);
}

#[test]
fn a_fifth_of_all_messages_lost_is_repaired() {
    let weather = Weather { loss: 0.2, full: 0.05, ..Weather::default() };
    let mut network = network(2, weather, &[(0, 1), (1, 2), (2, 3), (3, 0), (1, 3)], 4);
    publish_many(&mut network, 500, 2 * MS);
    network.calm();
    network.run_for(120 * S);
    invariant_heard_in_order_or_named(&network);
    assert!(is_complete(&network, 4));
    assert!(gaps(&network) <= 2, "{}", gaps(&network));
}

#[test]
fn a_relay_that_dies_and_a_partition_of_ten_seconds_lose_nothing_unnamed() {
    let links = [(0, 1), (0, 2), (1, 3), (2, 3), (3, 4), (3, 5), (4, 5)];
    let mut network = network(3, Weather::default(), &links, 6);
    publish_many(&mut network, 1000, MS);
    network.crash(1);
    publish_many(&mut network, 1000, MS);
    network.partition(&BTreeSet::from([4, 5]));
    publish_many(&mut network, 1000, 10 * MS);
    network.heal();
    publish_many(&mut network, 1000, MS);
    network.run_for(120 * S);
    invariant_heard_in_order_or_named(&network);
    assert!(is_complete(&network, 6));
    assert_eq!(gaps(&network), 0, "all of it was kept somewhere");
}

/// T4: what was captured of an earlier life of its origin, or is past its time.
#[test]
fn a_batch_of_an_earlier_life_or_past_its_time_is_not_heard() {
    let mut a = listener();
    assert_eq!(told(&a.input(received(1, Batch { epoch: 0, ..batch(1, 1, 1) }))), []);
    assert_eq!(told(&a.input(received(1, batch(1, 1, 1)))), [Ok((1, 1))]);
    a.advance(2 * MAX_LIFETIME);
    a.input(received(1, Batch { sent: 2 * MAX_LIFETIME, ..batch(1, 2, 1) }));
    assert_eq!(told(&a.input(received(1, batch(1, 3, 1)))), [], "it was sent two minutes ago");
}
