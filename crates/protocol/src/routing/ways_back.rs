//! Over which of its peers this node answers.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use nuncio_bounds::Bound;
use nuncio_identity::NodeId;

use super::{
    Routing, SILENCE,
    places::{ME, Slot},
};
use crate::schedule::Schedule;

/// Of so many sources it is kept that answers to them were lost, and of each over so many peers.
const MAX_SOURCES: usize = 4096;
const MAX_PEERS: usize = 8;

/// Whatever is lost so soon after another loss went the same way: nobody asks again sooner who waits for an answer.
const PAUSE: Duration = Duration::from_millis(500);

/// So many of the ways that are as good are kept: the one by which a request comes may be among them.
const FEW: usize = 8;

/// To whom answers were lost of late. What goes round whoever may have swallowed them is looked for once a loss, and again when
/// paths have changed, not for each answer: a source that has many lost costs no more than another.
///
/// Bound: [`MAX_SOURCES`], each with [`MAX_PEERS`].
#[derive(Debug, Default)]
pub(super) struct Losses {
    of: BTreeMap<NodeId, Lost>,
    until: Schedule<NodeId>,
}

#[derive(Debug)]
struct Lost {
    /// Over whom the answers had been sent, who was noted last at the end.
    over: Vec<NodeId>,
    noted: Instant,
    chosen: Option<Chosen>,
}

/// The best first hops, the nearest first, as long as paths are as they were computed the `search`th time.
#[derive(Debug)]
struct Chosen {
    search: u64,
    ways: Vec<Slot>,
}

impl Losses {
    pub(super) const BOUND: Bound = Bound::of_entries::<(NodeId, Lost, [(Instant, NodeId); 2])>(
        "sources to which answers were lost",
        MAX_SOURCES,
        MAX_PEERS * NodeId::LENGTH + FEW * size_of::<Slot>(),
        "the one noted longest ago is forgotten",
    );

    fn note(&mut self, source: NodeId, over: impl Iterator<Item = NodeId>, now: Instant) {
        self.forget_ended(now);
        let is_new = !self.of.contains_key(&source);
        let lost = self.of.entry(source).or_insert_with(|| Lost { over: Vec::new(), noted: now, chosen: None });
        if !is_new && now < lost.noted + PAUSE {
            return;
        }
        (lost.noted, lost.chosen) = (now, None);
        for peer in over {
            lost.over.retain(|noted| *noted != peer);
            lost.over.push(peer);
        }
        lost.over.drain(..lost.over.len().saturating_sub(MAX_PEERS));
        self.until.set(source, now + SILENCE);
        if self.of.len() > MAX_SOURCES
            && let Some(oldest) = self.until.pop_first()
        {
            self.of.remove(&oldest);
        }
    }

    /// Sources, and the most peers of one.
    #[cfg(test)]
    pub(super) fn held(&self) -> (usize, usize) {
        assert_eq!(self.of.len(), self.until.len());
        (self.of.len(), self.of.values().map(|lost| lost.over.len()).max().unwrap_or_default())
    }

    fn forget_ended(&mut self, now: Instant) {
        while let Some(source) = self.until.pop_due(now) {
            self.of.remove(&source);
        }
    }
}

impl Routing {
    /// Over whom an answer goes back whose request came over `via`: over that one, who passes on what `source` sends. But
    /// whoever passes on in one direction may know another way in the other: so if answers to `source` were lost of late, it
    /// is a peer from which no way leads over whoever may have swallowed them, where there is one.
    pub(crate) fn way_back(&mut self, source: &NodeId, via: &NodeId, now: Instant) -> Option<NodeId> {
        self.lost.forget_ended(now);
        if via != source && self.lost.of.contains_key(source) {
            self.look_round(source);
            let chosen = self.lost.of.get(source).and_then(|lost| lost.chosen.as_ref());
            let ways = chosen.into_iter().flat_map(|chosen| &chosen.ways).copied();
            let mut linked = ways.filter(|slot| self.edges.contain(ME, *slot));
            let is_via = |slot: &Slot| self.places.node(*slot).as_ref() == Some(via);
            if let Some(first) = linked.next() {
                let slot = if is_via(&first) { first } else { linked.find(is_via).unwrap_or(first) };
                return self.places.node(slot);
            }
        }
        if self.is_linked(via) { Some(*via) } else { self.next_hop(source) }
    }

    /// Answers to `source` that were sent over these have not come: the request came again. Only what is sent to `source`
    /// itself takes other ways for that, so nobody gains by asking again.
    pub(crate) fn note_lost(&mut self, source: NodeId, over: &[NodeId], now: Instant) {
        let mut over = over.iter().copied().filter(|peer| *peer != source).peekable();
        if over.peek().is_some() {
            self.lost.note(source, over, now);
        }
    }

    /// Looks for first hops by which answers go round whoever may have swallowed those that were lost, unless it was done since.
    fn look_round(&mut self, source: &NodeId) {
        let search = self.ways.searches();
        let Some(lost) = self.lost.of.get(source) else { return };
        if lost.chosen.as_ref().is_some_and(|chosen| chosen.search == search) {
            return;
        }
        let over = lost.over.clone();
        let suspects: Vec<_> = over.iter().flat_map(|peer| self.path_via(source, peer)).collect();
        let ways = self.least_exposed(source, &over, &suspects, FEW);
        if let Some(lost) = self.lost.of.get_mut(source) {
            lost.chosen = Some(Chosen { search, ways });
        }
    }
}
