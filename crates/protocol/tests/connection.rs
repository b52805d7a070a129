//! Keeping links: A dials B, B answers, both know each other, and exactly one connection carries the link.

use std::time::Duration;

use nuncio_protocol::{
    AccessInput, Config, Output, PeeringInput, StatusInput, Strike,
    peering::{ConnectionId, Direction, LinkDownReason},
    status_sync::Query,
};
use nuncio_testkit::simulator::{Lone, Simulator, Weather, address, node_id, record};

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);

fn dials(outputs: &[Output]) -> usize {
    outputs.iter().filter(|output| matches!(output, Output::Dial { .. })).count()
}

fn closes(outputs: &[Output]) -> Vec<ConnectionId> {
    let closed = |output: &Output| match output {
        Output::Close { connection, .. } => Some(*connection),
        _ => None,
    };
    outputs.iter().filter_map(closed).collect()
}

fn moved(outputs: &[Output]) -> bool {
    outputs.iter().any(|output| matches!(output, Output::LinkMoved { .. }))
}

/// Two node numbers, the one with the lower ID first.
fn ordered() -> (usize, usize) {
    if node_id(0) < node_id(1) { (0, 1) } else { (1, 0) }
}

#[test]
fn a_configured_peer_is_dialled_at_once_and_linked_when_it_answers() {
    let mut a = Lone::new(0, Config::default());
    let outputs = a.input(PeeringInput::PeerAdded { address: address(1) });
    assert_eq!(outputs, [Output::Dial { address: address(1), expected: None }]);

    let (connection, outputs) = a.connect(1, Direction::Outbound);
    assert!(outputs.contains(&Output::LinkUp { peer: node_id(1), connection }));
    let asks_for_all = |output: &Output| matches!(output, Output::Query { wanted: Query::All { .. }, .. });
    assert!(outputs.iter().any(asks_for_all), "a new link is asked for all it knows: {outputs:?}");
    assert_eq!(a.overlay.links().len(), 1);
    assert!(a.overlay.pending_peers().is_empty());
}

#[test]
fn a_failed_dial_is_repeated_after_growing_pauses() {
    let mut a = Lone::new(0, Config::default());
    a.input(PeeringInput::PeerAdded { address: address(1) });
    let mut pauses = Vec::new();
    for _ in 0..12 {
        assert_eq!(dials(&a.input(PeeringInput::DialFailed { address: address(1), reason: "refused".into() })), 0);
        let start = a.now;
        while dials(&a.advance(10 * MS)) == 0 {}
        pauses.push(a.now - start);
    }
    assert!(pauses[0] >= 250 * MS && pauses[0] <= 520 * MS, "{pauses:?}");
    assert!(pauses.iter().all(|pause| *pause <= 15_020 * MS), "{pauses:?}");
    assert!(pauses[6..].iter().any(|pause| *pause > 2 * S), "{pauses:?}");
    assert_eq!(a.overlay.pending_peers()[0].last_error.as_deref(), Some("refused"));
}

#[test]
fn another_certificate_is_shown_at_once_to_whoever_refused_the_one_before() {
    let mut a = Lone::new(0, Config::default());
    a.input(PeeringInput::PeerAdded { address: address(1) });
    for _ in 0..5 {
        a.input(PeeringInput::DialFailed { address: address(1), reason: "expired".into() });
        a.advance(60 * S);
    }
    let refused = a.input(PeeringInput::DialFailed { address: address(1), reason: "expired".into() });
    assert_eq!(dials(&refused), 0, "it waits");
    assert_eq!(dials(&a.input(StatusInput::CertificateRenewed)), 1);
}

#[test]
fn a_lost_link_is_down_before_it_is_up_again() {
    let mut a = Lone::new(0, Config::default());
    a.input(PeeringInput::PeerAdded { address: address(1) });
    let (connection, _) = a.connect(1, Direction::Outbound);
    let outputs = a.input(PeeringInput::ConnectionClosed { connection, reason: "reset".into() });
    assert!(outputs.contains(&Output::LinkDown { peer: node_id(1), reason: LinkDownReason::Closed("reset".into()) }));
    assert_eq!(dials(&a.advance(S)), 1, "it is dialled again");
    let (_, outputs) = a.connect(1, Direction::Outbound);
    assert!(outputs.iter().any(|output| matches!(output, Output::LinkUp { .. })));
}

