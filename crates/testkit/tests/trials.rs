//! Scenarios hold on every seed, and what breaks a promise is caught, made small and runs again.

use std::time::Duration;

use bytes::Bytes;
use nuncio_protocol::{Config, StatusInput};
use nuncio_testkit::simulator::{Action, Scenario, ScenarioKind, Simulator, Step, Weather, node_id, run, shrink};

#[test]
fn every_scenario_keeps_the_promises() {
    for kind in [ScenarioKind::Join, ScenarioKind::Churn, ScenarioKind::Partition, ScenarioKind::Revoke] {
        for seed in 1..6 {
            let scenario = Scenario::generate(kind, 24, seed);
            let report = run(&scenario).unwrap_or_else(|violation| panic!("{kind:?}, seed {seed}: {violation}"));
            assert!(report.links >= report.nodes - 1 && report.idle_bytes_per_second > 0.0, "{report:?}");
        }
    }
}

#[test]
fn honest_nodes_converge_and_are_answered_among_hostile_ones_of_every_kind() {
    // Four vices each.
    for seed in [0, 4] {
        let scenario = Scenario::generate(ScenarioKind::Hostile, 24, seed);
        let report = run(&scenario).unwrap_or_else(|violation| panic!("seed {seed}: {violation}"));
        assert_eq!(report.nodes, 24);
        // Measured: 8,600 and 10,100 bytes for each node and second.
        assert!(report.idle_bytes_per_second < 32_768.0, "{report:?}");
    }
}

#[test]
fn the_same_scenario_gives_the_same_run() {
    for kind in [ScenarioKind::Churn, ScenarioKind::Hostile] {
        let scenario = Scenario::generate(kind, 16, 7);
        let read = Scenario::from_json(&scenario.to_json()).unwrap();
        assert_eq!(read, scenario);
        let run = |scenario: &Scenario| {
            let report = run(scenario).unwrap();
            (report.nodes, report.links, report.converged_after, report.busy_bytes_per_second.to_bits())
        };
        assert_eq!(run(&scenario), run(&read));
    }
}

#[test]
fn a_record_that_its_owner_never_signed_is_caught_and_the_scenario_made_small() {
    let mut scenario = Scenario::generate(ScenarioKind::Churn, 16, 3);
    let at_ms = scenario.steps.last().unwrap().at_ms + 1;
    scenario.steps.push(Step { at_ms, action: Action::Forge { node: 1, of: 2 } });
    let violation = run(&scenario).unwrap_err();
    assert!(violation.promise.contains("never signed"), "{violation}");
    let smallest = shrink(&scenario, &violation);
    assert!(smallest.nodes <= 4 && smallest.steps.len() == 1, "{smallest:?}");
    assert!(run(&Scenario::from_json(&smallest.to_json()).unwrap()).is_err());
}

#[test]
fn what_is_no_scenario_is_refused_in_words() {
    for (text, words) in [("{", "EOF"), ("{\"seed\":1}", "missing field"), ("[]", "invalid")] {
        assert!(Scenario::from_json(text).unwrap_err().contains(words), "{text}");
    }
    let small = Scenario::generate(ScenarioKind::Join, 2, 1);
    let too_many = Scenario { nodes: 10_001, ..small.clone() };
    assert!(Scenario::from_json(&too_many.to_json()).unwrap_err().contains("1 to 10000"));
    let too_long = Scenario { rest_s: 86_401, ..small };
    assert!(Scenario::from_json(&too_long.to_json()).unwrap_err().contains("no more than 86400"));
}

#[test]
fn a_change_is_seen_by_all_of_a_hundred_nodes_within_three_seconds() {
    let mut network = Simulator::new(5, Weather::default());
    network.add_nodes(100, &Config::default());
    for node in 1..100 {
        network.connect(node, node / 2);
    }
    network.run_for(Duration::from_secs(40));
    network.give(7, StatusInput::ApplicationField { bytes: Bytes::from("height=8") });
    let seen = |network: &Simulator| {
        network.running().all(|(_, overlay)| {
            overlay.record(&node_id(7)).is_some_and(|record| record.status.application == "height=8")
        })
    };
    let given = network.now();
    assert!(network.run_until(Duration::from_secs(3), seen), "not everybody saw it");
    assert!(network.now() - given <= Duration::from_secs(3));
}
