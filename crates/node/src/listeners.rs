//! The application's listeners: who gets which message.

use std::collections::BTreeMap;

use bytes::Bytes;
use nuncio_bounds::Bound;
use nuncio_identity::NodeId;
use nuncio_protocol::{
    MAX_BODY, Topic,
    trace::TraceParent,
    unicast::{InboundId, Refusal},
};
use tokio::sync::mpsc::error::TrySendError;

use crate::{
    handle::Responder,
    listener::{Incoming, Listener, Run, Waiting},
    queue,
    replies::Replies,
};

/// Requests, gaps and runs of multicasts that wait for one listener at the most, however short they are.
const MAX_WAITING: usize = 1024;

/// What each of them counts beside the bodies: its place in the queue, its topic, its names.
const OVERHEAD: usize = 512;

/// What a multicast counts beside its body.
const PER_MULTICAST: usize = 64;

/// Of those, and of the bytes, what is left to requests: whoever broadcasts as much as a member may must not make the
/// listener busy for them.
const LEFT_TO_REQUESTS: usize = MAX_WAITING / 4;
const BYTES_LEFT_TO_REQUESTS: usize = 1 << 20;

/// Fewest bytes of a queue: two messages of the greatest length.
const MIN_QUEUE: usize = 2 * (MAX_BODY + OVERHEAD + PER_MULTICAST) + BYTES_LEFT_TO_REQUESTS;

/// All listeners of a node.
///
/// Bound: the application's; each queue holds so many bytes as [`Listeners::new`] was given. When one is full, its
/// listener misses multicasts and is told which, and other listeners are asked to take unicasts.
#[derive(Debug)]
pub(crate) struct Listeners {
    entries: Vec<Entry>,
    topics: BTreeMap<Topic, usize>,
    turn: usize,
    queue: usize,
    missed: u64,
}

#[derive(Debug)]
struct Entry {
    topics: Vec<Topic>,
    requests: bool,
    incoming: queue::Sender<Waiting>,
    missed: u64,
    /// What it missed and has not been told, by origin and topic. Bound: as many as the core follows.
    owed: BTreeMap<(NodeId, Option<Topic>), Missed>,
}

