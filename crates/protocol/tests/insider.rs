//! What one certified member tries to have honest nodes do to each other: blame a relay, forget a restarted node, lose
//! somebody's messages, refuse everybody's.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use nuncio_identity::NodeId;
use nuncio_protocol::{
    AccessInput, BridgeInput, Config, Header, Input, MAX_LIFETIME, MulticastInput, Output, PeeringInput, SealEnd,
    Strike, UnicastInput,
    amop::{self, ClientOutput, Multicast, Post},
    gossip::{GossipId, GossipInput, Judgement, Stamp},
    multicast::{Batch, Destination, Leg},
    peering::{ConnectionId, Direction},
    status_sync::{Status, Version},
    unicast::{Content, ExchangeId, InboundId, Message, Refusal},
};
use nuncio_testkit::simulator::{Lone, address, batch, header, listening, multicast, node_id, record, sign};

const S: Duration = Duration::from_secs(1);

/// The member, the honest relay, the node behind it, and one behind that.
const MEMBER: usize = 0;
const RELAY: usize = 1;
const TARGET: usize = 2;
const BEHIND: usize = 3;

fn request(from: usize, header: Header) -> UnicastInput {
    let message = Message { header, content: Content::Request { body: Bytes::new() } };
    UnicastInput::Received { from: node_id(from), message }
}

fn runs(outputs: &[Output]) -> usize {
    outputs.iter().filter(|output| matches!(output, Output::Request { .. })).count()
}

fn pushed(from: usize, batch: Batch, target: usize, since: u64) -> MulticastInput {
    let destinations = vec![Destination { node: node_id(target), since }];
    MulticastInput::Received {
        from: node_id(from),
        leg: Leg { batch: Arc::new(batch), hops_left: 15, priority: Default::default(), destinations },
    }
}

fn brought(from: usize, multicast: Multicast) -> BridgeInput {
    BridgeInput::MulticastReceived { from: node_id(from), multicast }
}

/// The relay between the member and the others, in the middle of a line.
fn relay() -> Lone {
    let mut relay = Lone::passive(RELAY);
    relay.link(MEMBER, &[RELAY], &[]);
    relay.link(TARGET, &[RELAY, BEHIND], &[]);
    relay.answered(TARGET, vec![listening(TARGET, 2, &[RELAY, BEHIND], &[]), record(BEHIND, 1, &[TARGET], &[])]);
    relay
}

/// Whom the relay brings what it passes on.
fn target() -> Lone {
    let mut target = Lone::passive(TARGET);
    target.link(RELAY, &[TARGET, MEMBER], &[]);
    target.link(BEHIND, &[TARGET], &[]);
    target.answered(RELAY, vec![record(MEMBER, 1, &[RELAY], &[])]);
    target
}

/// What crosses from the relay to the target, as it arrives there.
fn crossing(outputs: Vec<Output>) -> Vec<Input> {
    let (from, is_next) = (node_id(RELAY), |to: NodeId| to == node_id(TARGET));
    let crosses = |output| match output {
        Output::SendUnicast { to, message, .. } if is_next(to) => Some(UnicastInput::Received { from, message }.into()),
        Output::SendBridge { to, message, .. } if is_next(to) => Some(BridgeInput::Received { from, message }.into()),
        Output::SendMulticast { to, multicast, .. } if is_next(to) => {
            Some(BridgeInput::MulticastReceived { from, multicast }.into())
        }
        Output::SendBatch { to, leg, .. } if is_next(to) => Some(MulticastInput::Received { from, leg }.into()),
        _ => None,
    };
    outputs.into_iter().filter_map(crosses).collect()
}

