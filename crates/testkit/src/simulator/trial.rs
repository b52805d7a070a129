//! Plays a scenario and judges it.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use nuncio_protocol::{
    Config, MAX_HOPS, Overlay, StatusInput,
    status_sync::{Answer, IssuerId, Version},
};

use super::{Action, Scenario, Simulator, Step, Weather, names, scenario::steady, wire_size};

/// Time in which a network must have come to rest after the last step.
const REST: Duration = Duration::from_secs(180);

/// How often it is looked at whether it has.
const GLANCE: Duration = Duration::from_millis(250);

/// Time over which the traffic of a network at rest is measured.
const MEASURE: Duration = Duration::from_secs(20);

/// Paths judged when a node has computed its own anew.
const PATHS: usize = 4;

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
/// After every event, the requests' handler runs, the links' order, and records without their owner's signature are
/// judged, and, where a node has computed its paths anew, whether those to some other nodes, different ones each time,
/// are free of loops. At rest every path is judged, as one node sees it and
/// from hop to hop, and that all tables are equal. What hostile nodes hold is not judged.
///
/// # Errors
/// The first promise that was not kept.
pub fn run(scenario: &Scenario) -> Result<Report, Violation> {
    play(Trial::new(scenario), scenario, |_| {})
}

/// As [`run`]; `seen` gets the simulator after every event, with the newest line of its journal.
///
/// # Errors
/// The first promise that was not kept.
pub fn watch(scenario: &Scenario, seen: impl FnMut(&Simulator)) -> Result<Report, Violation> {
    let mut trial = Trial::new(scenario);
    trial.network.keep_journal(1);
    play(trial, scenario, seen)
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
    trial.judge_paths()?;
    let converged = trial.network.now();
    let (nodes, busy) = (trial.network.running().count(), trial.network.observed().traffic);
    let calm = trial.network.observed().traffic.bytes;
    trial.pass_until(converged + MEASURE, &mut seen)?;
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
        idle_bytes_per_second: idle as f64 / (nodes.max(1) as f64 * MEASURE.as_secs_f64()) + heartbeats,
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
        Self { network, config, routings: Vec::new(), target: 0 }
    }

    fn pass_until(&mut self, end: Duration, seen: &mut impl FnMut(&Simulator)) -> Result<(), Violation> {
        while self.network.next_at().is_some_and(|at| at <= end) {
            self.network.step();
            seen(&self.network);
            self.judge()?;
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

    fn judge(&mut self) -> Result<(), Violation> {
        let observed = self.network.observed();
        if observed.unsigned > 0 {
            return self.fail("a node took a record that its owner never signed".to_owned());
        }
        if observed.uncertified > 0 {
            return self.fail("an application got a request of a node whose certificate nobody had shown".to_owned());
        }
        if observed.unjust_bans > 0 {
            return self.fail("an honest node banned an honest one".to_owned());
        }
        if observed.link_disorders > 0 {
            return self.fail("a link came up twice, or went down that was not up".to_owned());
        }
        if observed.handler_reruns > 0
            && let Some((request, trace)) = observed.requests.iter().find(|(_, trace)| trace.handler_runs > 1)
        {
            return self.fail(format!("the handler of {request:?} ran {} times", trace.handler_runs));
        }
        let touched = self.network.touched().and_then(|node| Some((node, self.network.overlay(node)?.routings())));
        let Some((node, routings)) = touched else { return Ok(()) };
        self.routings.resize(self.network.len(), 0);
        if std::mem::replace(&mut self.routings[node], routings) == routings {
            return Ok(());
        }
        (0..PATHS).try_for_each(|_| {
            self.target = (self.target + 1) % self.network.len();
            self.judge_path(node, self.target)
        })
    }

    fn judge_paths(&self) -> Result<(), Violation> {
        for node in 0..self.network.len() {
            for target in 0..self.network.len() {
                self.judge_path(node, target)?;
                self.judge_hops(node, target)?;
            }
        }
        Ok(())
    }

    fn judge_path(&self, node: usize, target: usize) -> Result<(), Violation> {
        let Some(overlay) = self.network.overlay(node) else { return Ok(()) };
        let Some(path) = overlay.route(&names::node_id(target)) else { return Ok(()) };
        // A path is short, and this is done millions of times.
        if path.iter().enumerate().all(|(index, node)| !path[..index].contains(node)) {
            return Ok(());
        }
        self.fail(format!("the path of node {node} to node {target} goes in circles"))
    }

    /// Each node chooses its next hop by itself: at rest, from hop to hop, no way leads in circles.
    fn judge_hops(&self, from: usize, target: usize) -> Result<(), Violation> {
        let (id, mut here) = (names::node_id(target), from);
        for _ in 0..=MAX_HOPS {
            let overlay = self.network.overlay(here).filter(|_| self.network.is_honest(here));
            let next = overlay.and_then(|overlay| overlay.next_hop(&id));
            let Some(next) = next.and_then(|next| self.network.number(&next)) else { return Ok(()) };
            here = next;
        }
        self.fail(format!("the hops from node {from} to node {target} lead in circles"))
    }

    /// What keeps the network from rest: somebody without a path to somebody, or with an old record.
    fn difference(&self) -> Option<String> {
        let newest: Vec<_> = self.honest().map(|(number, overlay)| (number, overlay.version())).collect();
        let list = self
            .honest()
            .filter_map(|(_, overlay)| overlay.record(&overlay.node())?.status.revocations.get(&ISSUER).copied());
        let list = list.max();
        for (number, overlay) in self.honest() {
            for (other, version) in &newest {
                let id = names::node_id(*other);
                let known = overlay.record(&id).map(|record| record.status.version);
                if *other != number && (known != Some(*version) || overlay.next_hop(&id).is_none()) {
                    return Some(format!("node {number} knows {known:?} of node {other}, which is at {version:?}"));
                }
            }
            let held = overlay.record(&overlay.node()).and_then(|own| own.status.revocations.get(&ISSUER).copied());
            if held != list {
                return Some(format!("node {number} holds revocation list {held:?}, not {list:?}"));
            }
        }
        None
    }

    fn honest(&self) -> impl Iterator<Item = (usize, &Overlay)> {
        self.network.running().filter(|(number, _)| self.network.is_honest(*number))
    }

    /// Every request between honest nodes that stayed where they were is answered, whatever the others do.
    fn judge_answers(&self, scenario: &Scenario) -> Result<(), Violation> {
        let is_still = |step: &Step| matches!(step.action, Action::Request { .. } | Action::Corrupt { .. });
        if scenario.loss > 0.0 || !scenario.steps.iter().all(is_still) {
            return Ok(());
        }
        for ((from, exchange), trace) in &self.network.observed().requests {
            let is_answered = matches!(trace.ended, Some((_, Ok(_)))) && trace.handler_runs == 1;
            if self.network.is_honest(*from) && self.network.is_honest(trace.target) && !is_answered {
                return self
                    .fail(format!("{exchange:?} of node {from} to node {} ended {:?}", trace.target, trace.ended));
            }
        }
        Ok(())
    }

    fn fail<T>(&self, promise: String) -> Result<T, Violation> {
        Err(Violation { at: self.network.now(), promise })
    }
}
