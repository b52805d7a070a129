use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use nuncio_bounds::Portions;
use nuncio_identity::NodeId;
use nuncio_protocol::Account;

use super::Tenant;
use crate::bounds::{QUEUE_ENTRY, SHARED_MESSAGE};

/// Bytes that wait in the queues of a certificate's sessions, or in all. A multicast that many of them hold is in memory
/// once and counts once.
///
/// Accounts have their [`Portions`]: whoever sends little finds room whatever others send.
///
/// Bound: `limit`; one entry for each long message that is queued, and for each account that has one there.
#[derive(Debug)]
pub(super) struct Queued {
    limit: usize,
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    held: Portions<NodeId>,
    /// By where the message is in memory, and its length: how many queues hold it.
    shared: HashMap<(usize, usize), usize>,
}

/// A place in a queue; free again when dropped. It keeps its message, so that nothing else can be where that is.
#[derive(Debug)]
pub(crate) struct QueuePlace {
    tenant: Arc<Tenant>,
    account: Account,
    message: Bytes,
}

impl Tenant {
    /// A place for a message of an account, if the certificate and all together have one left for it.
    pub(crate) fn queue(self: &Arc<Self>, account: Account, message: &Bytes) -> Option<QueuePlace> {
        self.queued.take(account, message)?;
        let Some(used) = self.common.queued.take(account, message) else {
            self.queued.give_back(account, message);
            return None;
        };
        self.counters.queued_bytes.set(used);
        Some(QueuePlace { tenant: Arc::clone(self), account, message: message.clone() })
    }
}

impl QueuePlace {
    /// On whose account it is.
    pub(crate) const fn account(&self) -> Account {
        self.account
    }
}

impl Drop for QueuePlace {
    fn drop(&mut self) {
        self.tenant.queued.give_back(self.account, &self.message);
        let used = self.tenant.common.queued.give_back(self.account, &self.message);
        self.tenant.counters.queued_bytes.set(used);
    }
}

impl Queued {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, books: Mutex::default() }
    }

    /// What is used then; nothing when there is no room.
    fn take(&self, account: Account, message: &Bytes) -> Option<usize> {
        let mut books = self.books();
        if message.len() < SHARED_MESSAGE {
            return books.add(account, message.len(), self.limit);
        }
        if let Some(holders) = books.shared.get_mut(&place_of(message)) {
            *holders += 1;
            return Some(books.held.all());
        }
        let used = books.add(account, message.len(), self.limit)?;
        books.shared.insert(place_of(message), 1);
        Some(used)
    }

    /// What is used then.
    fn give_back(&self, account: Account, message: &Bytes) -> usize {
        let mut books = self.books();
        if message.len() >= SHARED_MESSAGE {
            if let Some(holders) = books.shared.get_mut(&place_of(message)).filter(|holders| **holders > 1) {
                *holders -= 1;
                return books.held.all();
            }
            books.shared.remove(&place_of(message));
        }
        books.remove(account, message.len())
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    fn add(&mut self, account: Account, bytes: usize, limit: usize) -> Option<usize> {
        let bytes = bytes + QUEUE_ENTRY;
        if self.held.all() + bytes + self.held.to_leave(account) > limit {
            return None;
        }
        self.held.add(account, bytes);
        Some(self.held.all())
    }

    fn remove(&mut self, account: Account, bytes: usize) -> usize {
        self.held.remove(account, bytes + QUEUE_ENTRY);
        self.held.all()
    }
}

fn place_of(message: &Bytes) -> (usize, usize) {
    (message.as_ptr().addr(), message.len())
}

#[cfg(test)]
mod tests {
    use nuncio_identity::NodeKey;

    use super::*;

    fn message(length: usize) -> Bytes {
        vec![0; length].into()
    }

    const HOSTILE: Account = Account::Own;

    fn honest() -> Account {
        Account::Of(NodeKey::generate().node_id())
    }

    #[test]
    fn a_long_message_in_many_queues_counts_once_and_until_the_last_has_it_no_more() {
        let (queued, one) = (Queued::new(10_000 + 2 * QUEUE_ENTRY), honest());
        let long = message(10_000);
        assert!(queued.take(one, &long).is_some() && queued.take(one, &long).is_some());
        assert!(queued.take(one, &message(300)).is_none(), "it is full");
        queued.give_back(one, &long);
        assert!(queued.take(one, &message(10_000)).is_none(), "one queue holds the message still");
        assert_eq!(queued.give_back(one, &long), 0);
        assert!(queued.books().shared.is_empty() && queued.books().held.all() == 0);
        assert!(queued.take(one, &message(10_000)).is_some());
    }

    #[test]
    fn short_messages_count_each_and_empty_ones_are_not_free() {
        let (queued, one) = (Queued::new(8 * QUEUE_ENTRY), honest());
        let taken = (0..9).filter(|_| queued.take(one, &Bytes::new()).is_some()).count();
        assert_eq!(taken, 4, "half");
        queued.give_back(one, &Bytes::new());
        assert!(queued.take(one, &message(2 * QUEUE_ENTRY)).is_none(), "more than was given back");
        assert!(queued.take(one, &Bytes::new()).is_some());
    }

    #[test]
    fn whoever_fills_it_leaves_room_for_others() {
        let queued = Queued::new(1 << 20);
        let fill = |account| (0..).take_while(|_| queued.take(account, &message(1_000)).is_some()).count();
        let held: Vec<_> = std::iter::once(HOSTILE).chain((0..6).map(|_| honest())).map(fill).collect();
        assert!(held[0] >= 400 && held.iter().all(|held| *held >= 4), "{held:?}");
        assert!(queued.books().held.all() <= 1 << 20);
    }
}
