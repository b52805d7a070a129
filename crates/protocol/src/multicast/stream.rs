use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use nuncio_identity::NodeId;

use super::{Batch, COUNT_BITS, Long, alone, room::Room};
use crate::amop::travel;

/// How long what was overtaken on another way may be behind.
const REORDERING: Duration = Duration::from_millis(20);

/// How long an answer may pause before what it left out is asked for.
const PAUSE: Duration = Duration::from_millis(100);

/// How long an answer may take at first; twice as long each further time.
const ANSWER: Duration = Duration::from_millis(250);
const LONGEST_ANSWER: Duration = Duration::from_secs(2);

/// After so long without any of them, missing messages are given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// After so long, whoever says that they are gone is believed.
const OVERDUE: Duration = Duration::from_millis(1_500);

/// What a message that came before its turn takes besides itself.
const OVERHEAD: usize = 128;

/// The messages of one origin to one topic, as they come.
///
/// Bound: its origin's share of the room for what came before its turn; what finds no room is asked for when its turn has come.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) epoch: u64,
    /// What the application gets next.
    next: u64,
    /// Behind the newest number that is known.
    end: u64,
    held: BTreeMap<u64, Bytes>,
    hole: Option<Hole>,
    long: Option<Long>,
    /// Who brought the newest.
    pub(super) via: NodeId,
    /// When it came.
    used: Instant,
}

/// The first number that a node can have, as whoever brings a batch says: it is not among what the origin signs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Since {
    pub(super) number: u64,
    /// The origin itself says so, over its own link.
    pub(super) is_origins: bool,
}

/// What comes next is missing.
#[derive(Debug, Clone, Copy)]
struct Hole {
    since: Instant,
    due: Instant,
    asked: u32,
}

/// What the application is told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Messages in order, the first one with this number.
    Messages(u64, Vec<Bytes>),
    /// Numbers, the last included, that it will not get.
    Gap(u64, u64),
}

/// What is to be done about a hole that has been there for a while.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Ask for these numbers; how often that was done before.
    Ask(u64, u64, u32),
    /// It was given up.
    Told(Vec<Told>),
}

impl Stream {
    /// Begins with a batch, or with the number that its origin says this node is to have first.
    pub(super) fn new(batch: &Batch, since: Since, via: NodeId, now: Instant) -> Self {
        let is_said = since.number > 0 && topic_of(since.number) == topic_of(batch.first);
        let next = if is_said { since.within(batch) } else { batch.first };
        let held = BTreeMap::new();
        Self { epoch: batch.epoch, next, end: next, held, hole: None, long: None, via, used: now }
    }

    /// Whether nothing came for so long, and nothing is waited for.
    pub(super) fn has_been_quiet(&self, time: Duration, now: Instant) -> bool {
        self.hole.is_none() && now.saturating_duration_since(self.used) >= time
    }

    /// Whether a batch belongs to what came before, or is older.
    pub(super) const fn goes_on(&self, batch: &Batch) -> bool {
        self.epoch == batch.epoch && topic_of(batch.first) <= topic_of(self.next)
    }

    /// Whether all of a batch has been here.
    pub(super) fn has(&self, batch: &Batch) -> bool {
        batch.end() <= self.next
    }

    /// Takes a batch.
    pub(super) fn take(&mut self, batch: Arc<Batch>, since: Since, room: &mut Room, now: Instant) -> Vec<Told> {
        let (mut told, before) = (Vec::new(), self.next);
        self.used = now;
        if topic_of(batch.first) < topic_of(self.next) {
            return told;
        }
        self.end = self.end.max(batch.end());
        // Nobody but the origin says which numbers there are; how far back it remembers, whoever brings the batch says: so what
        // may be on its way still is waited for.
        if since.is_origins || self.hole.is_some_and(|hole| hole.since + OVERDUE <= now) {
            self.skip_to(since.within(&batch), &mut told, room);
        }
        self.long = batch.long.or(self.long);
        if batch.first > self.next {
            let together = batch.length();
            for (number, body) in (batch.first..).zip(&batch.bodies) {
                self.hold(number, alone(body, together), room);
            }
        } else if batch.end() > self.next {
            let (first, end) = (self.next, batch.end());
            told.push(Told::Messages(first, bodies_from(batch, first)));
            self.next = end;
        }
        self.drain(&mut told, room);
        self.look(before, now);
        told
    }

