//! The next hop to every node: shortest paths over links that both ends name.

mod choice;
mod detours;
mod edges;
mod places;
mod search;
mod silence;
mod turned_back;
mod ways_back;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use nuncio_bounds::Bound;
use nuncio_identity::NodeId;

use crate::{
    MAX_HOPS, MAX_NODES,
    status_sync::{MAX_NAMED, Record},
};
use detours::Detours;
use edges::Edges;
use places::{ME, Places, Slot};
use search::{Way, Ways};
use silence::Silence;
pub(crate) use turned_back::WaysTaken;
use ways_back::Losses;

/// Up to so many nodes, paths are computed with every change.
const SMALL: usize = 64;

/// Beyond that, changes of so long are taken together, for each begun [`LARGE`] nodes.
const PAUSE: Duration = Duration::from_millis(50);
const LARGE: usize = 256;

/// How long who may have swallowed a request or an answer is avoided.
const SILENCE: Duration = Duration::from_secs(30);

/// The map of the network as this node sees it.
#[derive(Debug)]
pub(crate) struct Routing {
    places: Places,
    edges: Edges,
    ways: Ways,
    detours: Detours,
    /// Who may have swallowed requests of ours.
    silent: Silence,
    /// To whom answers were lost of late.
    lost: Losses,
    dirty: bool,
    /// A link of this node has changed, or a node has gone: paths may lead nowhere.
    urgent: bool,
}

/// How a node is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) next_hop: NodeId,
    pub(crate) hops: u8,
}

impl Routing {
    /// What peers can make it hold.
    pub(crate) const fn bounds(links: usize) -> [Bound; 3] {
        let places = MAX_NODES + links;
        // Of each place what is there and the first of its edges; then further ones, and the ways round this node. What grows
        // is half empty.
        let map = Bound::of_bytes(
            "the map of the network",
            places * 1024 + 2 * size_of::<Slot>() * MAX_NAMED + 2 * detours::MAX_BYTES,
            "links and records have bounds; edges that one end alone names do not count",
        );
        [map.in_entries(places), Silence::BOUND, Losses::BOUND]
    }

    pub(crate) fn new(me: NodeId) -> Self {
        Self {
            places: Places::new(me),
            edges: Edges::new(),
            ways: Ways::new(),
            detours: Detours::default(),
            silent: Silence::new(SILENCE),
            lost: Losses::default(),
            dirty: false,
            urgent: false,
        }
    }

    pub(crate) fn link_up(&mut self, peer: NodeId) {
        let Some(slot) = self.place(peer).filter(|slot| *slot != ME) else { return };
        self.edges.insert(ME, slot);
        self.change_urgently();
    }

    pub(crate) fn link_down(&mut self, peer: &NodeId) {
        let Some(slot) = self.places.slot(peer) else { return };
        self.edges.remove(ME, slot);
        self.change_urgently();
        self.release(slot);
    }

    /// Takes a node's record; its edges are those whose other end names the node as well.
    pub(crate) fn apply(&mut self, record: &Arc<Record>) {
        let node = record.status.node;
        let Some(slot) = self.place(node).filter(|slot| *slot != ME) else { return };
        let old = self.places.set_record(slot, Some(Arc::clone(record)));
        let (none, new) = (BTreeSet::new(), &record.status.neighbours);
        let old = old.as_ref().map_or(&none, |old| &old.status.neighbours);
        for changed in old.symmetric_difference(new) {
            let Some(other) = self.places.slot(changed) else { continue };
            if !new.contains(changed) {
                self.disconnect(slot, other);
            } else if self.places.names(other, &node) {
                self.connect(slot, other);
            }
        }
    }

    /// Forgets a node's record.
    pub(crate) fn forget(&mut self, node: &NodeId) {
        let Some(slot) = self.places.slot(node).filter(|slot| *slot != ME) else { return };
        self.edges.isolate(slot);
        self.places.set_record(slot, None);
        self.silent.clear(node);
        self.change_urgently();
        self.release(slot);
    }

