//! An honest relay is not blamed for what a member sends over it: neither copies, nor questions, nor nonsense.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use nuncio_protocol::{
    AccessInput, BridgeInput, Config, Header, Input, MAX_LIFETIME, MulticastInput, Output, SealEnd, StatusInput,
    Strike, Topic, UnicastInput,
    amop::{self, Multicast},
    gossip::Stamp,
    multicast::{Batch, Destination, Leg, Wanted},
    status_sync::Answer,
    unicast::{Content, Message},
};
use nuncio_testkit::simulator::{
    Lone, Simulator, Weather, batch, header, listening, multicast, node_id, queried, record,
};
use proptest::prelude::*;

const S: Duration = Duration::from_secs(1);

/// The member, the honest relay, and the node behind it.
const MEMBER: usize = 0;
const RELAY: usize = 1;
const TARGET: usize = 2;

fn line() -> Simulator {
    let mut network = Simulator::new(5, Weather::default());
    network.add_nodes(3, &Config { target_degree: 0, ..Config::default() });
    network.connect(MEMBER, RELAY);
    network.connect(RELAY, TARGET);
    network.run_for(5 * S);
    network
}

/// What the member sends the relay, so many times a second for ten seconds.
fn send(network: &mut Simulator, rate: u32, mut what: impl FnMut(Duration, u32) -> Input) {
    for n in 0..10 * rate {
        let clock = network.overlay(MEMBER).map_or(Duration::ZERO, |member| member.clock(network.instant()));
        network.give(RELAY, what(clock, n));
        network.run_for(S / rate);
    }
    network.run_for(5 * S);
}

fn strikes(network: &Simulator, node: usize) -> BTreeMap<Strike, u64> {
    network.overlay(node).map(|overlay| overlay.strikes().clone()).unwrap_or_default()
}

/// Nobody but the member is blamed, and honest requests are answered.
fn assert_relay_is_not_blamed(network: &mut Simulator, what: &str) {
    assert_eq!(strikes(network, TARGET), BTreeMap::new(), "{what}");
    network.request(RELAY, TARGET, 5 * S);
    network.request(TARGET, RELAY, 5 * S);
    network.run_for(S);
    let is_answered = |n: usize| {
        network
            .observed()
            .requests
            .iter()
            .any(|((node, _), trace)| *node == n && matches!(trace.ended, Some((_, Ok(_)))))
    };
    assert!(is_answered(RELAY) && is_answered(TARGET), "{what}");
}

fn passing(number: u64, clock: Duration) -> Header {
    Header { sent: clock, lifetime: MAX_LIFETIME, ..header(MEMBER, TARGET, number) }
}

fn cast(clock: Duration, number: u64) -> BridgeInput {
    let multicast = Multicast { sent: clock, lifetime: MAX_LIFETIME, ..multicast(MEMBER, number, [TARGET], "") };
    BridgeInput::MulticastReceived { from: node_id(MEMBER), multicast }
}

fn batch_of(origin: usize, first: u64) -> Batch {
    batch(origin, first, vec![Bytes::from_static(b"now")])
}

fn pushed(first: u64) -> MulticastInput {
    let destinations = vec![Destination { node: node_id(TARGET), since: 1 }];
    let leg =
        Leg { batch: Arc::new(batch_of(MEMBER, first)), hops_left: 15, priority: Default::default(), destinations };
    MulticastInput::Received { from: node_id(MEMBER), leg }
}

