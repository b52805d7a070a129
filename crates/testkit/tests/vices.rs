//! Each hostile node does what its vice says, and the honest ones around it keep their promises.

use std::time::Duration;

use bytes::Bytes;
use nuncio_protocol::{Config, Overlay, StatusInput, Strike};
use nuncio_testkit::simulator::{RequestTrace, Simulator, Vice, Weather, node_id};

const S: Duration = Duration::from_secs(1);

/// Node 0 in a ring with node 3 opposite: 0 – 1 – 3 and 0 – 2 – 3; hostile is the node over which 0 reaches 3.
fn ring(vice: Vice) -> (Simulator, usize) {
    let mut network = Simulator::new(5, Weather::default());
    network.add_nodes(4, &Config { target_degree: 0, ..Config::default() });
    for (a, b) in [(0, 1), (1, 3), (0, 2), (2, 3)] {
        network.connect(a, b);
    }
    network.run_for(10 * S);
    let path = network.overlay(0).and_then(|overlay| overlay.route(&node_id(3))).expect("a path");
    let hostile = if path[1] == node_id(1) { 1 } else { 2 };
    network.corrupt(hostile, vice);
    // It signs its status anew.
    network.give(hostile, StatusInput::ApplicationField { bytes: Bytes::from("height=1") });
    (network, hostile)
}

/// Both ways across the ring, ten times a second.
fn ask_across(network: &mut Simulator, time: Duration) {
    for _ in 0..time.as_millis() / 100 {
        network.request(0, 3, 10 * S);
        network.request(3, 0, 10 * S);
        network.run_for(S / 10);
    }
}

fn assert_all_answered_once(network: &mut Simulator) {
    network.run_for(10 * S);
    let observed = network.observed();
    for (request, trace) in &observed.requests {
        assert!(matches!(trace.ended, Some((_, Ok(_)))) && trace.handler_runs == 1, "{request:?}: {trace:?}");
    }
    assert_eq!((observed.unjust_bans, observed.uncertified, observed.unsigned), (0, 0, 0));
}

fn strikes(network: &Simulator, strike: Strike) -> u64 {
    [0, 3].iter().filter_map(|node| network.overlay(*node)?.strikes().get(&strike)).sum()
}

fn is_banned_by_both(network: &Simulator, hostile: usize) -> bool {
    let bans = |node: usize| network.overlay(node).map(|overlay| overlay.bans()).unwrap_or_default();
    [0, 3].iter().all(|node| bans(*node).iter().any(|ban| ban.peer == node_id(hostile)))
}

#[test]
fn a_black_hole_swallows_requests_and_all_are_answered_over_another_way() {
    let (mut network, _) = ring(Vice::BlackHole);
    ask_across(&mut network, 5 * S);
    assert_all_answered_once(&mut network);
    let late = |trace: &&RequestTrace| matches!(trace.ended, Some((at, _)) if at + 8 * S >= trace.deadline);
    assert!(network.observed().requests.values().filter(late).count() > 0, "it swallowed nothing");
}

#[test]
fn a_forger_is_cut_off_and_nothing_that_it_forged_is_run() {
    let (mut network, _) = ring(Vice::Forger);
    ask_across(&mut network, 15 * S);
    assert_all_answered_once(&mut network);
    assert!(strikes(&network, Strike::Uncertified) + strikes(&network, Strike::EmptyPromise) > 0);
}

#[test]
fn what_a_replayer_sends_again_runs_once() {
    let (mut network, _) = ring(Vice::Replayer);
    let before = network.observed().traffic.messages;
    ask_across(&mut network, 10 * S);
    assert_all_answered_once(&mut network);
    assert!(network.observed().traffic.messages > before);
}

#[test]
fn the_links_that_a_liar_claims_are_on_no_path() {
    let (mut network, hostile) = ring(Vice::Liar);
    let far = network.add_node(Config { target_degree: 0, ..Config::default() });
    network.connect(far, 3);
    network.give(hostile, StatusInput::ApplicationField { bytes: Bytes::from("height=2") });
    network.run_for(5 * S);
    let claimed = network.overlay(0).and_then(|overlay| overlay.record(&node_id(hostile)).cloned()).expect("a record");
    assert!(claimed.status.neighbours.contains(&node_id(far)), "it lies");
    let path = network.overlay(0).and_then(|overlay| overlay.route(&node_id(far))).expect("a path");
    assert_eq!(path.len(), 4, "0 – 1 or 2 – 3 – 4");
    network.request(0, far, 10 * S);
    assert_all_answered_once(&mut network);
}

