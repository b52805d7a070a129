use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Instant,
};

use bytes::Bytes;
use nuncio_bounds::{Bound, Portions};
use nuncio_identity::NodeId;

use super::{
    super::{ClientId, ResultCode, TenantId, account_of},
    errand::{Asked, Errand, Stage},
};
use crate::{Account, timers::Timers};

/// Most bytes of other nodes' messages and of answers to them, a quarter of them of one node.
const MAX_BYTES: usize = 256 << 20;

/// The attempts of other nodes, each until its time is over, and which sessions had which message.
///
/// Bound: [`MAX_BYTES`]. When a source's share is full its oldest answered attempts are forgotten, first those of the client of it
/// that wants more; what still does not fit is not taken.
#[derive(Debug)]
pub(super) struct Errands {
    known: BTreeMap<Asked, Errand>,
    /// The sessions that had a message, each with the attempt that brought it.
    had: BTreeMap<Message, Vec<(u64, ClientId)>>,
    /// Of each client of a source, in the order of their answers.
    answered: BTreeMap<Whose, VecDeque<Asked>>,
    timers: Timers<Asked>,
    held: Portions<NodeId>,
}

/// Of which node, and of which of its clients.
type Whose = (NodeId, Option<TenantId>);

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
            held: Portions::default(),
        }
    }

    /// Makes room for an attempt; `false` when there is none.
    pub(super) fn make_room(&mut self, source: &NodeId, errand: &Errand) -> bool {
        let whose = (*source, errand.tenant);
        while !self.take(whose, errand.bytes()) {
            if !self.forget_answered(whose) {
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
        let whose = (asked.source, errand.tenant);
        self.held.remove(account(whose), errand.bytes());
        (errand.data, errand.over) = (Bytes::new(), over);
        errand.stage = Stage::Answered(Some((code, data)));
        if !has_room(&self.held, whose, errand.bytes()) {
            // It is less than what it held.
            errand.stage = Stage::Answered(None);
        }
        self.held.add(account(whose), errand.bytes());
        self.answered.entry(whose).or_default().push_back(*asked);
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
        self.answered.retain(|(source, _), _| source != node);
        theirs.iter().filter_map(|asked| self.remove(asked)).collect()
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.timers.next()
    }

    fn remove(&mut self, asked: &Asked) -> Option<Errand> {
        let errand = self.known.remove(asked)?;
        self.timers.cancel(errand.ends, *asked);
        let whose = (asked.source, errand.tenant);
        self.held.remove(account(whose), errand.bytes());
        let message = message_of(asked, &errand);
        if let Some(had) = self.had.get_mut(&message) {
            had.retain(|(number, _)| *number != asked.number);
            if had.is_empty() {
                self.had.remove(&message);
            }
        }
        self.tidy(whose);
        Some(errand)
    }

    fn take(&mut self, whose: Whose, bytes: usize) -> bool {
        let has_room = has_room(&self.held, whose, bytes);
        if has_room {
            self.held.add(account(whose), bytes);
        }
        has_room
    }

    /// Says whether there was one.
    fn forget_answered(&mut self, whose: Whose) -> bool {
        let any = || self.answered.range((whose.0, None)..=(whose.0, Some(TenantId(u64::MAX)))).next();
        let whose = if self.answered.contains_key(&whose) { Some(whose) } else { any().map(|(whose, _)| *whose) };
        let Some(whose) = whose else { return false };
        if let Some(asked) = self.answered.get_mut(&whose).and_then(VecDeque::pop_front) {
            self.remove(&asked);
        }
        self.tidy(whose);
        true
    }

    /// Attempts end about in the order of their answers.
    fn tidy(&mut self, whose: Whose) {
        let Some(answered) = self.answered.get_mut(&whose) else { return };
        while answered.front().is_some_and(|asked| !self.known.contains_key(asked)) {
            answered.pop_front();
        }
        if answered.is_empty() {
            self.answered.remove(&whose);
        }
    }
}

/// Whether so many bytes more fit into all, and into what one source may have, of which its clients have portions.
fn has_room(held: &Portions<NodeId>, whose: Whose, bytes: usize) -> bool {
    held.all() + bytes <= MAX_BYTES && held.to_leave(account(whose)) + bytes <= MAX_BYTES / 4
}

fn account((source, tenant): Whose) -> Account {
    account_of(source, tenant)
}

const fn message_of(asked: &Asked, errand: &Errand) -> Message {
    (errand.message, asked.epoch, asked.source)
}