/// T5: the member sends one of its messages again and again; whoever is behind the relay gets more copies than an honest
/// neighbour ever brings, unless the relay holds them back.
#[test]
fn copies_cost_the_member_that_sends_them_and_not_the_relay() {
    type Make = fn(Duration) -> Input;
    let request = |clock| {
        let message = Message { header: passing(1, clock), content: Content::Request { body: Bytes::new() } };
        UnicastInput::Received { from: node_id(MEMBER), message }.into()
    };
    let reply = |clock| {
        let message = Message { header: passing(1, clock), content: Content::Unanswered };
        UnicastInput::Received { from: node_id(MEMBER), message }.into()
    };
    let publish = |clock| {
        let topic = Topic::new("t").expect("a topic");
        let content = amop::Content::Publish { message: 1, topic, tenant: None, data: Bytes::new() };
        BridgeInput::Received { from: node_id(MEMBER), message: amop::Message { header: passing(1, clock), content } }
            .into()
    };
    let kinds: [(&str, Make); 5] = [
        ("requests", request),
        ("answers", reply),
        ("AMOP", publish),
        ("AMOP multicasts", |clock| cast(clock, 1).into()),
        ("batches", |_| pushed(1).into()),
    ];
    for (what, make) in kinds {
        let mut network = line();
        // The first copy for all: another clock would be another message.
        let mut first = None;
        send(&mut network, 5_000, |clock, _| first.get_or_insert_with(|| make(clock)).clone());
        assert_relay_is_not_blamed(&mut network, what);
        let at_the_relay = strikes(&network, RELAY);
        assert!(
            at_the_relay.contains_key(&Strike::Replayed),
            "{what}: the relay knows whom to blame: {at_the_relay:?}"
        );
    }
}

/// The same message under ever other seals, as one that is sent once more is: the target refuses the copies, and cannot know
/// more.
#[test]
fn one_message_under_many_seals_costs_nobody_but_the_member() {
    let mut network = line();
    send(&mut network, 5_000, |clock, n| {
        let header = Header { seal: SealEnd(n), ..passing(1, clock) };
        let message = Message { header, content: Content::Request { body: Bytes::new() } };
        UnicastInput::Received { from: node_id(MEMBER), message }.into()
    });
    assert_relay_is_not_blamed(&mut network, "requests");
}

/// One number in ever other messages: nobody but their source can have sealed them, so the target bans that, and hears it no
/// more, but not whoever brought them.
#[test]
fn whoever_gives_one_number_to_different_messages_is_named_and_banned_by_their_target() {
    type Make = fn(Duration, u32) -> Input;
    let request = |clock, n: u32| {
        let header = Header { seal: SealEnd(n), ..passing(1, clock) };
        let body = Bytes::copy_from_slice(&n.to_be_bytes());
        let message = Message { header, content: Content::Request { body } };
        UnicastInput::Received { from: node_id(MEMBER), message }.into()
    };
    let publish = |clock, n: u32| {
        let header = Header { seal: SealEnd(n), ..passing(1, clock) };
        let (topic, data) = (Topic::new("t").expect("a topic"), Bytes::copy_from_slice(&n.to_be_bytes()));
        let content = amop::Content::Publish { message: 1, topic, tenant: None, data };
        BridgeInput::Received { from: node_id(MEMBER), message: amop::Message { header, content } }.into()
    };
    let kinds: [(&str, Make); 2] = [("requests", request), ("AMOP", publish)];
    for (what, make) in kinds {
        let mut network = line();
        send(&mut network, 5, make);
        assert_eq!(strikes(&network, RELAY), BTreeMap::new(), "{what}");
        assert_eq!(
            strikes(&network, TARGET),
            BTreeMap::from([(Strike::Renumbered, 1)]),
            "{what}: what follows is dropped"
        );
        let banned: Vec<_> =
            network.overlay(TARGET).into_iter().flat_map(|target| target.bans()).map(|ban| ban.peer).collect();
        assert_eq!(banned, [node_id(MEMBER)], "{what}");
        network.request(MEMBER, TARGET, 2 * S);
        network.request(RELAY, TARGET, 2 * S);
        network.request(TARGET, MEMBER, 2 * S);
        network.run_for(3 * S);
        let ended = |n| network.observed().requests.iter().find(|((node, _), _)| *node == n).map(|(_, trace)| trace);
        let is_answered = |n| ended(n).is_some_and(|trace| matches!(trace.ended, Some((_, Ok(_)))));
        assert!(!is_answered(MEMBER) && is_answered(RELAY), "{what}");
        assert!(is_answered(TARGET), "{what}: it answers still");
    }
}

