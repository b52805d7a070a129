use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use indexmap::IndexMap;
use nuncio_identity::NodeId;
use rand::{RngExt, SeedableRng, rngs::SmallRng, seq::IteratorRandom};

use super::{Address, PendingPeerView, backoff::Backoff};
use crate::{Config, MAX_NODES, Output, outbox::Outbox, status_sync::Record, timers::earliest};

/// How much longer the higher ID waits before it dials a learnt node, so that dials seldom cross.
const COURTESY: Duration = Duration::from_secs(1);

/// In a network of more nodes than this, they are looked through at most once in [`LOOK`]: when a thousand nodes become
/// known, each would else be a reason to look through all.
const CROWD: usize = 64;
const LOOK: Duration = Duration::from_millis(100);

/// Above so many reachable nodes, each tries those out of reach the more seldom the more they are: one that returns is
/// not dialled by a thousand at once.
const RESCUERS: usize = 32;

/// Which addresses to dial, and when.
///
/// Bounds: configured peers as the operator wishes; [`MAX_NODES`] learnt ones, further ones are ignored.
#[derive(Debug)]
pub(super) struct Dialer {
    me: NodeId,
    target_degree: usize,
    pauses: (Duration, Duration),
    healthy_after: Duration,
    rng: SmallRng,
    configured: BTreeMap<Address, Configured>,
    learnt: IndexMap<NodeId, Learnt>,
    /// Those of them that no path leads to, and when they may be tried though there are links enough.
    lost: BTreeMap<NodeId, Instant>,
    /// Addresses that lead to ourselves.
    own_addresses: BTreeSet<Address>,
    /// Dials under way, and whom they are to lead to, if it is known.
    dialing: BTreeMap<Address, Option<NodeId>>,
    /// When the next dial may be due; `None` while nothing waits.
    wake: Option<Instant>,
    /// When it was last seen to what is due.
    looked: Option<Instant>,
    /// When a node that is out of reach may be tried though there are links enough.
    next_rescue: Instant,
}

#[derive(Debug)]
struct Configured {
    node: Option<NodeId>,
    backoff: Backoff,
    ours: bool,
    last_error: Option<Arc<str>>,
}

#[derive(Debug)]
struct Learnt {
    addresses: Vec<Address>,
    next: usize,
    backoff: Backoff,
    /// Removed by the operator: linked only if it dials.
    shunned: bool,
}

impl Dialer {
    pub(super) fn new(config: &Config, me: NodeId, seed: u64, now: Instant) -> Self {
        Self {
            me,
            target_degree: config.target_degree,
            pauses: config.backoff,
            healthy_after: config.healthy_after,
            rng: SmallRng::seed_from_u64(seed),
            configured: BTreeMap::new(),
            learnt: IndexMap::new(),
            lost: BTreeMap::new(),
            own_addresses: BTreeSet::new(),
            dialing: BTreeMap::new(),
            wake: None,
            looked: None,
            next_rescue: now,
        }
    }

    pub(super) fn add(&mut self, address: Address, now: Instant) {
        let fresh = Configured { node: None, backoff: Backoff::new(now), ours: false, last_error: None };
        let peer = self.configured.entry(address).or_insert(fresh);
        peer.ours = false;
        peer.backoff = Backoff::new(now);
        let node = peer.node;
        if let Some(learnt) = node.and_then(|node| self.learnt.get_mut(&node)) {
            learnt.shunned = false;
        }
        self.wake = Some(now);
    }

    /// Stops dialling; gives back the node met there, unless another configured address leads to it.
    pub(super) fn remove(&mut self, address: &Address) -> Option<NodeId> {
        let node = self.configured.remove(address)?.node?;
        if self.configured.values().any(|peer| peer.node == Some(node)) {
            return None;
        }
        if let Some(learnt) = self.learnt.get_mut(&node) {
            learnt.shunned = true;
        }
        Some(node)
    }

    pub(super) fn set_own_addresses(&mut self, addresses: &[Address]) {
        self.own_addresses = addresses.iter().cloned().collect();
    }

    pub(super) fn learn(&mut self, record: &Record, now: Instant) {
        let node = record.status.node;
        let addresses = &record.status.addresses;
        if let Some(learnt) = self.learnt.get_mut(&node) {
            if learnt.addresses != *addresses {
                learnt.addresses.clone_from(addresses);
                learnt.backoff.reset();
                self.wake = earliest(self.wake, Some(learnt.backoff.not_before().max(now)));
            }
            return;
        }
        if self.learnt.len() >= MAX_NODES {
            return;
        }
        let courtesy = if self.me > node { COURTESY } else { Duration::ZERO };
        let not_before = now + courtesy + self.rng.random_range(Duration::ZERO..=self.pauses.0);
        let addresses = addresses.clone();
        let backoff = Backoff::new(not_before);
        self.lose(node, now);
        self.learnt.insert(node, Learnt { addresses, next: 0, backoff, shunned: false });
        self.wake = earliest(self.wake, Some(not_before));
    }

