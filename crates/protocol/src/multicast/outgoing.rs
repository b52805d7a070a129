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
    channels::{Channels, Spent},
    class::Class,
    history::History,
    members::{Basis, HOPS_LEFT, Reach},
};
use crate::{
    Account, LARGE_BODY, Output, Priority, Topic, schedule::Schedule, status_sync::Record, timers::earliest, turn::Turn,
};

/// Most bytes of messages that have not left.
const MAX_OPEN: usize = 16 << 20;

/// So many more, where what comes is urgent: it waits for no room that others fill.
const URGENT_OPEN: usize = 8 << 20;

/// Of copies for those who know one order only: what is beyond they miss, and are told so.
const STRICT_OPEN: usize = 4 << 20;

/// How long a link whose queue was full is not asked again.
const FULL: Duration = Duration::from_millis(5);

/// How long batches wait whose signature relays would not check now.
const ALLOWANCE: Duration = Duration::from_millis(5);

/// How long those that have come back wait when relays would not check now what they are told.
const PAUSE: Duration = Duration::from_millis(100);

/// How soon it is told again that the epoch has no numbers left: the disk may have refused another one.
const TOLD_AGAIN: Duration = Duration::from_secs(10);

/// Most bytes in answer to one question: who misses more asks again.
const ANSWER: usize = 2 << 20;

/// What this node publishes.
///
/// Bound: [`Channels`], [`MAX_OPEN`] and [`URGENT_OPEN`], [`STRICT_OPEN`].
#[derive(Debug)]
pub(super) struct Outgoing {
    channels: Channels,
    /// Those with messages that have not left, and the bytes of these; of copies apart.
    open: BTreeSet<Key>,
    open_bytes: usize,
    strict_bytes: usize,
    flush_at: Option<Instant>,
    is_fresh: bool,
    reminders: Schedule<Key>,
    /// When those that have come back are told what they may have missed.
    returns: Schedule<Key>,
    /// Links that had no room for what is so urgent, and until when they are spared.
    full: BTreeMap<(NodeId, Priority), Instant>,
    history: History,
    strict_history: History,
    /// When it was told last that the epoch has no numbers left.
    spent_told: Option<Instant>,
    /// Nodes whose records say that nothing can be pushed to them.
    pub(super) deaf: BTreeSet<NodeId>,
    /// Grows with each change of links and records.
    pub(super) changes: u64,
}

impl Outgoing {
    pub(super) const BOUNDS: [Bound; 2] = [
        Channels::BOUND,
        Bound::of_bytes(
            "messages of applications here for many",
            MAX_OPEN + URGENT_OPEN + STRICT_OPEN,
            "the application is told to wait",
        ),
    ];

