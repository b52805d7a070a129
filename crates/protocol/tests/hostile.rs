//! Members that follow the protocol badly: what they send runs nothing, is multiplied by nobody, and has them cut off while
//! others are served.

use std::time::Duration;

use bytes::Bytes;
use nuncio_identity::NodeId;
use nuncio_protocol::{
    AccessInput, BridgeInput, Config, Header, Input, MAX_BODY, MAX_EXPELLED, MAX_HOPS, Output, StatusInput, Strike,
    Topic, UnicastInput,
    amop::{self, ClientOutput, Multicast, Post, PublishSeq},
    gossip::{Counted, GossipId, GossipInput, Judgement, Stamp},
    status_sync::{Answer, Query, QueryId, Version},
    unicast::{Content, InboundId, Message},
};
use nuncio_testkit::simulator::{Lone, Simulator, Weather, What, announced, header, multicast, node_id, record, sign};

const S: Duration = Duration::from_secs(1);

fn topic() -> Topic {
    Topic::new("t").expect("a valid topic")
}

/// A request of a linked node to node 0.
fn asked(source: usize, number: u64, sent: Duration) -> UnicastInput {
    let header = Header { sent, ..header(source, 0, number) };
    UnicastInput::Received {
        from: node_id(source),
        message: Message { header, content: Content::Request { body: Bytes::new() } },
    }
}

fn runs(outputs: &[Output]) -> usize {
    outputs.iter().filter(|output| matches!(output, Output::Request { .. })).count()
}

fn deliveries(outputs: &[Output]) -> usize {
    outputs.iter().filter(|output| matches!(output, Output::Client(ClientOutput::Deliver { .. }))).count()
}

fn copies(outputs: &[Output]) -> usize {
    outputs.iter().filter(|output| matches!(output, Output::SendMulticast { .. })).count()
}

fn bans(outputs: &[Output]) -> Vec<NodeId> {
    let banned = |output: &Output| match output {
        Output::Ban { peer, .. } => Some(*peer),
        _ => None,
    };
    outputs.iter().filter_map(banned).collect()
}

fn judgements(outputs: &[Output]) -> Vec<Judgement> {
    let judgement = |output: &Output| match output {
        Output::Judged { judgement, .. } => Some(*judgement),
        _ => None,
    };
    outputs.iter().filter_map(judgement).collect()
}

fn brought(from: usize, multicast: &Multicast) -> BridgeInput {
    BridgeInput::MulticastReceived { from: node_id(from), multicast: multicast.clone() }
}

/// T2: a source that nobody has certified.
#[test]
fn an_invented_source_is_not_delivered_by_amop() {
    let mut a = Lone::ring();
    a.subscriber(5, &["t"]);
    let content = amop::Content::Publish { message: 1, topic: topic(), tenant: None, data: Bytes::new() };
    let message = amop::Message { header: Header { hops: 2, ..header(77, 0, 1) }, content };
    let outputs = a.input(BridgeInput::Received { from: node_id(1), message: message.clone() });
    assert_eq!(deliveries(&outputs), 0);
    assert_eq!(deliveries(&a.input(brought(1, &multicast(77, 1, [0], Bytes::new())))), 0);
    let certified = amop::Message { header: Header { hops: 2, ..header(3, 0, 1) }, ..message };
    let outputs = a.input(BridgeInput::Received { from: node_id(1), message: certified });
    assert_eq!(deliveries(&outputs), 1, "an honest source is");
}

/// T4: a captured request, given to its target in the target's next life.
#[test]
fn a_request_replayed_after_a_restart_of_its_target_is_not_run() {
    let mut network = Simulator::new(4, Weather::default());
    network.keep_journal(10_000);
    network.add_nodes(2, &Config { target_degree: 0, ..Config::default() });
    network.connect(0, 1);
    network.run_for(5 * S);
    network.request(0, 1, 5 * S);
    network.run_for(S);
    let is_request = |input: &Input| matches!(input, Input::Unicast(UnicastInput::Received { message, .. }) if matches!(message.content, Content::Request { .. }));
    let captured = network
        .journal()
        .find_map(|entry| match &entry.what {
            What::In(input) if entry.node == 1 && is_request(input) => Some(input.clone()),
            _ => None,
        })
        .expect("it arrived");
    for pause in [S, 10 * S, 3600 * S] {
        network.crash(1);
        network.restart(1);
        network.run_for(pause);
        assert!(network.is_open(0, 1) && network.overlay(1).is_some_and(|target| target.links().len() == 1));
        network.give(1, captured.clone());
    }
    assert_eq!(network.observed().requests.values().map(|trace| trace.handler_runs).collect::<Vec<_>>(), [1]);
}

