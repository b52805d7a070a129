use std::collections::{BTreeMap, VecDeque};

use super::{
    edges::Edges,
    places::{ME, Map, Slot},
    search::UNREACHED,
};

/// Most bytes of all distances. To all nodes of a network of four thousand, or to a thousand of a larger one.
pub(super) const MAX_BYTES: usize = 16 << 20;

/// How far it is to targets for who may not pass this node; made when an alternative is asked for.
///
/// Bound: [`MAX_BYTES`], at a byte for each target and place; emptied when there is no more room, and with every change of the
/// map.
#[derive(Debug, Default)]
pub(super) struct Detours {
    to: BTreeMap<Slot, Map<u8>>,
    bytes: usize,
}

/// The shortest ways from elsewhere to one target round this node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Detour<'a> {
    hops: &'a Map<u8>,
    edges: &'a Edges,
}

/// Whether a message meets one of certain places. Each relay chooses among its shortest ways itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Exposure {
    Never,
    Perhaps,
    Always,
}

impl Detours {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.to.is_empty()
    }

    pub(super) fn to<'a>(&'a mut self, target: Slot, edges: &'a Edges) -> Detour<'a> {
        if !self.to.contains_key(&target) {
            let hops = measure(target, edges);
            if self.bytes + hops.len() > MAX_BYTES {
                self.clear();
            }
            self.bytes += hops.len();
            self.to.insert(target, hops);
        }
        Detour { hops: &self.to[&target], edges }
    }
}

impl Detour<'_> {
    pub(super) fn hops(&self, from: Slot) -> u8 {
        self.hops[from]
    }

    /// What a message meets between `from` and the target, both counted but the target.
    pub(super) fn exposure(&self, from: Slot, is_suspect: impl Fn(Slot) -> bool) -> Exposure {
        let mut exposure = Exposure::Never;
        let mut layer = vec![from];
        while self.is_on_the_way(&layer) {
            let all = layer.len();
            layer.retain(|slot| !is_suspect(*slot));
            if layer.is_empty() {
                return Exposure::Always;
            }
            if layer.len() < all {
                exposure = Exposure::Perhaps;
            }
            layer = self.next_layer(&layer);
        }
        exposure
    }

    /// The places that a message from `from` may meet before the target, by their distance: `from` alone comes first.
    pub(super) fn layers(self, from: Slot) -> impl Iterator<Item = Vec<Slot>> {
        let mut layer = vec![from];
        std::iter::from_fn(move || {
            let met = self.is_on_the_way(&layer).then(|| std::mem::take(&mut layer))?;
            layer = self.next_layer(&met);
            Some(met)
        })
    }

    fn is_on_the_way(&self, layer: &[Slot]) -> bool {
        layer.first().is_some_and(|slot| !matches!(self.hops[*slot], 0 | UNREACHED))
    }

    fn next_layer(&self, layer: &[Slot]) -> Vec<Slot> {
        let nearer = |from: Slot| {
            let ends = self.edges.of(from).iter().copied();
            ends.filter(move |to| *to != ME && self.hops[*to] < self.hops[from])
        };
        let mut next: Vec<_> = layer.iter().copied().flat_map(nearer).collect();
        next.sort_unstable();
        next.dedup();
        next
    }
}

fn measure(target: Slot, edges: &Edges) -> Map<u8> {
    let mut hops = Map::new(UNREACHED);
    if target == ME {
        return hops;
    }
    hops[target] = 0;
    let mut queue = VecDeque::from([target]);
    while let Some(slot) = queue.pop_front() {
        let further = hops[slot].saturating_add(1).min(UNREACHED - 1);
        for &next in edges.of(slot).iter().filter(|next| **next != ME) {
            if hops[next] == UNREACHED {
                hops[next] = further;
                queue.push_back(next);
            }
        }
    }
    hops
}

#[cfg(test)]
mod tests {
    use nuncio_testkit::simulator::node_id;

    use super::{super::places::Places, *};

    #[test]
    fn whoever_is_asked_for_distances_to_many_targets_keeps_no_more_than_it_may() {
        const TARGETS: usize = 1_100;
        let mut places = Places::new(node_id(0));
        let slots: Vec<_> = (1..=16_000).map(|n| places.make(node_id(n)).expect("a place")).collect();
        let (last, mut edges) = (slots[slots.len() - 1], Edges::new());
        for &target in &slots[..TARGETS] {
            edges.insert(target, last);
            edges.insert(last, target);
        }
        let mut detours = Detours::default();
        for &target in &slots[..TARGETS] {
            assert_eq!(detours.to(target, &edges).hops(last), 1);
            let held: usize = detours.to.values().map(Map::len).sum();
            assert!(held == detours.bytes && held <= MAX_BYTES, "{held} bytes, {} counted", detours.bytes);
        }
        assert!((1..TARGETS).contains(&detours.to.len()), "it began anew");
    }
}
