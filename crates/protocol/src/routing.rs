//! The next hop to every node: shortest paths over links that both ends name.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use nuncio_identity::NodeId;

use crate::{MAX_HOPS, status_sync::Record};

const UNREACHED: u8 = u8::MAX;
const ME: usize = 0;

/// Up to so many nodes, paths are computed with every change.
const SMALL: usize = 64;

/// Beyond that, changes of so long are taken together, for each begun [`LARGE`] nodes.
const PAUSE: Duration = Duration::from_millis(50);
const LARGE: usize = 512;

/// The map of the network as this node sees it.
///
/// Bound: one place per known record and per link, so [`crate::MAX_NODES`] and the links.
#[derive(Debug)]
pub(crate) struct Routing {
    /// Where a node's place is; places are used again after removal.
    slots: BTreeMap<NodeId, usize>,
    places: Vec<Place>,
    free: Vec<usize>,
    dirty: bool,
    /// A link of this node has changed, or a node has gone: paths may lead nowhere.
    urgent: bool,
    /// Distances from one link to all, without this node; made when an alternative is asked for.
    detours: BTreeMap<usize, Vec<u8>>,
}

#[derive(Debug)]
struct Place {
    node: NodeId,
    record: Option<Arc<Record>>,
    /// Confirmed edges, by node ID; for this node, its links.
    edges: Vec<usize>,
    hops: u8,
    parent: usize,
    first_hop: usize,
    reported: bool,
}

/// How a node is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) next_hop: NodeId,
    pub(crate) hops: u8,
}

impl Routing {
    pub(crate) fn new(me: NodeId) -> Self {
        let mut place = Place::new(me);
        place.hops = 0;
        place.reported = true;
        Self {
            slots: BTreeMap::from([(me, ME)]),
            places: vec![place],
            free: Vec::new(),
            dirty: false,
            urgent: false,
            detours: BTreeMap::new(),
        }
    }

    pub(crate) fn link_up(&mut self, peer: NodeId) {
        let slot = self.slot(peer);
        self.insert_edge(ME, slot);
        (self.dirty, self.urgent) = (true, true);
    }

    pub(crate) fn link_down(&mut self, peer: &NodeId) {
        if let Some(&slot) = self.slots.get(peer) {
            self.remove_edge(ME, slot);
            (self.dirty, self.urgent) = (true, true);
            self.release(slot);
        }
    }

    /// Takes a node's record; its edges are those whose other end names the node as well.
    pub(crate) fn apply(&mut self, record: &Arc<Record>) {
        let node = record.status.node;
        let slot = self.slot(node);
        if slot == ME {
            return;
        }
        let same =
            self.places[slot].record.as_ref().is_some_and(|old| old.status.neighbours == record.status.neighbours);
        self.places[slot].record = Some(Arc::clone(record));
        if same {
            return;
        }
        // Neighbours are in the order of edges: by node ID.
        let others = record.status.neighbours.iter().filter_map(|neighbour| self.slots.get(neighbour).copied());
        let confirmed = |&other: &usize| other != ME && other != slot && self.places[other].names(&node);
        let edges: Vec<usize> = others.filter(confirmed).collect();
        let before = std::mem::replace(&mut self.places[slot].edges, edges.clone());
        for &other in before.iter().filter(|other| !edges.contains(other)) {
            self.remove_edge(other, slot);
        }
        for &other in edges.iter().filter(|other| !before.contains(other)) {
            self.insert_edge(other, slot);
        }
        if edges != before {
            self.detours.clear();
        }
        self.dirty |= self.matters(slot, &before);
    }

    /// Whether the change of a place's edges can change a shortest path: an edge of the tree has gone, or a new one
    /// makes something nearer. Most records of a large network change neither.
    fn matters(&self, slot: usize, before: &[usize]) -> bool {
        let place = &self.places[slot];
        let on_the_tree = |&other: &usize| {
            let (near, far) = if place.hops < self.places[other].hops { (slot, other) } else { (other, slot) };
            self.places[far].hops != UNREACHED && self.places[far].parent == near
        };
        let nearer = |&other: &usize| place.hops.abs_diff(self.places[other].hops) > 1;
        let gone = before.iter().filter(|other| !place.edges.contains(other));
        let new = place.edges.iter().filter(|other| !before.contains(other));
        gone.into_iter().any(on_the_tree) || new.into_iter().any(nearer)
    }

    /// Forgets a node's record.
    pub(crate) fn forget(&mut self, node: &NodeId) {
        let Some(&slot) = self.slots.get(node) else { return };
        if slot == ME {
            return;
        }
        self.clear_edges(slot);
        self.places[slot].record = None;
        (self.dirty, self.urgent) = (true, true);
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
        self.detours.clear();
        self.search();
        let mut changes = Vec::new();
        let mut unused = Vec::new();
        for (slot, place) in self.places.iter_mut().enumerate().skip(1) {
            let reachable = place.hops != UNREACHED;
            if reachable != place.reported {
                place.reported = reachable;
                changes.push((place.node, reachable));
            }
            if !reachable && place.record.is_none() {
                unused.push(slot);
            }
        }
        for slot in unused {
            self.release(slot);
        }
        changes.sort_unstable();
        changes
    }