/// T5: a captured request of an earlier life of its source, whose number the present one has not used.
#[test]
fn a_member_that_brings_a_captured_request_again_and_again_is_cut_off_within_ten_seconds() {
    let mut b = Lone::ring();
    let captured = |via: usize, number: u64| UnicastInput::Received {
        from: node_id(via),
        message: Message { header: header(3, 0, number), content: Content::Request { body: Bytes::new() } },
    };
    assert_eq!(runs(&b.input(captured(1, 1))), 1);
    let mut banned = Vec::new();
    for _ in 0..100_000 {
        let outputs = b.input(captured(1, 1));
        assert_eq!(runs(&outputs), 0);
        banned.extend(bans(&outputs));
        banned.extend(bans(&b.advance(S / 10_000)));
        if !banned.is_empty() {
            break;
        }
    }
    assert_eq!(banned, [node_id(1)]);
    assert_eq!(runs(&b.input(captured(2, 2))), 1, "whom it replayed is heard over others");
}

/// How many times a peer, at five thousand a second, may do something before it is banned.
fn until_banned(node: &mut Lone, peer: usize, mut does: impl FnMut() -> Input) -> Option<u32> {
    (0..100_000_u32).find(|_| {
        let outputs = [node.input(does()), node.advance(S / 5_000)].concat();
        bans(&outputs) == [node_id(peer)]
    })
}

#[test]
fn a_member_that_brings_a_captured_multicast_again_and_again_is_cut_off_within_ten_seconds() {
    let mut a = Lone::ring();
    let captured = multicast(3, 1, [0], "hi");
    let brought_again = until_banned(&mut a, 1, || brought(1, &captured).into());
    assert!(brought_again.is_some_and(|times| times < 50_000), "{brought_again:?}");
}

#[test]
fn a_member_that_does_more_with_gossip_than_any_has_cause_to_is_cut_off_within_ten_seconds() {
    let counted =
        |via: usize, what: Counted, count: usize| Input::from(GossipInput::Counted { via: node_id(via), what, count });
    for (what, once, at_5000_a_second) in
        [(Counted::Repeated, 1, 1), (Counted::Control, 500, 4), (Counted::Subscriptions, 6_152, 1)]
    {
        let mut a = Lone::ring();
        assert_eq!(bans(&a.input(counted(2, what, once))), [], "{what:?}: an honest one");
        let times = until_banned(&mut a, 1, || counted(1, what, at_5000_a_second));
        assert!(times.is_some_and(|times| times < 50_000), "{what:?}: {times:?}");
        assert_eq!(bans(&a.input(counted(2, what, once))), [], "{what:?}: an honest one");
    }
}

#[test]
fn a_member_that_sends_multicasts_for_nobody_is_cut_off() {
    let mut a = Lone::ring();
    let banned =
        (0..30).flat_map(|_| bans(&a.input(brought(1, &multicast(3, 1, [], Bytes::new()))))).collect::<Vec<_>>();
    assert_eq!(banned, [node_id(1)]);
}

#[test]
fn what_an_earlier_life_of_its_source_asked_runs_no_more() {
    let mut a = Lone::ring();
    let mut status = record(3, 1, &[1, 2], &[]).status.clone();
    status.version.epoch = 2;
    a.answered(1, vec![sign(status)]);
    let asked = |source_epoch: u64| {
        let header = Header { source_epoch, hops: 2, ..header(3, 0, 7) };
        let message = Message { header, content: Content::Request { body: Bytes::new() } };
        UnicastInput::Received { from: node_id(1), message }
    };
    assert_eq!(runs(&a.input(asked(1))), 0);
    assert_eq!(runs(&a.input(asked(2))), 1);
    assert_eq!(runs(&a.input(asked(3))), 0, "it waits for the record of that life");
}

