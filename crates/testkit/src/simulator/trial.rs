//! Plays a scenario and judges it.

mod judge;

use std::{
    collections::{BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use nuncio_protocol::{
    Config, StatusInput,
    status_sync::{Answer, IssuerId, Version},
};

use super::{Action, Scenario, Simulator, Weather, names, scenario::steady, wire_size};

/// Time in which a network must have come to rest after the last step.
const REST: Duration = Duration::from_secs(180);

/// How often it is looked at whether it has.
const GLANCE: Duration = Duration::from_millis(250);

/// After so many events a run looks at the real clock, when it has to end by it.
const GLANCED: u64 = 1024;

/// Time over which the traffic of a network at rest is measured at the least; else a tenth of its rest.
const MEASURE: Duration = Duration::from_secs(20);

/// The issuer of simulated revocation lists.
const ISSUER: IssuerId = IssuerId([1; 32]);

/// How a run went.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Nodes that run at the end.
    pub nodes: usize,
    /// Links at the end.
    pub links: usize,
    /// Virtual time from the last step until all tables were equal.
    pub converged_after: Duration,
    /// Announcements, queries and answered records for each node and second, from the start to convergence.
    pub busy_messages_per_second: f64,
    /// Bytes for each node and second in that time.
    pub busy_bytes_per_second: f64,
    /// Bytes for each node and second while nothing happens, heartbeats included.
    pub idle_bytes_per_second: f64,
    /// Real time the run took.
    pub took: Duration,
}

/// A promise that was not kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("after {at:?}: {promise}")]
pub struct Violation {
    /// Virtual time since the start.
    pub at: Duration,
    /// Which promise, and who broke it.
    pub promise: String,
}

/// Plays a scenario.
///
/// After every event, the requests' handler runs and whether any ended as unseen that had run, the links' order, and records without their owner's signature are
/// judged, and, where a node has computed its paths anew, whether those to some other nodes, different ones each time,
/// are free of loops; after every 32nd, that the node at work holds no more than it may. At rest every path is judged, as one node sees it and
/// from hop to hop, and that all tables are equal, or among hostile nodes no record of an honest one lags behind by more
/// than five seconds and no way leads in circles for longer. What hostile nodes hold is not judged.
///
/// # Errors
/// The first promise that was not kept.
pub fn run(scenario: &Scenario) -> Result<Report, Violation> {
    follow(scenario, |_| {})
}

/// As [`run`]; `seen` gets the simulator after every event.
///
/// # Errors
/// The first promise that was not kept.
pub fn follow(scenario: &Scenario, seen: impl FnMut(&Simulator)) -> Result<Report, Violation> {
    play(Trial::new(scenario), scenario, seen)
}

/// As [`follow`], with the newest line of the journal.
///
/// # Errors
/// The first promise that was not kept.
pub fn watch(scenario: &Scenario, seen: impl FnMut(&Simulator)) -> Result<Report, Violation> {
    let mut trial = Trial::new(scenario);
    trial.network.keep_journal(1);
    play(trial, scenario, seen)
}

/// As [`run`], given up at `until`, which is no violation that anything else could be taken for.
pub(super) fn run_until(scenario: &Scenario, until: Instant) -> Result<Report, Violation> {
    let mut trial = Trial::new(scenario);
    trial.until = Some(until);
    play(trial, scenario, |_| {})
}

fn play(mut trial: Trial, scenario: &Scenario, mut seen: impl FnMut(&Simulator)) -> Result<Report, Violation> {
    let began = Instant::now();
    for step in &scenario.steps {
        trial.pass_until(Duration::from_millis(step.at_ms), &mut seen)?;
        trial.act(step.action);
    }
    let last = trial.network.now();
    while let Some(difference) = trial.difference() {
        if trial.network.now() > last + REST {
            return trial.fail(format!("no rest within {} s: {difference}", REST.as_secs()));
        }
        let next = trial.network.now() + GLANCE;
        trial.pass_until(next, &mut seen)?;
    }
    trial.judge_paths(&mut seen)?;
    let converged = trial.network.now();
    let (nodes, busy) = (trial.network.running().count(), trial.network.observed().traffic);
    let rested = converged + Duration::from_secs(scenario.rest_s);
    trial.pass_until(rested, &mut seen)?;
    let calm = trial.network.observed().traffic.bytes;
    let measured = MEASURE.max(Duration::from_secs(scenario.rest_s / 10));
    trial.pass_until(rested + measured, &mut seen)?;
    trial.judge_answers(scenario)?;
    let links = trial.network.link_count();
    let idle = trial.network.observed().traffic.bytes - calm;
    let node_seconds = nodes.max(1) as f64 * converged.as_secs_f64().max(1.0);
    let heartbeats = 2.0 * links as f64 * wire_size::HEARTBEATS_PER_LINK_SECOND as f64 / nodes.max(1) as f64;
    Ok(Report {
        nodes,
        links,
        converged_after: converged - last,
        busy_messages_per_second: (busy.announcements + busy.queries + busy.records) as f64 / node_seconds,
        busy_bytes_per_second: busy.bytes as f64 / node_seconds + heartbeats,
        idle_bytes_per_second: idle as f64 / (nodes.max(1) as f64 * measured.as_secs_f64()) + heartbeats,
        took: began.elapsed(),
    })
}

struct Trial {
    network: Simulator,
    config: Config,
    /// How often each node had computed its paths when some of them were judged last.
    routings: Vec<u64>,
    /// The node to which the path was judged last.
    target: usize,
    events: u64,
    /// When the run is given up.
    until: Option<Instant>,
    /// Which versions honest nodes were at, at each glance of the last [`LAG`].
    versions: VecDeque<(Duration, Vec<(usize, Version)>)>,
}

impl Trial {
    fn new(scenario: &Scenario) -> Self {
        let ms = Duration::from_millis;
        let (from, to) = scenario.latency_ms;
        let weather = Weather { latency: ms(from)..=ms(to), loss: scenario.loss, ..Weather::default() };
        let mut network = Simulator::new(scenario.seed, weather);
        let config = Config { target_degree: scenario.target_degree, ..Config::default() };
        network.add_nodes(scenario.nodes, &config);
        for node in 1..scenario.nodes {
            // Each knows one of those that stay.
            let spread = (scenario.seed as usize).wrapping_mul(31).wrapping_add(node * node);
            let through = spread % steady(scenario.nodes).min(node);
            network.connect(node, through);
        }
        Self { network, config, routings: Vec::new(), target: 0, events: 0, until: None, versions: VecDeque::new() }
    }

    fn pass_until(&mut self, end: Duration, seen: &mut impl FnMut(&Simulator)) -> Result<(), Violation> {
        while self.network.next_at().is_some_and(|at| at <= end) {
            self.network.step();
            seen(&self.network);
            self.judge()?;
            if self.events.is_multiple_of(GLANCED) && self.until.is_some_and(|until| Instant::now() >= until) {
                return self.fail("given up: out of time".to_owned());
            }
        }
        self.network.run_for(end.saturating_sub(self.network.now()));
        Ok(())
    }

    fn act(&mut self, action: Action) {
        let count = self.network.len();
        let network = &mut self.network;
        match action {
            Action::Join { through } => {
                let node = network.add_node(self.config.clone());
                network.connect(node, through % count);
            }
            Action::Leave { node } => network.leave(node % count),
            Action::Crash { node } => network.crash(node % count),
            Action::Restart { node } => network.restart(node % count),
            Action::ClockBack { node, seconds } => network.set_clock_back(node % count, seconds),
            Action::Partition { below } => network.partition(&(0..below.min(count)).collect::<BTreeSet<_>>()),
            Action::Heal => network.heal(),
            Action::Request { from, to } => {
                network.request(from % count, to % count, Duration::from_secs(10));
            }
            Action::LoadList { node, number } => {
                network.give(node % count, StatusInput::RevocationLists { numbers: [(ISSUER, number)].into() });
            }
            Action::Corrupt { node, vice } => network.corrupt(node % count, vice),
            Action::Forge { node, of } => {
                let (node, of) = (node % count, of % count);
                let known = network.overlay(node).and_then(|overlay| overlay.record(&names::node_id(of)).cloned());
                if let Some(record) = known.filter(|_| node != of) {
                    let mut status = record.status.clone();
                    status.version = Version { seq: status.version.seq + 1000, ..status.version };
                    let record = names::sign(status);
                    network.give(
                        node,
                        StatusInput::Answered { peer: names::node_id(of), answer: Answer::of(vec![record]) },
                    );
                }
            }
        }
    }
}
