use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Instant,
};

use bytes::Bytes;
use nuncio_bounds::Bound;
use nuncio_identity::NodeId;

use super::{
    super::{ClientId, ResultCode, budget::Budget},
    errand::{Asked, Errand, Stage},
};
use crate::timers::Timers;

/// Most bytes of other nodes' messages and of answers to them, a quarter of them of one node.
const MAX_BYTES: usize = 256 << 20;

/// The attempts of other nodes, each until its time is over, and which sessions had which message.
///
/// Bound: [`MAX_BYTES`]. When a source's share is full its oldest answered attempts are forgotten; what still does not fit
/// is not taken.
#[derive(Debug)]
pub(super) struct Errands {
    known: BTreeMap<Asked, Errand>,
    /// The sessions that had a message, each with the attempt that brought it.
    had: BTreeMap<Message, Vec<(u64, ClientId)>>,
    /// Of each source, in the order of their answers.
    answered: BTreeMap<NodeId, VecDeque<Asked>>,
    timers: Timers<Asked>,
    budget: Budget<NodeId>,
}

/// A message, its source's epoch, and its source.
type Message = (u64, u64, NodeId);

impl Errands {
    pub(super) const BOUND: Bound = Bound::of_bytes(
        "other nodes' messages for clients here, and the answers to them",
        MAX_BYTES,
        "the oldest answered ones of a node are forgotten, from a quarter of all on; what does not fit is not taken",
    );

    pub(super) fn new() -> Self {
        Self {
            known: BTreeMap::new(),
            had: BTreeMap::new(),
            answered: BTreeMap::new(),
            timers: Timers::default(),
            budget: Budget::new(MAX_BYTES),
        }
    }

    /// Makes room for an attempt; `false` when there is none.
    pub(super) fn make_room(&mut self, source: &NodeId, errand: &Errand) -> bool {
        while !self.budget.take(*source, errand.bytes()) {
            if !self.forget_answered(source) {
                return false;
            }
        }
        true
    }

    /// Takes an attempt for which room was made.
    pub(super) fn insert(&mut self, asked: Asked, errand: Errand) {
        self.timers.set(errand.ends, asked);
        self.known.insert(asked, errand);
    }

    pub(super) fn get(&self, asked: &Asked) -> Option<&Errand> {
        self.known.get(asked)
    }

    pub(super) fn get_mut(&mut self, asked: &Asked) -> Option<&mut Errand> {
        self.known.get_mut(asked)
    }

    /// The sessions that had the message of an attempt.
    pub(super) fn had(&self, asked: &Asked) -> BTreeSet<ClientId> {
        let clients = self.known.get(asked).and_then(|errand| self.had.get(&message_of(asked, errand)));
        clients.into_iter().flatten().map(|(_, client)| *client).collect()
    }

    /// The sessions at which earlier attempts at the same message still are.
    pub(super) fn waiting(&self, asked: &Asked) -> Vec<ClientId> {
        let Some(errand) = self.known.get(asked) else { return Vec::new() };
        let had = self.had.get(&message_of(asked, errand)).into_iter().flatten();
        let is_open = |number: u64| {
            let earlier = self.known.get(&Asked { number, ..*asked });
            earlier.is_some_and(|errand| matches!(errand.stage, Stage::At { .. }))
        };
        had.filter(|(number, _)| is_open(*number)).map(|(_, client)| *client).collect()
    }

    pub(super) fn note_had(&mut self, asked: &Asked, client: ClientId) {
        if let Some(errand) = self.known.get(asked) {
            self.had.entry(message_of(asked, errand)).or_default().push((asked.number, client));
        }
    }

    /// Keeps an answer as long as the attempt counts, if there is room for it.
    pub(super) fn answer(&mut self, asked: &Asked, code: ResultCode, data: Bytes, over: Vec<NodeId>) {
        let Some(errand) = self.known.get_mut(asked) else { return };
        self.budget.give_back(asked.source, errand.bytes());
        (errand.data, errand.over) = (Bytes::new(), over);
        errand.stage = Stage::Answered(Some((code, data)));
        if !self.budget.take(asked.source, errand.bytes()) {
            errand.stage = Stage::Answered(None);
            // It is less than what was given back.
            self.budget.take(asked.source, errand.bytes());
        }
        self.answered.entry(asked.source).or_default().push_back(*asked);
    }

    /// Takes an attempt whose time is over.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(Asked, Errand)> {
        let asked = self.timers.pop_due(now)?;
        let errand = self.remove(&asked)?;
        Some((asked, errand))
    }

    /// Takes what a node asked.
    pub(super) fn remove_source(&mut self, node: &NodeId) -> Vec<Errand> {
        let theirs: Vec<_> = self.known.keys().filter(|asked| asked.source == *node).copied().collect();
        self.answered.remove(node);
        theirs.iter().filter_map(|asked| self.remove(asked)).collect()
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.timers.next()
    }

    fn remove(&mut self, asked: &Asked) -> Option<Errand> {
        let errand = self.known.remove(asked)?;
        self.timers.cancel(errand.ends, *asked);
        self.budget.give_back(asked.source, errand.bytes());
        let message = message_of(asked, &errand);
        if let Some(had) = self.had.get_mut(&message) {
            had.retain(|(number, _)| *number != asked.number);
            if had.is_empty() {
                self.had.remove(&message);
            }
        }
        self.tidy(&asked.source);
        Some(errand)
    }

    /// Says whether there was one.
    fn forget_answered(&mut self, source: &NodeId) -> bool {
        let oldest = self.answered.get_mut(source).and_then(VecDeque::pop_front);
        oldest.is_some_and(|asked| {
            self.remove(&asked);
            true
        })
    }

    /// Attempts end about in the order of their answers.
    fn tidy(&mut self, source: &NodeId) {
        let Some(answered) = self.answered.get_mut(source) else { return };
        while answered.front().is_some_and(|asked| !self.known.contains_key(asked)) {
            answered.pop_front();
        }
        if answered.is_empty() {
            self.answered.remove(source);
        }
    }
}

const fn message_of(asked: &Asked, errand: &Errand) -> Message {
    (errand.message, asked.epoch, asked.source)
}