#[test]
fn of_two_crossed_dials_the_one_of_the_lower_id_stays() {
    let (lower, higher) = ordered();
    let mut low = Lone::new(lower, Config::default());
    let (losing, _) = low.connect(higher, Direction::Inbound);
    let (winning, outputs) = low.connect(higher, Direction::Outbound);
    assert!(outputs.contains(&Output::LinkMoved { peer: node_id(higher), connection: winning }));
    assert!(closes(&low.advance(990 * MS)).is_empty(), "the loser drains");
    assert_eq!(closes(&low.advance(20 * MS)), [losing]);

    let mut high = Lone::new(higher, Config::default());
    let (winning, _) = high.connect(lower, Direction::Inbound);
    let (losing, outputs) = high.connect(lower, Direction::Outbound);
    assert!(!moved(&outputs));
    assert_eq!(high.overlay.links()[0].connection, winning);
    assert!(closes(&high.advance(1990 * MS)).is_empty(), "the higher ID leaves the closing to the lower");
    assert_eq!(closes(&high.advance(20 * MS)), [losing]);
}

#[test]
fn a_second_connection_in_one_direction_replaces_a_half_open_one() {
    let mut a = Lone::new(0, Config::default());
    let (old, _) = a.connect(1, Direction::Inbound);
    let (new, outputs) = a.connect(1, Direction::Inbound);
    assert!(outputs.contains(&Output::LinkMoved { peer: node_id(1), connection: new }));
    let outputs = a.input(PeeringInput::ConnectionClosed { connection: old, reason: "timeout".into() });
    assert!(!outputs.iter().any(|output| matches!(output, Output::LinkDown { .. })), "the link lives on");
}

#[test]
fn a_link_moves_to_the_spare_connection_when_its_own_ends() {
    let (lower, higher) = ordered();
    let mut low = Lone::new(lower, Config::default());
    let (spare, _) = low.connect(higher, Direction::Inbound);
    let (carrier, _) = low.connect(higher, Direction::Outbound);
    let outputs = low.input(PeeringInput::ConnectionClosed { connection: carrier, reason: "reset".into() });
    assert_eq!(outputs, [Output::LinkMoved { peer: node_id(higher), connection: spare }]);
    assert!(closes(&low.advance(5 * S)).is_empty(), "the spare one is no longer to be closed");
}

#[test]
fn an_old_link_yields_to_a_new_connection_whoever_dialled() {
    let (lower, higher) = ordered();
    let mut low = Lone::new(lower, Config::default());
    low.connect(higher, Direction::Outbound);
    low.advance(11 * S);
    let (_, outputs) = low.connect(higher, Direction::Inbound);
    assert!(moved(&outputs), "dials cannot have crossed: the peer lost its end of the old connection");
}

#[test]
fn an_address_of_our_own_is_given_up() {
    let mut a = Lone::new(0, Config::default());
    a.input(PeeringInput::PeerAdded { address: address(7) });
    let own = PeeringInput::ConnectionOpened {
        connection: ConnectionId(1),
        peer: node_id(0),
        direction: Direction::Outbound,
        address: address(7),
    };
    assert_eq!(closes(&a.input(own)), [ConnectionId(1)]);
    assert_eq!(dials(&a.advance(60 * S)), 0);
    assert!(a.overlay.links().is_empty());
}

#[test]
fn a_removed_peer_is_closed_and_not_dialled_again() {
    let mut a = Lone::new(0, Config::default());
    a.input(PeeringInput::PeerAdded { address: address(1) });
    let connection = a.link(1, &[0], &[]);
    let outputs = a.input(PeeringInput::PeerRemoved { address: address(1) });
    assert_eq!(closes(&outputs), [connection]);
    assert!(outputs.contains(&Output::LinkDown { peer: node_id(1), reason: LinkDownReason::Removed }));
    assert_eq!(dials(&a.advance(120 * S)), 0);
}

