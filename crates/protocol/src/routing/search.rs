use super::{
    edges::Edges,
    places::{ME, Map, Slot},
};
use crate::MAX_HOPS;

/// More hops than any way has.
pub(super) const UNREACHED: u8 = u8::MAX;

/// The shortest way to every place.
#[derive(Debug)]
pub(super) struct Ways {
    ways: Map<Way>,
    /// Places in the order a search met them; kept for its memory.
    met: Vec<Slot>,
    /// How often they were searched.
    searches: u64,
}

/// The way to one place. Small, and beside the places, as a search looks at these alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    pub(super) parent: Slot,
    pub(super) first_hop: Slot,
    pub(super) hops: u8,
    /// Whether it is known outside that there is one.
    reported: bool,
}

impl Ways {
    pub(super) fn new() -> Self {
        let mut ways = Map::new(Way::NONE);
        ways[ME] = Way { hops: 0, reported: true, ..Way::NONE };
        Self { ways, met: Vec::new(), searches: 0 }
    }

    pub(super) fn to(&self, slot: Slot) -> Way {
        self.ways[slot]
    }

    pub(super) fn is_reported(&self, slot: Slot) -> bool {
        self.ways[slot].reported
    }

    /// A place is used anew.
    pub(super) fn reset(&mut self, slot: Slot) {
        self.ways[slot] = Way::NONE;
    }

    pub(super) const fn searches(&self) -> u64 {
        self.searches
    }

    pub(super) fn search(&mut self, edges: &Edges) {
        let Self { ways, met, .. } = self;
        for (_, way) in ways.iter_mut().skip(1) {
            way.hops = UNREACHED;
        }
        met.clear();
        met.push(ME);
        let mut next = 0;
        while let Some(&slot) = met.get(next) {
            next += 1;
            let Way { hops, first_hop, .. } = ways[slot];
            if hops == MAX_HOPS {
                break;
            }
            for &other in edges.of(slot) {
                let way = &mut ways[other];
                if way.hops == UNREACHED {
                    way.hops = hops + 1;
                    way.parent = slot;
                    way.first_hop = if slot == ME { other } else { first_hop };
                    met.push(other);
                }
            }
        }
        self.searches += 1;
    }

    /// The places whose reachability has changed since this was asked last.
    pub(super) fn report(&mut self) -> Vec<(Slot, bool)> {
        let changed = self.ways.iter_mut().filter(|(_, way)| way.is_there() != way.reported);
        let report = |(slot, way): (Slot, &mut Way)| {
            way.reported = way.is_there();
            (slot, way.reported)
        };
        changed.map(report).collect()
    }

    /// Places that no way leads to.
    pub(super) fn unreached(&mut self) -> Vec<Slot> {
        self.ways.iter_mut().filter(|(_, way)| !way.is_there()).map(|(slot, _)| slot).collect()
    }
}

impl Way {
    const NONE: Self = Self { parent: ME, first_hop: ME, hops: UNREACHED, reported: false };

    pub(super) const fn is_there(&self) -> bool {
        self.hops != UNREACHED
    }
}