    pub(super) fn forget(&mut self, node: &NodeId) {
        self.learnt.swap_remove(node);
        self.lost.remove(node);
    }

    pub(super) fn set_reachable(&mut self, node: &NodeId, reachable: bool, now: Instant) {
        if let Some(learnt) = self.learnt.get(node).filter(|_| self.lost.contains_key(node) == reachable) {
            let from = learnt.backoff.not_before().max(now);
            if reachable {
                self.lost.remove(node);
            } else {
                self.lose(*node, now);
            }
            self.wake = earliest(self.wake, Some(from));
        }
    }

    /// A dial succeeded.
    pub(super) fn connected(&mut self, address: &Address, peer: NodeId) {
        self.dialing.remove(address);
        if let Some(configured) = self.configured.get_mut(address) {
            configured.node = Some(peer);
            configured.last_error = None;
        }
    }

    /// An address leads to ourselves: given up.
    pub(super) fn is_ours(&mut self, address: &Address) {
        self.dialing.remove(address);
        self.own_addresses.insert(address.clone());
        if let Some(configured) = self.configured.get_mut(address) {
            configured.ours = true;
            configured.last_error = Some("this address is our own".into());
        }
    }

    /// A dial failed. A node without any link is out of the network: it tries its peers twice as often.
    pub(super) fn failed(&mut self, address: &Address, reason: &Arc<str>, alone: bool, now: Instant) {
        let expected = self.dialing.remove(address).flatten();
        let (pauses, rng) = (self.pauses, &mut self.rng);
        if let Some(configured) = self.configured.get_mut(address) {
            let longest = if alone { pauses.1 / 2 } else { pauses.1 };
            configured.last_error = Some(Arc::clone(reason));
            configured.backoff.wait((pauses.0, longest), rng, now);
        }
        // Whom a configured address leads to is not known before: whoever says to be there.
        let tried: Box<dyn Iterator<Item = &mut Learnt>> = match expected {
            Some(node) => Box::new(self.learnt.get_mut(&node).into_iter()),
            None => Box::new(self.learnt.values_mut()),
        };
        for learnt in tried.filter(|learnt| learnt.current() == Some(address)) {
            learnt.next += 1;
            learnt.backoff.wait(pauses, rng, now);
        }
        // The failed dial took the place of another one.
        self.wake = Some(now);
    }

    /// Whatever dials have failed for is over: none waits any longer.
    pub(super) fn start_over(&mut self, now: Instant) {
        let configured = self.configured.values_mut().map(|peer| &mut peer.backoff);
        for backoff in configured.chain(self.learnt.values_mut().map(|learnt| &mut learnt.backoff)) {
            *backoff = Backoff::new(now);
        }
        self.wake = Some(now);
    }

    /// A link ended after so long: its peer is dialled again after a pause.
    pub(super) fn link_down(&mut self, peer: &NodeId, lived: Duration, now: Instant) {
        let healthy = lived >= self.healthy_after;
        let (pauses, rng) = (self.pauses, &mut self.rng);
        let configured = self.configured.values_mut().filter(|configured| configured.node == Some(*peer));
        let backoffs = configured.map(|configured| &mut configured.backoff);
        for backoff in backoffs.chain(self.learnt.get_mut(peer).map(|learnt| &mut learnt.backoff)) {
            if healthy {
                backoff.reset();
            }
            backoff.wait(pauses, rng, now);
            self.wake = earliest(self.wake, Some(backoff.not_before()));
        }
        // Any lost link may leave us short of the target, whoever's it was.
        self.wake = earliest(self.wake, Some(now));
    }

    /// Dials what is due. `links` and `is_linked` say what there is already.
    pub(super) fn dial(
        &mut self,
        links: usize,
        is_linked: impl Fn(&NodeId) -> bool,
        is_refused: impl Fn(&NodeId) -> bool,
        outbox: &mut Outbox,
        now: Instant,
    ) {
        if self.wake.is_none_or(|at| at > now) {
            return;
        }
        let rested = self.looked.filter(|_| self.learnt.len() > CROWD).map(|looked| looked + LOOK);
        if let Some(rested) = rested.filter(|rested| *rested > now) {
            self.wake = Some(rested);
            return;
        }
        self.looked = Some(now);
        self.wake = None;
        let wanted = |node: Option<NodeId>| node.is_none_or(|node| !is_linked(&node) && !is_refused(&node));
        for (address, peer) in &mut self.configured {
            let idle = !peer.ours && !self.own_addresses.contains(address) && !self.dialing.contains_key(address);
            if !idle || !wanted(peer.node) {
                continue;
            }
            if peer.backoff.not_before() <= now {
                self.dialing.insert(address.clone(), None);
                outbox.push(Output::Dial { address: address.clone(), expected: None });
            } else {
                self.wake = earliest(self.wake, Some(peer.backoff.not_before()));
            }
        }
        self.dial_learnt(links, |node| wanted(Some(*node)), outbox, now);
    }

    pub(super) const fn poll_timeout(&self) -> Option<Instant> {
        self.wake
    }