/// T6: what every session has had once.
#[test]
fn a_multicast_replayed_within_a_minute_or_after_ten_is_delivered_once() {
    let mut a = Lone::ring();
    a.subscriber(5, &["t"]);
    let captured = multicast(3, 1, [0], "hi");
    assert_eq!(deliveries(&a.input(brought(1, &captured))), 1);
    for pause in [Duration::ZERO, S, 28 * S, 32 * S, 600 * S] {
        a.advance(pause);
        for from in [1, 2] {
            assert_eq!(deliveries(&a.input(brought(from, &captured))), 0, "{pause:?}");
        }
    }
}

/// T7: what an earlier life of its source made, and what counts no more.
#[test]
fn a_multicast_of_an_earlier_life_or_past_its_time_is_neither_delivered_nor_passed_on() {
    for stale in [
        Multicast { epoch: 0, ..multicast(1, 1, [0, 2], Bytes::new()) },
        Multicast { lifetime: Duration::ZERO, ..multicast(1, 1, [0, 2], Bytes::new()) },
        Multicast { lifetime: 3600 * S, ..multicast(1, 1, [0, 2], Bytes::new()) },
        Multicast { source: node_id(0), ..multicast(1, 1, [0, 2], Bytes::new()) },
    ] {
        let mut a = Lone::ring();
        a.subscriber(5, &["t"]);
        let outputs = a.input(brought(1, &stale));
        assert_eq!((deliveries(&outputs), copies(&outputs)), (0, 0), "{stale:?}");
        let outputs = a.input(brought(1, &multicast(1, 1, [0, 2], Bytes::new())));
        assert_eq!((deliveries(&outputs), copies(&outputs)), (1, 1), "an honest one is");
    }
}

/// T16: one message in, fifty out.
#[test]
fn a_multicast_of_an_invented_source_is_multiplied_by_nobody_and_those_of_a_member_are_bounded() {
    let mut hub = Lone::passive(0);
    for n in 1..=50 {
        hub.link(n, &[0], &[]);
    }
    let data = Bytes::from(vec![0; MAX_BODY]);
    let of = |source: usize| Multicast { sent: S, ..multicast(source, 1, 2..=50, data.clone()) };
    assert_eq!(copies(&hub.input(brought(1, &of(777)))), 0);
    let sent: usize = (1..=100).map(|number| copies(&hub.input(brought(1, &Multicast { number, ..of(1) })))).sum();
    assert!(sent >= 49, "one that comes alone reaches all");
    assert!(sent * MAX_BODY <= 6 << 30, "{sent} copies of 10 MiB at once");
    let others = hub.input(brought(2, &multicast(2, 1, 3..=50, "hi")));
    assert_eq!(copies(&others), 48, "another peer's are passed on");
}

/// T14: announcements of nodes that nobody can show.
#[test]
fn a_member_that_announces_made_up_nodes_is_cut_off_within_ten_seconds_and_others_are_served() {
    let mut a = Lone::ring();
    let mut banned = None;
    for n in 0..50_000 {
        a.advance(S / 5000);
        let (via, made_up) = (node_id(1), node_id(100 + n % 1000));
        let now = a.now;
        let version = Version { epoch: 1 << 40, seq: n as u64 };
        if a.overlay.may_check_announcement(via, (made_up, version, Duration::ZERO), now) {
            a.input(GossipInput::Announced {
                id: GossipId(n as u64),
                via,
                node: made_up,
                version,
                clock: Duration::ZERO,
            });
        }
        let outputs = a.outputs();
        if !bans(&outputs).is_empty() {
            assert_eq!(bans(&outputs), [node_id(1)]);
            banned = Some(n);
            break;
        }
        if n % 500 == 0 {
            let sent = S / 5000 * n as u32;
            let outputs = a.input(asked(2, 1 + n as u64, sent));
            assert_eq!(runs(&outputs), 1, "after {sent:?}");
        }
    }
    assert!(banned.is_some(), "it floods on");
    assert_eq!(a.overlay.links().len(), 1);
    assert_eq!(a.overlay.route(&node_id(3)), Some(vec![node_id(0), node_id(2), node_id(3)]), "another way is taken");
}

