use std::collections::BTreeMap;

use nuncio_identity::NodeId;
use nuncio_protocol::{Priority, Topic, multicast::priority_of};
use tokio::sync::mpsc::error::TrySendError;

use super::{
    Missed, OVERHEAD, PER_MULTICAST,
    shares::{Charge, Room, Shares},
};
use crate::{
    listener::{Incoming, Run, Waiting},
    queue,
};

/// Of a queue, what is left to requests: whoever broadcasts as much as a member may must not make the listener busy for
/// them.
pub(super) const LEFT_TO_REQUESTS: usize = super::MAX_WAITING / 4;
pub(super) const BYTES_LEFT_TO_REQUESTS: usize = 1 << 20;

type Queue = queue::Sender<(Waiting, Charge)>;

/// One listener.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) topics: Vec<Topic>,
    pub(super) requests: bool,
    /// Of what is urgent, with what each source has there.
    urgent: Queue,
    urgent_shares: Shares,
    pub(super) incoming: Queue,
    pub(super) missed: u64,
    shares: Shares,
    /// What it missed and has not been told, by origin and stream. Bound: as many as the core follows.
    owed: BTreeMap<NodeId, BTreeMap<Stream, Missed>>,
}

/// Where something waits: what is urgent is heard before the rest, unless it has no room there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    First,
    /// Urgent, but among the rest.
    After,
    Rest,
}

/// A topic and a priority: messages of each have numbers, and an order, of their own.
type Stream = (Option<Topic>, Priority);

impl Entry {
    /// With a queue for what is urgent, and one for all else.
    pub(super) fn new(topics: Vec<Topic>, requests: bool, (urgent, incoming): (Queue, Queue)) -> Self {
        let (urgent_shares, shares) = (Shares::default(), Shares::default());
        Self { topics, requests, urgent, urgent_shares, incoming, missed: 0, shares, owed: BTreeMap::new() }
    }

    pub(super) const fn queues(&self) -> [&Queue; 2] {
        [&self.urgent, &self.incoming]
    }

    pub(super) fn hears(&self, topic: Option<&Topic>) -> bool {
        topic.is_none_or(|topic| self.topics.contains(topic))
    }

    /// Takes a request of so many bytes with what takes it, if its source has room; an urgent one among the others where that has
    /// none for such.
    pub(super) fn ask(
        &mut self,
        from: NodeId,
        (bytes, priority): (usize, Priority),
        request: impl FnOnce() -> Incoming,
    ) -> Result<(), TrySendError<()>> {
        let lane = self.lane(&from, bytes, (priority, priority.is_urgent()));
        let room = self.shares.left_to(&from, self.incoming.room());
        self.put(from, lane, (room, bytes), || Waiting::One(request()))
    }

    /// Notes what it missed; what it missed before of the same origin and stream is told along with it.
    pub(super) fn owe(&mut self, from: NodeId, topic: Option<&Topic>, missed: Missed) {
        let stream = (topic.cloned(), priority_of(missed.first));
        let owed = self.owed.entry(from).or_default().entry(stream).or_insert(missed);
        let is_same = owed.epoch == missed.epoch && missed.first >= owed.first;
        *owed = if is_same { Missed { last: missed.last, ..*owed } } else { missed };
    }

    /// Tells what it missed, of each origin as much as that one has room for.
    pub(super) fn tell_missed(&mut self) {
        for from in self.owed.keys().copied().collect::<Vec<_>>() {
            self.tell_missed_of(&from);
        }
    }