/// A member that shows its record to nobody: what a relay passed on of it, others would hold the relay to account for.
#[test]
fn nothing_of_a_member_is_passed_on_that_has_not_shown_its_record() {
    type Make = fn(u64) -> Input;
    let publish = |number| {
        let content = amop::Content::Sealed { asks: true, bytes: Bytes::new() };
        let message = amop::Message { header: header(MEMBER, TARGET, number), content };
        BridgeInput::Received { from: node_id(MEMBER), message }.into()
    };
    let kinds: [(&str, Make); 4] = [
        ("requests", |number| request(MEMBER, header(MEMBER, TARGET, number)).into()),
        ("AMOP", publish),
        ("AMOP multicasts", |number| brought(MEMBER, multicast(MEMBER, number, [TARGET], "hi")).into()),
        ("batches", |number| pushed(MEMBER, batch(MEMBER, number, vec!["x".into()]), TARGET, 1).into()),
    ];
    for (what, make) in kinds {
        let mut relay = Lone::passive(RELAY);
        relay.connect(MEMBER, Direction::Inbound);
        relay.link(TARGET, &[RELAY], &[]);
        relay.answered(TARGET, vec![listening(TARGET, 2, &[RELAY], &[])]);
        for number in 1..=10 {
            assert_eq!(crossing(relay.input(make(number))), [], "{what}");
            relay.advance(S / 100);
        }
        let shown = crossing(relay.answered(MEMBER, vec![record(MEMBER, 1, &[RELAY], &[])]));
        assert_eq!(shown.len(), 10, "{what}: with its record it goes on");
    }
    let mut relay = Lone::passive(RELAY);
    relay.connect(MEMBER, Direction::Inbound);
    let stamp = Stamp { origin: node_id(MEMBER), epoch: 1, number: 1, sent: Duration::ZERO, lifetime: 30 * S };
    let gossip = GossipInput::Received { id: GossipId(7), via: node_id(MEMBER), stamp, length: 1, numbered: None };
    let is_judged = |outputs: &[Output]| {
        outputs.iter().any(|output| matches!(output, Output::Judged { judgement: Judgement::Fresh, .. }))
    };
    assert!(!is_judged(&relay.input(gossip)), "gossip");
    assert!(is_judged(&relay.answered(MEMBER, vec![record(MEMBER, 1, &[RELAY], &[])])));
}

/// A relay knows its messages by their marks, and so does its neighbour; but what is garbage to the neighbour, and what finds
/// no room on the link, only the relay ever saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filler {
    /// The neighbour's edge cannot open it.
    Unopened,
    /// It counts no longer than any message may, and its target says so.
    Late,
    /// The link has no room for it.
    NotSent,
}

/// The member sends the same four thousand messages again and again, and between them as many others as make the relay forget
/// these.
fn copies_and_filler(filler: Filler) -> BTreeMap<Strike, u64> {
    let (mut relay, mut target) = (relay(), target());
    for round in 1..=9 {
        for copy in 1..=4_090 {
            let seal = SealEnd(copy as u32);
            let copied = request(MEMBER, Header { seal, lifetime: MAX_LIFETIME, ..header(MEMBER, BEHIND, copy) });
            for input in crossing(relay.input(copied)) {
                target.input(input);
            }
        }
        for number in 1..=33_000 {
            fill(filler, round * 100_000 + number, &mut relay, &mut target);
        }
        // Ninety thousand a second.
        relay.advance(S * 2 / 5);
        target.advance(S * 2 / 5);
    }
    assert_eq!(*relay.overlay.strikes(), BTreeMap::new(), "each message came nine times to the relay");
    target.overlay.strikes().clone()
}

fn fill(filler: Filler, number: u64, relay: &mut Lone, target: &mut Lone) {
    let seal = SealEnd(number as u32);
    let lifetime = if filler == Filler::Late { 3600 * S } else { MAX_LIFETIME };
    let garbage = request(MEMBER, Header { seal, lifetime, ..header(MEMBER, TARGET, number) });
    for input in crossing(relay.input(garbage)) {
        let to = node_id(TARGET);
        match (filler, input) {
            (Filler::Unopened, _) => {
                target.input(AccessInput::Unread { peer: node_id(RELAY), messages: 1 });
            }
            (Filler::Late, input) => {
                target.input(input);
            }
            (_, Input::Unicast(UnicastInput::Received { message, .. })) => {
                relay.input(UnicastInput::NotSent { to, message });
            }
            _ => {}
        }
    }
}

#[test]
fn a_relay_that_was_made_to_forget_is_not_blamed_for_copies() {
    for filler in [Filler::Unopened, Filler::Late, Filler::NotSent] {
        assert_eq!(copies_and_filler(filler), BTreeMap::new(), "{filler:?}");
    }
}

