//! Over which of its peers this node sends what may not go the usual way.

use std::time::Instant;

use nuncio_identity::NodeId;

use super::{
    Routing,
    detours::Exposure,
    places::{ME, Slot},
};
use crate::MAX_HOPS;

impl Routing {
    /// The best next hop that is none of `excluded`.
    pub(crate) fn next_hop_without(&mut self, target: &NodeId, excluded: &[NodeId]) -> Option<NodeId> {
        if let Some(hop) = self.next_hop(target).filter(|hop| !excluded.contains(hop)) {
            return Some(hop);
        }
        let (places, detour) = (&self.places, self.detours.to(self.places.slot(target)?, &self.edges));
        let links = self.edges.of(ME).iter().filter_map(|link| Some((detour.hops(*link), places.node(*link)?)));
        let usable = links.filter(|(hops, node)| *hops < MAX_HOPS && !excluded.contains(node));
        usable.min_by_key(|(hops, _)| *hops).map(|(_, node)| node)
    }

    /// The best next hop for a request of our own that was tried over the hops `excluded` in vain, and may have been
    /// swallowed by any of `suspects`.
    ///
    /// Relays choose their own ways, so only the first hop can be chosen: one from which no shortest way leads over a
    /// suspect, nor over whoever swallowed other requests of late; else one from which not all do; else any.
    pub(crate) fn next_hop_avoiding(
        &mut self,
        target: &NodeId,
        excluded: &[NodeId],
        suspects: &[NodeId],
        now: Instant,
    ) -> Option<NodeId> {
        self.silent.forget_ended(now);
        let unsuspected = suspects.is_empty() && self.silent.is_empty();
        if let Some(route) = self.route(target)
            && (unsuspected || route.hops == 1)
            && !excluded.contains(&route.next_hop)
        {
            return Some(route.next_hop);
        }
        let best = self.least_exposed(target, excluded, suspects, 1).first().copied();
        best.and_then(|link| self.places.node(link))
    }

    /// The first hops that were not tried and from which the fewest ways lead over suspects: up to so many of those that are
    /// as good, the nearest first.
    pub(super) fn least_exposed(
        &mut self,
        target: &NodeId,
        excluded: &[NodeId],
        suspects: &[NodeId],
        most: usize,
    ) -> Vec<Slot> {
        let Self { places, edges, silent, detours, .. } = self;
        let Some(target_slot) = places.slot(target) else { return Vec::new() };
        let detour = detours.to(target_slot, edges);
        let slots = |nodes: &[NodeId]| {
            let mut slots: Vec<_> = nodes.iter().filter_map(|node| places.slot(node)).collect();
            slots.sort_unstable();
            slots.dedup();
            slots
        };
        let (excluded, suspects) = (slots(excluded), slots(suspects));
        let is_silent = |slot| places.node(slot).is_some_and(|node| silent.is_suspect(&node, target));
        let mut links: Vec<_> = edges.of(ME).iter().map(|link| (detour.hops(*link), *link)).collect();
        links.retain(|(hops, _)| *hops < MAX_HOPS);
        links.sort_by_key(|(hops, _)| *hops);
        let (mut least, mut best) = (None, Vec::new());
        for (_, link) in links {
            let tried = excluded.binary_search(&link).is_ok();
            let met = detour.exposure(link, |slot| suspects.binary_search(&slot).is_ok());
            let faults = (tried, met, detour.exposure(link, is_silent));
            if least.is_none_or(|least| faults < least) {
                least = Some(faults);
                best.clear();
            }
            if least == Some(faults) && best.len() < most {
                best.push(link);
            }
            if best.len() == most && least == Some((false, Exposure::Never, Exposure::Never)) {
                break;
            }
        }
        best
    }

    /// Whom a message to `target` may meet on the way when it is sent over `first_hop`, which comes first; the target is
    /// left out.
    pub(crate) fn path_via(&mut self, target: &NodeId, first_hop: &NodeId) -> Vec<NodeId> {
        self.layers(target, first_hop).into_iter().flatten().collect()
    }

    /// A request sent over `first_hop` stayed without an answer: whoever may have swallowed it is avoided for a while, for
    /// this target, and for all once another was silent behind it too, and given back.
    pub(crate) fn note_silent(&mut self, target: &NodeId, first_hop: &NodeId, now: Instant) -> Vec<NodeId> {
        let suspects = self.path_via(target, first_hop);
        for node in &suspects {
            self.silent.note(*node, *target, now);
        }
        suspects
    }

    /// A request found no answer on ways round its suspects either: it is the target that is silent. Else members that
    /// answer nobody could have the relays before them avoided for good.
    pub(crate) fn forgive(&mut self, target: &NodeId, suspects: &[NodeId]) {
        for node in suspects {
            self.silent.forgive(node, target);
        }
    }

    /// A request sent over `first_hop` was answered: whoever must have passed it on is trusted again.
    pub(crate) fn note_answered(&mut self, target: &NodeId, first_hop: &NodeId) {
        if self.silent.is_empty() {
            return;
        }
        for layer in self.layers(target, first_hop) {
            if let [node] = layer[..] {
                self.silent.clear(&node);
            }
        }
    }

    /// What was sent over the first hops `tried` was answered over `from`. An answer may come another way than what it answers
    /// went, as whoever answers likes: it speaks for the only one that was tried, or for the one that it came over.
    pub(crate) fn note_answered_over(
        &mut self,
        target: &NodeId,
        mut tried: impl Iterator<Item = NodeId>,
        from: &NodeId,
    ) {
        if self.silent.is_empty() {
            return;
        }
        let went = match (tried.next(), tried.next()) {
            (only, None) => only,
            (first, second) => first.into_iter().chain(second).chain(tried).find(|hop| hop == from),
        };
        if let Some(first_hop) = went {
            self.note_answered(target, &first_hop);
        }
    }

    /// Whom a message may meet between a first hop and the target, by how far they are from it.
    fn layers(&mut self, target: &NodeId, first_hop: &NodeId) -> Vec<Vec<NodeId>> {
        let (Some(target), Some(first)) = (self.places.slot(target), self.places.slot(first_hop)) else {
            return Vec::new();
        };
        let nodes = |layer: Vec<Slot>| layer.into_iter().filter_map(|slot| self.places.node(slot)).collect();
        self.detours.to(target, &self.edges).layers(first).map(nodes).collect()
    }
}
