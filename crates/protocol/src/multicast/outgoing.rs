use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use nuncio_bounds::Bound;
use nuncio_identity::NodeId;

use super::{
    Batch, Destination, Leg, Publication, PublishRefusal, Wanted,
    channel::{Channel, Key},
    class::priority_of,
    history::History,
    members::{Basis, HOPS_LEFT},
};
use crate::{
    Account, LARGE_BODY, Output, Priority, Topic, hashed::HashMap, schedule::Schedule, status_sync::Record,
    timers::earliest, turn::Turn,
};

/// Most topics to which this node publishes at a time, each counted for every priority.
const MAX_CHANNELS: usize = 512;

/// Most nodes that subscribe them, each counted for every topic: as many as a thousand nodes that subscribe all.
const MAX_MEMBERS: usize = 512 << 10;

/// What each takes: as a member, and in the plan of ways.
const PER_MEMBER: usize = 256;

/// Most bytes of messages that have not left.
const MAX_OPEN: usize = 16 << 20;

/// So many more, where what comes is urgent: it waits for no room that others fill.
const URGENT_OPEN: usize = 8 << 20;

/// How long a link whose queue was full is not asked again.
const FULL: Duration = Duration::from_millis(5);

/// How long batches wait whose signature relays would not check now.
const ALLOWANCE: Duration = Duration::from_millis(5);

/// Most bytes in answer to one question: who misses more asks again.
const ANSWER: usize = 2 << 20;

/// What this node publishes.
///
/// Bound: [`MAX_CHANNELS`], [`MAX_MEMBERS`], [`MAX_OPEN`] and [`URGENT_OPEN`]. When there are too many topics or members, the topic quiet the
/// longest is forgotten; its numbers begin anew.
#[derive(Debug)]
pub(super) struct Outgoing {
    channels: HashMap<Key, Channel>,
    /// How many there ever were.
    begun: u64,
    /// Those with messages that have not left, and the bytes of these.
    open: BTreeSet<Key>,
    open_bytes: usize,
    flush_at: Option<Instant>,
    is_fresh: bool,
    reminders: Schedule<Key>,
    /// Links that had no room for what is so urgent, and until when they are spared.
    full: BTreeMap<(NodeId, Priority), Instant>,
    history: History,
    /// Nodes whose records say that nothing can be pushed to them.
    pub(super) deaf: BTreeSet<NodeId>,
    /// Grows with each change of links and records.
    pub(super) changes: u64,
}

impl Outgoing {
    pub(super) const BOUNDS: [Bound; 2] = [
        Bound::of_entries::<(Key, Channel)>(
            "topics to which applications here publish, each priority",
            MAX_CHANNELS,
            MAX_MEMBERS / MAX_CHANNELS * PER_MEMBER,
            "the one quiet the longest is forgotten",
        ),
        Bound::of_bytes(
            "messages of applications here for many",
            MAX_OPEN + URGENT_OPEN,
            "the application is told to wait",
        ),
    ];

    pub(super) fn new() -> Self {
        Self {
            channels: HashMap::default(),
            begun: 0,
            open: BTreeSet::new(),
            open_bytes: 0,
            flush_at: None,
            is_fresh: false,
            reminders: Schedule::default(),
            full: BTreeMap::new(),
            history: History::own(),
            deaf: BTreeSet::new(),
            changes: 0,
        }
    }

    /// Takes a message of an application here.
    pub(super) fn publish(
        &mut self,
        topic: Option<&Topic>,
        (body, priority): (Bytes, Priority),
        turn: &mut Turn<'_>,
    ) -> Result<Publication, PublishRefusal> {
        let most = if priority.is_urgent() { MAX_OPEN + URGENT_OPEN } else { MAX_OPEN };
        if self.open_bytes + body.len() > most && self.open_bytes > 0 {
            return Err(PublishRefusal);
        }
        let key = (self.granted(topic, &body, priority, turn), topic.cloned());
        let (basis, priority) = (self.basis(turn), key.0);
        self.channel(&key, turn);
        let Self { channels, open, deaf, full, .. } = self;
        let channel = channels.get_mut(&key).ok_or(PublishRefusal)?;
        let plan = channel.members.plan(basis, &|node| deaf.contains(node), turn);
        if !full.is_empty() {
            full.retain(|_, until| *until > turn.now);
            if !plan.legs.is_empty() && plan.legs.keys().all(|hop| full.contains_key(&(*hop, priority))) {
                return Err(PublishRefusal);
            }
        }
        let (is_pushed, needs_gossip) = (!plan.legs.is_empty(), plan.needs_gossip);
        let gossip = if plan.needs_gossip && !is_pushed {
            Some(turn.life.stamp(body.len(), turn.now).ok_or(PublishRefusal)?)
        } else if plan.needs_gossip || plan.is_in_doubt(turn.now) {
            turn.life.stamp_beside(body.len(), turn.now)
        } else {
            None
        };
        self.open_bytes += body.len();
        if !channel.has_open() {
            open.insert(key);
        }
        let number = channel.push(body, turn.now);
        self.flush_at.get_or_insert(turn.now);
        self.is_fresh = true;
        Ok(Publication { epoch: turn.life.epoch, number, is_pushed, gossip, needs_gossip })
    }