#[test]
fn an_expelled_node_is_gone_until_it_is_readmitted() {
    let mut a = Lone::new(0, Config::default());
    a.input(PeeringInput::PeerAdded { address: address(1) });
    let connection = a.link(1, &[0], &[]);
    assert!(a.overlay.is_certified(&node_id(1)));
    let outputs = a.input(AccessInput::Expelled { node: node_id(1) });
    assert!(outputs.contains(&Output::Close { connection, reason: LinkDownReason::Expelled }));
    assert!(outputs.contains(&Output::ReachabilityChanged { node: node_id(1), reachable: false }));
    assert!(!a.overlay.is_certified(&node_id(1)) && a.overlay.record(&node_id(1)).is_none());

    let (again, outputs) = a.connect(1, Direction::Inbound);
    assert_eq!(closes(&outputs), [again]);
    a.link(2, &[0], &[]);
    a.answered(2, vec![record(1, 9, &[0], &[])]);
    assert!(a.overlay.record(&node_id(1)).is_none(), "nobody can tell us of it");
    assert_eq!(dials(&a.advance(60 * S)), 0);

    a.input(AccessInput::Readmitted { node: node_id(1) });
    assert_eq!(dials(&a.advance(S)), 1);
    let (_, outputs) = a.connect(1, Direction::Outbound);
    assert!(outputs.iter().any(|output| matches!(output, Output::LinkUp { .. })));
}

#[test]
fn nodes_learnt_from_records_are_dialled_up_to_the_target_degree() {
    let (lower, higher) = ordered();
    for (me, other, waits) in [(lower, higher, Duration::ZERO), (higher, lower, S)] {
        let mut a = Lone::new(me, Config { target_degree: 2, ..Config::default() });
        a.link(5, &[other], &[]);
        a.answered(5, vec![record(other, 1, &[5], &[])]);
        assert_eq!(dials(&a.advance(waits)), 0, "the higher ID leaves the first dial to the lower");
        let outputs = a.advance(260 * MS);
        let expected = Output::Dial { address: address(other), expected: Some(node_id(other)) };
        assert!(outputs.contains(&expected), "{outputs:?}");
    }
    let mut full = Lone::new(0, Config { target_degree: 1, ..Config::default() });
    full.link(5, &[1], &[]);
    full.answered(5, vec![record(1, 1, &[5], &[])]);
    assert_eq!(dials(&full.advance(60 * S)), 0, "one link is enough, and node 1 can be reached");
}

#[test]
fn one_address_of_any_member_is_enough_to_join() {
    let mut network = Simulator::new(1, Weather::default());
    network.add_nodes(6, &Config { target_degree: 5, ..Config::default() });
    for newcomer in 1..6 {
        network.connect(newcomer, newcomer - 1);
    }
    let meshed = |network: &Simulator| network.running().all(|(_, overlay)| overlay.links().len() == 5);
    assert!(network.run_until(20 * S, meshed), "all six are linked with all");
    assert_eq!(network.observed().link_disorders, 0);
}

#[test]
fn simultaneous_dials_end_in_one_link() {
    for seed in 0..50 {
        let mut network = Simulator::new(seed, Weather { latency: 40 * MS..=40 * MS, ..Weather::default() });
        network.add_nodes(2, &Config { target_degree: 0, ..Config::default() });
        network.connect(0, 1);
        network.connect(1, 0);
        network.run_for(5 * S);
        let carriers: Vec<_> = network
            .running()
            .map(|(_, overlay)| overlay.links().iter().map(|link| link.connection).collect::<Vec<_>>())
            .collect();
        assert_eq!(carriers[0], carriers[1], "both ends use the same connection");
        assert_eq!(carriers[0].len(), 1);
        assert_eq!(network.observed().link_disorders, 0);
    }
}

#[test]
fn a_peer_that_introduces_itself_again_and_again_on_one_connection_is_cut_off() {
    let mut node = Lone::passive(0);
    let connection = node.link(1, &[0], &[]);
    node.link(2, &[0], &[]);
    // Two connections of one host, as when dials cross.
    node.connect(2, Direction::Inbound);
    let mut again = || node.input(PeeringInput::Introduced { connection, epoch: 1 });
    let mut bans = (0..3).flat_map(|_| again()).filter_map(|output| match output {
        Output::Ban { peer, reason, .. } => Some((peer, reason)),
        _ => None,
    });
    assert_eq!(bans.next(), Some((node_id(1), Strike::Malformed)));
    assert_eq!(bans.next(), None, "whoever has two connections says so on each");
}