    pub(crate) fn is_reachable(&self, node: &NodeId) -> bool {
        self.slots.get(node).is_some_and(|&slot| self.places[slot].hops != UNREACHED)
    }

    pub(crate) fn is_linked(&self, node: &NodeId) -> bool {
        self.slots.get(node).is_some_and(|&slot| self.places[slot].hops == 1)
    }

    /// How to reach another node.
    pub(crate) fn route(&self, target: &NodeId) -> Option<Route> {
        let place = &self.places[*self.slots.get(target)?];
        (place.hops != UNREACHED && place.hops != 0)
            .then(|| Route { next_hop: self.places[place.first_hop].node, hops: place.hops })
    }

    pub(crate) fn next_hop(&self, target: &NodeId) -> Option<NodeId> {
        self.route(target).map(|route| route.next_hop)
    }

    /// The best next hop that is none of `excluded`.
    pub(crate) fn next_hop_without(&mut self, target: &NodeId, excluded: &[NodeId]) -> Option<NodeId> {
        match self.next_hop(target) {
            Some(hop) if !excluded.contains(&hop) => return Some(hop),
            _ => {}
        }
        let &goal = self.slots.get(target)?;
        let mut best: Option<(u8, usize)> = None;
        for index in 0..self.places[ME].edges.len() {
            let link = self.places[ME].edges[index];
            if excluded.contains(&self.places[link].node) {
                continue;
            }
            let distance = self.detour(link)[goal];
            if distance < MAX_HOPS && best.is_none_or(|(shortest, _)| distance < shortest) {
                best = Some((distance, link));
            }
        }
        best.map(|(_, link)| self.places[link].node)
    }

    /// The nodes on the way, this one first.
    pub(crate) fn path(&self, target: &NodeId) -> Option<Vec<NodeId>> {
        let mut slot = *self.slots.get(target)?;
        if self.places[slot].hops == UNREACHED {
            return None;
        }
        let mut path = vec![self.places[slot].node];
        while slot != ME {
            slot = self.places[slot].parent;
            path.push(self.places[slot].node);
        }
        path.reverse();
        Some(path)
    }

    fn search(&mut self) {
        for place in self.places.iter_mut().skip(1) {
            place.hops = UNREACHED;
        }
        let mut queue = VecDeque::from([ME]);
        while let Some(slot) = queue.pop_front() {
            let (hops, first_hop) = (self.places[slot].hops, self.places[slot].first_hop);
            if hops == MAX_HOPS {
                continue;
            }
            for index in 0..self.places[slot].edges.len() {
                let next = self.places[slot].edges[index];
                let place = &mut self.places[next];
                if place.hops == UNREACHED {
                    place.hops = hops + 1;
                    place.parent = slot;
                    place.first_hop = if slot == ME { next } else { first_hop };
                    queue.push_back(next);
                }
            }
        }
    }

    fn detour(&mut self, link: usize) -> &[u8] {
        let places = &self.places;
        self.detours.entry(link).or_insert_with(|| {
            let mut distances = vec![UNREACHED; places.len()];
            distances[link] = 0;
            let mut queue = VecDeque::from([link]);
            while let Some(slot) = queue.pop_front() {
                for &next in places[slot].edges.iter().filter(|&&next| next != ME) {
                    if distances[next] == UNREACHED {
                        distances[next] = distances[slot].saturating_add(1).min(UNREACHED - 1);
                        queue.push_back(next);
                    }
                }
            }
            distances
        })
    }

    fn slot(&mut self, node: NodeId) -> usize {
        if let Some(&slot) = self.slots.get(&node) {
            return slot;
        }
        let slot = match self.free.pop() {
            Some(slot) => {
                self.places[slot] = Place::new(node);
                slot
            }
            None => {
                self.places.push(Place::new(node));
                self.places.len() - 1
            }
        };
        self.slots.insert(node, slot);
        slot
    }

    /// Gives a place back once nothing is known of its node and its loss has been reported.
    fn release(&mut self, slot: usize) {
        let place = &self.places[slot];
        let linked = self.places[ME].edges.contains(&slot);
        if place.record.is_none() && !linked && !place.reported && self.slots.get(&place.node) == Some(&slot) {
            self.slots.remove(&place.node);
            self.free.push(slot);
        }
    }

    fn clear_edges(&mut self, slot: usize) {
        for other in std::mem::take(&mut self.places[slot].edges) {
            self.remove_edge(other, slot);
        }
    }

    fn insert_edge(&mut self, from: usize, to: usize) {
        let node = self.places[to].node;
        let places = &self.places;
        if let Err(at) = places[from].edges.binary_search_by(|&slot| places[slot].node.cmp(&node)) {
            self.places[from].edges.insert(at, to);
        }
    }

    fn remove_edge(&mut self, from: usize, to: usize) {
        self.places[from].edges.retain(|&slot| slot != to);
    }
}

impl Place {
    const fn new(node: NodeId) -> Self {
        Self { node, record: None, edges: Vec::new(), hops: UNREACHED, parent: ME, first_hop: ME, reported: false }
    }

    fn names(&self, node: &NodeId) -> bool {
        self.record.as_ref().is_some_and(|record| record.status.neighbours.contains(node))
    }
}