    pub(super) fn configured_address(&self, node: &NodeId) -> Option<Address> {
        self.configured.iter().find(|(_, peer)| peer.node == Some(*node)).map(|(address, _)| address.clone())
    }

    pub(super) fn pending(&self, is_linked: impl Fn(&NodeId) -> bool) -> Vec<PendingPeerView> {
        let pending = self.configured.iter().filter(|(_, peer)| peer.node.is_none_or(|node| !is_linked(&node)));
        let view = |(address, peer): (&Address, &Configured)| PendingPeerView {
            address: address.clone(),
            node: peer.node,
            dialing: self.dialing.contains_key(address),
            last_error: peer.last_error.clone(),
        };
        pending.map(view).collect()
    }

    /// Dials learnt nodes: those met at configured addresses always, others up to the target degree.
    fn dial_learnt(&mut self, links: usize, wanted: impl Fn(&NodeId) -> bool, outbox: &mut Outbox, now: Instant) {
        let kept: BTreeSet<NodeId> = self.configured.values().filter_map(|peer| peer.node).collect();
        let (mut due, mut always) = (Vec::new(), Vec::new());
        let mut room = self.target_degree.saturating_sub(links + self.dialing.len());
        // With links enough, only those of configured peers are wanted: a large network is not looked through for each
        // change.
        let candidates: Box<dyn Iterator<Item = (&NodeId, &Learnt)>> = if room > 0 {
            Box::new(self.learnt.iter())
        } else {
            Box::new(kept.iter().filter_map(|node| self.learnt.get_key_value(node)))
        };
        let mut wake = self.wake;
        for (node, learnt) in candidates.filter(|(node, learnt)| wanted(node) && self.is_dialable(learnt)) {
            if learnt.backoff.not_before() > now {
                wake = earliest(wake, Some(learnt.backoff.not_before()));
            } else if kept.contains(node) {
                always.push(*node);
            } else {
                due.push(*node);
            }
        }
        self.wake = wake;
        for node in always {
            self.dial_node(node, outbox);
        }
        while room > 0 && !due.is_empty() {
            let node = due.swap_remove(self.rng.random_range(0..due.len()));
            self.dial_node(node, outbox);
            room -= 1;
        }
        if self.target_degree > 0 {
            self.rescue(wanted, outbox, now);
        }
    }

    /// Dials now and then a node that no path has led to for a while, so that two halves of a network find together
    /// again.
    fn rescue(&mut self, wanted: impl Fn(&NodeId) -> bool, outbox: &mut Outbox, now: Instant) {
        let mut due = Vec::new();
        for (node, not_before) in &self.lost {
            let Some(learnt) = self.learnt.get(node).filter(|learnt| wanted(node) && self.is_dialable(learnt)) else {
                continue;
            };
            let from = learnt.backoff.not_before().max(*not_before).max(self.next_rescue);
            if from <= now {
                due.push(*node);
            } else {
                self.wake = earliest(self.wake, Some(from));
            }
        }
        if let Some(node) = due.into_iter().choose(&mut self.rng) {
            let (shortest, mean) = self.rescue_pauses();
            self.next_rescue = now + self.rng.random_range(shortest.max(mean / 2)..=mean * 3 / 2);
            self.wake = earliest(self.wake, Some(self.next_rescue));
            self.dial_node(node, outbox);
        }
    }

    /// No path leads to a node any more, or none yet: the paths to one that has just become known may yet be found.
    fn lose(&mut self, node: NodeId, now: Instant) {
        let (shortest, mean) = self.rescue_pauses();
        let spread = self.rng.random_range(Duration::ZERO..=mean - shortest);
        self.lost.insert(node, now + shortest + spread);
    }

    /// Between two rescues, at the least and on average.
    fn rescue_pauses(&self) -> (Duration, Duration) {
        let shortest = self.pauses.1 / 8;
        let reachable = self.learnt.len().saturating_sub(self.lost.len());
        (shortest, shortest * reachable.div_ceil(RESCUERS).max(1) as u32)
    }

    fn is_dialable(&self, learnt: &Learnt) -> bool {
        !learnt.shunned && learnt.current().is_some_and(|address| !self.dialing.contains_key(address))
    }

    fn dial_node(&mut self, node: NodeId, outbox: &mut Outbox) {
        let Some(learnt) = self.learnt.get_mut(&node) else { return };
        let usable = (0..learnt.addresses.len()).find_map(|_| {
            let address = learnt.current()?.clone();
            let usable = !self.own_addresses.contains(&address) && !self.dialing.contains_key(&address);
            if !usable {
                learnt.next += 1;
            }
            usable.then_some(address)
        });
        if let Some(address) = usable {
            self.dialing.insert(address.clone(), Some(node));
            outbox.push(Output::Dial { address, expected: Some(node) });
        }
    }
}

impl Learnt {
    fn current(&self) -> Option<&Address> {
        (!self.addresses.is_empty()).then(|| &self.addresses[self.next % self.addresses.len()])
    }
}