/// Numbers of messages, the last included, of one epoch of their origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Missed {
    pub(crate) epoch: u64,
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl Listeners {
    /// Of so many listeners with queues of so many bytes.
    pub(crate) fn bound(queue: usize, listeners: usize) -> Bound {
        let when_full = "it misses multicasts and is told which; others are asked to take unicasts";
        Bound::of_bytes("messages for a listener", queue.max(MIN_QUEUE), when_full)
            .in_entries(MAX_WAITING)
            .per("listener", listeners)
    }

    /// No listener; each may be behind by `queue` bytes, and by two messages of the greatest length in any case.
    pub(crate) fn new(queue: usize) -> Self {
        let queue = queue.max(MIN_QUEUE);
        Self { entries: Vec::new(), topics: BTreeMap::new(), turn: 0, queue, missed: 0 }
    }

    /// Adds a listener; returns it with the topics nobody listened to before.
    pub(crate) fn add(&mut self, topics: Vec<Topic>, requests: bool) -> (Listener, Vec<Topic>) {
        let mut fresh = Vec::new();
        for topic in &topics {
            let listeners = self.topics.entry(topic.clone()).or_default();
            *listeners += 1;
            if *listeners == 1 {
                fresh.push(topic.clone());
            }
        }
        let (incoming, receiver) = queue::channel(MAX_WAITING, self.queue);
        self.entries.push(Entry { topics, requests, incoming, missed: 0, owed: BTreeMap::new() });
        (Listener::new(receiver), fresh)
    }

    /// Forgets listeners that were dropped; returns the topics nobody listens to any more.
    pub(crate) fn prune(&mut self) -> Vec<Topic> {
        let mut abandoned = Vec::new();
        for entry in self.entries.extract_if(.., |entry| entry.incoming.is_closed()) {
            if entry.missed > 0 {
                tracing::info!(missed = entry.missed, "a listener that was too slow has gone");
            }
            for topic in entry.topics {
                let Some(listeners) = self.topics.get_mut(&topic) else { continue };
                *listeners -= 1;
                if *listeners == 0 {
                    self.topics.remove(&topic);
                    abandoned.push(topic);
                }
            }
        }
        abandoned
    }

    /// How many there are.
    pub(crate) const fn count(&self) -> usize {
        self.entries.len()
    }

    /// Bytes that wait for all of them.
    pub(crate) fn held(&self) -> usize {
        self.entries.iter().map(|entry| entry.incoming.taken().held()).sum()
    }

    /// How many multicasts and broadcasts were missed since the start, each once per listener.
    pub(crate) const fn missed(&self) -> u64 {
        self.missed
    }

    /// Gives a request to the listener whose turn it is.
    ///
    /// # Errors
    /// The refusal to send when nobody takes it.
    pub(crate) fn request(
        &mut self,
        from: NodeId,
        (body, parent): (Bytes, Option<TraceParent>),
        inbound: InboundId,
        replies: &Replies,
    ) -> Result<(), Refusal> {
        let mut refusal = Refusal::NoHandler;
        for step in 0..self.entries.len() {
            let index = (self.turn + step) % self.entries.len();
            let entry = &self.entries[index];
            if !entry.requests {
                continue;
            }
            match entry.incoming.try_reserve(body.len() + OVERHEAD) {
                Ok(place) => {
                    let responder = Responder { inbound, replies: Some(replies.clone()), parent };
                    place.send(Waiting::One(Incoming::Unicast { from, body, responder }));
                    self.turn = index + 1;
                    return Ok(());
                }
                Err(TrySendError::Full(())) => refusal = Refusal::Busy,
                Err(TrySendError::Closed(())) => {}
            }
        }
        Err(refusal)
    }

    /// Gives multicasts to the listeners of their topic, broadcasts to all. Those who are too far behind miss them, and are told
    /// so as soon as there is room.
    pub(crate) fn multicast(&mut self, run: &Run) {
        for entry in self.entries.iter_mut().filter(|entry| entry.hears(run.topic())) {
            self.missed += entry.take(run.clone()) as u64;
        }
    }

    /// Messages that come to nobody here.
    pub(crate) fn gap(&mut self, from: NodeId, topic: Option<&Topic>, missed: Missed) {
        for entry in self.entries.iter_mut().filter(|entry| entry.hears(topic)) {
            entry.owe(from, topic, missed);
            entry.tell_missed();
        }
    }

    /// Tells listeners that have room again what they missed.
    pub(crate) fn tell_missed(&mut self) {
        for entry in &mut self.entries {
            entry.tell_missed();
        }
    }
}

impl Entry {
    fn hears(&self, topic: Option<&Topic>) -> bool {
        topic.is_none_or(|topic| self.topics.contains(topic))
    }

    /// Notes what it missed; what it missed before of the same origin and topic is told along with it.
    fn owe(&mut self, from: NodeId, topic: Option<&Topic>, missed: Missed) {
        let owed = self.owed.entry((from, topic.cloned())).or_insert(missed);
        let is_same = owed.epoch == missed.epoch && missed.first >= owed.first;
        *owed = if is_same { Missed { last: missed.last, ..*owed } } else { missed };
    }

    /// Says whether all that it missed is told.
    fn tell_missed(&mut self) -> bool {
        while let Some(((from, topic), missed)) = self.owed.pop_first() {
            let Missed { epoch, first, last } = missed;
            match self.incoming.try_reserve_beside((LEFT_TO_REQUESTS, BYTES_LEFT_TO_REQUESTS), OVERHEAD) {
                Ok(place) => place.send(Waiting::One(Incoming::Gap { from, topic, epoch, first, last })),
                Err(TrySendError::Closed(())) => self.owed.clear(),
                Err(TrySendError::Full(())) => {
                    self.owed.insert((from, topic), missed);
                    return false;
                }
            }
        }
        true
    }