/// Two members push as many messages as each may, in few batches: their neighbour takes no more of one than that.
#[test]
fn short_messages_of_two_are_not_too_many_for_who_gets_them_of_one() {
    let (mut relay, mut target) = (relay(), target());
    let members = [4, 5];
    for member in members {
        relay.link(member, &[RELAY], &[]);
        target.answered(RELAY, vec![record(member, 1, &[RELAY], &[])]);
    }
    let mut passed = 0;
    for round in 0..2 * 900 {
        for member in members {
            let batch = batch(member, 1 + round * 4_096, vec![Bytes::new(); 4_096]);
            for input in crossing(relay.input(pushed(member, batch, TARGET, 1))) {
                passed += 1;
                target.input(input);
            }
        }
        relay.advance(S / 900);
        target.advance(S / 900);
    }
    assert_eq!(*relay.overlay.strikes(), BTreeMap::new());
    assert_eq!(*target.overlay.strikes(), BTreeMap::new());
    assert!(passed > 1_000, "{passed}");
}

/// A listener that hears node 3 over node 1, and the member over a link of its own.
fn listener() -> Lone {
    let mut a = Lone::passive(0);
    for n in [1, 2] {
        a.link(n, &[0, 3], &[]);
        a.answered(n, vec![listening(n, 2, &[0, 3], &[])]);
    }
    a.answered(1, vec![record(3, 1, &[1, 2], &[])]);
    a
}

/// The numbers of what the application hears, and of the gaps.
fn heard(outputs: &[Output]) -> (Vec<u64>, Vec<(u64, u64)>) {
    let (mut numbers, mut gaps) = (Vec::new(), Vec::new());
    for output in outputs {
        match output {
            Output::Multicast { first, bodies, .. } => numbers.extend((*first..).take(bodies.len())),
            Output::Gap { from, to, .. } => gaps.push((*from, *to)),
            _ => {}
        }
    }
    (numbers, gaps)
}

/// Where an origin's memory begins, whoever brings a batch says: a member that is faster than the honest way says that the
/// others are gone, and this one with them.
#[test]
fn whoever_brings_a_batch_first_makes_nobody_give_up_what_is_on_its_way() {
    let mut a = listener();
    let one = |first| batch(3, first, vec![Bytes::from_static(b"x")]);
    let mut outputs = a.input(pushed(1, one(1), 0, 1));
    outputs.extend(a.input(pushed(2, one(3), 0, 4)));
    outputs.extend(a.advance(S / 20));
    for first in [2, 3, 4] {
        outputs.extend(a.input(pushed(1, one(first), 0, 1)));
    }
    assert_eq!(heard(&outputs), (vec![1, 2, 3, 4], vec![]));

    let mut fresh = listener();
    let mut outputs = fresh.input(pushed(2, one(1), 0, 2));
    outputs.extend(fresh.input(pushed(1, one(1), 0, 1)));
    outputs.extend(fresh.input(pushed(1, one(2), 0, 1)));
    assert_eq!(heard(&outputs), (vec![1, 2], vec![]), "nor the first one of all");
}

/// Before a node has said in which epoch it runs, a member says it in its name.
#[test]
fn an_epoch_that_others_claim_for_a_newcomer_does_not_silence_its_next_life() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    a.link(2, &[0, 3], &[]);
    let (connection, direction) = (ConnectionId(100), Direction::Inbound);
    a.input(PeeringInput::ConnectionOpened { connection, peer: node_id(3), direction, address: address(3) });
    let claimed = Header { source_epoch: u64::MAX, hops: 2, ..header(3, 0, 1) };
    let content = Content::Sealed { asks: true, bytes: Bytes::new() };
    a.input(UnicastInput::Received { from: node_id(1), message: Message { header: claimed, content } });
    a.input(PeeringInput::Introduced { connection, epoch: 1 });
    assert_eq!(runs(&a.input(request(3, header(3, 0, 1)))), 1);
    a.input(PeeringInput::ConnectionClosed { connection, reason: "it restarts".into() });
    let status = record(3, 1, &[2], &[]).status.clone();
    a.answered(2, vec![sign(Status { version: Version { epoch: 2, seq: 1 }, ..status })]);
    let anew = Header { source_epoch: 2, hops: 2, ..header(3, 0, 2) };
    assert_eq!(runs(&a.input(request(2, anew))), 1, "it is heard in its next life, over others");
}

