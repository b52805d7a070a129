use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;

use super::Tenant;
use crate::bounds::{QUEUE_ENTRY, SHARED_MESSAGE};

/// Bytes that wait in the queues of a certificate's sessions, or in all. A multicast that many of them hold is in memory
/// once and counts once.
///
/// Bound: `limit`; one entry for each long message that is queued.
#[derive(Debug)]
pub(super) struct Queued {
    limit: usize,
    used: AtomicUsize,
    /// By where the message is in memory, and its length: how many queues hold it.
    shared: Mutex<HashMap<(usize, usize), usize>>,
}

/// A place in a queue; free again when dropped. It keeps its message, so that nothing else can be where that is.
#[derive(Debug)]
pub(crate) struct QueuePlace {
    tenant: Arc<Tenant>,
    message: Bytes,
}

impl Tenant {
    /// A place for a message, if the certificate and all together have one left.
    pub(crate) fn queue(self: &Arc<Self>, message: &Bytes) -> Option<QueuePlace> {
        if !self.queued.take(message) {
            return None;
        }
        if !self.common.queued.take(message) {
            self.queued.give_back(message);
            return None;
        }
        self.show_queued();
        Some(QueuePlace { tenant: Arc::clone(self), message: message.clone() })
    }

    fn show_queued(&self) {
        self.counters.queued_bytes.set(self.common.queued.used.load(Ordering::Relaxed));
    }
}

impl Drop for QueuePlace {
    fn drop(&mut self) {
        self.tenant.queued.give_back(&self.message);
        self.tenant.common.queued.give_back(&self.message);
        self.tenant.show_queued();
    }
}

impl Queued {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, used: AtomicUsize::new(0), shared: Mutex::default() }
    }

    fn take(&self, message: &Bytes) -> bool {
        if message.len() < SHARED_MESSAGE {
            return self.add(message.len());
        }
        let mut shared = self.shared();
        if let Some(holders) = shared.get_mut(&place_of(message)) {
            *holders += 1;
            return true;
        }
        let taken = self.add(message.len());
        if taken {
            shared.insert(place_of(message), 1);
        }
        taken
    }

    fn give_back(&self, message: &Bytes) {
        if message.len() >= SHARED_MESSAGE {
            let mut shared = self.shared();
            if let Some(holders) = shared.get_mut(&place_of(message)).filter(|holders| **holders > 1) {
                *holders -= 1;
                return;
            }
            shared.remove(&place_of(message));
        }
        self.used.fetch_sub(message.len() + QUEUE_ENTRY, Ordering::Relaxed);
    }

    fn add(&self, bytes: usize) -> bool {
        let added = |used: usize| Some(used + bytes + QUEUE_ENTRY).filter(|after| *after <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, added).is_ok()
    }

    fn shared(&self) -> MutexGuard<'_, HashMap<(usize, usize), usize>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn place_of(message: &Bytes) -> (usize, usize) {
    (message.as_ptr().addr(), message.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: usize) -> Bytes {
        vec![0; length].into()
    }

    #[test]
    fn a_long_message_in_many_queues_counts_once_and_until_the_last_has_it_no_more() {
        let queued = Queued::new(10_000 + QUEUE_ENTRY);
        let long = message(10_000);
        assert!(queued.take(&long) && queued.take(&long));
        assert!(!queued.take(&message(0)), "it is full");
        queued.give_back(&long);
        assert!(!queued.take(&message(10_000)), "one queue holds the message still");
        queued.give_back(&long);
        assert_eq!(queued.used.load(Ordering::Relaxed), 0);
        assert!(queued.shared().is_empty());
        assert!(queued.take(&message(10_000)));
    }

    #[test]
    fn short_messages_count_each_and_empty_ones_are_not_free() {
        let queued = Queued::new(4 * QUEUE_ENTRY);
        let taken = (0..9).filter(|_| queued.take(&Bytes::new())).count();
        assert_eq!(taken, 4);
        queued.give_back(&Bytes::new());
        assert!(!queued.take(&message(1)), "a byte more than was given back");
        assert!(queued.take(&Bytes::new()));
    }
}
