//! What happens to a simulated network, and when: generated from a seed, kept as JSON.

use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::SmallRng};
use serde::{Deserialize, Serialize};

use super::Vice;

/// A network, its weather, and what happens to it. The same scenario gives the same run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Seed of everything random in the run.
    pub seed: u64,
    /// Nodes at the start.
    pub nodes: usize,
    /// Links each node wants.
    pub target_degree: usize,
    /// Latency of a link, milliseconds, from and to.
    pub latency_ms: (u64, u64),
    /// Share of messages that get lost, 0 to 1.
    pub loss: f64,
    /// What happens, in order of time.
    pub steps: Vec<Step>,
    /// How long the network rests at its end before its traffic is measured, seconds of virtual time.
    #[serde(default)]
    pub rest_s: u64,
}

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// When, milliseconds of virtual time since the start.
    pub at_ms: u64,
    /// What.
    pub action: Action,
}

/// What can happen. Nodes are numbered from 0; a number beyond the last node counts modulo their count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// A new node starts that is told one address, that of this one.
    Join {
        /// Whom it dials.
        through: usize,
    },
    /// A node stops in order.
    Leave {
        /// Which.
        node: usize,
    },
    /// A node stops without a word.
    Crash {
        /// Which.
        node: usize,
    },
    /// A stopped node starts again.
    Restart {
        /// Which.
        node: usize,
    },
    /// A node's clock is set back.
    ClockBack {
        /// Whose.
        node: usize,
        /// Seconds.
        seconds: u64,
    },
    /// Nothing passes any more between the nodes below this number and the others.
    Partition {
        /// The first node of the other part.
        below: usize,
    },
    /// Everything passes again.
    Heal,
    /// One node asks another.
    Request {
        /// Who asks.
        from: usize,
        /// Whom.
        to: usize,
    },
    /// A revocation list of this number is loaded on a node.
    LoadList {
        /// Where.
        node: usize,
        /// Its number.
        number: u64,
    },
    /// A node begins to follow the protocol badly.
    Corrupt {
        /// Which.
        node: usize,
        /// In what way.
        vice: Vice,
    },
    /// A node takes a record of another that it never signed: no network lets this pass, so a run must fail on it.
    Forge {
        /// Who takes it.
        node: usize,
        /// In whose name.
        of: usize,
    },
}

/// The scenarios with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScenarioKind {
    /// All nodes start, each knowing one address, and nothing more happens.
    Join,
    /// One node in ten joins, leaves, crashes or restarts, one after another, while requests go on.
    Churn,
    /// The network falls apart into two halves and finds together again.
    Partition,
    /// A revocation list is loaded on one node.
    Revoke,
    /// One node in twenty, or four of a few, follows the protocol badly, each in a way of its own, while honest nodes ask
    /// each other.
    Hostile,
}

/// How long all nodes have to meet before anything happens to them.
const SETTLING: Duration = Duration::from_secs(30);

/// For how long honest nodes ask each other among hostile ones.
const ASKING: Duration = Duration::from_secs(10);

/// So many nodes, the first ones, are those that others are told the address of; they never stop. A node whose only
/// address is of one that has gone could not be found by anybody.
pub(super) fn steady(nodes: usize) -> usize {
    (nodes / 4).max(1)
}

impl Scenario {
    /// Most nodes at the start.
    pub const MAX_NODES: usize = 10_000;

    /// The longest rest, in seconds: a day.
    pub const MAX_REST_S: u64 = 86_400;

    /// The scenario of a kind, for so many nodes.
    pub fn generate(kind: ScenarioKind, nodes: usize, seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let start = SETTLING.as_millis() as u64;
        let mut steps = Vec::new();
        let mut at = |at_ms: u64, action: Action| steps.push(Step { at_ms, action });
        match kind {
            ScenarioKind::Join => {}
            ScenarioKind::Churn => {
                let count = (nodes / 10).max(5) as u64;
                let steady = steady(nodes);
                for turn in 0..count {
                    let node = rng.random_range(steady.min(nodes - 1)..nodes);
                    let when = start + turn * 200;
                    match rng.random_range(0..5) {
                        0 => at(when, Action::Join { through: rng.random_range(0..steady) }),
                        1 => at(when, Action::Leave { node }),
                        2 => at(when, Action::Crash { node }),
                        3 => {
                            at(when, Action::Crash { node });
                            at(when, Action::ClockBack { node, seconds: 3600 });
                            at(when + 1500, Action::Restart { node });
                        }
                        _ => at(when, Action::Request { from: node, to: rng.random_range(0..nodes) }),
                    }
                }
            }
            ScenarioKind::Partition => {
                at(start, Action::Partition { below: nodes / 2 });
                at(start + 20_000, Action::Heal);
            }
            ScenarioKind::Hostile => {
                // Those that others are told the address of are honest: who knows enemies only, joins no network.
                let first = steady(nodes).min(nodes - 1);
                let hostile = (nodes / 20).max((nodes / 6).min(4)).clamp(1, nodes - first);
                let step = (nodes - first) / hostile;
                let hostile: Vec<_> = (0..hostile).map(|n| first + n * step).collect();
                for (n, node) in hostile.iter().enumerate() {
                    at(0, Action::Corrupt { node: *node, vice: Vice::ALL[(seed as usize + n) % Vice::ALL.len()] });
                }
                let requests = (4 * nodes as u64).min(1000);
                for turn in 0..requests {
                    let mut honest = || loop {
                        let node = rng.random_range(0..nodes);
                        if !hostile.contains(&node) {
                            break node;
                        }
                    };
                    at(
                        start + turn * ASKING.as_millis() as u64 / requests,
                        Action::Request { from: honest(), to: honest() },
                    );
                }
            }
            ScenarioKind::Revoke => at(start, Action::LoadList { node: 0, number: 1 }),
        }
        steps.sort_by_key(|step| step.at_ms);
        Self { seed, nodes, target_degree: 8, latency_ms: (1, 40), loss: 0.0, steps, rest_s: 0 }
    }

    /// Reads a scenario.
    ///
    /// # Errors
    /// When it is none, or has no node or more than [`Scenario::MAX_NODES`], or rests for more than a day.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let scenario: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if !(1..=Self::MAX_NODES).contains(&scenario.nodes) {
            return Err(format!("{} nodes: a scenario has 1 to {}", scenario.nodes, Self::MAX_NODES));
        }
        if scenario.rest_s > Self::MAX_REST_S {
            return Err(format!("{} s of rest: no more than {}", scenario.rest_s, Self::MAX_REST_S));
        }
        if !(0.0..1.0).contains(&scenario.loss) || scenario.latency_ms.0 > scenario.latency_ms.1 {
            return Err("loss is a share from 0 to below 1, latency_ms a range from low to high".to_owned());
        }
        Ok(scenario)
    }

    /// The scenario as a file.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("numbers and names are JSON")
    }
}
