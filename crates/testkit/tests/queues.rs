//! A core hears at once of what a link did not take.

use std::time::Duration;

use nuncio_protocol::Config;
use nuncio_testkit::simulator::{Simulator, Weather};

const S: Duration = Duration::from_secs(1);

#[test]
fn what_a_full_queue_refuses_ends_in_an_answer_or_in_one_failure() {
    let mut network = Simulator::new(9, Weather { full: 0.3, ..Weather::default() });
    network.add_nodes(4, &Config { target_degree: 0, ..Config::default() });
    for (a, b) in [(0, 1), (1, 3), (0, 2), (2, 3)] {
        network.connect(a, b);
    }
    network.run_for(10 * S);
    let asked: Vec<_> = (0..100).map(|_| network.request(0, 3, 5 * S)).collect();
    network.run_for(6 * S);
    let observed = network.observed();
    assert!(observed.not_sent > 20, "{} were refused", observed.not_sent);
    for exchange in &asked {
        let trace = &observed.requests[&(0, *exchange)];
        assert!(trace.ends == 1 && trace.handler_runs <= 1, "{trace:?}");
    }
    let is_answered = |exchange: &&_| matches!(observed.requests[&(0, **exchange)].ended, Some((_, Ok(_))));
    assert!(asked.iter().filter(is_answered).count() > 60, "a refusal is tried over the other way");
    assert_eq!(observed.stray_ends, 0);
}

const MIB: u64 = 1 << 20;

/// Node 0, over which 2, hostile, and 3 reach 1 on a link that takes a mebibyte a second.
fn narrow_passage() -> Simulator {
    let mut network = Simulator::new(9, Weather::default());
    network.add_nodes(4, &Config { target_degree: 0, ..Config::default() });
    for outer in 1..4 {
        network.connect(outer, 0);
    }
    network.run_for(10 * S);
    network.narrow(0, 1, MIB);
    network
}

/// Every half second the hostile node asks node 1 by so many bodies of so many bytes, and node 3 and the relay so often by one of
/// so many; says how many of theirs were not answered.
fn unanswered_beside_a_flood(flood: (usize, usize), honest: (usize, usize)) -> usize {
    let (mut network, mut asked) = (narrow_passage(), Vec::new());
    for _ in 0..40 {
        for _ in 0..flood.0 {
            network.request_long(2, 1, 10 * S, flood.1);
        }
        for (from, _) in [3, 0].iter().flat_map(|from| (0..honest.0).map(move |n| (*from, n))) {
            asked.push((from, network.request_long(from, 1, 5 * S, honest.1)));
        }
        network.run_for(S / 2);
    }
    network.run_for(6 * S);
    let observed = network.observed();
    assert!(observed.not_sent > 100, "{}: the flood fills what there is", observed.not_sent);
    assert_eq!(observed.unjust_bans, 0);
    let is_answered = |which: &&_| matches!(observed.requests[*which].ended, Some((_, Ok(_))));
    asked.len() - asked.iter().filter(is_answered).count()
}

#[test]
fn a_flood_through_a_relay_takes_no_answer_from_others_nor_from_the_relay() {
    for flood in [(50, 1 << 20), (500, 60_000)] {
        assert_eq!(unanswered_beside_a_flood(flood, (5, 0)), 0, "{flood:?}");
    }
}

#[test]
fn among_long_messages_too_each_that_brings_some_has_its_turns() {
    assert_eq!(unanswered_beside_a_flood((50, 1 << 20), (1, 100_000)), 0);
}
