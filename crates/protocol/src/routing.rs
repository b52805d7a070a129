//! The next hop to every node: shortest paths over links that both ends name.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use nuncio_identity::NodeId;
use smallvec::SmallVec;

use crate::{MAX_HOPS, status_sync::Record};

const UNREACHED: u8 = u8::MAX;
const ME: Slot = Slot(0);

/// Up to so many nodes, paths are computed with every change.
const SMALL: usize = 64;

/// Beyond that, changes of so long are taken together, for each begun [`LARGE`] nodes.
const PAUSE: Duration = Duration::from_millis(50);
const LARGE: usize = 256;

/// The map of the network as this node sees it.
///
/// Bound: one place per known record and per link, so [`crate::MAX_NODES`] and the links.
#[derive(Debug)]
pub(crate) struct Routing {
    /// Where a node's place is; places are used again after removal.
    slots: HashMap<NodeId, Slot>,
    places: Vec<Place>,
    /// Of each place, where its confirmed edges lead, in order; of this node, its links.
    edges: Vec<Edges>,
    /// Of each place, the way to it. Beside the places, as a search looks at these alone.
    ways: Vec<Way>,
    /// Places in the order a search met them; kept for its memory.
    met: Vec<Slot>,
    free: Vec<Slot>,
    dirty: bool,
    /// A link of this node has changed, or a node has gone: paths may lead nowhere.
    urgent: bool,
    /// How often the paths were computed.
    searches: u64,
    /// Distances from one link to all, without this node; made when an alternative is asked for.
    detours: BTreeMap<Slot, Vec<u8>>,
}

/// The number of a place. Small, as a search of a thousand nodes reads more than ten thousand of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Slot(u16);

/// As many as lie in one line of a cache; more go elsewhere.
type Edges = SmallVec<[Slot; 24]>;

#[derive(Debug)]
struct Place {
    node: NodeId,
    record: Option<Arc<Record>>,
}

