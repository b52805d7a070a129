use std::time::{Duration, Instant};

use nuncio_identity::NodeId;
use rand::RngExt;

use super::{Candidate, Dialer};

/// Above so many reachable nodes, each tries those out of reach the more seldom the more they are: one that returns is
/// not dialled by a thousand at once.
const RESCUERS: usize = 32;

impl Dialer {
    /// No path leads to a node any more, or none yet: the paths to one that has just become known may yet be found.
    pub(super) fn lose(&mut self, node: NodeId, now: Instant) {
        self.lost.insert(node);
        if self.target_degree > 0 && self.schedule.get(&Candidate::Rescue).is_none() {
            let (shortest, mean) = self.rescue_pauses();
            let spread = self.rng.random_range(Duration::ZERO..=mean - shortest);
            self.schedule.set(Candidate::Rescue, now + shortest + spread);
        }
    }

    /// Between two rescues, at the least and on average.
    pub(super) fn rescue_pauses(&self) -> (Duration, Duration) {
        let shortest = self.pauses.1 / 8;
        let reachable = self.learnt.len().saturating_sub(self.lost.len());
        (shortest, shortest * reachable.div_ceil(RESCUERS).max(1) as u32)
    }

    pub(super) fn try_another_address(&mut self, node: NodeId, now: Instant) {
        if let Some(learnt) = self.learnt.get_mut(&node) {
            learnt.next += 1;
        }
        self.met.shift_remove(&node);
        self.pause_node(node, self.pauses, now);
    }

    /// Whatever leads to a peer has its turn after a pause.
    pub(super) fn pause(&mut self, peer: &NodeId, pauses: (Duration, Duration), now: Instant) {
        for (address, configured) in self.configured.iter_mut().filter(|(_, configured)| configured.node == Some(*peer))
        {
            let pause = configured.backoff.next_pause(pauses, &mut self.rng);
            self.schedule.set(Candidate::Configured(address.clone()), now + pause);
        }
        self.pause_node(*peer, pauses, now);
    }

    pub(super) fn pause_node(&mut self, node: NodeId, pauses: (Duration, Duration), now: Instant) {
        if let Some(learnt) = self.learnt.get_mut(&node) {
            let pause = learnt.backoff.next_pause(pauses, &mut self.rng);
            self.schedule_node(node, now + pause);
        }
    }

    pub(super) fn schedule_node(&mut self, node: NodeId, at: Instant) {
        self.ready.swap_remove(&node);
        self.schedule.set(Candidate::Learnt(node), at);
    }
}
