use std::{
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    Batch, Long, MAX_BATCH, Proof,
    class::{self, Class},
    joined,
    members::Members,
    returned::Returned,
};
use crate::{LARGE_BODY, MAX_LIFETIME, Topic, life::Life};

/// When, after a last message, its number is said again: a quiet topic costs a handful of words.
pub(super) const REMINDERS: [Duration; 12] = [
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(4),
    Duration::from_secs(15),
    Duration::from_secs(30),
    Duration::from_secs(30),
    Duration::from_secs(30),
    Duration::from_secs(60),
    Duration::from_secs(60),
    Duration::from_secs(60),
    Duration::from_secs(120),
    Duration::from_secs(120),
];

/// What a channel is known by; the most urgent come first.
pub(super) type Key = (Class, Option<Topic>);

/// One topic to which this node publishes with one priority, or copies for those who know none.
#[derive(Debug)]
pub(super) struct Channel {
    topic: Option<Topic>,
    pub(super) members: Members,
    /// The number of the first message that has not left.
    first: u64,
    open: Vec<Bytes>,
    long: Option<Long>,
    reminders: usize,
    pub(super) returned: Returned,
    pub(super) used: Instant,
}

impl Channel {
    /// With the `set`-th numbers of its class.
    pub(super) fn new((class, topic): Key, set: u64, now: Instant) -> Self {
        let (members, first) = (Members::new(class), class.first_number(set));
        let (open, long, reminders, returned) = (Vec::new(), None, 0, Returned::default());
        Self { topic, members, first, open, long, reminders, returned, used: now }
    }

    /// In another epoch, with the `set`-th numbers of it: what has not left gets new ones.
    pub(super) fn begin_anew(&mut self, class: Class, set: u64) {
        (self.first, self.long) = (class.first_number(set), None);
        self.members.begin(self.first);
    }

    /// Whether it has had its numbers, and all has left.
    pub(super) fn is_worn_out(&self) -> bool {
        !self.has_open() && class::is_worn_out(self.first)
    }

    /// The number of the next message.
    pub(super) fn next(&self) -> u64 {
        self.first + self.open.len() as u64
    }

    /// Takes a message; gives back its number.
    pub(super) fn push(&mut self, body: Bytes, now: Instant) -> u64 {
        let number = self.next();
        self.open.push(body);
        (self.used, self.reminders) = (now, 0);
        number
    }

    /// Gives up the newest message if it has this number and has not left. Gives back its bytes.
    pub(super) fn take_back(&mut self, number: u64) -> usize {
        let is_newest = self.has_open() && number + 1 == self.next();
        self.open.pop_if(|_| is_newest).map_or(0, |body| body.len())
    }

    /// Gives up what has not left, and one message more, for which there is no room: who was to have them hears of a gap. Gives
    /// back their bytes.
    pub(super) fn skip(&mut self, now: Instant) -> usize {
        self.first = self.next() + 1;
        (self.used, self.reminders) = (now, 0);
        self.open.drain(..).map(|body| body.len()).sum()
    }

    pub(super) fn has_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Bytes of the next batch.
    pub(super) fn next_length(&self) -> usize {
        self.open[..self.in_next()].iter().map(Bytes::len).sum()
    }

    /// The next batch: what waits, as far as one batch takes it.
    pub(super) fn close(&mut self, life: &Life, now: Instant) -> Arc<Batch> {
        let later = self.open.split_off(self.in_next());
        let bodies = mem::replace(&mut self.open, later);
        let batch = self.batch(&bodies, life, now);
        self.first = batch.end();
        if batch.length() > LARGE_BODY {
            self.long = Some(Long { number: batch.first, length: batch.length() as u32 });
        }
        Arc::new(batch)
    }

    /// A batch without messages: it says which number comes next.
    pub(super) fn word(&self, life: &Life, now: Instant) -> Arc<Batch> {
        Arc::new(self.batch(&[], life, now))
    }

    /// How long from now on the next number is to be said again; `None` when that was done often enough.
    pub(super) fn next_reminder(&mut self) -> Option<Duration> {
        let pause = REMINDERS.get(self.reminders).copied();
        self.reminders += 1;
        pause
    }

    /// The number of the first message that has not left.
    pub(super) const fn next_unsent(&self) -> u64 {
        self.first
    }

    /// With bytes of its own: it is kept for those who miss it, and what an application gave may be a little of something large.
    fn batch(&self, bodies: &[Bytes], life: &Life, now: Instant) -> Batch {
        let payload = joined(bodies);
        let mut rest = payload.clone();
        let bodies = bodies.iter().map(|body| rest.split_to(body.len())).collect();
        Batch {
            origin: life.node,
            epoch: life.epoch,
            sent: life.clock(now),
            lifetime: MAX_LIFETIME,
            topic: self.topic.clone(),
            first: self.first,
            bodies,
            long: self.long,
            proof: Proof { payload: payload.into(), ..Proof::default() },
        }
    }

    /// How many of those that wait fit the next batch: at least one.
    fn in_next(&self) -> usize {
        let mut bytes = 0;
        let fits = self.open.iter().take(MAX_BATCH).take_while(|body| {
            bytes += body.len();
            bytes <= LARGE_BODY
        });
        fits.count().max(1).min(self.open.len())
    }
}