/// T13: broadcasts beyond all measure.
#[test]
fn a_member_that_broadcasts_beyond_all_measure_is_cut_off_and_whoever_passed_it_on_is_not() {
    let mut a = Lone::ring();
    let stamp = |n: usize, number: u64, sent| Stamp { origin: node_id(n), epoch: 1, number, sent, lifetime: 30 * S };
    let (mut banned, mut honest) = (None, 0);
    for n in 0..50_000u64 {
        a.advance(S / 5000);
        let (now, sent) = (a.now, S / 5000 * n as u32);
        // The flooder itself, and an honest peer that others have it from.
        for via in [1, 2] {
            let stamp = stamp(1, n + 1, sent);
            if a.overlay.may_check_gossip(node_id(via), &stamp, 100, now) {
                a.input(GossipInput::Received {
                    id: GossipId(n),
                    via: node_id(via),
                    stamp,
                    length: 100,
                    numbered: None,
                });
            }
        }
        if n % 10 == 0 {
            let stamp = stamp(3, n + 1, sent);
            assert!(a.overlay.may_check_gossip(node_id(2), &stamp, 100, now), "an honest origin at 500 a second");
            let outputs =
                a.input(GossipInput::Received { id: GossipId(n), via: node_id(2), stamp, length: 100, numbered: None });
            honest += judgements(&outputs).iter().filter(|judgement| **judgement == Judgement::Fresh).count() as u64;
            assert_eq!(honest, n / 10 + 1);
        }
        if banned.is_none() && a.overlay.bans().iter().any(|ban| ban.peer == node_id(1)) {
            banned = Some(sent);
        }
    }
    assert!(banned.is_some_and(|after| after < 10 * S), "{banned:?}");
    assert_eq!(a.overlay.bans().len(), 1);
    assert_eq!(a.overlay.links().len(), 1, "who passed it on is linked still");
}

/// T5: gossip, as a relay would have it.
#[test]
fn gossip_is_fresh_once_and_only_of_a_certified_origin_in_its_present_life_and_in_time() {
    let mut a = Lone::ring();
    let honest = Stamp { origin: node_id(3), epoch: 1, number: 1, sent: S, lifetime: 30 * S };
    let mut judged = |stamp: Stamp| {
        let input = GossipInput::Received { id: GossipId(1), via: node_id(1), stamp, length: 100, numbered: None };
        judgements(&a.input(input))
    };
    assert_eq!(judged(Stamp { origin: node_id(77), ..honest }), [], "held until its record comes");
    assert_eq!(judged(Stamp { epoch: 0, ..honest }), [Judgement::Dropped]);
    assert_eq!(judged(Stamp { lifetime: Duration::ZERO, ..honest }), [Judgement::Dropped]);
    assert_eq!(judged(Stamp { lifetime: 3600 * S, ..honest }), [Judgement::Dropped]);
    assert_eq!(judged(honest), [Judgement::Fresh]);
    assert_eq!(judged(honest), [Judgement::Dropped]);
    let after = judgements(&a.advance(6 * S));
    assert_eq!(after, [Judgement::Dropped], "nobody could show who it was of");
    a.input(AccessInput::Expelled { node: node_id(3) });
    let stamp = Stamp { number: 2, ..honest };
    let input = GossipInput::Received { id: GossipId(1), via: node_id(1), stamp, length: 100, numbered: None };
    assert_eq!(judgements(&a.input(input)), [Judgement::Dropped]);
}

/// T13: true announcements of one node, over and over.
#[test]
fn a_member_that_brings_more_announcements_than_a_network_makes_is_cut_off() {
    let mut a = Lone::ring();
    let now = a.now;
    let version = Version { epoch: 1, seq: 1 };
    let announced = |n: u32| (node_id(3), version, S * n);
    let checked = (0..20_000).filter(|n| a.overlay.may_check_announcement(node_id(1), announced(*n), now)).count();
    assert_eq!(checked, 100, "as many as one node may make at once");
    assert_eq!(bans(&a.outputs()), [node_id(1)]);
}