/// A member saw whose seq is on its way, and sends something else under it.
#[test]
fn a_seq_that_another_publisher_uses_first_keeps_no_message_from_anybody() {
    let mut a = Lone::ring();
    a.subscriber(5, &["t"]);
    let delivered = |outputs: &[Output]| -> Vec<Bytes> {
        let data = |output: &Output| match output {
            Output::Client(ClientOutput::Deliver { data, .. }) => Some(data.clone()),
            _ => None,
        };
        outputs.iter().filter_map(data).collect()
    };
    assert_eq!(delivered(&a.input(brought(1, multicast(1, 1, [0], "forestalled")))), ["forestalled"]);
    assert_eq!(delivered(&a.input(brought(2, multicast(3, 1, [0], "hi")))), ["hi"]);
    assert_eq!(
        delivered(&a.input(brought(2, multicast(2, 1, [0], "hi")))),
        [""; 0],
        "handed to two nodes it comes once"
    );
}

/// A member has as many requests at an application as there may be, and nobody answers them.
#[test]
fn requests_of_one_member_leave_room_for_those_of_others() {
    let mut a = Lone::new(0, Config { target_degree: 0, max_exchanges: 1_000, ..Config::default() });
    for n in [1, 2, 3] {
        a.link(n, &[0], &[]);
    }
    let mut flood = |n, lifetime| {
        let asked = |number| request(n, Header { lifetime, ..header(n, 0, number) });
        (1..=1_000).map(|number| runs(&a.input(asked(number)))).sum::<usize>()
    };
    assert!((400..=600).contains(&flood(1, MAX_LIFETIME)), "one has half");
    assert!((200..=400).contains(&flood(2, MAX_LIFETIME)), "a second one half of what is left");
    assert_eq!(runs(&a.input(request(3, header(3, 0, 1)))), 1, "others are served");
}

/// The member's requests have taken the room, and one that was refused comes over another way when there is some.
#[test]
fn a_request_that_was_refused_as_busy_does_not_run_when_it_comes_once_more() {
    let mut a = Lone::new(0, Config { target_degree: 0, max_exchanges: 2, ..Config::default() });
    for n in [1, 2] {
        a.link(n, &[0, 3], &[]);
    }
    a.answered(1, vec![record(3, 1, &[1, 2], &[])]);
    let said = |outputs: &[Output]| -> Vec<Content> {
        let content = |output: &Output| match output {
            Output::SendUnicast { message, .. } => Some(message.content.clone()),
            _ => None,
        };
        outputs.iter().filter_map(content).collect()
    };
    let busy = vec![Content::Failure { refusal: Refusal::Busy }];
    assert_eq!(runs(&a.input(request(1, header(1, 0, 1)))), 1);
    assert_eq!(runs(&a.input(request(2, header(2, 0, 1)))), 1);
    assert_eq!(said(&a.input(request(1, header(3, 0, 1)))), busy);
    a.input(UnicastInput::Respond { inbound: InboundId(0), body: Bytes::new() });
    a.input(UnicastInput::Respond { inbound: InboundId(1), body: Bytes::new() });
    let again = a.input(request(2, header(3, 0, 1)));
    assert_eq!((runs(&again), said(&again)), (0, vec![]), "its source was told that nobody saw it");
    let anew = a.input(request(2, Header { sent: S, ..header(3, 0, 1) }));
    assert_eq!((runs(&anew), said(&anew)), (0, busy), "and is told so again when it asks again");
    assert_eq!(runs(&a.input(request(2, header(3, 0, 2)))), 1, "the next one runs");
}