#[test]
fn a_flooder_is_cut_off_within_ten_seconds() {
    let (mut network, hostile) = ring(Vice::Flooder);
    assert!(network.run_until(10 * S, |network| is_banned_by_both(network, hostile)));
    ask_across(&mut network, S);
    assert_all_answered_once(&mut network);
}

#[test]
fn an_equivocator_is_convicted_and_expelled_by_all() {
    let (mut network, hostile) = ring(Vice::Equivocator);
    network.run_for(S);
    for turn in 0..10 {
        network.give(hostile, StatusInput::ApplicationField { bytes: Bytes::from(format!("height={turn}")) });
        network.run_for(2 * S);
    }
    for node in [0, 3 - hostile, 3] {
        let overlay = network.overlay(node).expect("it runs");
        assert!(overlay.nodes().iter().any(|view| view.node == node_id(hostile) && view.equivocates), "node {node}");
        assert!(overlay.is_expelled(&node_id(hostile)));
    }
    network.request(0, 3, 10 * S);
    assert_all_answered_once(&mut network);
}

#[test]
fn a_mute_node_keeps_nobodys_changes_from_the_others() {
    let (mut network, _) = ring(Vice::Mute);
    for height in 0..10 {
        let text = format!("height={height}");
        network.give(3, StatusInput::ApplicationField { bytes: Bytes::from(text.clone()) });
        let seen = |network: &Simulator| {
            let record = network.overlay(0).and_then(|overlay| overlay.record(&node_id(3)));
            record.is_some_and(|record| record.status.application == text.as_bytes())
        };
        assert!(network.run_until(2 * S, seen), "{text} is not seen within two seconds");
    }
}

#[test]
fn an_amplifier_gets_few_answers_and_others_are_served() {
    let (mut network, _) = ring(Vice::Amplifier);
    let before = network.observed().traffic;
    ask_across(&mut network, 30 * S);
    let after = network.observed().traffic;
    assert!(after.queries - before.queries > 250, "it asks on");
    let records = after.records - before.records;
    assert!(records < 2 * 4 * (16 + 10), "{records} records for {} queries", after.queries - before.queries);
    assert_all_answered_once(&mut network);
}

#[test]
fn what_a_naysayer_says_of_requests_of_others_makes_nobody_believe_that_they_were_not_seen() {
    let mut network = Simulator::new(5, Weather::default());
    network.add_nodes(4, &Config { target_degree: 0, ..Config::default() });
    for (a, b) in [(0, 1), (1, 2), (3, 1)] {
        network.connect(a, b);
    }
    network.run_for(10 * S);
    network.corrupt(3, Vice::Naysayer);
    let before = network.observed().traffic.messages;
    for _ in 0..10 {
        network.request(0, 2, 10 * S);
        network.run_for(S / 2);
    }
    assert!(network.observed().traffic.messages > before + 1_000, "it says so all the time");
    assert_all_answered_once(&mut network);
}

#[test]
fn among_flooders_alone_a_node_holds_no_more_than_it_may() {
    let mut network = Simulator::new(5, Weather::default());
    network.add_nodes(9, &Config { target_degree: 0, ..Config::default() });
    (1..9).for_each(|flooder| network.connect(flooder, 0));
    network.run_for(5 * S);
    (1..9).for_each(|flooder| network.corrupt(flooder, Vice::Flooder));
    let mut most_waiting = 0;
    network.run_until(10 * S, |network| {
        for holding in network.overlay(0).into_iter().flat_map(Overlay::holdings) {
            assert!(holding.is_within(), "{holding:?}");
            if holding.bound.what == "messages whose source's record has not come" {
                most_waiting = most_waiting.max(holding.entries);
            }
        }
        false
    });
    assert!(most_waiting > 300, "{most_waiting}: they fill what there is");
}