    /// As what a message goes that is to be so urgent: as normal where it is over what is urgent of this node, and as long as
    /// somebody subscribes who knows nothing else.
    fn granted(&mut self, topic: Option<&Topic>, body: &Bytes, priority: Priority, turn: &mut Turn<'_>) -> Priority {
        // Behind a long one, others of its priority would wait.
        let is_long = priority.is_urgent() && body.len() > LARGE_BODY;
        let granted = turn.onward.urgency.of_own(priority, body.len(), turn.now);
        if is_long || granted == Priority::Normal {
            return Priority::Normal;
        }
        let (basis, key) = (self.basis(turn), (granted, topic.cloned()));
        self.channel(&key, turn);
        let Self { channels, deaf, .. } = self;
        let plan = channels.get_mut(&key).map(|channel| channel.members.plan(basis, &|node| deaf.contains(node), turn));
        if plan.is_some_and(|plan| !plan.has_strict) { granted } else { Priority::Normal }
    }

    /// Sends what waits.
    fn flush(&mut self, turn: &mut Turn<'_>) {
        self.flush_at = None;
        let basis = self.basis(turn);
        for key in std::mem::take(&mut self.open) {
            let Self { channels, deaf, history, .. } = self;
            let Some(channel) = channels.get_mut(&key) else { continue };
            while channel.has_open() {
                let length = channel.next_length();
                let is_relayed = channel.members.plan(basis, &|node| deaf.contains(node), turn).is_relayed;
                if is_relayed && !turn.life.may_relay(length, turn.now) {
                    self.flush_at = Some(turn.now + ALLOWANCE);
                    self.open.insert(key.clone());
                    break;
                }
                let batch = channel.close(turn.life, turn.now);
                self.open_bytes -= length;
                history.keep(&batch, turn.now);
                let plan = channel.members.plan(basis, &|node| deaf.contains(node), turn);
                for (hop, destinations) in &plan.legs {
                    send(*hop, (Arc::clone(&batch), key.0), destinations.clone(), turn);
                }
            }
            if let Some(pause) = channel.next_reminder() {
                self.reminders.set(key, turn.now + pause);
            }
        }
    }

    /// Whether something was published since the last [`Outgoing::flush`].
    pub(super) const fn has_published(&self) -> bool {
        self.is_fresh
    }

    /// Sends what waits, unless relays would not check it yet.
    pub(super) fn flush_if_due(&mut self, turn: &mut Turn<'_>) {
        self.is_fresh = false;
        if self.flush_at.is_some_and(|at| at <= turn.now) {
            self.flush(turn);
        }
    }

    /// Answers who misses messages of this node; `may_send` says whether so many bytes more may go to whoever asked.
    pub(super) fn handle_wanted(
        &mut self,
        from: NodeId,
        wanted: &Wanted,
        may_send: &mut dyn FnMut(usize) -> bool,
        turn: &mut Turn<'_>,
    ) {
        let basis = self.basis(turn);
        let Self { channels, deaf, history, .. } = self;
        let key = (priority_of(wanted.from), wanted.topic.clone());
        let Some(channel) = channels.get_mut(&key).filter(|_| wanted.epoch == turn.life.epoch) else { return };
        let to = wanted.to.min(channel.next().saturating_sub(1));
        let asker = channel.members.reached(&wanted.asker, basis, &|node| deaf.contains(node), turn);
        let can_bring = wanted.asker == from || turn.directory.takes_batches(&from);
        let Some(destination) = asker.filter(|_| can_bring) else { return };
        let found = history.find((&wanted.origin, wanted.epoch), &wanted.topic, (wanted.from, to), ANSWER);
        // What is no longer kept it need not wait for.
        let oldest = found.oldest.unwrap_or_else(|| channel.next_unsent());
        let since = destination.since.max(oldest.min(to + 1));
        let destination = Destination { since, ..destination };
        let batches = if found.batches.is_empty() { vec![channel.word(turn.life, turn.now)] } else { found.batches };
        for batch in batches {
            // On account of who asks: nobody takes anything of this node's own.
            let priority = turn.onward.urgency.of(&from, batch.priority(), batch.length(), turn.now);
            let leg = Leg { batch, hops_left: HOPS_LEFT, priority, destinations: vec![destination] };
            if !may_send(leg.batch.weight()) || !turn.onward.may_repair(&from, &leg, turn.now) {
                break;
            }
            // Nobody has signed the question: over another peer, somebody else would get what he never asked for.
            turn.outbox.push(Output::SendBatch { to: from, account: Account::Of(from), leg });
        }
    }