    /// Takes as many of the first ones as it has room for; says how many it misses. What it missed before comes first.
    fn take(&mut self, mut run: Run) -> usize {
        let fits = if self.tell_missed() { self.fits(&run) } else { 0 };
        let taken = run.take_first(fits);
        if !taken.is_empty() {
            match self.incoming.try_reserve(weight(&taken)) {
                Ok(place) => place.send(Waiting::Run(taken)),
                // Nobody else fills the queue: there was room, so it has gone.
                Err(_) => return 0,
            }
        }
        if run.is_empty() || self.incoming.is_closed() {
            return 0;
        }
        if self.missed == 0 {
            tracing::warn!(topics = ?self.topics, "a listener is too slow: it misses messages from here on; it is told which, and they are counted");
        }
        self.missed += run.len() as u64;
        self.owe(run.origin(), run.topic(), run.numbers());
        run.len()
    }

    /// How many of the first ones it has room for.
    fn fits(&self, run: &Run) -> usize {
        let (places, bytes) = self.incoming.room();
        let mut room = if places > LEFT_TO_REQUESTS { bytes } else { 0 };
        room = room.saturating_sub(BYTES_LEFT_TO_REQUESTS + OVERHEAD);
        let has_room = |length: &usize| match room.checked_sub(length + PER_MULTICAST) {
            Some(left) => {
                room = left;
                true
            }
            None => false,
        };
        run.lengths().take_while(has_room).count()
    }
}