/// The member, and another, ask less often than the relay puts up with.
#[test]
fn questions_that_a_relay_passes_on_are_not_too_many_for_its_neighbour() {
    let mut network = line();
    let other = network.add_node(Config { target_degree: 0, ..Config::default() });
    network.connect(other, RELAY);
    network.run_for(5 * S);
    let wanted =
        |asker| Wanted { asker, origin: node_id(TARGET), epoch: 1, topic: None, from: 1, to: 9, hops_left: 15 };
    send(&mut network, 960, |_, n| {
        let from = node_id(if n % 2 == 0 { MEMBER } else { other });
        MulticastInput::Wanted { from, wanted: wanted(from) }.into()
    });
    assert_eq!(strikes(&network, RELAY), BTreeMap::new(), "each asks as often as it may");
    assert_relay_is_not_blamed(&mut network, "questions");
}

/// A member leaves a gap in each of hundreds of topics, fills it, and leaves the next: who misses so much asks its honest
/// neighbour no more often than that puts up with.
#[test]
fn questions_for_hundreds_of_topics_are_not_too_many_for_the_neighbour() {
    let mut node = Lone::ring();
    let topics: Vec<_> = (0..500).map(|n| Topic::new(&format!("t{n}")).expect("a topic")).collect();
    node.answered(1, vec![listening(1, 2, &[0, 3], &[])]);
    node.input(StatusInput::MulticastTopics { topics: topics.iter().cloned().collect() });
    let mut asked = 0;
    for round in 1..=100 {
        for (n, topic) in (0..).zip(&topics) {
            for number in [2 * round - 3, 2 * round].into_iter().filter(|number| *number > 0) {
                let batch = Batch { topic: Some(topic.clone()), ..batch_of(3, (n << 36) + number as u64) };
                let destinations = vec![Destination { node: node_id(0), since: 1 }];
                let leg = Leg { batch: Arc::new(batch), hops_left: 15, priority: Default::default(), destinations };
                node.input(MulticastInput::Received { from: node_id(1), leg });
            }
        }
        asked += node.advance(S / 10).iter().filter(|output| matches!(output, Output::SendWanted { .. })).count();
    }
    assert!((500..=800 + 10 * 200).contains(&asked), "{asked} in ten seconds");
}

/// The member asks the relay again and again for what the target has already, in the target's name.
#[test]
fn answers_that_nobody_asked_for_are_not_too_many_for_whom_they_go_to() {
    for origin in [MEMBER, RELAY] {
        let mut network = line();
        for n in 1..=2_000 {
            if origin == MEMBER {
                network.give(RELAY, pushed(n));
            } else {
                network.multicast(RELAY, None);
            }
            network.run_for(S / 1_000);
        }
        let wanted = Wanted {
            asker: node_id(TARGET),
            origin: node_id(origin),
            epoch: 1,
            topic: None,
            from: 1,
            to: 2_000,
            hops_left: 15,
        };
        send(&mut network, 450, |_, _| MulticastInput::Wanted { from: node_id(MEMBER), wanted: wanted.clone() }.into());
        assert_relay_is_not_blamed(&mut network, "answers");
    }
}

/// A node of another authority, which the relay trusts and this node does not: the relay showed its record when it was
/// asked.
#[test]
fn whoever_shows_a_record_that_is_refused_is_not_blamed_for_it() {
    let mut target = Lone::ring();
    let brought = |number| {
        let header = Header { hops: 2, ..header(7, 0, number) };
        let message = Message { header, content: Content::Request { body: Bytes::new() } };
        UnicastInput::Received { from: node_id(1), message }
    };
    for number in 1..=100 {
        target.input(brought(number));
        let answer = Answer { refused: vec![node_id(7)], ..Answer::of(Vec::new()) };
        target.input(StatusInput::Answered { peer: node_id(1), answer });
        target.advance(6 * S);
    }
    assert_eq!(*target.overlay.strikes(), BTreeMap::new());
}

