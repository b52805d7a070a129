//! A core hears at once of what a link did not take, and whoever fills a link leaves room and turns to others.

use std::time::Duration;

use nuncio_protocol::{
    Config, Topic,
    amop::{Kind, ResultCode},
};
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
    unanswered_in(narrow_passage(), flood, honest)
}

fn unanswered_in(mut network: Simulator, flood: (usize, usize), honest: (usize, usize)) -> usize {
    let mut asked = Vec::new();
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

/// The same, but that 2 and 3 reach 0 over another relay, too.
fn narrow_passage_behind_a_relay() -> Simulator {
    let mut network = Simulator::new(9, Weather::default());
    network.add_nodes(5, &Config { target_degree: 0, ..Config::default() });
    for (a, b) in [(2, 4), (3, 4), (4, 0), (0, 1)] {
        network.connect(a, b);
    }
    network.run_for(20 * S);
    network.narrow(0, 1, MIB);
    network
}

#[test]
fn behind_an_honest_relay_too_a_flood_takes_no_answer_from_others() {
    for (flood, honest) in [((50, 1 << 20), (5, 0)), ((500, 60_000), (5, 0)), ((50, 1 << 20), (1, 100_000))] {
        let unanswered = unanswered_in(narrow_passage_behind_a_relay(), flood, honest);
        assert_eq!(unanswered, 0, "{flood:?} {honest:?}");
    }
}

/// One client of node 0 publishes so many bytes to a subscriber at node 1, over a link that takes a mebibyte a second, as fast as
/// it can; another one publishes a little.
#[test]
fn one_client_that_fills_a_link_takes_no_answer_from_another_one_of_its_node() {
    let topic = Topic::new("prices").expect("a valid topic");
    for (kind, messages, bytes) in
        [(Kind::Unicast, 40, 1 << 20), (Kind::Unicast, 400, 60_000), (Kind::Multicast, 400, 60_000)]
    {
        let (mut network, mut asked) = (narrow_passage(), Vec::new());
        let [hostile, honest] = [1, 2].map(|tenant| network.add_client_of(tenant, 0));
        let subscriber = network.add_client(1, false);
        network.subscribe(subscriber, &[&topic]);
        network.run_for(5 * S);
        for _ in 0..20 {
            for _ in 0..messages {
                network.publish_long(hostile, kind, &topic, bytes);
            }
            asked.push(network.publish(honest, Kind::Unicast, &topic));
            network.run_for(S / 2);
        }
        network.run_for(10 * S);
        assert!(network.observed().not_sent > 100, "{}: the link is full", network.observed().not_sent);
        let ended = |seq| network.observed().publishes[&(honest, seq)].ended.map(|(_, code)| code);
        let unanswered = asked.into_iter().filter(|seq| ended(*seq) != Some(ResultCode::OK)).count();
        assert_eq!(unanswered, 0, "of 20, beside {messages} of {bytes} bytes, {kind:?}");
    }
}