    /// When the paths are to be computed again, if they were computed at `last`; `None` when nothing has changed. In a
    /// large network, what others say of their links is taken together for a while.
    pub(crate) fn due(&self, last: Instant) -> Option<Instant> {
        let is_small = self.urgent || self.places.len() <= SMALL;
        let pause = if is_small { Duration::ZERO } else { PAUSE * self.places.len().div_ceil(LARGE) as u32 };
        self.dirty.then(|| last + pause)
    }

    /// Computes the paths again if anything changed; says whose reachability did.
    pub(crate) fn settle(&mut self) -> Vec<(NodeId, bool)> {
        if !self.dirty {
            return Vec::new();
        }
        (self.dirty, self.urgent) = (false, false);
        self.ways.search(&self.edges);
        let changes = self.ways.report();
        let named = |(slot, reachable)| Some((self.places.node(slot)?, reachable));
        let mut changes: Vec<_> = changes.into_iter().filter_map(named).collect();
        for slot in self.ways.unreached() {
            self.release(slot);
        }
        changes.sort_unstable();
        changes
    }

    /// How often the paths were computed.
    pub(crate) const fn searches(&self) -> u64 {
        self.ways.searches()
    }

    pub(crate) fn is_reachable(&self, node: &NodeId) -> bool {
        self.way(node).is_some_and(|way| way.is_there())
    }

    pub(crate) fn is_linked(&self, node: &NodeId) -> bool {
        self.way(node).is_some_and(|way| way.hops == 1)
    }

    /// How to reach another node.
    pub(crate) fn route(&self, target: &NodeId) -> Option<Route> {
        let way = self.way(target).filter(|way| way.is_there() && way.hops != 0)?;
        Some(Route { next_hop: self.places.node(way.first_hop)?, hops: way.hops })
    }

    pub(crate) fn next_hop(&self, target: &NodeId) -> Option<NodeId> {
        self.route(target).map(|route| route.next_hop)
    }

    /// The nodes on the way, this one first.
    pub(crate) fn path(&self, target: &NodeId) -> Option<Vec<NodeId>> {
        let mut slot = self.places.slot(target)?;
        if !self.ways.to(slot).is_there() {
            return None;
        }
        let mut path = vec![self.places.node(slot)?];
        while slot != ME && path.len() <= usize::from(MAX_HOPS) {
            slot = self.ways.to(slot).parent;
            path.push(self.places.node(slot)?);
        }
        path.reverse();
        Some(path)
    }

    /// Adds an edge. It can change a shortest path only if it makes something nearer; most edges of a large network do
    /// not.
    fn connect(&mut self, a: Slot, b: Slot) {
        if a == b || a == ME || b == ME {
            return;
        }
        self.edges.insert(a, b);
        self.edges.insert(b, a);
        self.detours.clear();
        self.dirty |= self.ways.to(a).hops.abs_diff(self.ways.to(b).hops) > 1;
    }

    /// Takes an edge away, if there is one. It matters to the shortest paths only if one of them leads over it.
    fn disconnect(&mut self, a: Slot, b: Slot) {
        if a == ME || b == ME || !self.edges.contain(a, b) {
            return;
        }
        self.edges.remove(a, b);
        self.edges.remove(b, a);
        self.detours.clear();
        let (near, far) = if self.ways.to(a).hops < self.ways.to(b).hops { (a, b) } else { (b, a) };
        let way = self.ways.to(far);
        self.dirty |= way.is_there() && way.parent == near;
    }

    fn change_urgently(&mut self) {
        self.detours.clear();
        (self.dirty, self.urgent) = (true, true);
    }

    fn way(&self, node: &NodeId) -> Option<Way> {
        Some(self.ways.to(self.places.slot(node)?))
    }

    /// The place of a node, made if it has none.
    fn place(&mut self, node: NodeId) -> Option<Slot> {
        if let Some(slot) = self.places.slot(&node) {
            return Some(slot);
        }
        let slot = self.places.make(node)?;
        self.ways.reset(slot);
        Some(slot)
    }

    /// Gives a place back once nothing is known of its node and its loss has been reported.
    fn release(&mut self, slot: Slot) {
        let is_unused = self.places.record(slot).is_none() && !self.edges.contain(ME, slot);
        if is_unused && !self.ways.is_reported(slot) && slot != ME {
            self.places.release(slot);
        }
    }
}