/// T14: so many may be refused that two neighbours differ about, and no more: whoever invents nodes and their records is blamed.
#[test]
fn whoever_shows_thousands_of_refused_records_is_blamed() {
    let mut target = Lone::ring();
    let mut bring = |n| {
        let header = Header { hops: 2, ..header(n, 0, 1) };
        let message = Message { header, content: Content::Request { body: Bytes::new() } };
        let asked = target.input(UnicastInput::Received { from: node_id(1), message });
        let answer = Answer { refused: vec![node_id(n)], ..Answer::of(Vec::new()) };
        target.input(StatusInput::Answered { peer: node_id(1), answer });
        target.advance(S / 8);
        asked.iter().any(|output| matches!(output, Output::Query { .. }))
    };
    for n in 100..100 + 4096 {
        bring(n);
    }
    let asked = (20_000..20_010).filter(|n| bring(*n)).count();
    target.advance(6 * S);
    assert_eq!(target.overlay.strikes().get(&Strike::Uncertified), Some(&(asked as u64)));
    assert!(asked > 0, "some were asked for");
}

/// Its record was refused a moment ago, since it was denied.
#[test]
fn a_node_that_is_let_in_again_is_heard_at_once_over_whoever_showed_its_record_in_vain() {
    let mut target = Lone::ring();
    let message =
        Message { header: Header { hops: 2, ..header(7, 0, 1) }, content: Content::Request { body: Bytes::new() } };
    let brought = UnicastInput::Received { from: node_id(1), message };
    target.input(brought.clone());
    let answer = Answer { refused: vec![node_id(7)], ..Answer::of(Vec::new()) };
    target.input(StatusInput::Answered { peer: node_id(1), answer });
    assert!(queried(&target.input(brought.clone())).is_empty(), "it was shown in vain");
    target.input(AccessInput::Readmitted { node: node_id(7) });
    assert_eq!(queried(&target.input(brought)), [(1, vec![7])]);
}

/// Six members broadcast as much as each may: the relay takes no more than what its neighbour takes of one.
#[test]
fn gossip_of_many_is_not_too_much_for_who_gets_it_of_one() {
    let origins = 3..=8;
    let (mut relay, mut target) = (Lone::passive(RELAY), Lone::passive(TARGET));
    target.link(RELAY, &[TARGET], &[]);
    for origin in origins.clone() {
        relay.link(origin, &[RELAY], &[]);
        target.answered(RELAY, vec![record(origin, 1, &[RELAY], &[])]);
    }
    let mut passed = 0;
    for number in 1..=2_500 * 10 {
        let stamp = |origin| Stamp { origin, epoch: 1, number, sent: Duration::ZERO, lifetime: MAX_LIFETIME };
        for origin in origins.clone().map(node_id) {
            if relay.overlay.may_check_gossip(origin, &stamp(origin), 64, relay.now) {
                passed += 1;
                target.overlay.may_check_gossip(node_id(RELAY), &stamp(origin), 64, target.now);
            }
        }
        // Its own: eight tenths of what one may.
        if passed % 4 == 0 {
            target.overlay.may_check_gossip(node_id(RELAY), &stamp(node_id(RELAY)), 64, target.now);
        }
        relay.advance(S / 2_500);
        target.advance(S / 2_500);
    }
    assert!(passed > 70_000, "{passed}");
    assert_eq!(*target.overlay.strikes(), BTreeMap::new());
}

/// The same of batches that are pushed: their signatures are checked, too.
#[test]
fn signed_batches_of_many_are_not_too_many_for_who_gets_them_of_one() {
    let origins = 3..=8;
    let (mut relay, mut target) = (Lone::passive(RELAY), Lone::passive(TARGET));
    target.link(RELAY, &[TARGET], &[]);
    relay.link(TARGET, &[RELAY], &[]);
    for origin in origins.clone() {
        relay.link(origin, &[RELAY], &[]);
        target.answered(RELAY, vec![record(origin, 1, &[RELAY], &[])]);
    }
    relay.answered(TARGET, vec![listening(TARGET, 2, &[RELAY], &[])]);
    let mut passed = 0;
    for first in 1..=2_500 * 6 {
        for origin in origins.clone() {
            let destinations = vec![Destination { node: node_id(TARGET), since: 1 }];
            let leg = Leg {
                batch: Arc::new(batch_of(origin, first)),
                hops_left: 15,
                priority: Default::default(),
                destinations,
            };
            for output in relay.input(MulticastInput::Received { from: node_id(origin), leg }) {
                let Output::SendBatch { to, leg, .. } = output else { continue };
                assert_eq!(to, node_id(TARGET));
                passed += 1;
                target.input(MulticastInput::Received { from: node_id(RELAY), leg });
            }
        }
        relay.advance(S / 2_500);
        target.advance(S / 2_500);
    }
    assert!(passed > 40_000, "{passed}");
    assert_eq!(*target.overlay.strikes(), BTreeMap::new());
}