    /// The same, of one origin.
    pub(super) fn tell_missed_of(&mut self, from: &NodeId) {
        let Some(mut owed) = self.owed.remove(from) else { return };
        let mut full = Vec::new();
        while let Some(((topic, priority), missed)) = owed.pop_first() {
            let Missed { epoch, first, last } = missed;
            let gap = || Waiting::One(Incoming::Gap { from: *from, topic: topic.clone(), epoch, first, last });
            let lane = self.lane(from, OVERHEAD, (priority, priority.is_urgent()));
            match self.put(*from, lane, (self.room_for_multicasts(from), OVERHEAD), gap) {
                Ok(()) => {}
                Err(TrySendError::Closed(())) => owed.clear(),
                Err(TrySendError::Full(())) => full.push(((topic, priority), missed)),
            }
        }
        owed.extend(full);
        if !owed.is_empty() {
            self.owed.insert(*from, owed);
        }
    }

    /// Takes as many of the first ones as it has room for; says how many it misses. What it missed before comes first.
    pub(super) fn take(&mut self, mut run: Run, is_urgent: bool) -> usize {
        self.tell_missed_of(&run.origin());
        let stream = (run.topic().cloned(), run.priority());
        let is_told = self.owed.get(&run.origin()).is_none_or(|owed| !owed.contains_key(&stream));
        let lane = self.lane(&run.origin(), weight(&run), (run.priority(), is_urgent));
        let fits = if lane == Lane::First { run.len() } else { self.fits(&run) };
        let taken = run.take_first(if is_told { fits } else { 0 });
        if !taken.is_empty() {
            let room = self.incoming.room();
            // Nobody else fills the queue: there was room, so if there is none, it has gone.
            if self.put(run.origin(), lane, (room, weight(&taken)), || Waiting::Run(taken)).is_err() {
                return 0;
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
        let (places, bytes) = self.room_for_multicasts(&run.origin());
        let mut room = if places > 0 { bytes.saturating_sub(OVERHEAD) } else { 0 };
        let has_room = |length: &usize| match room.checked_sub(length + PER_MULTICAST) {
            Some(left) => {
                room = left;
                true
            }
            None => false,
        };
        run.lengths().take_while(has_room).count()
    }

    /// What multicasts of one origin, and what is missed of them, may still take.
    fn room_for_multicasts(&self, origin: &NodeId) -> Room {
        let (places, bytes) = self.incoming.room();
        let free = (places.saturating_sub(LEFT_TO_REQUESTS), bytes.saturating_sub(BYTES_LEFT_TO_REQUESTS));
        self.shares.left_to(origin, free)
    }

    /// Where so many bytes of a source are to wait that have this priority, and may go first or have used their source's budget up.
    /// What is urgent stays in its order: behind what waits among the rest it waits there, too.
    fn lane(&self, from: &NodeId, bytes: usize, (priority, is_within): (Priority, bool)) -> Lane {
        let (places, room) = self.urgent_shares.left_to(from, self.urgent.room());
        match priority.is_urgent() {
            true if is_within && places > 0 && bytes <= room && !self.shares.has_urgent(from) => Lane::First,
            true => Lane::After,
            false => Lane::Rest,
        }
    }

    /// Puts what a source has sent into a queue, and into its share; of the rest it has so much room.
    fn put(
        &mut self,
        from: NodeId,
        lane: Lane,
        ((places, room), bytes): (Room, usize),
        what: impl FnOnce() -> Waiting,
    ) -> Result<(), TrySendError<()>> {
        let Self { shares, urgent_shares, .. } = self;
        if lane == Lane::First {
            let place = self.urgent.try_reserve(bytes)?;
            place.send((what(), urgent_shares.charge(from, bytes)));
            return Ok(());
        }
        if (places == 0 || bytes > room) && !self.incoming.is_closed() {
            return Err(TrySendError::Full(()));
        }
        let place = self.incoming.try_reserve(bytes)?;
        let charge = match lane {
            Lane::After => shares.charge_after(from, bytes, urgent_shares),
            Lane::First | Lane::Rest => shares.charge(from, bytes),
        };
        place.send((what(), charge));
        Ok(())
    }
}

fn weight(run: &Run) -> usize {
    OVERHEAD + run.lengths().map(|length| length + PER_MULTICAST).sum::<usize>()
}
