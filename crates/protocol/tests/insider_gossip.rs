//! What one certified member tries with what others said by gossip, and by linking anew.

use std::time::Duration;

use nuncio_identity::NodeId;
use nuncio_protocol::{
    Output, PeeringInput,
    gossip::{GossipId, GossipInput, Judgement, Stamp},
    peering::Direction,
    status_sync::Version,
};
use nuncio_testkit::simulator::{Lone, announced, node_id, record};

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
