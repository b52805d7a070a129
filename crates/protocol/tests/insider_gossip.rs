//! What one certified member tries with what others said by gossip, and by linking anew.

use std::{collections::BTreeMap, time::Duration};

use nuncio_identity::NodeId;
use nuncio_protocol::{
    Output, PeeringInput,
    gossip::{GossipId, GossipInput, Judgement, Stamp},
    peering::Direction,
    status_sync::{Status, Version},
};
use nuncio_testkit::simulator::{Lone, announced, node_id, record, sign};

const S: Duration = Duration::from_secs(1);

fn judgements(outputs: &[Output]) -> Vec<Judgement> {
    let judgement = |output: &Output| match output {
        Output::Judged { judgement, .. } => Some(*judgement),
        _ => None,
    };
    outputs.iter().filter_map(judgement).collect()
}

fn banned(a: &Lone) -> Vec<NodeId> {
    a.overlay.bans().into_iter().map(|ban| ban.peer).collect()
}

/// A member keeps announcements of a node, and writes each in ever other bytes: they hold, and are not known as the same.
#[test]
fn announcements_played_again_go_no_further_and_cost_their_node_nothing() {
    let mut a = Lone::ring();
    let (member, honest) = (node_id(1), node_id(2));
    let version = Version { epoch: 1, seq: 1 };
    let said = |clock| (honest, version, clock);
    let hears = |a: &mut Lone, via, clock| {
        let now = a.now;
        if !a.overlay.may_check_announcement(via, said(clock), now) {
            return Vec::new();
        }
        let id = GossipId(1);
        judgements(&a.input(GossipInput::Announced { id, via, node: honest, version, clock }))
    };
    assert_eq!(hears(&mut a, honest, S), [Judgement::Fresh]);
    assert_eq!(judgements(&a.input(announced(1, 2, 1))), [Judgement::Dropped], "one that is older");
    for second in 2..62_u32 {
        for _ in 0..500 {
            assert_eq!(hears(&mut a, member, S * (second - 1)), [], "it was passed on before");
            a.advance(S / 500);
        }
        // Nor is it out of allowance for copies of what it is about to say, which hold as well.
        for _ in 0..200 {
            a.overlay.may_check_announcement(member, said(S * second), a.now);
        }
        assert!((0..4).all(|_| a.overlay.may_pulse(honest, a.now)));
        assert_eq!(hears(&mut a, honest, S * second), [Judgement::Fresh]);
        assert!(!banned(&a).contains(&honest));
    }
    for _ in 0..30_000 {
        hears(&mut a, member, S);
    }
    a.advance(S);
    assert_eq!(banned(&a), [member], "who brings so many is cut off");
}

/// The honest relay, and the node behind it.
const RELAY: usize = 1;
const TARGET: usize = 2;

/// An announcement, if its signature is worth checking; says whether it goes on.
fn hears(a: &mut Lone, via: usize, (n, clock): (usize, u32)) -> bool {
    let (via, node, clock, version) = (node_id(via), node_id(n), S / 100 * clock, Version { epoch: 1, seq: 1 });
    let now = a.now;
    a.overlay.may_check_announcement(via, (node, version, clock), now) && {
        let input = GossipInput::Announced { id: GossipId(1), via, node, version, clock };
        judgements(&a.input(input)) == [Judgement::Fresh]
    }
}

