mod pauses;
mod turn;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use indexmap::{IndexMap, IndexSet};
use nuncio_bounds::Bound;
use nuncio_identity::NodeId;
use rand::{RngExt, SeedableRng, rngs::SmallRng};

use super::{Address, MAX_ADDRESS, PendingPeerView, backoff::Backoff, pace::Pace};
use crate::{
    Config, MAX_NODES,
    schedule::Schedule,
    status_sync::{MAX_ADDRESSES, Record},
};

/// How much longer the higher ID waits before it dials a learnt node, so that dials seldom cross.
const COURTESY: Duration = Duration::from_secs(1);

/// Which addresses to dial, and when.
///
/// Bounds: configured peers as the operator wishes; [`MAX_NODES`] learnt ones with the eight addresses of up to 256 bytes that
/// a record may have, so 2 MiB; further ones are ignored. As many are remembered where they were met; the one met longest ago is forgotten. The schedule has one entry for each.
#[derive(Debug)]
pub(super) struct Dialer {
    me: NodeId,
    target_degree: usize,
    pauses: (Duration, Duration),
    healthy_after: Duration,
    rng: SmallRng,
    configured: BTreeMap<Address, Configured>,
    learnt: IndexMap<NodeId, Learnt>,
    /// Those of them that no path leads to.
    lost: IndexSet<NodeId>,
    /// Those of them that may be dialled when a link is wanted.
    ready: IndexSet<NodeId>,
    /// Where who answered when it was dialled last, the newest at the end: nobody else is looked for there.
    met: IndexMap<NodeId, Address>,
    /// Addresses that lead to ourselves, as the node was told.
    own_addresses: BTreeSet<Address>,
    /// Dials under way, and whom they are to lead to, if it is known.
    dialing: BTreeMap<Address, Option<NodeId>>,
    schedule: Schedule<Candidate>,
    pace: Pace,
    /// Until then learnt nodes are left alone.
    rests_until: Instant,
}

/// What has its turn at some time. Whoever is linked, refused or being dialled has none: the end of that sets it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Candidate {
    Configured(Address),
    Learnt(NodeId),
    /// One of the lost nodes, though there are links enough.
    Rescue,
    /// Ready nodes, if links are wanted.
    Refill,
}

#[derive(Debug, Default)]
struct Configured {
    node: Option<NodeId>,
    backoff: Backoff,
    ours: bool,
    last_error: Option<Arc<str>>,
}

#[derive(Debug, Default)]
struct Learnt {
    addresses: Vec<Address>,
    /// Which of them is tried next.
    next: usize,
    backoff: Backoff,
    /// Removed by the operator: linked only if it dials.
    shunned: bool,
}

impl Dialer {
    pub(super) fn bounds(config: &Config) -> [Bound; 2] {
        let learnt = Bound::of_entries::<(NodeId, Learnt, [NodeId; 3], Address, [(Instant, Candidate); 2])>(
            "where nodes can be dialled",
            MAX_NODES,
            (MAX_ADDRESSES + 1) * (MAX_ADDRESS + 2 * size_of::<Address>()),
            "further nodes are not dialled",
        );
        [learnt, Pace::bound(spacing(config))]
    }

    pub(super) fn new(config: &Config, me: NodeId, seed: u64, now: Instant) -> Self {
        Self {
            me,
            target_degree: config.target_degree,
            pauses: config.backoff,
            healthy_after: config.healthy_after,
            rng: SmallRng::seed_from_u64(seed),
            configured: BTreeMap::new(),
            learnt: IndexMap::new(),
            lost: IndexSet::new(),
            ready: IndexSet::new(),
            met: IndexMap::new(),
            own_addresses: BTreeSet::new(),
            dialing: BTreeMap::new(),
            schedule: Schedule::default(),
            pace: Pace::new(spacing(config)),
            rests_until: now,
        }
    }

    pub(super) fn add(&mut self, address: Address, now: Instant) {
        let peer = self.configured.entry(address.clone()).or_default();
        peer.ours = false;
        peer.backoff.reset();
        if let Some(node) = peer.node
            && let Some(learnt) = self.learnt.get_mut(&node)
        {
            learnt.shunned = false;
            self.schedule_node(node, now);
        }
        self.schedule.set(Candidate::Configured(address), now);
    }

