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