/// One agency has a hundred nodes, whose announcements a linked member brings: as many at once, and then a second, as a neighbour puts
/// up with. The relay, which has those of others besides, takes no more than what its neighbour takes of one, and all of the others.
#[test]
fn announcements_of_many_are_not_too_many_for_who_gets_them_of_one() {
    let (member, other, theirs, others) = (3, 4, 100..200, 300..340);
    let of_agency = |n: usize| {
        let agency = if theirs.contains(&n) { "issues without end" } else { "another" };
        sign(Status { agency: agency.into(), ..record(n, 1, &[member], &[]).status.clone() })
    };
    let records: Vec<_> = theirs.clone().chain(others.clone()).map(of_agency).collect();
    let (mut relay, mut target) = (Lone::passive(RELAY), Lone::passive(TARGET));
    for n in [TARGET, member, other] {
        relay.link(n, &[RELAY], &[]);
    }
    target.link(RELAY, &[TARGET], &[]);
    relay.answered(member, records.clone());
    target.answered(RELAY, records);
    let (mut passed, mut lost) = (0, 0);
    let mut bring = |relay: &mut Lone, target: &mut Lone, via: usize, said| {
        let goes_on = hears(relay, via, said);
        passed += usize::from(goes_on);
        lost += usize::from(!goes_on && via == other);
        if goes_on {
            hears(target, RELAY, said);
        }
    };
    for clock in 1..=100 {
        theirs.clone().for_each(|n| bring(&mut relay, &mut target, member, (n, clock)));
    }
    for tenth in 1..=60 {
        relay.advance(S / 10);
        target.advance(S / 10);
        let clock = 100 + tenth;
        theirs.clone().skip(1).for_each(|n| bring(&mut relay, &mut target, member, (n, clock)));
        let of_others = others.clone().filter(|n| n % 5 == tenth as usize % 5);
        of_others.for_each(|n| bring(&mut relay, &mut target, other, (n, clock)));
        // Its own.
        hears(&mut target, RELAY, (RELAY, clock));
    }
    assert!(passed > 7_000, "{passed}");
    assert_eq!(lost, 0, "of those of others");
    assert_eq!([relay, target].map(|node| node.overlay.strikes().clone()), [BTreeMap::new(), BTreeMap::new()]);
}

/// The same of an application's messages.
#[test]
fn messages_played_again_cost_their_origin_nothing() {
    let mut a = Lone::ring();
    let (member, honest) = (node_id(1), node_id(2));
    let stamp = |number, sent| Stamp { origin: honest, epoch: 1, number, sent, lifetime: 30 * S };
    let hears = |a: &mut Lone, via, stamp: Stamp| {
        let now = a.now;
        if !a.overlay.may_check_gossip(via, &stamp, 64, now) {
            return Vec::new();
        }
        let received = GossipInput::Received { id: GossipId(1), via, stamp, length: 64, numbered: None };
        judgements(&a.input(received))
    };
    for number in 1..=4_000_u32 {
        let sent = S / 1_000 * number;
        assert_eq!(hears(&mut a, honest, stamp(number.into(), sent)), [Judgement::Fresh], "{number}");
        for again in number.saturating_sub(7)..number {
            assert_eq!(hears(&mut a, member, stamp(again.into(), S / 1_000 * again)), []);
        }
        a.advance(S / 1_000);
    }
    assert!(!banned(&a).contains(&honest));
}

/// What a member may do in a second, and at once, it may do once, however often it links anew.
#[test]
fn who_links_anew_all_the_time_has_no_more_than_who_stays() {
    let mut a = Lone::passive(0);
    a.link(2, &[0], &[]);
    let (mut checked, mut clock) = (0, 0);
    for _ in 0..60 {
        let (connection, _) = a.connect(1, Direction::Inbound);
        a.answered(1, vec![record(1, 1, &[0], &[])]);
        for n in 0..9_900_u64 {
            clock += 1;
            let unknown = (node_id(10 + n as usize % 1_000), Version { epoch: 1, seq: clock }, S);
            checked += usize::from(a.overlay.may_check_announcement(node_id(1), unknown, a.now));
        }
        a.outputs();
        a.input(PeeringInput::ConnectionClosed { connection, reason: "again".into() });
        a.advance(S);
        if !banned(&a).is_empty() {
            break;
        }
    }
    assert!(checked <= 12_000, "{checked}");
    assert_eq!(banned(&a), [node_id(1)]);
}
