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

/// On whose account something takes room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Account<K> {
    /// The node's own.
    Own,
    /// Of somebody else.
    Of(K),
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

/// Bytes of one account in all queues.
pub(crate) type Total = Arc<AtomicUsize>;

#[derive(Debug)]
struct Totals<K> {
    of: HashMap<K, Total, RandomState>,
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

    /// The total of an account; the node's own has none, since nobody but itself decides what it holds where.
    pub(crate) fn total(&self, account: Account<K>) -> Option<Total> {
        let Account::Of(who) = account else { return None };
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        if totals.of.len() >= totals.full {
            totals.of.retain(|_, total| Arc::strong_count(total) > 1);
            totals.full = REMEMBERED.max(2 * totals.of.len());
        }
        Some(Arc::clone(totals.of.entry(who).or_default()))
    }
}

/// What one account holds in one queue.
#[derive(Debug)]
pub(crate) struct Holder {
    pub(crate) bytes: usize,
    total: Option<Total>,
}

impl Holder {
    pub(crate) const fn new(total: Option<Total>) -> Self {
        Self { bytes: 0, total }
    }

    /// Takes bytes of what is shared as long as that leaves as much free as the account holds here and anywhere: so one that
    /// fills many queues takes little of each, and whoever holds nothing finds room.
    pub(crate) fn take(&mut self, bytes: usize, shared: &SharedBytes) -> bool {
        let is_taken = match &self.total {
            Some(total) => shared.take(self.bytes + total.load(Ordering::Relaxed), bytes),
            None => shared.take_as_owner(self.bytes, bytes),
        };
        if is_taken {
            self.bytes += bytes;
            if let Some(total) = &self.total {
                total.fetch_add(bytes, Ordering::Relaxed);
            }
        }
        is_taken
    }

    pub(crate) fn give_back(&mut self, bytes: usize, shared: &SharedBytes) {
        self.bytes -= bytes;
        if let Some(total) = &self.total {
            total.fetch_sub(bytes, Ordering::Relaxed);
        }
        shared.give_back(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_that_hold_nothing_are_forgotten() {
        let ledger = Ledger::new(1 << 20);
        let held: Vec<_> = (0..100).map(|who| ledger.total(Account::Of(who))).collect();
        for who in 100..10_000 {
            ledger.total(Account::Of(who));
        }
        let known = ledger.totals.lock().unwrap().of.len();
        assert!(known <= 2 * held.len(), "{known}");
        assert!(ledger.total(Account::Own).is_none());
    }
}
