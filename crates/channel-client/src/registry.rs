//! Which subscriptions a client has, and which list its node knows.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use nuncio_channel_protocol::ResultCode;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};

use crate::delivery::{Delivery, Kind, Outcome, Queued};

/// Most topics of one client.
pub(crate) const MAX_TOPICS: usize = 512;

/// The topics and their queues. Each change has a number; [`Registry::confirmed`] is the latest the node knows.
#[derive(Debug)]
pub(crate) struct Registry {
    table: Mutex<Table>,
    changed: Notify,
    confirmed: watch::Sender<u64>,
}

/// The inlet of one subscription's queue, bounded in messages and bytes.
#[derive(Debug)]
struct Queue {
    id: u64,
    sender: mpsc::Sender<Queued>,
    room: Arc<Semaphore>,
    missed: Arc<AtomicU64>,
}

/// The outlet of one subscription's queue. It ends when the registry is cleared.
#[derive(Debug)]
pub(crate) struct Outlet {
    pub(crate) id: u64,
    pub(crate) deliveries: mpsc::Receiver<Queued>,
    pub(crate) missed: Arc<AtomicU64>,
    /// The number of the change that added it.
    pub(crate) change: u64,
}

#[derive(Debug, Default)]
struct Table {
    topics: BTreeMap<Arc<str>, Vec<Arc<Queue>>>,
    change: u64,
    turn: usize,
}

impl Registry {
    /// Adds a queue with room for `messages` and `bytes` to topics; `None` when there would be too many topics.
    pub(crate) fn add(&self, topics: &[Arc<str>], messages: usize, bytes: usize) -> Option<Outlet> {
        let (sender, deliveries) = mpsc::channel(messages);
        let (room, missed) = (Arc::new(Semaphore::new(bytes)), Arc::new(AtomicU64::new(0)));
        let (id, change) = self.lock(|table| {
            let new = topics.iter().filter(|topic| !table.topics.contains_key(*topic)).count();
            if table.topics.len() + new > MAX_TOPICS {
                return None;
            }
            table.change += 1;
            let id = table.change;
            let queue = Arc::new(Queue { id, sender, room, missed: Arc::clone(&missed) });
            for topic in topics {
                table.topics.entry(Arc::clone(topic)).or_default().push(Arc::clone(&queue));
            }
            Some((id, table.change))
        })?;
        self.changed.notify_one();
        Some(Outlet { id, deliveries, missed, change })
    }

    /// Takes a queue away from its topics and returns the number of the latest change.
    pub(crate) fn remove(&self, topics: &[Arc<str>], id: u64) -> u64 {
        let (removed, change) = self.lock(|table| {
            let mut removed = false;
            for topic in topics {
                let Some(queues) = table.topics.get_mut(topic) else {
                    continue;
                };
                let before = queues.len();
                queues.retain(|queue| queue.id != id);
                removed |= queues.len() < before;
                if queues.is_empty() {
                    table.topics.remove(topic);
                }
            }
            table.change += u64::from(removed);
            (removed, table.change)
        });
        if removed {
            self.changed.notify_one();
        }
        change
    }

    /// Takes every queue away: all subscriptions end.
    pub(crate) fn clear(&self) {
        self.lock(|table| table.topics.clear());
    }

    /// All topics, and the number of the latest change.
    pub(crate) fn list(&self) -> (Vec<String>, u64) {
        self.lock(|table| (table.topics.keys().map(|topic| topic.to_string()).collect(), table.change))
    }

    /// Waits for a change since the last call.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Notes that the node knows a change, and all before it.
    pub(crate) fn confirm(&self, change: u64) {
        self.confirmed.send_if_modified(|known| std::mem::replace(known, change.max(*known)) < change);
    }

    pub(crate) fn confirmed(&self) -> watch::Receiver<u64> {
        self.confirmed.subscribe()
    }

    /// Queues a unicast for one subscription of its topic, in turn; declines it when none has room.
    pub(crate) fn unicast(&self, topic: &str, data: Bytes, reply: oneshot::Sender<Outcome>) {
        let chosen = self.lock(|table| {
            let (topic, queues) = table.topics.get_key_value(topic)?;
            let start = table.turn;
            table.turn = table.turn.wrapping_add(1);
            (0..queues.len())
                .map(|step| &queues[start.wrapping_add(step) % queues.len()])
                .find_map(|queue| queue.reserve(data.len()))
                .map(|place| (Arc::clone(topic), place))
        });
        match chosen {
            Some((topic, place)) => {
                place.fill(Delivery { topic, data, kind: Kind::Unicast, reply: Some(reply) });
            }
            None => {
                let _ = reply.send(Err(ResultCode::SUBSCRIBER_GONE));
            }
        }
    }

    /// Queues a message for every subscription of its topic; counts it as missed where there is no room.
    pub(crate) fn multicast(&self, topic: &str, data: &Bytes, kind: Kind) {
        self.lock(|table| {
            let Some((topic, queues)) = table.topics.get_key_value(topic) else {
                return;
            };
            for queue in queues {
                match queue.reserve(data.len()) {
                    Some(place) => {
                        place.fill(Delivery { topic: Arc::clone(topic), data: data.clone(), kind, reply: None });
                    }
                    None => {
                        queue.missed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        });
    }

    fn lock<R>(&self, work: impl FnOnce(&mut Table) -> R) -> R {
        work(&mut self.table.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self { table: Mutex::default(), changed: Notify::new(), confirmed: watch::channel(0).0 }
    }
}

/// Room for one message.
struct Place {
    slot: mpsc::OwnedPermit<Queued>,
    room: tokio::sync::OwnedSemaphorePermit,
}

impl Queue {
    fn reserve(&self, bytes: usize) -> Option<Place> {
        let bytes = u32::try_from(bytes).ok()?;
        let room = Arc::clone(&self.room).try_acquire_many_owned(bytes).ok()?;
        let slot = self.sender.clone().try_reserve_owned().ok()?;
        Some(Place { slot, room })
    }
}

impl Place {
    fn fill(self, delivery: Delivery) {
        self.slot.send(Queued::new(delivery, self.room));
    }
}
