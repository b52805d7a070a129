use std::time::Instant;

use nuncio_identity::NodeId;
use rand::{RngExt, seq::IteratorRandom};

use super::{Address, Candidate, Dialer};
use crate::{Output, outbox::Outbox};

impl Dialer {
    /// Dials what is due: configured peers and those met at their addresses always, others up to the target degree of
    /// links. `is_wanted` says who is neither linked nor refused.
    pub(in crate::peering) fn dial(
        &mut self,
        links: usize,
        is_wanted: impl Fn(&NodeId) -> bool,
        outbox: &mut Outbox,
        now: Instant,
    ) {
        while self.pace.is_open(now)
            && let Some(candidate) = self.schedule.pop_due(now)
        {
            match candidate {
                Candidate::Configured(address) => self.dial_configured(address, &is_wanted, outbox, now),
                Candidate::Learnt(node) if self.is_kept(&node) => self.dial_node(node, &is_wanted, outbox, now),
                Candidate::Learnt(node) => {
                    self.ready.insert(node);
                }
                Candidate::Rescue => self.rescue(&is_wanted, outbox, now),
                Candidate::Refill => self.refill(links, &is_wanted, outbox, now),
            }
        }
        self.refill(links, &is_wanted, outbox, now);
    }

    fn dial_configured(
        &mut self,
        address: Address,
        is_wanted: &impl Fn(&NodeId) -> bool,
        outbox: &mut Outbox,
        now: Instant,
    ) {
        if self.own_addresses.contains(&address) {
            self.is_ours(&address, now);
        }
        let Some(peer) = self.configured.get(&address) else { return };
        let idle = !peer.ours && !self.dialing.contains_key(&address);
        if idle && peer.node.is_none_or(|node| is_wanted(&node)) {
            self.start(address, None, outbox, now);
        }
    }

    /// Dials ready nodes, whoever they are, until there are links enough.
    fn refill(&mut self, links: usize, is_wanted: &impl Fn(&NodeId) -> bool, outbox: &mut Outbox, now: Instant) {
        while !self.ready.is_empty() && links + self.dialing.len() < self.target_degree {
            let opens_at = self.pace.opens_at().map_or(self.rests_until, |at| at.max(self.rests_until));
            if opens_at > now {
                self.schedule.set(Candidate::Refill, opens_at);
                return;
            }
            let any = self.rng.random_range(0..self.ready.len());
            if let Some(node) = self.ready.swap_remove_index(any) {
                self.dial_node(node, is_wanted, outbox, now);
            }
        }
    }

    /// Dials now and then a node that no path has led to for a while, so that two halves of a network find together
    /// again.
    fn rescue(&mut self, is_wanted: &impl Fn(&NodeId) -> bool, outbox: &mut Outbox, now: Instant) {
        if self.lost.is_empty() {
            return;
        }
        let (shortest, mean) = self.rescue_pauses();
        let pause = self.rng.random_range(shortest.max(mean / 2)..=mean * 3 / 2);
        self.schedule.set(Candidate::Rescue, now + pause);
        let due = self.lost.iter().filter(|node| self.ready.contains(*node) && is_wanted(node));
        if let Some(node) = due.copied().choose(&mut self.rng).filter(|_| now >= self.rests_until) {
            self.ready.swap_remove(&node);
            self.dial_node(node, is_wanted, outbox, now);
        }
    }

    /// Dials a node at the next of its addresses that may be dialled; if none may yet, it has its turn later.
    fn dial_node(&mut self, node: NodeId, is_wanted: &impl Fn(&NodeId) -> bool, outbox: &mut Outbox, now: Instant) {
        let is_dialled = self.dialing.values().any(|expected| *expected == Some(node));
        let Some(learnt) = self.learnt.get(&node).filter(|learnt| !learnt.shunned && !is_dialled && is_wanted(&node))
        else {
            return;
        };
        let count = learnt.addresses.len();
        let from_next_on = (learnt.next..learnt.next + count).map(|n| (n % count, &learnt.addresses[n % count]));
        let dialable =
            from_next_on.filter_map(|(n, address)| Some((self.dialable_from(address, &node, now)?, n, address)));
        match dialable.min_by_key(|(from, ..)| *from) {
            Some((from, n, address)) if from <= now => {
                let address = address.clone();
                if let Some(learnt) = self.learnt.get_mut(&node) {
                    learnt.next = n;
                }
                self.start(address, Some(node), outbox, now);
            }
            Some((from, ..)) => self.schedule_node(node, from),
            None => {}
        }
    }

    /// From when on an address may be dialled to find a node; `None` if it leads to ourselves.
    fn dialable_from(&self, address: &Address, node: &NodeId, now: Instant) -> Option<Instant> {
        if self.own_addresses.contains(address) {
            return None;
        }
        let (first, longest) = self.pauses;
        // Unless it has moved since.
        let still_names =
            |other: &NodeId| self.learnt.get(other).is_some_and(|other| other.addresses.contains(address));
        if self.met.iter().any(|(other, met)| other != node && met == address && still_names(other)) {
            return Some(now + longest);
        }
        let is_dialled = self.dialing.contains_key(address);
        Some(if is_dialled { now + first } else { self.pace.allows(address, now) })
    }

    fn start(&mut self, address: Address, expected: Option<NodeId>, outbox: &mut Outbox, now: Instant) {
        self.pace.note(&address, now);
        self.dialing.insert(address.clone(), expected);
        outbox.push(Output::Dial { address, expected });
    }
}