/// T14: messages of nodes whose records never come.
#[test]
fn what_waits_for_records_is_bounded_for_each_peer_and_in_all() {
    let mut a = Lone::passive(0);
    for n in 1..=20 {
        a.link(n, &[0], &[]);
    }
    let mut dropped = |via: usize, origins: u64, length: usize, count: u64| {
        let received = |number: u64| {
            let origin = node_id(1000 + 2 * via + (number % origins) as usize);
            let stamp = Stamp { origin, epoch: 1, number, sent: Duration::ZERO, lifetime: 30 * S };
            GossipInput::Received { id: GossipId(number), via: node_id(via), stamp, length, numbered: None }
        };
        (1..=count).map(|number| judgements(&a.input(received(number))).len()).sum::<usize>()
    };
    assert_eq!(dropped(1, 1, 0, 100), 100 - 64, "of one source");
    assert_eq!(dropped(1, 2, 0, 200), 200 - 64, "of one peer");
    assert_eq!(dropped(2, 1, 250 << 10, 5), 3, "half a MiB of one source");
    assert_eq!(dropped(2, 2, 250 << 10, 5), 3, "one MiB of one peer");
    let others: usize = (3..=20).map(|via| dropped(via, 2, 0, 128)).sum();
    assert_eq!(others, 18 * 128 - (1024 - 128 - 4), "of all peers");
}

/// T15: answers that always have more.
#[test]
fn a_member_whose_answers_always_have_more_is_cut_off_within_ten_seconds() {
    let mut a = Lone::ring();
    let answer = Answer { more: true, ..Answer::default() };
    let mut answers = (0..1000).map(|_| {
        let outputs = a.input(StatusInput::Answered { peer: node_id(1), answer: answer.clone() });
        bans(&[outputs, a.advance(S / 100)].concat())
    });
    assert_eq!(answers.find(|banned| !banned.is_empty()), Some(vec![node_id(1)]));
    assert_eq!(a.overlay.links().len(), 1);
}

/// T14: slower than any budget, but untrue.
#[test]
fn a_member_that_cannot_show_what_it_announced_is_struck_for_each_and_cut_off() {
    let mut a = Lone::ring();
    let mut banned = Vec::new();
    for n in 100..120 {
        a.input(announced(1, n, 1));
        for _ in 0..2 {
            banned.extend(bans(&a.answered(1, vec![])));
            banned.extend(bans(&a.advance(S)));
        }
    }
    assert_eq!(banned.first(), Some(&node_id(1)));
    // Once for the record that it could not show, once for what waited here for that.
    let strikes = a.overlay.strikes();
    assert!(strikes[&Strike::EmptyPromise] + strikes[&Strike::Uncertified] >= 10, "{strikes:?}");
    assert_eq!(strikes.len(), 2, "for nothing else: {strikes:?}");
}

/// T15: questions without end.
#[test]
fn a_member_that_asks_for_everything_all_the_time_is_cut_off_within_ten_seconds_and_others_are_answered() {
    let mut a = Lone::ring();
    let mut ask = |peer: usize, number: u64| {
        let wanted = Query::All { known: Vec::new() };
        let outputs = a.input(StatusInput::Queried { pages: 0, query: QueryId(number), peer: node_id(peer), wanted });
        let is_answered = outputs.iter().any(|output| matches!(output, Output::Answer { .. }));
        assert_eq!(bans(&a.advance(S / 100)), [], "it is judged with the question, not later");
        (is_answered, bans(&outputs))
    };
    let banned = (0..1000).find_map(|n| ask(1, n).1.first().copied());
    assert_eq!(banned, Some(node_id(1)));
    assert_eq!(ask(2, 1000), (true, vec![]));
}

/// T12: bytes that are no message, as the edge tells of them.
#[test]
fn a_member_that_sends_what_is_no_message_is_cut_off_soon_and_what_it_had_open_ends() {
    let mut a = Lone::ring();
    a.input(asked(1, 1, Duration::ZERO));
    let struck = AccessInput::Struck { peer: node_id(1), strike: Strike::Malformed };
    let banned: Vec<_> = (0..3).flat_map(|_| bans(&a.input(struck.clone()))).collect();
    assert_eq!(banned, [node_id(1)]);
    assert_eq!(runs(&a.input(asked(1, 2, Duration::ZERO))), 0);
    let late = a.input(UnicastInput::Respond { inbound: InboundId(0), body: Bytes::new() });
    assert!(!late.iter().any(|output| matches!(output, Output::SendUnicast { to, .. } if *to == node_id(1))));
}

