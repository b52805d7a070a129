use std::{
    collections::HashMap,
    hash::Hash,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use foldhash::fast::RandomState;

use crate::SharedBytes;

/// On whose account something takes room. Accounts of one owner share what he has: what one of them fills leaves room and turns
/// for his others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Account<K> {
    /// The node's own.
    Own,
    /// The node's own, on behalf of one of its clients, by whatever number it is known.
    Client(u64),
    /// Of somebody else.
    Of(K),
    /// Of somebody else, who says that it comes of a source: that has an account with him, by whatever number it is known.
    Brought(K, u64),
}

/// An account among those of its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Part(Option<u64>);

impl Part {
    /// The account that has no number.
    pub(crate) const NONE: Self = Self(None);
}

impl<K: Copy> Account<K> {
    /// Who shares with it; nobody else does with what is the node's own.
    pub(crate) const fn owner(&self) -> Option<K> {
        match self {
            Self::Own | Self::Client(_) => None,
            Self::Of(owner) | Self::Brought(owner, _) => Some(*owner),
        }
    }

    pub(crate) const fn part(&self) -> Part {
        match self {
            Self::Own | Self::Of(_) => Part(None),
            Self::Client(number) | Self::Brought(_, number) => Part(Some(*number)),
        }
    }

    /// Whether it is the node's own, on whoever's behalf.
    pub const fn is_own(&self) -> bool {
        matches!(self, Self::Own | Self::Client(_))
    }

    pub(crate) const fn new(owner: Option<K>, part: Part) -> Self {
        match (owner, part.0) {
            (None, None) => Self::Own,
            (None, Some(number)) => Self::Client(number),
            (Some(owner), None) => Self::Of(owner),
            (Some(owner), Some(number)) => Self::Brought(owner, number),
        }
    }
}

/// How many accounts are remembered before those that hold nothing are forgotten.
const REMEMBERED: usize = 64;

/// Bytes that many queues share, and what each account has of them in all queues together.
///
/// Bound: the accounts that hold something in a queue or did so lately there, and as many again.
#[derive(Debug)]
pub struct Ledger<K> {
    pub(crate) shared: SharedBytes,
    totals: Mutex<Totals<K>>,
}

/// Bytes of one account, or of all of an owner, in all queues.
pub(crate) type Total = Arc<AtomicUsize>;

/// Whose total it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Holds<K> {
    Account(Account<K>),
    All(K),
}

#[derive(Debug)]
struct Totals<K> {
    of: HashMap<Holds<K>, Total, RandomState>,
    /// At so many it is looked for those that can be forgotten.
    full: usize,
}

impl<K: Eq + Hash> Ledger<K> {
    /// So many bytes for all queues.
    pub fn new(limit: usize) -> Self {
        let totals = Totals { of: HashMap::default(), full: REMEMBERED };
        Self { shared: SharedBytes::new(limit), totals: Mutex::new(totals) }
    }

    /// Bytes that are taken.
    pub fn used(&self) -> usize {
        self.shared.used()
    }

    pub(crate) fn total(&self, whose: Holds<K>) -> Total {
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        if totals.of.len() >= totals.full {
            totals.of.retain(|_, total| Arc::strong_count(total) > 1);
            totals.full = REMEMBERED.max(2 * totals.of.len());
        }
        Arc::clone(totals.of.entry(whose).or_default())
    }
}

/// What one holds in one queue, and in all.
#[derive(Debug)]
pub(crate) struct Holder {
    pub(crate) bytes: usize,
    /// The node's own has none, since nobody but itself decides what it holds where.
    total: Option<Total>,
}

impl Holder {
    pub(crate) const fn new(total: Option<Total>) -> Self {
        Self { bytes: 0, total }
    }

    /// What it holds anywhere, and what it holds here once more.
    pub(crate) fn held(&self) -> usize {
        self.bytes + self.in_all()
    }

    /// What it holds anywhere.
    pub(crate) fn in_all(&self) -> usize {
        self.total.as_ref().map_or(0, |total| total.load(Ordering::Relaxed))
    }

    pub(crate) fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        if let Some(total) = &self.total {
            total.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    pub(crate) fn remove(&mut self, bytes: usize) {
        self.bytes -= bytes;
        if let Some(total) = &self.total {
            total.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_that_hold_nothing_are_forgotten() {
        let ledger = Ledger::new(1 << 20);
        let held: Vec<_> = (0..100).map(|who| ledger.total(Holds::All(who))).collect();
        for who in 100..10_000u32 {
            ledger.total(Holds::All(who));
            ledger.total(Holds::Account(Account::Brought(1, u64::from(who))));
        }
        let known = ledger.totals.lock().unwrap().of.len();
        assert!(known <= 2 * held.len(), "{known}");
    }
}