    /// Stops dialling; gives back the node met there, unless another configured address leads to it.
    pub(super) fn remove(&mut self, address: &Address) -> Option<NodeId> {
        self.schedule.cancel(&Candidate::Configured(address.clone()));
        let node = self.configured.remove(address)?.node?;
        if self.is_kept(&node) {
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

    /// Learns where a node can be dialled. New addresses do not shorten a pause: a node could have any address dialled as
    /// often as it likes.
    pub(super) fn learn(&mut self, record: &Record, now: Instant) {
        let node = record.status.node;
        let addresses = &record.status.addresses;
        if let Some(learnt) = self.learnt.get_mut(&node) {
            if learnt.addresses == *addresses {
                return;
            }
            learnt.addresses.clone_from(addresses);
            if self.schedule.get(&Candidate::Learnt(node)).is_none() && !self.ready.contains(&node) {
                self.pause_node(node, self.pauses, now);
            }
            return;
        }
        if self.learnt.len() >= MAX_NODES {
            return;
        }
        self.learnt.insert(node, Learnt { addresses: addresses.clone(), ..Learnt::default() });
        let courtesy = if self.me > node { COURTESY } else { Duration::ZERO };
        let jitter = self.rng.random_range(Duration::ZERO..=self.pauses.0);
        self.schedule_node(node, now + courtesy + jitter);
        self.lose(node, now);
    }

    pub(super) fn forget(&mut self, node: &NodeId) {
        self.learnt.swap_remove(node);
        self.lost.swap_remove(node);
        self.ready.swap_remove(node);
        self.met.shift_remove(node);
        self.schedule.cancel(&Candidate::Learnt(*node));
    }

    pub(super) fn set_reachable(&mut self, node: &NodeId, reachable: bool, now: Instant) {
        if reachable {
            self.lost.swap_remove(node);
        } else if self.learnt.contains_key(node) {
            self.lose(*node, now);
        }
    }

    /// A dial succeeded.
    pub(super) fn connected(&mut self, address: &Address, peer: NodeId, now: Instant) {
        if let Some(expected) = self.dialing.remove(address).flatten().filter(|expected| *expected != peer) {
            self.try_another_address(expected, now);
        }
        self.met.shift_remove(&peer);
        self.met.insert(peer, address.clone());
        if self.met.len() > MAX_NODES {
            self.met.shift_remove_index(0);
        }
        if let Some(configured) = self.configured.get_mut(address) {
            configured.node = Some(peer);
            configured.last_error = None;
        }
    }

    /// An address leads to ourselves: given up.
    pub(super) fn is_ours(&mut self, address: &Address, now: Instant) {
        if let Some(node) = self.dialing.remove(address).flatten() {
            self.try_another_address(node, now);
        }
        if let Some(configured) = self.configured.get_mut(address) {
            configured.ours = true;
            configured.last_error = Some("this address is our own".into());
        }
    }

    /// A dial failed. A node without any link is out of the network: it tries its peers twice as often.
    pub(super) fn failed(&mut self, address: &Address, reason: &Arc<str>, alone: bool, now: Instant) {
        if let Some(node) = self.dialing.remove(address).flatten() {
            self.try_another_address(node, now);
        }
        let (first, longest) = self.pauses;
        if let Some(configured) = self.configured.get_mut(address) {
            configured.last_error = Some(Arc::clone(reason));
            let pause =
                configured.backoff.next_pause((first, if alone { longest / 2 } else { longest }), &mut self.rng);
            self.schedule.set(Candidate::Configured(address.clone()), now + pause);
        }
    }

    /// Whatever dials have failed for is over: none waits any longer.
    pub(super) fn start_over(&mut self, now: Instant) {
        for (address, peer) in &mut self.configured {
            peer.backoff.reset();
            self.schedule.set(Candidate::Configured(address.clone()), now);
        }
        for (node, learnt) in &mut self.learnt {
            learnt.backoff.reset();
            self.schedule.set(Candidate::Learnt(*node), now);
        }
        self.ready.clear();
    }

    /// A link ended after so long, or a node is refused no longer: it is dialled again after a pause.
    pub(super) fn link_down(&mut self, peer: &NodeId, lived: Duration, now: Instant) {
        if lived >= self.healthy_after {
            let configured = self.configured.values_mut().filter(|configured| configured.node == Some(*peer));
            let backoffs = configured.map(|configured| &mut configured.backoff);
            backoffs.chain(self.learnt.get_mut(peer).map(|learnt| &mut learnt.backoff)).for_each(Backoff::reset);
        }
        self.pause(peer, self.pauses, now);
    }

    /// A peer sent us away, and would do so again.
    pub(super) fn sent_away(&mut self, peer: &NodeId, now: Instant) {
        self.pause(peer, (self.pauses.1, 2 * self.pauses.1), now);
    }

    /// Leaves learnt nodes alone for a while; who is configured is dialled as ever.
    pub(super) fn rest(&mut self, now: Instant) {
        self.rests_until = now + 2 * self.pauses.1;
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let opens_at = self.pace.opens_at();
        self.schedule.next().map(|next| opens_at.map_or(next, |opens_at| next.max(opens_at)))
    }

    pub(super) fn configured_addresses(&self, node: &NodeId) -> Vec<Address> {
        let met = self.configured.iter().filter(|(_, peer)| peer.node == Some(*node));
        met.map(|(address, _)| address.clone()).collect()
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

    /// Whether a node was met at a configured address: a link to it is always wanted.
    fn is_kept(&self, node: &NodeId) -> bool {
        self.configured.values().any(|peer| peer.node == Some(*node))
    }
}

/// Between two dials of an address that others name.
fn spacing(config: &Config) -> Duration {
    config.backoff.1 * 2 / 3
}