/// T10: a message that says it may travel for ever.
#[test]
fn a_message_that_claims_more_hops_than_any_may_have_gets_no_more() {
    let mut relay = Lone::ring();
    let far = Header { hops_left: u8::MAX, ..header(1, 2, 1) };
    let message = Message { header: far, content: Content::Request { body: Bytes::new() } };
    let outputs = relay.input(UnicastInput::Received { from: node_id(1), message });
    let sent = outputs.iter().find_map(|output| match output {
        Output::SendUnicast { to, message, .. } if *to == node_id(2) => Some(message.header.hops_left),
        _ => None,
    });
    assert_eq!(sent, Some(MAX_HOPS - 1));
}

/// T2: only the edge opens seals, and only with the key of a certified node.
#[test]
fn what_is_still_sealed_is_given_to_the_edge_and_runs_nothing() {
    let mut a = Lone::ring();
    let content = Content::Sealed { asks: true, bytes: Bytes::from_static(b"sealed") };
    let message = Message { header: Header { hops: 2, ..header(3, 0, 1) }, content };
    let outputs = a.input(UnicastInput::Received { from: node_id(1), message });
    assert!(matches!(outputs[..], [Output::Unseal(_)]), "{outputs:?}");
}

/// T11: a hop that dies while thousands of requests are on their way. `break_hop` gets the node before the target.
fn lose_a_hop(pairs: &[(usize, usize)], relay: usize, break_hop: impl Fn(&mut Simulator, usize)) {
    const RATE: u32 = 8000;
    let mut network = Simulator::new(3, Weather::default());
    network.add_nodes(5, &Config { target_degree: 0, ..Config::default() });
    for (a, b) in pairs {
        network.connect(*a, *b);
    }
    network.run_for(10 * S);
    let path = network.overlay(relay).and_then(|overlay| overlay.route(&node_id(4))).expect("a path");
    let victim = if path[1] == node_id(2) { 2 } else { 3 };
    for n in 0..RATE {
        network.request(0, 4, 10 * S);
        network.run_for(S / RATE);
        if n == RATE / 2 {
            break_hop(&mut network, victim);
        }
    }
    network.run_for(10 * S);
    let requests = &network.observed().requests;
    let failed = requests.values().filter(|trace| !matches!(trace.ended, Some((_, Ok(_))))).count();
    assert_eq!((requests.len(), failed), (RATE as usize, 0));
    assert!(requests.values().all(|trace| trace.handler_runs == 1));
}

#[test]
fn of_eight_thousand_requests_a_second_none_fails_when_a_relay_crashes() {
    lose_a_hop(&[(0, 1), (1, 2), (1, 3), (2, 4), (3, 4)], 1, |network, victim| network.crash(victim));
}

#[test]
fn of_eight_thousand_requests_a_second_none_fails_when_a_hop_falls_silent() {
    lose_a_hop(&[(0, 2), (0, 3), (2, 4), (3, 4), (1, 4)], 0, |network, victim| network.cut(victim, 4));
}

/// What waits for a record counts with its destinations: a short multicast may have hundreds.
#[test]
fn multicasts_that_wait_for_their_source_are_counted_with_their_destinations() {
    let mut a = Lone::ring();
    a.subscriber(5, &["t"]);
    for number in 1..=128 {
        let mut one = multicast(77, 1, 0..384, Bytes::new());
        one.number = number;
        one.post = one.post.map(|post| Post { seq: PublishSeq([number as u8; 32]), ..post });
        a.input(brought(1, &one));
    }
    let delivered = deliveries(&a.answered(1, vec![record(77, 1, &[1], &[])]));
    assert!((10..20).contains(&delivered), "{delivered} of 40 KiB each in half a MiB");
}

/// However many nodes an authority certifies and somebody has to turn out, what is kept of them is bounded.
#[test]
fn so_many_nodes_are_expelled_at_a_time_and_no_more() {
    let mut a = Lone::passive(0);
    for n in 1..=MAX_EXPELLED + 1 {
        a.input(AccessInput::Expelled { node: node_id(n) });
    }
    assert!(a.overlay.is_expelled(&node_id(1)) && a.overlay.is_expelled(&node_id(MAX_EXPELLED)));
    assert!(!a.overlay.is_expelled(&node_id(MAX_EXPELLED + 1)));
    a.input(AccessInput::Readmitted { node: node_id(1) });
    a.input(AccessInput::Expelled { node: node_id(MAX_EXPELLED + 1) });
    assert!(a.overlay.is_expelled(&node_id(MAX_EXPELLED + 1)), "there is room again");
}