/// A member subscribes other topics with each of its statuses: who relays them subscribes and unsubscribes no faster than its
/// neighbours put up with, and whoever else begins to subscribe waits for none of that.
#[test]
fn topics_that_come_and_go_are_followed_slowly_and_those_of_others_at_once() {
    let mut node = Lone::passive(0);
    node.link(1, &[0], &[]);
    let (mut told, mut changes) = (BTreeSet::new(), 0);
    let mut follow = |outputs: &[Output]| {
        for output in outputs {
            if let Output::Relay { topics } = output {
                changes += told.symmetric_difference(topics).count();
                told.clone_from(topics);
            }
        }
        (told.contains(&Topic::new("prices").expect("a topic")), changes)
    };
    let seconds = 60;
    for second in 0..seconds {
        let names: Vec<String> = (0..1_200).map(|n| format!("{second}-{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        follow(&node.answered(1, vec![listening(2, second + 1, &[1], &names)]));
        if second == seconds / 2 {
            node.answered(1, vec![listening(3, 1, &[1], &["prices"])]);
        }
        for _ in 0..10 {
            let (has_prices, changes) = follow(&node.advance(S / 10));
            assert!(changes as u64 <= 1_000 + 100 * (second + 1), "{changes} after {second} s");
            assert_eq!(has_prices, second >= seconds / 2, "{second}");
        }
    }
}

prop_compose! {
    fn any_header()(
        (source_epoch, target_epoch) in (prop_oneof![Just(1), any::<u64>()], prop_oneof![Just(1), any::<u64>()]),
        number in prop_oneof![1..20_u64, any::<u64>()],
        (sent, lifetime) in (any::<u32>(), any::<u32>()),
        (hops_left, hops, seal) in any::<(u8, u8, u32)>(),
    ) -> Header {
        let (sent, lifetime) = (Duration::from_millis(sent.into()), Duration::from_millis(lifetime.into()));
        let seal = SealEnd(seal);
        Header { source_epoch, target_epoch, number, sent, lifetime, hops_left, hops, seal, ..header(MEMBER, TARGET, 1) }
    }
}

fn any_message() -> impl Strategy<Value = Input> {
    let from = node_id(MEMBER);
    let unicast = |content: Content| {
        any_header().prop_map(move |header| {
            let message = Message { header, content: content.clone() };
            Input::from(UnicastInput::Received { from, message })
        })
    };
    let sealed = Content::Sealed { asks: true, bytes: Bytes::from_static(b"nonsense") };
    let bridge = any_header().prop_map(move |header| {
        let content = amop::Content::Sealed { asks: false, bytes: Bytes::new() };
        BridgeInput::Received { from, message: amop::Message { header, content } }.into()
    });
    prop_oneof![
        unicast(Content::Request { body: Bytes::new() }),
        unicast(Content::Outlived),
        unicast(sealed),
        bridge,
        (any::<u32>(), any::<u64>()).prop_map(|(sent, number)| cast(Duration::from_millis(sent.into()), number).into()),
        any::<u64>().prop_map(|first| pushed(first >> 8).into()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_member_sends_over_a_relay_the_relay_is_not_blamed(
        messages in proptest::collection::vec(any_message(), 200),
    ) {
        let mut network = line();
        for message in messages {
            network.give(RELAY, message);
            network.run_for(S / 50);
        }
        network.run_for(10 * S);
        prop_assert_eq!(strikes(&network, TARGET), BTreeMap::new());
    }
}
