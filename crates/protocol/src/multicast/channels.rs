use nuncio_bounds::Bound;
use nuncio_identity::NodeId;

use super::{
    channel::{Channel, Key},
    class::{Class, MOST_SETS},
    members::{Basis, Plan},
};
use crate::{Topic, hashed::HashMap, status_sync::Record, turn::Turn};

/// Most topics to which this node publishes at a time, each counted for every priority; and as many for copies.
const MAX_CHANNELS: usize = 512;

/// Most nodes that subscribe them, each counted for every topic: as many as a thousand nodes that subscribe all.
const MAX_MEMBERS: usize = 512 << 10;

/// What each takes: as a member, in the plan of ways, and when it has come back.
const PER_MEMBER: usize = 384;

/// The topics to which this node publishes, with each priority.
///
/// Where one that knows no priorities subscribes to a topic that uses them, it has numbers of its own there, for copies of all
/// messages in one order: it takes nothing from those that know them.
///
/// Bound: [`MAX_CHANNELS`], as many for copies, and [`MAX_MEMBERS`]. When there are too many topics or members, the topic quiet
/// the longest is forgotten; its numbers begin anew. An epoch has [`MOST_SETS`] of them: then another one is due.
#[derive(Debug)]
pub(super) struct Channels {
    known: HashMap<Key, Channel>,
    /// Sets of numbers that were begun in this epoch, and most that may be: of classes of priorities, and of copies.
    begun: [u64; 2],
    most: u64,
    /// Whether copies of some topic were forgotten: who got them goes back to no other numbers.
    has_left_strict: bool,
    /// Whether any topic was split: else nobody looks for copies with each message.
    has_copies: bool,
}

impl Channels {
    pub(super) const BOUND: Bound = Bound::of_entries::<[(Key, Channel); 2]>(
        "topics to which applications here publish, each priority",
        MAX_CHANNELS,
        MAX_MEMBERS / MAX_CHANNELS * PER_MEMBER,
        "the one quiet the longest is forgotten",
    );

    /// An epoch has so many sets of numbers, [`MOST_SETS`] at the most.
    pub(super) fn new(most: u64) -> Self {
        Self {
            known: HashMap::default(),
            begun: [0; 2],
            most: most.min(MOST_SETS),
            has_left_strict: false,
            has_copies: false,
        }
    }

    pub(super) fn get_mut(&mut self, key: &Key) -> Option<&mut Channel> {
        self.known.get_mut(key)
    }

    pub(super) fn has(&self, key: &Key) -> bool {
        self.known.contains_key(key)
    }

    /// How those are reached whom a channel serves, if there is one.
    pub(super) fn plan(
        &mut self,
        key: &Key,
        basis: Basis,
        deaf: &dyn Fn(&NodeId) -> bool,
        turn: &mut Turn<'_>,
    ) -> Option<&Plan> {
        self.known.get_mut(key).map(|channel| channel.members.plan(basis, deaf, turn))
    }

    /// Of each topic and class.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&Key, &mut Channel)> {
        self.known.iter_mut()
    }

    /// Makes a channel, if there is none and there is room; gives back the others that were forgotten for it.
    ///
    /// # Errors
    /// The epoch has no numbers left.
    pub(super) fn make(&mut self, key: &Key, turn: &Turn<'_>) -> Result<Vec<Key>, Spent> {
        if self.known.get(key).is_some_and(|channel| !channel.is_worn_out()) {
            return Ok(Vec::new());
        }
        let set = self.begun[usize::from(key.0 == Class::Strict)];
        if set >= self.most {
            return Err(Spent);
        }
        let is_split = self.is_split(&key.1);
        self.known.remove(key);
        let mut channel = Channel::new(key.clone(), set, turn.now);
        if is_split {
            channel.members.leave_strict();
        }
        for record in turn.directory.status_sync.records() {
            let next = channel.next();
            channel.members.apply(record, key.1.as_ref(), next);
        }
        let mut forgotten = Vec::new();
        while self.is_full(key.0) || !self.has_room(channel.members.len()) {
            let Some(quietest) = self.forget_quietest(key.0) else { return Ok(forgotten) };
            forgotten.push(quietest);
        }
        self.begun[usize::from(key.0 == Class::Strict)] += 1;
        self.known.insert(key.clone(), channel);
        Ok(forgotten)
    }

    /// Some topic is split from now on.
    pub(super) const fn note_copies(&mut self) {
        self.has_copies = true;
    }

    /// Whether there are copies of any topic.
    pub(super) const fn has_copies(&self) -> bool {
        self.has_copies
    }

    /// Whether those who know one order only have numbers of their own in a topic.
    pub(super) fn is_split(&self, topic: &Option<Topic>) -> bool {
        if !self.has_copies {
            return false;
        }
        let known = |class| self.known.get(&(class, topic.clone()));
        let has_left = |channel: &Channel| channel.members.have_left_strict();
        known(Class::Strict).is_some() || known(Class::NORMAL).map_or(self.has_left_strict, has_left)
    }

    /// A node's record has come; gives back the channels that were forgotten, as more nodes subscribe the others.
    pub(super) fn handle_record(&mut self, record: &Record) -> Vec<Key> {
        for ((_, topic), channel) in &mut self.known {
            let next = channel.next();
            channel.members.apply(record, topic.as_ref(), next);
            if !channel.members.contain(&record.status.node) {
                channel.returned.forget(&record.status.node);
            }
        }
        let mut forgotten = Vec::new();
        while !self.has_room(0)
            && let Some(quietest) = self.forget_quietest(Class::Strict).or_else(|| self.forget_quietest(Class::NORMAL))
        {
            forgotten.push(quietest);
        }
        forgotten
    }

    pub(super) fn forget_node(&mut self, node: &NodeId) {
        for channel in self.known.values_mut() {
            channel.members.forget(node);
            channel.returned.forget(node);
        }
    }

    /// All numbers are there again; those in use go on.
    pub(super) fn handle_epoch_begun(&mut self) {
        (self.begun, self.has_left_strict) = ([0; 2], false);
        for ((class, _), channel) in &mut self.known {
            let begun = &mut self.begun[usize::from(*class == Class::Strict)];
            channel.begin_anew(*class, *begun);
            *begun += 1;
        }
    }

    fn is_full(&self, class: Class) -> bool {
        let is_strict = class == Class::Strict;
        let same = self.known.keys().filter(|(other, _)| (*other == Class::Strict) == is_strict);
        self.known.len() >= MAX_CHANNELS && same.count() >= MAX_CHANNELS
    }

    fn has_room(&self, members: usize) -> bool {
        self.known.values().map(|channel| channel.members.len()).sum::<usize>() + members <= MAX_MEMBERS
    }

    /// Among those of priorities, or of copies; says which one, if there was one of which nothing is open.
    fn forget_quietest(&mut self, class: Class) -> Option<Key> {
        let is_strict = class == Class::Strict;
        let quiet = self
            .known
            .iter()
            .filter(|((class, _), channel)| (*class == Class::Strict) == is_strict && !channel.has_open());
        let (oldest, _) = quiet.min_by_key(|(_, channel)| channel.used)?;
        let oldest = oldest.clone();
        self.known.remove(&oldest);
        self.has_left_strict |= is_strict;
        Some(oldest)
    }
}

/// An epoch has no numbers left for a further topic.
#[derive(Debug)]
pub(super) struct Spent;