/// A target that says again and again that it has started anew gets a request of ten mebibytes each time.
#[test]
fn a_target_that_restarts_without_end_is_not_sent_the_request_without_end() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    let body = Bytes::from(vec![0; 1 << 20]);
    let (target, timeout) = (node_id(1), 60 * S);
    let mut outputs = a.input(UnicastInput::Request {
        exchange: ExchangeId(1),
        target,
        body,
        timeout,
        trace: Default::default(),
        priority: Default::default(),
    });
    let (mut sent, mut ended) = (0, 0);
    for round in 0..100 {
        sent += outputs.iter().filter(|output| matches!(output, Output::SendUnicast { .. })).count();
        ended += outputs.iter().filter(|output| matches!(output, Output::Completed { .. })).count();
        let header = Header { sent: S * round, ..header(1, 0, 1) };
        let message = Message { header, content: Content::Outlived };
        outputs = a.input(UnicastInput::Received { from: node_id(1), message });
    }
    assert!(sent <= 4, "{sent} times");
    assert_eq!(ended, 1);
}

/// A member fills what waits for a known node's record, in that node's name.
#[test]
fn messages_in_anothers_name_keep_no_room_from_its_next_life() {
    let mut a = Lone::ring();
    let content = || Content::Sealed { asks: true, bytes: Bytes::new() };
    for number in 1..=100 {
        let header = Header { source_epoch: 99, hops: 2, ..header(3, 0, number) };
        a.input(UnicastInput::Received { from: node_id(1), message: Message { header, content: content() } });
    }
    let anew = Header { source_epoch: 2, hops: 2, ..header(3, 0, 1) };
    assert_eq!(runs(&a.input(request(2, anew))), 0, "its record has not come");
    let status = record(3, 1, &[1, 2], &[]).status.clone();
    let answered = a.answered(2, vec![sign(Status { version: Version { epoch: 2, seq: 1 }, ..status })]);
    assert_eq!(runs(&answered), 1);
}

/// So many members that each fill their share of what waits, with messages that never end in others' names.
#[test]
fn messages_that_many_members_bring_in_others_names_leave_room_for_what_another_brings() {
    let mut a = Lone::ring();
    let (members, sources) = (10..20, |member: usize| [2 * member + 80, 2 * member + 81]);
    for member in members.clone() {
        a.link(member, &[0, 3], &[]);
        a.answered(1, sources(member).map(|n| record(n, 1, &[1], &[])).into());
    }
    for member in members {
        for (source, number) in
            sources(member).into_iter().flat_map(|source| (1..=64).map(move |number| (source, number)))
        {
            let header = Header { source_epoch: 99, hops: 2, ..header(source, 0, number) };
            a.input(request(member, header));
        }
    }
    let anew = |number| Header { source_epoch: 2, hops: 2, ..header(3, 0, number) };
    assert_eq!((1..=4).map(|number| runs(&a.input(request(2, anew(number))))).sum::<usize>(), 0);
    let status = record(3, 1, &[1, 2], &[]).status.clone();
    let answered = a.answered(2, vec![sign(Status { version: Version { epoch: 2, seq: 1 }, ..status })]);
    assert_eq!(runs(&answered), 4);
}

/// A member held a request back for an hour, and plays the announcements of that time again: its source's clock seems to have
/// stood still.
#[test]
fn announcements_played_again_set_no_clock_back() {
    let mut a = Lone::ring();
    let announce = |a: &mut Lone, via, clock| {
        let (node, version) = (node_id(3), Version { epoch: 1, seq: 1 });
        a.input(GossipInput::Announced { id: GossipId(1), via: node_id(via), node, version, clock });
    };
    for ten in 0..=360_u32 {
        announce(&mut a, 2, 10 * S * ten);
        a.advance(10 * S);
    }
    for second in 0..12_u32 {
        announce(&mut a, 1, 60 * S + S * second);
        a.advance(S);
    }
    let held_back = Header { sent: 71 * S, lifetime: 30 * S, hops: 2, ..header(3, 0, 7) };
    assert_eq!(runs(&a.input(request(1, held_back))), 0, "nobody waits for it any more");
}