    /// What is due: to ask for what is missing, or to give it up.
    pub(super) fn handle_timeout(&mut self, room: &mut Room, now: Instant) -> Option<Due> {
        let hole = self.hole.as_mut().filter(|hole| hole.due <= now)?;
        let to = self.held.first_key_value().map_or(self.end, |(number, _)| *number);
        let patience = PATIENCE + overdue(self.long, self.next, to);
        if hole.since + patience <= now {
            let (mut told, before) = (Vec::new(), self.next);
            self.skip_to(to, &mut told, room);
            self.look(before, now);
            return Some(Due::Told(told));
        }
        hole.due = now + ANSWER.saturating_mul(1 << hole.asked.min(8)).min(LONGEST_ANSWER);
        hole.asked += 1;
        Some(Due::Ask(self.next, to - 1, hole.asked - 1))
    }

    /// When [`Stream::handle_timeout`] wants to be called.
    pub(super) fn due(&self) -> Option<Instant> {
        self.hole.map(|hole| hole.due)
    }

    /// Nothing more of it is wanted, or it ends: what was missing until then.
    pub(super) fn end(&mut self, room: &mut Room) -> Vec<Told> {
        let mut told = Vec::new();
        self.skip_to(self.end, &mut told, room);
        self.hole = None;
        told
    }

    fn hold(&mut self, number: u64, body: Bytes, room: &mut Room) {
        let weight = body.len() + OVERHEAD;
        if number >= self.next && !self.held.contains_key(&number) && room.take(weight) {
            self.held.insert(number, body);
        }
    }

    /// Hands on what is there below a number, and says what is not.
    fn skip_to(&mut self, number: u64, told: &mut Vec<Told>, room: &mut Room) {
        while self.next < number {
            let there = self.held.first_key_value().map(|(held, _)| *held).filter(|held| *held < number);
            let there = there.unwrap_or(number);
            if there > self.next {
                told.push(Told::Gap(self.next, there - 1));
                self.next = there;
            }
            self.drain(told, room);
        }
        self.end = self.end.max(self.next);
    }

    /// Hands on what comes next as long as it is there.
    fn drain(&mut self, told: &mut Vec<Told>, room: &mut Room) {
        let (first, mut bodies) = (self.next, Vec::new());
        while let Some((&number, _)) = self.held.first_key_value().filter(|(number, _)| **number <= self.next) {
            let Some(body) = self.held.remove(&number) else { break };
            room.give_back(body.len() + OVERHEAD);
            if number == self.next {
                bodies.push(body);
                self.next += 1;
            }
        }
        if !bodies.is_empty() {
            told.push(Told::Messages(first, bodies));
        }
    }

    /// Notes whether something is missing now; `before` is what came next a moment ago.
    fn look(&mut self, before: u64, now: Instant) {
        if self.next >= self.end {
            self.hole = None;
            return;
        }
        let to = self.held.first_key_value().map_or(self.end, |(number, _)| *number);
        self.hole = match self.hole {
            Some(hole) if self.next == before => Some(hole),
            Some(_) => Some(Hole { since: now, due: now + PAUSE, asked: 0 }),
            None => {
                let due = now + REORDERING + overdue(self.long, self.next, to);
                Some(Hole { since: now, due, asked: 0 })
            }
        };
    }
}

impl Since {
    /// As far as a batch bears it out: who is not the origin has shown it, and so cannot say that it is gone.
    fn within(self, batch: &Batch) -> u64 {
        self.number.min(if self.is_origins { batch.end() } else { batch.first })
    }
}

/// Those of a batch from a number on, without a copy where nobody else has the batch.
fn bodies_from(batch: Arc<Batch>, number: u64) -> Vec<Bytes> {
    let known = (number - batch.first) as usize;
    if known > 0 {
        let together = batch.length();
        return batch.bodies.iter().skip(known).map(|body| alone(body, together)).collect();
    }
    Arc::try_unwrap(batch).map_or_else(|shared| shared.bodies.clone(), |batch| batch.bodies)
}

/// Which topic of its origin a number is of.
const fn topic_of(number: u64) -> u64 {
    number >> COUNT_BITS
}

/// How much longer to wait where a long message is among what is missing.
fn overdue(long: Option<Long>, from: u64, to: u64) -> Duration {
    let missing = long.filter(|long| (from..to).contains(&long.number));
    missing.map_or(Duration::ZERO, |long| travel(long.length as usize))
}
