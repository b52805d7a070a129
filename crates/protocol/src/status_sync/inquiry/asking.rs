use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use nuncio_identity::NodeId;

use crate::{
    gate::{Bucket, Rate},
    status_sync::{IssuerId, comparing::Doubt},
};

/// The number of the newest list of each issuer.
type ListNumbers = BTreeMap<IssuerId, u64>;

/// Nodes that nothing is known of and that one peer may offer at a time.
pub(super) const MAX_STRANGERS: usize = 64;

/// How many of them it may offer anew. Whole networks become known by the query for all.
const NEW_STRANGERS: Rate = Rate::of(8.0, Duration::from_secs(8));

/// For how many nodes a peer is asked at once that has not answered a query for all: it may be behind a slow line.
const FEW: usize = 16;

/// What there is to ask of a linked peer.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) open: Option<Open>,
    /// Whether it is among the ripe ones.
    pub(super) is_ripe: bool,
    pub(super) all: Want,
    /// All is wanted since it knows something else than this node.
    pub(super) in_doubt: bool,
    pub(super) same: Want,
    pub(super) doubt: Doubt,
    pub(super) lists: Want,
    /// What it told of its lists, and what was held, when it was asked for them last, and whether it has answered. To ask
    /// for the same once more would bring what was refused once more.
    pub(super) lists_asked: (ListNumbers, ListNumbers),
    pub(super) lists_answered: bool,
    pub(super) proofs: Want,
    /// How many it told of, and how many were held, when it was asked for them last: once more it would bring none, or those for
    /// which there is no room.
    pub(super) proofs_asked: Option<(u32, usize)>,
    /// The nodes it offers and may be asked for; some may have come from others meanwhile.
    pub(super) ready: Vec<NodeId>,
    /// It did not answer: it is asked nothing until then.
    pub(super) rests_until: Option<Instant>,
    /// How many queries it did not answer since it answered one.
    pub(super) failures: u32,
    /// It did not answer a query for all, on this link.
    pub(super) all_failed: bool,
    /// For how many nodes it is asked at once.
    pub(super) at_once: usize,
    strangers: usize,
    new_strangers: Bucket,
}

/// What an open query is about.
#[derive(Debug)]
pub(super) enum Open {
    All { in_doubt: bool },
    Same,
    Lists,
    Proofs,
    Nodes { nodes: Vec<NodeId>, since: Instant },
}

/// Whether something is to be asked for.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    #[default]
    Idle,
    Wanted,
    /// There was no answer: once more after a while.
    Failed,
}

impl Want {
    /// Whether it is; then it is no more.
    pub(super) fn take(&mut self) -> bool {
        let is_wanted = *self == Self::Wanted;
        if is_wanted {
            *self = Self::Idle;
        }
        is_wanted
    }
}

impl Asking {
    /// A peer just linked: all that it knows is wanted.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            open: None,
            is_ripe: false,
            all: Want::Wanted,
            in_doubt: false,
            same: Want::Idle,
            doubt: Doubt::default(),
            lists: Want::Idle,
            lists_asked: Default::default(),
            lists_answered: false,
            proofs: Want::Idle,
            proofs_asked: None,
            ready: Vec::new(),
            rests_until: None,
            failures: 0,
            all_failed: false,
            at_once: FEW,
            strangers: 0,
            new_strangers: Bucket::new(NEW_STRANGERS, now),
        }
    }

    /// A query ended: what did not come in time is asked for in smaller parts.
    pub(super) fn note_pace(&mut self, ended: Option<&Open>, has_failed: bool) {
        self.failures = if has_failed { self.failures.saturating_add(1) } else { 0 };
        match ended {
            Some(Open::All { .. }) if has_failed => (self.all_failed, self.at_once) = (true, self.at_once.min(FEW)),
            Some(Open::All { .. }) => self.at_once = usize::MAX,
            Some(Open::Nodes { .. }) if has_failed => self.at_once = (self.at_once.min(2 * FEW) / 2).max(1),
            Some(Open::Nodes { .. }) => self.at_once = self.at_once.saturating_mul(2),
            _ => {}
        }
    }

    /// Counts an offer of a node that nothing is known of, if the peer may make one more.
    pub(super) fn takes_stranger(&mut self, now: Instant) -> bool {
        let takes = self.strangers < MAX_STRANGERS && self.new_strangers.take(1.0, NEW_STRANGERS, now);
        self.strangers += usize::from(takes);
        takes
    }

    /// Whether it can be asked at once.
    pub(super) const fn is_idle(&self) -> bool {
        self.open.is_none() && self.rests_until.is_none()
    }

    pub(super) const fn forget_stranger(&mut self) {
        self.strangers -= 1;
    }
}