/// A member brings what another one sent again, as often as it may: that one's allowance is its own.
#[test]
fn multicasts_brought_again_use_up_nothing_of_their_source() {
    let mut a = Lone::ring();
    a.subscriber(5, &["t"]);
    let (mut delivered, mut last) = (0, None);
    for number in 1..=6_000_u64 {
        let sent = S / 1_500 * number as u32;
        let one = Multicast { sent, ..multicast(3, number, [0], "hi") };
        let post = one.post.clone().map(|post| Post { data: number.to_string().into(), ..post });
        // What is left of the allowance, the copies would take before the next one.
        for _ in 0..1 + u64::from(number % 4 == 0) {
            last.iter().for_each(|last| drop(a.input(brought(1, Multicast::clone(last)))));
        }
        let outputs = a.input(brought(2, Multicast { post, ..one.clone() }));
        delivered += outputs.iter().filter(|output| matches!(output, Output::Client(_))).count();
        last = Some(one);
        a.advance(S / 1_500);
    }
    assert_eq!(delivered, 6_000);
    assert_eq!(*a.overlay.strikes(), BTreeMap::new());
}

/// A member brings what another one sent for other destinations each time, which nobody has signed.
#[test]
fn a_multicast_brought_for_others_each_time_uses_up_nothing_of_its_source() {
    let mut relay = relay();
    for n in 0..1_250 {
        relay.input(brought(MEMBER, multicast(TARGET, 1, [500 + n], "hi")));
    }
    let outputs = relay.input(brought(TARGET, multicast(TARGET, 2, [MEMBER], "hi")));
    assert!(outputs.iter().any(|output| matches!(output, Output::SendMulticast { .. })), "{outputs:?}");
}

#[test]
fn a_multicast_beyond_its_sources_allowance_goes_on_for_nobody_who_brings_it_as_well() {
    let mut relay = relay();
    let mut goes_on = |from, number, to| {
        let outputs = relay.input(brought(from, multicast(BEHIND, number, [to], "hi")));
        outputs.iter().any(|output| matches!(output, Output::SendMulticast { .. }))
    };
    assert!((1..=1_250).all(|number| goes_on(MEMBER, number, TARGET)));
    let later = [MEMBER, MEMBER, TARGET].map(|from| goes_on(from, 1_251, MEMBER + TARGET - from));
    assert_eq!(later, [false; 3]);
}

/// The same with long ones: their copies are charged to who brings them.
#[test]
fn copies_for_nodes_that_a_member_names_are_charged_to_the_member() {
    let mut relay = relay();
    let body: &'static str = Box::leak("x".repeat(8 << 20).into_boxed_str());
    // Six gibibytes in all.
    for (number, count) in (1..).zip([383, 383, 1, 1]) {
        relay.input(brought(MEMBER, multicast(TARGET, number, 500..500 + count, body)));
    }
    let outputs = relay.input(brought(TARGET, multicast(TARGET, 9, [MEMBER], body)));
    assert!(outputs.iter().any(|output| matches!(output, Output::SendMulticast { .. })));
}

/// Each costs whoever gets it the check of a signature, wanted or not.
#[test]
fn a_member_that_floods_with_signed_multicasts_is_cut_off_and_a_relay_between_is_not() {
    let mut a = Lone::ring();
    let mut banned = None;
    for number in 1..=200_000_u64 {
        let sent = S / 20_000 * number as u32;
        let flood = Multicast { sent, ..multicast(1, number, [0], "hi") };
        let outputs = a.input(brought(1, flood));
        if outputs.iter().any(|output| matches!(output, Output::Ban { .. })) {
            banned = Some(number);
            break;
        }
        a.advance(S / 20_000);
    }
    assert!(banned.is_some(), "ten seconds of twenty thousand each");

    let (mut relay, mut target) = (relay(), target());
    let members = [MEMBER, 4, 5, 6, 7, 8];
    for member in &members[1..] {
        relay.link(*member, &[RELAY], &[]);
        target.answered(RELAY, vec![record(*member, 1, &[RELAY], &[])]);
    }
    for number in 1..=2_400 * 6 {
        for member in members {
            let sent = S / 2_400 * number as u32;
            let one = Multicast { sent, ..multicast(member, number, [TARGET], "hi") };
            for input in crossing(relay.input(brought(member, one))) {
                target.input(input);
            }
        }
        relay.advance(S / 2_400);
        target.advance(S / 2_400);
    }
    assert_eq!(*target.overlay.strikes(), BTreeMap::new());
}