fn weight(run: &Run) -> usize {
    OVERHEAD + run.lengths().map(|length| length + PER_MULTICAST).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use nuncio_identity::NodeKey;

    use super::*;

    fn broadcast(listeners: &mut Listeners, seq: u64, data: &Bytes) {
        let origin = NodeKey::generate().node_id();
        listeners.multicast(&Run::new(origin, None, 1, seq, vec![data.clone()]));
    }

    fn waiting(listener: &mut Listener) -> Vec<u64> {
        let mut seqs = Vec::new();
        while let Some(incoming) = listener.try_next() {
            // Between them it is told what it missed.
            if let Incoming::Broadcast { id, .. } = incoming {
                seqs.push(id.seq);
            }
        }
        seqs
    }

    #[test]
    fn a_stopped_listener_holds_the_bytes_of_its_queue_and_others_hear_everything() {
        let mut listeners = Listeners::new(0);
        let (mut stopped, _) = listeners.add(Vec::new(), false);
        let (mut healthy, _) = listeners.add(Vec::new(), false);
        let largest = Bytes::from(vec![0; MAX_BODY]);
        for seq in 0..20 {
            broadcast(&mut listeners, seq, &largest);
            assert_eq!(waiting(&mut healthy), [seq]);
        }
        assert_eq!(waiting(&mut stopped), [0, 1], "two of the greatest length");
        assert_eq!(listeners.missed(), 18);
        broadcast(&mut listeners, 20, &largest);
        assert_eq!(waiting(&mut stopped), [20], "once it reads again, it hears again");
    }

    #[test]
    fn what_a_slow_listener_missed_is_told_before_anything_later_and_without_it() {
        let (mut listeners, topic) = (Listeners::new(0), Topic::new("prices").unwrap());
        let (mut slow, _) = listeners.add(vec![topic.clone()], false);
        let origin = NodeKey::generate().node_id();
        let largest = Bytes::from(vec![0; MAX_BODY]);
        let publish = |listeners: &mut Listeners, seq| {
            listeners.multicast(&Run::new(origin, Some(topic.clone()), 7, seq, vec![largest.clone()]));
        };
        let heard = |listener: &mut Listener| match listener.try_next() {
            Some(Incoming::Multicast { id, .. }) => Some((id.seq, id.seq)),
            Some(Incoming::Gap { from, topic: Some(_), epoch: 7, first, last }) if from == origin => {
                Some((first, last))
            }
            _ => None,
        };
        for seq in 1..=5 {
            publish(&mut listeners, seq);
        }
        assert_eq!([(); 2].map(|()| heard(&mut slow)), [Some((1, 1)), Some((2, 2))]);
        publish(&mut listeners, 6);
        assert_eq!([(); 3].map(|()| heard(&mut slow)), [Some((3, 5)), Some((6, 6)), None]);
        for seq in 7..=9 {
            publish(&mut listeners, seq);
        }
        listeners.gap(origin, Some(&topic), Missed { epoch: 7, first: 10, last: 12 });
        assert_eq!([(); 2].map(|()| heard(&mut slow)), [Some((7, 7)), Some((8, 8))]);
        listeners.tell_missed();
        assert_eq!([(); 2].map(|()| heard(&mut slow)), [Some((9, 12)), None], "without a later message, too");
    }

    #[test]
    fn short_messages_are_counted_one_by_one() {
        let mut listeners = Listeners::new(1 << 30);
        let (mut stopped, _) = listeners.add(Vec::new(), false);
        for seq in 0..2 * MAX_WAITING as u64 {
            broadcast(&mut listeners, seq, &Bytes::new());
        }
        assert_eq!(waiting(&mut stopped).len(), MAX_WAITING - LEFT_TO_REQUESTS);
        assert_eq!(listeners.missed(), (MAX_WAITING + LEFT_TO_REQUESTS) as u64);
    }

    #[test]
    fn of_messages_that_come_together_a_listener_takes_the_first_ones_it_has_room_for() {
        let mut listeners = Listeners::new(0);
        let (mut slow, _) = listeners.add(Vec::new(), false);
        let origin = NodeKey::generate().node_id();
        let bodies = vec![Bytes::from(vec![0; MAX_BODY]); 3];
        listeners.multicast(&Run::new(origin, None, 1, 5, bodies));
        assert_eq!(waiting(&mut slow), [5, 6]);
        assert_eq!(listeners.missed(), 1);
        listeners.multicast(&Run::new(origin, None, 1, 8, vec![Bytes::new(); 1000]));
        assert!(matches!(slow.try_next(), Some(Incoming::Gap { first: 7, last: 7, .. })));
        assert_eq!(waiting(&mut slow), (8..1008).collect::<Vec<_>>(), "short ones that come together take one place");
    }

    #[test]
    fn broadcasts_without_end_leave_room_for_requests() {
        let (mut listeners, (replies, _kept)) = (Listeners::new(0), Replies::new());
        let from = NodeKey::generate().node_id();
        let body = Bytes::from(vec![0; 1024]);
        let ask = |listeners: &mut Listeners, number| {
            listeners.request(from, (body.clone(), None), InboundId(number), &replies)
        };
        for length in [0, MAX_BODY] {
            let ((_slow, _), data) = (listeners.add(Vec::new(), true), Bytes::from(vec![0; length]));
            for seq in 0..2 * MAX_WAITING as u64 {
                broadcast(&mut listeners, seq, &data);
            }
            assert!((0..LEFT_TO_REQUESTS as u64).all(|number| ask(&mut listeners, number).is_ok()), "{length} bytes");
            listeners.entries.clear();
        }
    }

    #[test]
    fn a_request_goes_past_a_listener_without_room_and_is_busy_when_there_is_no_other() {
        let mut listeners = Listeners::new(0);
        let (replies, _kept) = Replies::new();
        let (_stopped, _) = listeners.add(Vec::new(), true);
        let from = NodeKey::generate().node_id();
        let largest = Bytes::from(vec![0; MAX_BODY]);
        let ask = |listeners: &mut Listeners, number| {
            listeners.request(from, (largest.clone(), None), InboundId(number), &replies)
        };
        assert_eq!(
            (0..3).map(|number| ask(&mut listeners, number)).collect::<Vec<_>>(),
            [Ok(()), Ok(()), Err(Refusal::Busy)]
        );
        let (mut healthy, _) = listeners.add(Vec::new(), true);
        for number in 3..9 {
            assert_eq!(ask(&mut listeners, number), Ok(()));
            assert!(healthy.try_next().is_some());
        }
    }

    #[test]
    fn a_listener_that_was_dropped_misses_nothing() {
        let mut listeners = Listeners::new(0);
        let topic = Topic::new("prices").unwrap();
        let (gone, fresh) = listeners.add(vec![topic.clone()], false);
        assert_eq!(fresh, std::slice::from_ref(&topic));
        drop(gone);
        broadcast(&mut listeners, 1, &Bytes::new());
        assert_eq!(listeners.missed(), 0);
        assert_eq!(listeners.prune(), [topic]);
    }
}