    /// An epoch has so many sets of numbers.
    pub(super) fn new(sets: u64) -> Self {
        Self {
            channels: Channels::new(sets),
            open: BTreeSet::new(),
            open_bytes: 0,
            strict_bytes: 0,
            flush_at: None,
            is_fresh: false,
            reminders: Schedule::default(),
            returns: Schedule::default(),
            full: BTreeMap::new(),
            history: History::own(),
            strict_history: History::of_copies(),
            spent_told: None,
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
        let key = (self.class(topic, body.len(), priority, turn)?, topic.cloned());
        self.make(&key, turn)?;
        let (basis, priority, now) = (self.basis(turn), key.0.priority(), turn.now);
        let Self { channels, deaf, full, .. } = self;
        let plan = channels.plan(&key, basis, &|node| deaf.contains(node), turn).ok_or(PublishRefusal)?;
        full.retain(|_, until| *until > now);
        if !plan.legs.is_empty() && plan.legs.keys().all(|hop| full.contains_key(&(*hop, priority))) {
            return Err(PublishRefusal);
        }
        let (own, copies) = (plan.reach(now), self.reach_of_copies(topic, turn));
        let needs_gossip = own.needs_gossip || copies.needs_gossip;
        let gossip = if needs_gossip && !own.is_pushed && !copies.is_pushed {
            Some(turn.life.stamp(body.len(), now).ok_or(PublishRefusal)?)
        } else if needs_gossip || own.is_in_doubt || copies.is_in_doubt {
            turn.life.stamp_beside(body.len(), now)
        } else {
            None
        };
        turn.onward.urgency.of_own(priority, body.len(), now);
        let is_copied = self.copy(topic, &body, turn);
        let number = self.push(key, body, now)?;
        self.is_fresh = true;
        Ok(Publication { epoch: turn.life.epoch, number, is_pushed: own.is_pushed || is_copied, gossip, needs_gossip })
    }

    /// Takes back what was published last, if it has not left: the next one has its number.
    pub(super) fn take_back(&mut self, topic: Option<&Topic>, publication: &Publication) {
        let key = (Class::of(publication.number), topic.cloned());
        let Some(channel) = self.channels.get_mut(&key) else { return };
        self.open_bytes -= channel.take_back(publication.number);
        if !channel.has_open() {
            self.open.remove(&key);
        }
    }

    /// As what a message goes that is to be so urgent: as normal where it is over what is urgent of this node, and until those of
    /// its subscribers who know nothing else have numbers of their own.
    fn class(
        &mut self,
        topic: Option<&Topic>,
        length: usize,
        priority: Priority,
        turn: &mut Turn<'_>,
    ) -> Result<Class, PublishRefusal> {
        // Behind a long one, others of its priority would wait.
        let is_long = priority.is_urgent() && length > LARGE_BODY;
        if priority == Priority::Normal || is_long || !turn.onward.urgency.has_own(priority, length, turn.now) {
            return Ok(Class::NORMAL);
        }
        let (basis, key) = (self.basis(turn), (Class::Of(priority), topic.cloned()));
        if self.make(&key, turn).is_err() {
            // Those that were begun go on.
            return Ok(Class::NORMAL);
        }
        let Self { channels, deaf, .. } = self;
        let has_strict =
            channels.plan(&key, basis, &|node| deaf.contains(node), turn).is_some_and(|plan| plan.has_strict);
        Ok(if has_strict && !channels.is_split(&key.1) { Class::NORMAL } else { key.0 })
    }

    /// Lets a message wait in its channel.
    fn push(&mut self, key: Key, body: Bytes, now: Instant) -> Result<u64, PublishRefusal> {
        let channel = self.channels.get_mut(&key).ok_or(PublishRefusal)?;
        *if key.0 == Class::Strict { &mut self.strict_bytes } else { &mut self.open_bytes } += body.len();
        if !channel.has_open() {
            self.open.insert(key);
        }
        self.flush_at.get_or_insert(now);
        Ok(channel.push(body, now))
    }

    /// How those are reached who know one order only, if they have numbers of their own; makes these, if there are none.
    fn reach_of_copies(&mut self, topic: Option<&Topic>, turn: &mut Turn<'_>) -> Reach {
        if !self.channels.has_copies() {
            return Reach::default();
        }
        let (key, basis) = ((Class::Strict, topic.cloned()), self.basis(turn));
        if !self.channels.is_split(&key.1) || self.make(&key, turn).is_err() {
            return Reach::default();
        }
        let Self { channels, deaf, .. } = self;
        let plan = channels.plan(&key, basis, &|node| deaf.contains(node), turn);
        plan.map_or_else(Reach::default, |plan| plan.reach(turn.now))
    }

    /// Lets a copy wait for those who know one order only, if they have numbers of their own; says whether there are any.
    fn copy(&mut self, topic: Option<&Topic>, body: &Bytes, turn: &mut Turn<'_>) -> bool {
        if !self.channels.has_copies() {
            return false;
        }
        let key = (Class::Strict, topic.cloned());
        let channel = self.channels.get_mut(&key).filter(|channel| channel.members.len() > 0 && !channel.is_worn_out());
        let Some(channel) = channel else { return false };
        if self.strict_bytes + body.len() > STRICT_OPEN && self.strict_bytes > 0 {
            self.strict_bytes -= channel.skip(turn.now);
            self.open.remove(&key);
            if let Some(pause) = channel.next_reminder() {
                self.reminders.set(key, turn.now + pause);
            }
            return false;
        }
        self.push(key, body.clone(), turn.now).is_ok()
    }

    /// Gives those who know one order only numbers of their own in a topic that uses others, too: they are told up to where
    /// they had all, and what they missed of that.
    fn split(&mut self, topic: &Option<Topic>, turn: &mut Turn<'_>) {
        let is_used = |class| self.channels.has(&(Class::Of(class), topic.clone()));
        let uses_others = [Priority::Control, Priority::High, Priority::Bulk].into_iter().any(is_used);
        let (key, basis) = ((Class::NORMAL, topic.clone()), self.basis(turn));
        if !uses_others || self.channels.is_split(topic) {
            return;
        }
        let Some(channel) = self.channels.get_mut(&key).filter(|channel| channel.members.have_strict()) else { return };
        let deaf = &self.deaf;
        say(channel, key.0, basis, &|node| deaf.contains(node), turn);
        channel.members.leave_strict();
        self.channels.note_copies();
    }

    /// Sends what waits.
    fn flush(&mut self, turn: &mut Turn<'_>) {
        self.flush_at = None;
        let basis = self.basis(turn);
        for key in std::mem::take(&mut self.open) {
            let is_strict = key.0 == Class::Strict;
            let Self { channels, deaf, history, strict_history, open_bytes, strict_bytes, .. } = self;
            let Some(channel) = channels.get_mut(&key) else { continue };
            let (history, bytes) = if is_strict { (strict_history, strict_bytes) } else { (history, open_bytes) };
            while channel.has_open() {
                let length = channel.next_length();
                let is_relayed = channel.members.plan(basis, &|node| deaf.contains(node), turn).is_relayed;
                if is_relayed && !turn.life.may_relay(length, turn.now) {
                    self.flush_at = Some(turn.now + ALLOWANCE);
                    self.open.insert(key.clone());
                    break;
                }
                let batch = channel.close(turn.life, turn.now);
                *bytes -= length;
                history.keep(&batch, turn.now);
                let plan = channel.members.plan(basis, &|node| deaf.contains(node), turn);
                for (hop, destinations) in &plan.legs {
                    send(*hop, (Arc::clone(&batch), key.0), destinations.clone(), turn);
                }
            }
            let has_left = !channel.has_open();
            if let Some(pause) = channel.next_reminder() {
                self.reminders.set(key.clone(), turn.now + pause);
            }
            if has_left && key.0 == Class::NORMAL {
                self.split(&key.1, turn);
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
        let Self { channels, deaf, history, strict_history, .. } = self;
        let key = (Class::of(wanted.from), wanted.topic.clone());
        let history = if key.0 == Class::Strict { strict_history } else { history };
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
        for forgotten in self.channels.handle_record(record) {
            self.forget(&forgotten);
        }
    }

    pub(super) fn handle_forgotten(&mut self, node: &NodeId) {
        self.changes += 1;
        self.deaf.remove(node);
        self.channels.forget_node(node);
    }

    /// A way to a node has appeared: it may have missed the end of what was said meanwhile.
    pub(super) fn handle_reachable(&mut self, node: &NodeId, now: Instant) {
        for (key, channel) in self.channels.iter_mut().filter(|(_, channel)| channel.members.contain(node)) {
            let at = channel.returned.note(*node, now);
            if self.returns.get(key).is_none_or(|next| at < next) {
                self.returns.set(key.clone(), at);
            }
        }
    }

    /// What was sent in the epoch before is not answered for any more; what has not left goes in this one.
    pub(super) fn handle_epoch_begun(&mut self) {
        (self.history, self.strict_history, self.spent_told) = (History::own(), History::of_copies(), None);
        self.channels.handle_epoch_begun();
    }

    pub(super) fn handle_timeout(&mut self, turn: &mut Turn<'_>) {
        self.flush_if_due(turn);
        let basis = self.basis(turn);
        while let Some(key) = self.reminders.pop_due(turn.now) {
            let Self { channels, deaf, .. } = self;
            let Some(channel) = channels.get_mut(&key).filter(|channel| !channel.has_open()) else { continue };
            say(channel, key.0, basis, &|node| deaf.contains(node), turn);
            if let Some(pause) = channel.next_reminder() {
                self.reminders.set(key, turn.now + pause);
            }
        }
        while let Some(key) = self.returns.pop_due(turn.now) {
            let at = self.tell_returned(&key, basis, turn);
            if let Some(at) = at {
                self.returns.set(key, at);
            }
        }
        self.history.forget_old(turn.now);
        self.strict_history.forget_old(turn.now);
    }

    /// Says where a channel is to those that have come back to it, when relays would check it; says when it is to be looked again.
    fn tell_returned(&mut self, key: &Key, basis: Basis, turn: &mut Turn<'_>) -> Option<Instant> {
        let Self { channels, deaf, .. } = self;
        let channel = channels.get_mut(key)?;
        if channel.has_open() {
            channel.returned.clear();
            return None;
        }
        let due = channel.returned.due(turn.now);
        if due.is_empty() {
            return channel.returned.next();
        }
        // Of many that come back at once, each channel would look for them again and again.
        if !turn.life.has_relay(turn.now) {
            return Some(turn.now + PAUSE);
        }
        let plan = channel.members.plan(basis, &|node| deaf.contains(node), turn);
        let of_leg = |leg: &[Destination]| -> Vec<_> {
            leg.iter().filter(|destination| due.contains(&destination.node)).copied().collect()
        };
        let legs: Vec<_> =
            plan.legs.iter().map(|(hop, leg)| (*hop, of_leg(leg))).filter(|(_, leg)| !leg.is_empty()).collect();
        if legs.iter().any(|(hop, leg)| leg.iter().any(|destination| destination.node != *hop)) {
            turn.life.may_relay(0, turn.now);
        }
        channel.returned.told(&due, turn.now);
        let word = channel.word(turn.life, turn.now);
        for (hop, destinations) in legs {
            send(hop, (Arc::clone(&word), key.0), destinations, turn);
        }
        channel.returned.next()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        earliest(self.flush_at, earliest(self.reminders.next(), self.returns.next()))
    }

    fn forget(&mut self, key: &Key) {
        self.reminders.cancel(key);
        self.returns.cancel(key);
    }

    fn basis(&self, turn: &Turn<'_>) -> Basis {
        (turn.routing.searches(), self.changes)
    }

    /// Makes a channel, if there is none and there is room.
    ///
    /// # Errors
    /// The epoch has no numbers left; the next one has.
    fn make(&mut self, key: &Key, turn: &mut Turn<'_>) -> Result<(), PublishRefusal> {
        match self.channels.make(key, turn) {
            Ok(forgotten) => forgotten.iter().for_each(|key| self.forget(key)),
            Err(Spent) => {
                if self.spent_told.is_none_or(|told| told + TOLD_AGAIN <= turn.now) {
                    self.spent_told = Some(turn.now);
                    turn.outbox.push(Output::EpochSpent { epoch: turn.life.epoch });
                }
                return Err(PublishRefusal);
            }
        }
        Ok(())
    }
}

/// Says which number comes next.
fn say(channel: &mut Channel, class: Class, basis: Basis, deaf: &dyn Fn(&NodeId) -> bool, turn: &mut Turn<'_>) {
    let word = channel.word(turn.life, turn.now);
    for (hop, destinations) in &channel.members.plan(basis, deaf, turn).legs {
        send(*hop, (Arc::clone(&word), class), destinations.clone(), turn);
    }
}

fn send(to: NodeId, (batch, class): (Arc<Batch>, Class), destinations: Vec<Destination>, turn: &mut Turn<'_>) {
    let leg = Leg { batch, hops_left: HOPS_LEFT, priority: class.priority(), destinations };
    turn.outbox.push(Output::SendBatch { to, account: Account::Own, leg });
}
