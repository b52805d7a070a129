use std::collections::{BTreeMap, VecDeque};

use nuncio_identity::NodeId;

use super::{Content, ExchangeId, InboundId};
use crate::{LARGE_BODY, MAX_NODES};

/// Ids remembered for each source; older ones than these are taken for seen.
const WINDOW: usize = 4096;
/// Longest body of an answer that is kept for a duplicate.
const MAX_KEPT_BODY: usize = 64 << 10;
/// Most bytes and most answers kept in all; the oldest go first.
const MAX_KEPT_BYTES: usize = 16 << 20;
const MAX_KEPT: usize = 4096;

/// Which requests of other nodes were handed to the application.
///
/// Long requests have a window of their own: small ones overtake them, and would push them out of it.
///
/// Bound: twice [`MAX_NODES`] sources (the one heard of longest ago goes first; every source is a certified node,
/// so an honest network never gets there), [`WINDOW`] ids each, and the kept answers.
#[derive(Debug, Default)]
pub(super) struct Seen {
    sources: BTreeMap<(NodeId, Lane), Source>,
    kept: VecDeque<Kept>,
    kept_bytes: usize,
    clock: u64,
}

/// On which of a link's streams requests of their length come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    Small,
    Large,
}

impl Lane {
    pub(super) const fn of(body: &bytes::Bytes) -> Self {
        if body.len() > LARGE_BODY { Self::Large } else { Self::Small }
    }
}

#[derive(Debug)]
struct Source {
    epoch: u64,
    states: BTreeMap<ExchangeId, State>,
    /// The highest id that fell out of the window.
    floor: Option<ExchangeId>,
    used: u64,
}

/// Where a kept answer is; its length is counted until it leaves this queue.
#[derive(Debug)]
struct Kept {
    source: (NodeId, Lane),
    epoch: u64,
    id: ExchangeId,
    length: usize,
}

#[derive(Debug)]
enum State {
    Running(InboundId),
    Answered(Option<Content>),
}

/// What a request is to us.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// Not seen: it is noted under the inbound id that was given.
    New,
    /// The application has it.
    Running(InboundId),
    /// It was answered so.
    Answered(Content),
    /// Seen, or so old that it may have been; its answer is not kept.
    Old,
}

impl Seen {
    /// Looks a request up, and notes it if it is new.
    pub(super) fn look(&mut self, source: (NodeId, Lane), epoch: u64, id: ExchangeId, inbound: InboundId) -> Sight {
        self.clock += 1;
        if self.sources.len() >= 2 * MAX_NODES && !self.sources.contains_key(&source) {
            self.drop_oldest_source();
        }
        let entry = self.sources.entry(source).or_insert_with(|| Source::new(epoch));
        entry.used = self.clock;
        if epoch < entry.epoch {
            return Sight::Old;
        }
        if epoch > entry.epoch {
            *entry = Source { used: self.clock, ..Source::new(epoch) };
        }
        match entry.states.get(&id) {
            Some(State::Running(inbound)) => return Sight::Running(*inbound),
            Some(State::Answered(Some(content))) => return Sight::Answered(content.clone()),
            Some(State::Answered(None)) => return Sight::Old,
            None if entry.floor.is_some_and(|floor| id <= floor) => return Sight::Old,
            None => {}
        }
        entry.states.insert(id, State::Running(inbound));
        if entry.states.len() > WINDOW
            && let Some((lowest, _)) = entry.states.pop_first()
        {
            entry.floor = Some(lowest);
        }
        Sight::New
    }

    /// Notes the answer; a short one is kept for a while.
    pub(super) fn answered(&mut self, source: &(NodeId, Lane), epoch: u64, id: ExchangeId, content: &Content) {
        let length = content.body_length();
        let Some(state) = self.state(source, epoch, id) else { return };
        if length > MAX_KEPT_BODY {
            *state = State::Answered(None);
            return;
        }
        *state = State::Answered(Some(content.clone()));
        self.kept.push_back(Kept { source: *source, epoch, id, length });
        self.kept_bytes += length;
        while self.kept.len() > MAX_KEPT || self.kept_bytes > MAX_KEPT_BYTES {
            self.drop_oldest_answer();
        }
    }

    /// Takes a new request back: the application did not get it.
    pub(super) fn unsee(&mut self, source: &(NodeId, Lane), id: ExchangeId) {
        if let Some(entry) = self.sources.get_mut(source) {
            entry.states.remove(&id);
        }
    }

    fn state(&mut self, source: &(NodeId, Lane), epoch: u64, id: ExchangeId) -> Option<&mut State> {
        self.sources.get_mut(source).filter(|entry| entry.epoch == epoch)?.states.get_mut(&id)
    }

    fn drop_oldest_answer(&mut self) {
        let Some(Kept { source, epoch, id, length }) = self.kept.pop_front() else { return };
        self.kept_bytes -= length;
        if let Some(state) = self.state(&source, epoch, id) {
            *state = State::Answered(None);
        }
    }

    fn drop_oldest_source(&mut self) {
        let oldest = self.sources.iter().min_by_key(|(_, entry)| entry.used).map(|(node, _)| *node);
        if let Some(node) = oldest {
            self.sources.remove(&node);
        }
    }
}

impl Source {
    const fn new(epoch: u64) -> Self {
        Self { epoch, states: BTreeMap::new(), floor: None, used: 0 }
    }
}

impl Content {
    const fn body_length(&self) -> usize {
        match self {
            Self::Request { body, .. } | Self::Reply { body } => body.len(),
            Self::Failure { .. } => 0,
        }
    }
}
