//! Long messages travel on a stream of their own: what comes behind them overtakes them, and nobody takes them for lost.

mod heard;

use std::time::Duration;

use heard::invariant_heard_in_order_or_named;
use nuncio_protocol::{Config, Input, LARGE_BODY, MulticastInput, Output};
use nuncio_testkit::simulator::{Heard, Simulator, Weather, What};

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);

const NODES: usize = 4;
const ROUNDS: usize = 4;
const SHORT: usize = 30;

fn line(seed: u64) -> Simulator {
    let mut network = Simulator::new(seed, Weather::default());
    network.keep_journal(1_000_000);
    network.add_nodes(NODES, &Config { target_degree: 0, ..Config::default() });
    for node in 1..NODES {
        network.connect(node - 1, node);
    }
    network.run_for(10 * S);
    network
}

/// How often something short arrived while something long that was sent before it was on its way.
fn overtaken(network: &Simulator) -> usize {
    let mut newest = [0; NODES];
    let mut overtaken = 0;
    for entry in network.journal() {
        let What::In(Input::Multicast(MulticastInput::Received { leg, .. })) = &entry.what else { continue };
        let (first, is_long) = (leg.batch.first, leg.batch.length() > LARGE_BODY);
        overtaken += usize::from(is_long && first < newest[entry.node]);
        newest[entry.node] = newest[entry.node].max(first);
    }
    overtaken
}

#[test]
fn short_messages_overtake_a_long_one_and_are_heard_behind_it_without_a_question() {
    for seed in 0..4 {
        let mut network = line(seed);
        for _ in 0..ROUNDS {
            assert!(network.multicast_long(0, None, 1 << 20));
            for _ in 0..SHORT {
                network.run_for(10 * MS);
                assert!(network.multicast(0, None));
            }
            network.run_for(2 * S);
        }
        network.run_for(10 * S);
        invariant_heard_in_order_or_named(&network);
        for (listening, heard) in &network.observed().heard {
            let messages = heard.iter().filter(|one| matches!(one, Heard::Message(..))).count();
            assert_eq!((messages, heard.len()), (ROUNDS * (1 + SHORT), ROUNDS * (1 + SHORT)), "{listening:?}");
        }
        assert_eq!(network.observed().heard.len(), NODES - 1);
        assert!(overtaken(&network) >= ROUNDS, "seed {seed}: {}", overtaken(&network));
        let asks = |what: &What| matches!(what, What::Out(Output::SendWanted { .. }));
        assert_eq!(network.journal().filter(|entry| asks(&entry.what)).count(), 0, "seed {seed}");
    }
}
