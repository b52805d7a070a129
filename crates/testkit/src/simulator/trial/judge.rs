//! The promises, and whether they are kept.

use std::time::Duration;

use nuncio_protocol::{MAX_HOPS, Overlay, status_sync::Version};

use super::{GLANCE, ISSUER, Trial, Violation};
use crate::simulator::{Action, Scenario, Simulator, Step, names};

/// How far records may lag behind their nodes among hostile ones, whose links come and go without end: so do the versions of
/// those that cut them off.
const LAG: Duration = Duration::from_secs(5);

/// After so many events it is looked at what the node holds that was at work last.
const INSPECTED: u64 = 32;

/// Paths judged when a node has computed its own anew.
const PATHS: usize = 4;

impl Trial {
    pub(super) fn judge(&mut self) -> Result<(), Violation> {
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
        if observed.denied_runs > 0 {
            return self.fail("a request ended as one that nobody saw, though an application had it".to_owned());
        }
        if let Some((node, kind)) = observed.amplified {
            let (came, went) = observed.passed.get(&(node, kind)).copied().unwrap_or_default();
            return self.fail(format!("node {node} passed on {went} bytes of {kind:?} for {came} that came"));
        }
        self.events += 1;
        if self.events.is_multiple_of(INSPECTED)
            && let Some(node) = self.network.touched()
        {
            self.judge_holdings(node)?;
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

    /// No node holds more than it may, whatever hostile ones send: as its core counts it.
    fn judge_holdings(&self, node: usize) -> Result<(), Violation> {
        let mut holdings = self.network.overlay(node).into_iter().flat_map(Overlay::holdings);
        holdings.find(|holding| !holding.is_within()).map_or(Ok(()), |holding| {
            let (what, entries, bytes) = (holding.bound.what, holding.entries, holding.bytes);
            self.fail(format!("node {node} holds {entries} entries and {bytes} bytes of {what}, more than it may"))
        })
    }

    /// Every path, as one node sees it and from hop to hop. Among hostile nodes links come and go without end, and the maps of
    /// two honest nodes are of different moments: there, no way leads in circles for longer than records may lag behind.
    pub(super) fn judge_paths(&mut self, seen: &mut impl FnMut(&Simulator)) -> Result<(), Violation> {
        let mut circles = Vec::new();
        for node in 0..self.network.len() {
            for target in 0..self.network.len() {
                self.judge_path(node, target)?;
                if self.circles(node, target) {
                    circles.push((node, target));
                }
            }
        }
        let begun = self.network.now();
        let patience = if self.honest().count() == self.network.running().count() { Duration::ZERO } else { LAG };
        while let Some((node, target)) = circles.first() {
            if self.network.now() >= begun + patience {
                return self.fail(format!("the hops from node {node} to node {target} lead in circles"));
            }
            let next = self.network.now() + GLANCE;
            self.pass_until(next, seen)?;
            circles.retain(|(node, target)| self.circles(*node, *target));
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

    /// Each node chooses its next hop by itself: whether the way leads in circles from hop to hop.
    fn circles(&self, from: usize, target: usize) -> bool {
        let (id, mut here) = (names::node_id(target), from);
        for _ in 0..=MAX_HOPS {
            let overlay = self.network.overlay(here).filter(|_| self.network.is_honest(here));
            let next = overlay.and_then(|overlay| overlay.next_hop(&id));
            let Some(next) = next.and_then(|next| self.network.number(&next)) else { return false };
            here = next;
        }
        true
    }

    /// What keeps the network from rest: somebody without a path to somebody, or with an old record.
    pub(super) fn difference(&mut self) -> Option<String> {
        let Some(expected) = self.expected() else { return Some("it is too early to say".to_owned()) };
        let list = self
            .honest()
            .filter_map(|(_, overlay)| overlay.record(&overlay.node())?.status.revocations.get(&ISSUER).copied());
        let list = list.max();
        for (number, overlay) in self.honest() {
            for (other, version) in &expected {
                let id = names::node_id(*other);
                let known = overlay.record(&id).map(|record| record.status.version);
                if *other != number && (known < Some(*version) || overlay.next_hop(&id).is_none()) {
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

    /// Which versions all must know: the present ones, or among hostile nodes those of [`LAG`] ago.
    fn expected(&mut self) -> Option<Vec<(usize, Version)>> {
        let now = self.network.now();
        let newest: Vec<_> = self.honest().map(|(number, overlay)| (number, overlay.version())).collect();
        if newest.len() == self.network.running().count() {
            return Some(newest);
        }
        self.versions.push_back((now, newest));
        while self.versions.get(1).is_some_and(|(at, _)| *at + LAG <= now) {
            self.versions.pop_front();
        }
        self.versions.front().filter(|(at, _)| *at + LAG <= now).map(|(_, versions)| versions.clone())
    }

    fn honest(&self) -> impl Iterator<Item = (usize, &Overlay)> {
        self.network.running().filter(|(number, _)| self.network.is_honest(*number))
    }

    /// Every request between honest nodes that stayed where they were is answered, whatever the others do.
    pub(super) fn judge_answers(&self, scenario: &Scenario) -> Result<(), Violation> {
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

    pub(super) fn fail<T>(&self, promise: String) -> Result<T, Violation> {
        Err(Violation { at: self.network.now(), promise })
    }
}