    /// The queue of a link had no room.
    pub(super) fn handle_not_sent(&mut self, to: NodeId, priority: Priority, now: Instant) {
        self.full.insert((to, priority), now + FULL);
    }

    pub(super) fn handle_record(&mut self, record: &Record) {
        let node = record.status.node;
        self.changes += 1;
        if record.status.takes_batches {
            self.deaf.remove(&node);
        } else {
            self.deaf.insert(node);
        }
        for ((_, topic), channel) in &mut self.channels {
            let next = channel.next();
            channel.members.apply(record, topic.as_ref(), next);
        }
        while !self.has_room(0) && self.forget_quietest() {}
    }

    pub(super) fn handle_forgotten(&mut self, node: &NodeId) {
        self.changes += 1;
        self.deaf.remove(node);
        for channel in self.channels.values_mut() {
            channel.members.forget(node);
        }
    }

    /// A way to a node has appeared: it may have missed the end of what was said meanwhile.
    pub(super) fn handle_reachable(&mut self, node: &NodeId, now: Instant) {
        for (key, channel) in self.channels.iter_mut().filter(|(_, channel)| channel.members.contain(node)) {
            if !channel.has_open() {
                channel.remind_anew();
                self.reminders.set(key.clone(), now);
            }
        }
    }

    /// Numbers go on; what was sent in the epoch before is not answered for any more.
    pub(super) fn handle_epoch_begun(&mut self) {
        self.history = History::own();
        for channel in self.channels.values_mut() {
            let number = channel.next_unsent();
            channel.members.begin(number);
        }
    }

    pub(super) fn handle_timeout(&mut self, turn: &mut Turn<'_>) {
        self.flush_if_due(turn);
        let basis = self.basis(turn);
        while let Some(key) = self.reminders.pop_due(turn.now) {
            let Self { channels, deaf, .. } = self;
            let Some(channel) = channels.get_mut(&key).filter(|channel| !channel.has_open()) else { continue };
            let word = channel.word(turn.life, turn.now);
            let plan = channel.members.plan(basis, &|node| deaf.contains(node), turn);
            for (hop, destinations) in &plan.legs {
                send(*hop, (Arc::clone(&word), key.0), destinations.clone(), turn);
            }
            if let Some(pause) = channel.next_reminder() {
                self.reminders.set(key, turn.now + pause);
            }
        }
        self.history.forget_old(turn.now);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        earliest(self.flush_at, self.reminders.next())
    }

    fn basis(&self, turn: &Turn<'_>) -> Basis {
        (turn.routing.searches(), self.changes)
    }

    /// Makes a channel, if there is none and there is room.
    fn channel(&mut self, key: &Key, turn: &Turn<'_>) {
        if self.channels.get(key).is_some_and(|channel| !channel.is_worn_out()) {
            return;
        }
        self.channels.remove(key);
        let mut channel = Channel::new(key.clone(), self.begun, turn.now);
        for record in turn.directory.status_sync.records() {
            let next = channel.next();
            channel.members.apply(record, key.1.as_ref(), next);
        }
        while self.channels.len() >= MAX_CHANNELS || !self.has_room(channel.members.len()) {
            if !self.forget_quietest() {
                return;
            }
        }
        self.begun += 1;
        self.channels.insert(key.clone(), channel);
    }

    fn has_room(&self, members: usize) -> bool {
        self.channels.values().map(|channel| channel.members.len()).sum::<usize>() + members <= MAX_MEMBERS
    }

    /// Whether there was one of which nothing is open.
    fn forget_quietest(&mut self) -> bool {
        let quiet = self.channels.iter().filter(|(_, channel)| !channel.has_open());
        let oldest = quiet.min_by_key(|(_, channel)| channel.used).map(|(key, _)| key.clone());
        let Some(oldest) = oldest else { return false };
        self.channels.remove(&oldest);
        self.reminders.cancel(&oldest);
        true
    }
}

fn send(to: NodeId, (batch, priority): (Arc<Batch>, Priority), destinations: Vec<Destination>, turn: &mut Turn<'_>) {
    let leg = Leg { batch, hops_left: HOPS_LEFT, priority, destinations };
    turn.outbox.push(Output::SendBatch { to, account: Account::Own, leg });
}
