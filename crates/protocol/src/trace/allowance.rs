use std::{hash::Hash, time::Instant};

use nuncio_bounds::Bound;
use nuncio_identity::NodeId;

use crate::{
    MAX_NODES,
    gate::{Bucket, Rate},
    hashed::HashMap,
};

/// Probes of one node that are answered, and of all.
const PROBES: Rate = Rate { per_second: 10.0, burst: 32.0 };
const PROBES_OF_ALL: Rate = Rate { per_second: 200.0, burst: 400.0 };

/// What each of many nodes, or of many pairs of them, may have done, and all of them together.
///
/// Bound: [`MAX_NODES`]; when it is full, those who have used nothing lately are forgotten, and if there is none, others have to
/// wait.
#[derive(Debug)]
pub(super) struct Allowance<K = NodeId> {
    rate: Rate,
    nodes: HashMap<K, Bucket>,
    all: (Rate, Option<Bucket>),
}

impl Allowance {
    pub(super) const BOUND: Bound = Bound::of_entries::<((NodeId, NodeId), Bucket)>(
        "nodes whose traces were reported on, that brought such messages, or that asked whether this one is there",
        3 * MAX_NODES,
        0,
        "nothing is reported or answered for others",
    );
}

impl<K: Eq + Hash> Allowance<K> {
    pub(super) fn new(rate: Rate, all: Rate) -> Self {
        Self { rate, nodes: HashMap::default(), all: (all, None) }
    }

    /// Takes one thing from what a node may.
    pub(super) fn take(&mut self, node: K, now: Instant) -> bool {
        let Self { rate, nodes, all: (all_rate, all) } = self;
        if nodes.len() >= MAX_NODES && !nodes.contains_key(&node) {
            nodes.retain(|_, bucket| !bucket.is_full(*rate, now));
            if nodes.len() >= MAX_NODES {
                return false;
            }
        }
        nodes.entry(node).or_insert(Bucket::new(*rate, now)).take(1.0, *rate, now)
            && all.get_or_insert(Bucket::new(*all_rate, now)).take(1.0, *all_rate, now)
    }
}

/// Which probes a node answers: requests without content that the node itself answers, so that a trace needs no application.
/// The answer is no longer than the question, so that nobody gains by asking in another's name.
#[derive(Debug)]
pub struct Probes(Allowance);

impl Default for Probes {
    fn default() -> Self {
        Self(Allowance::new(PROBES, PROBES_OF_ALL))
    }
}

impl Probes {
    /// Whether one more probe of a node is answered.
    pub fn may_answer(&mut self, source: NodeId, now: Instant) -> bool {
        self.0.take(source, now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use nuncio_testkit::simulator::node_id;

    use super::*;

    #[test]
    fn who_asks_much_waits_and_nobody_else_does_until_all_ask_much() {
        let (mut probes, now) = (Probes::default(), Instant::now());
        let mut answered = |node, at| (0..1000).filter(|_| probes.may_answer(node_id(node), at)).count();
        assert_eq!((answered(1, now), answered(2, now)), (32, 32));
        assert_eq!(answered(1, now + Duration::from_secs(1)), 10);
        let all: usize = (10..100).map(|node| answered(node, now + Duration::from_secs(1))).sum();
        assert!((300..=400).contains(&all), "{all}");
    }

    #[test]
    fn of_more_nodes_than_there_can_be_the_idle_are_forgotten() {
        let now = Instant::now();
        let endless = Rate { per_second: 1e9, burst: 1e9 };
        let mut allowance = Allowance::new(PROBES, endless);
        assert!((0..MAX_NODES).all(|node| allowance.take(node_id(node), now)));
        assert!(!allowance.take(node_id(MAX_NODES), now), "all others have asked just now");
        assert!(allowance.take(node_id(MAX_NODES), now + Duration::from_secs(1)));
        assert_eq!(allowance.nodes.len(), 1);
    }
}