#[derive(Debug, Clone, Copy)]
struct Way {
    parent: Slot,
    first_hop: Slot,
    hops: u8,
    /// Whether it is known outside that there is one.
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
        Self {
            slots: HashMap::from([(me, ME)]),
            places: vec![Place { node: me, record: None }],
            edges: vec![Edges::new()],
            ways: vec![Way { hops: 0, reported: true, ..Way::NONE }],
            met: Vec::new(),
            free: Vec::new(),
            dirty: false,
            urgent: false,
            searches: 0,
            detours: BTreeMap::new(),
        }
    }

    pub(crate) fn link_up(&mut self, peer: NodeId) {
        let Some(slot) = self.slot(peer) else { return };
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
        let Some(slot) = self.slot(node).filter(|slot| *slot != ME) else { return };
        let old = self.places[slot.at()].record.replace(Arc::clone(record));
        let (none, new) = (BTreeSet::new(), &record.status.neighbours);
        let old = old.as_ref().map_or(&none, |old| &old.status.neighbours);
        for changed in old.symmetric_difference(new) {
            let Some(&other) = self.slots.get(changed) else { continue };
            if !new.contains(changed) {
                self.disconnect(slot, other);
            } else if self.places[other.at()].names(&node) {
                self.connect(slot, other);
            }
        }
    }

    /// Adds an edge. It can change a shortest path only if it makes something nearer; most edges of a large network do
    /// not.
    fn connect(&mut self, a: Slot, b: Slot) {
        if a == b || a == ME || b == ME {
            return;
        }
        self.insert_edge(a, b);
        self.insert_edge(b, a);
        self.dirty |= self.ways[a.at()].hops.abs_diff(self.ways[b.at()].hops) > 1;
    }

    /// Takes an edge away, if there is one. It matters to the shortest paths only if one of them leads over it.
    fn disconnect(&mut self, a: Slot, b: Slot) {
        if a == ME || b == ME || !self.has_edge(a, b) {
            return;
        }
        self.remove_edge(a, b);
        self.remove_edge(b, a);
        let (near, far) = if self.ways[a.at()].hops < self.ways[b.at()].hops { (a, b) } else { (b, a) };
        let way = self.ways[far.at()];
        self.dirty |= way.hops != UNREACHED && way.parent == near;
    }

    /// Forgets a node's record.
    pub(crate) fn forget(&mut self, node: &NodeId) {
        let Some(&slot) = self.slots.get(node) else { return };
        if slot == ME {
            return;
        }
        for other in std::mem::take(&mut self.edges[slot.at()]) {
            self.remove_edge(other, slot);
        }
        self.places[slot.at()].record = None;
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
        self.searches += 1;
        self.detours.clear();
        self.search();
        let mut changes = Vec::new();
        let mut unused = Vec::new();
        for (at, way) in self.ways.iter_mut().enumerate().skip(1) {
            let reachable = way.hops != UNREACHED;
            if reachable != way.reported {
                way.reported = reachable;
                changes.push((self.places[at].node, reachable));
            }
            if !reachable && self.places[at].record.is_none() {
                unused.push(Slot(at as u16));
            }
        }
        for slot in unused {
            self.release(slot);
        }
        changes.sort_unstable();
        changes
    }

    /// How often the paths were computed.
    pub(crate) const fn searches(&self) -> u64 {
        self.searches
    }

    pub(crate) fn is_reachable(&self, node: &NodeId) -> bool {
        self.way(node).is_some_and(|way| way.hops != UNREACHED)
    }

    pub(crate) fn is_linked(&self, node: &NodeId) -> bool {
        self.way(node).is_some_and(|way| way.hops == 1)
    }

    /// How to reach another node.
    pub(crate) fn route(&self, target: &NodeId) -> Option<Route> {
        let way = self.way(target)?;
        (way.hops != UNREACHED && way.hops != 0)
            .then(|| Route { next_hop: self.places[way.first_hop.at()].node, hops: way.hops })
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
        let mut best: Option<(u8, Slot)> = None;
        for index in 0..self.edges[ME.at()].len() {
            let link = self.edges[ME.at()][index];
            if excluded.contains(&self.places[link.at()].node) {
                continue;
            }
            let distance = self.detour(link)[goal.at()];
            if distance < MAX_HOPS && best.is_none_or(|(shortest, _)| distance < shortest) {
                best = Some((distance, link));
            }
        }
        best.map(|(_, link)| self.places[link.at()].node)
    }

    /// The nodes on the way, this one first.
    pub(crate) fn path(&self, target: &NodeId) -> Option<Vec<NodeId>> {
        let mut slot = *self.slots.get(target)?;
        if self.ways[slot.at()].hops == UNREACHED {
            return None;
        }
        let mut path = vec![self.places[slot.at()].node];
        while slot != ME && path.len() <= usize::from(MAX_HOPS) {
            slot = self.ways[slot.at()].parent;
            path.push(self.places[slot.at()].node);
        }
        path.reverse();
        Some(path)
    }

    fn search(&mut self) {
        let Self { edges, ways, met, .. } = self;
        for way in ways.iter_mut().skip(1) {
            way.hops = UNREACHED;
        }
        met.clear();
        met.push(ME);
        let mut next = 0;
        while let Some(&slot) = met.get(next) {
            next += 1;
            let Way { hops, first_hop, .. } = ways[slot.at()];
            if hops == MAX_HOPS {
                break;
            }
            for &other in &edges[slot.at()] {
                let way = &mut ways[other.at()];
                if way.hops == UNREACHED {
                    way.hops = hops + 1;
                    way.parent = slot;
                    way.first_hop = if slot == ME { other } else { first_hop };
                    met.push(other);
                }
            }
        }
    }

    fn detour(&mut self, link: Slot) -> &[u8] {
        let edges = &self.edges;
        self.detours.entry(link).or_insert_with(|| {
            let mut distances = vec![UNREACHED; edges.len()];
            distances[link.at()] = 0;
            let mut queue = VecDeque::from([link]);
            while let Some(slot) = queue.pop_front() {
                for &next in edges[slot.at()].iter().filter(|next| **next != ME) {
                    if distances[next.at()] == UNREACHED {
                        distances[next.at()] = distances[slot.at()].saturating_add(1).min(UNREACHED - 1);
                        queue.push_back(next);
                    }
                }
            }
            distances
        })
    }

    fn way(&self, node: &NodeId) -> Option<Way> {
        self.slots.get(node).map(|slot| self.ways[slot.at()])
    }

    /// The place of a node; `None` if it has none and all are taken, which links and records without limits would need.
    fn slot(&mut self, node: NodeId) -> Option<Slot> {
        if let Some(&slot) = self.slots.get(&node) {
            return Some(slot);
        }
        let place = Place { node, record: None };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.places[slot.at()] = place;
                self.ways[slot.at()] = Way::NONE;
                slot
            }
            None => {
                let slot = Slot(u16::try_from(self.places.len()).ok()?);
                self.places.push(place);
                self.edges.push(Edges::new());
                self.ways.push(Way::NONE);
                slot
            }
        };
        self.slots.insert(node, slot);
        Some(slot)
    }

    /// Gives a place back once nothing is known of its node and its loss has been reported.
    fn release(&mut self, slot: Slot) {
        let place = &self.places[slot.at()];
        let unused = place.record.is_none() && !self.has_edge(ME, slot) && !self.ways[slot.at()].reported;
        if unused && self.slots.get(&place.node) == Some(&slot) {
            self.slots.remove(&place.node);
            self.free.push(slot);
        }
    }

    fn has_edge(&self, from: Slot, to: Slot) -> bool {
        self.edges[from.at()].contains(&to)
    }

    fn insert_edge(&mut self, from: Slot, to: Slot) {
        let edges = &mut self.edges[from.at()];
        if let Err(at) = edges.binary_search(&to) {
            edges.insert(at, to);
            self.detours.clear();
        }
    }

    fn remove_edge(&mut self, from: Slot, to: Slot) {
        self.edges[from.at()].retain(|slot| *slot != to);
        self.detours.clear();
    }
}

impl Slot {
    const fn at(self) -> usize {
        self.0 as usize
    }
}

impl Way {
    const NONE: Self = Self { parent: ME, first_hop: ME, hops: UNREACHED, reported: false };
}

impl Place {
    fn names(&self, node: &NodeId) -> bool {
        self.record.as_ref().is_some_and(|record| record.status.neighbours.contains(node))
    }
}
