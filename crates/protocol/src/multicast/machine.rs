use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use bytes::Bytes;
use nuncio_bounds::Bound;
use nuncio_identity::NodeId;

use super::{
    Batch, Destination, Leg, Publication, PublishRefusal, Wanted,
    history::History,
    incoming::{Incoming, Missing},
    members::HOPS_LEFT,
    outgoing::Outgoing,
};
use crate::{Account, Output, Priority, Topic, gate::Admitted, status_sync::Record, timers::earliest, turn::Turn};

/// Most bytes that a node which is not the origin gives in answer to one question.
const ANSWER: usize = 2 << 20;

/// Multicast and broadcast of one node.
#[derive(Debug)]
pub(crate) struct Multicast {
    outgoing: Outgoing,
    incoming: Incoming,
    /// What came from others, and can be shown to be theirs.
    passed: History,
}

impl Multicast {
    /// An epoch has so many sets of numbers.
    pub(crate) fn new(sets: u64) -> Self {
        Self { outgoing: Outgoing::new(sets), incoming: Incoming::new(), passed: History::of_others() }
    }

    /// What applications and other nodes can make it hold.
    pub(crate) fn bounds() -> Vec<Bound> {
        [Outgoing::BOUNDS, Incoming::BOUNDS, History::BOUNDS].concat()
    }

    /// Takes a message of an application here; it leaves with the next [`Multicast::flush`].
    pub(crate) fn publish(
        &mut self,
        topic: Option<&Topic>,
        message: (Bytes, Priority),
        turn: &mut Turn<'_>,
    ) -> Result<Publication, PublishRefusal> {
        self.outgoing.publish(topic, message, turn)
    }

    /// Takes back what was published last, if it has not left.
    pub(crate) fn take_back(&mut self, topic: Option<&Topic>, publication: &Publication) {
        self.outgoing.take_back(topic, publication);
    }

    /// Whether something was published since the last [`Multicast::flush`].
    pub(crate) const fn has_published(&self) -> bool {
        self.outgoing.has_published()
    }

    /// Sends what waits, if it is due.
    pub(crate) fn flush(&mut self, turn: &mut Turn<'_>) {
        self.outgoing.flush_if_due(turn);
    }

    /// Whether all of a batch has been here that is for this node alone.
    pub(crate) fn has_heard(&self, leg: &Leg, me: &NodeId) -> bool {
        leg.destinations.iter().all(|destination| destination.node == *me) && self.incoming.has_heard(&leg.batch)
    }

    /// Whether another's batch has been passed on, or says only which number comes next: whoever brings it for others may bring it
    /// as often as he likes, and its origin has no part in that.
    pub(crate) fn has_passed(&self, batch: &Batch) -> bool {
        batch.bodies.is_empty() || self.passed.keeps(batch)
    }

    /// Takes a batch: for applications here, to be passed on, or both.
    pub(crate) fn handle_received(&mut self, admitted: Admitted<Leg>, turn: &mut Turn<'_>) {
        let (from, Leg { batch, hops_left, priority, mut destinations }) = admitted.into_parts();
        let mine = destinations.iter().find(|destination| destination.node == turn.life.node).copied();
        destinations.retain(|destination| destination.node != turn.life.node);
        if batch.is_proved() {
            self.passed.keep(&batch, turn.now);
            if let Some(hops_left) = hops_left.checked_sub(1) {
                let leg = Leg { batch: batch.clone(), hops_left: hops_left.min(HOPS_LEFT), priority, destinations };
                pass_on(from, leg, turn);
            }
        }
        if let Some(mine) = mine.filter(|_| self.incoming.wants(batch.topic.as_ref())) {
            self.incoming.take(batch, mine.since, from, turn.outbox, turn.now);
        }
    }

    /// Takes what gossip brought.
    pub(crate) fn handle_gossip(&mut self, batch: Batch, via: NodeId, turn: &mut Turn<'_>) {
        if self.incoming.wants(batch.topic.as_ref()) {
            self.incoming.take(Arc::new(batch), 0, via, turn.outbox, turn.now);
        }
    }

    /// Answers who misses something, or asks on: `may_send` says whether so many bytes more may go to whoever asked.
    pub(crate) fn handle_wanted(
        &mut self,
        admitted: Admitted<Wanted>,
        may_send: &mut dyn FnMut(usize) -> bool,
        turn: &mut Turn<'_>,
    ) {
        let (from, wanted) = admitted.into_parts();
        if wanted.origin == turn.life.node {
            return self.outgoing.handle_wanted(from, &wanted, may_send, turn);
        }
        let (origin, numbers) = ((&wanted.origin, wanted.epoch), (wanted.from, wanted.to));
        let found = self.passed.find(origin, &wanted.topic, numbers, ANSWER);
        let has_first = found.oldest.is_some_and(|oldest| oldest <= wanted.from);
        if !has_first || found.batches.is_empty() {
            return self.ask_on(from, wanted, turn);
        }
        if !turn.directory.takes_batches(&from) {
            return;
        }
        for batch in found.batches {
            if !may_send(batch.weight()) {
                break;
            }
            let destinations = vec![Destination { node: wanted.asker, since: 0 }];
            let priority = turn.onward.urgency.of(&from, batch.priority(), batch.length(), turn.now);
            let leg = Leg { batch, hops_left: HOPS_LEFT, priority, destinations };
            if !turn.onward.may_repair(&from, &leg, turn.now) {
                break;
            }
            // Nobody has signed the question: over another peer, somebody else would get what he never asked for.
            turn.outbox.push(Output::SendBatch { to: from, account: Account::Of(from), leg });
        }
    }

    /// The link's queue had no room for a batch.
    pub(crate) fn handle_not_sent(&mut self, to: NodeId, priority: Priority, now: Instant) {
        self.outgoing.handle_not_sent(to, priority, now);
    }

    /// Applications here want these topics.
    pub(crate) fn handle_topics(&mut self, topics: BTreeSet<Topic>) {
        self.incoming.subscribe(topics);
    }

    pub(crate) fn handle_record(&mut self, record: &Record) {
        self.outgoing.handle_record(record);
    }

    /// A node's record has gone, or it was expelled.
    pub(crate) fn handle_forgotten(&mut self, node: &NodeId) {
        self.outgoing.handle_forgotten(node);
    }

    /// Links have changed, or what is known of their ends.
    pub(crate) fn handle_links_changed(&mut self) {
        self.outgoing.changes += 1;
    }

    /// A way to a node has appeared.
    pub(crate) fn handle_reachable(&mut self, node: &NodeId, now: Instant) {
        self.outgoing.handle_reachable(node, now);
    }

    pub(crate) fn handle_epoch_begun(&mut self) {
        self.outgoing.handle_epoch_begun();
    }

    pub(crate) fn handle_timeout(&mut self, turn: &mut Turn<'_>) {
        self.outgoing.handle_timeout(turn);
        for missing in self.incoming.handle_timeout(turn.outbox, turn.now) {
            ask(missing, turn);
        }
        if !self.passed.is_empty() {
            self.passed.forget_old(turn.now);
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        earliest(self.outgoing.poll_timeout(), self.incoming.poll_timeout())
    }

    /// Passes a question on towards the origin.
    fn ask_on(&self, from: NodeId, wanted: Wanted, turn: &mut Turn<'_>) {
        let Some(hops_left) = wanted.hops_left.checked_sub(1) else { return };
        let hop = turn.routing.next_hop_without(&wanted.origin, &[from, wanted.asker]);
        if let Some(to) = hop.filter(|hop| turn.directory.takes_batches(hop))
            && turn.onward.may_ask_on(&to, (&from, &wanted.asker), turn.now)
        {
            let wanted = Wanted { hops_left: hops_left.min(HOPS_LEFT), ..wanted };
            turn.outbox.push(Output::SendWanted { to, account: Account::Of(from), wanted });
        }
    }
}

/// Sends another node's batch on to those it is for; who has no way is left to the repair.
fn pass_on(from: NodeId, leg: Leg, turn: &mut Turn<'_>) {
    let mut legs: BTreeMap<NodeId, Vec<Destination>> = BTreeMap::new();
    for destination in &leg.destinations {
        let hop = turn.routing.next_hop_without(&destination.node, &[from, leg.batch.origin]);
        if let Some(hop) = hop.filter(|hop| turn.directory.takes_batches(hop)) {
            legs.entry(hop).or_default().push(*destination);
        }
    }
    if legs.is_empty() {
        return;
    }
    let (origin, length) = (leg.batch.origin, leg.batch.length());
    let priority = turn.onward.urgency.of_brought((origin, from), leg.priority, length, turn.now);
    let leg = Leg { priority, ..leg };
    for (to, destinations) in legs {
        let leg = Leg { destinations, ..leg.clone() };
        if turn.onward.may_push(&to, &from, &leg, turn.now) {
            turn.outbox.push(Output::SendBatch { to, account: Account::Of(from), leg });
        }
    }
}

/// Asks for what is missing: the neighbour that brought what came after it, and by turns whoever is next to the origin.
fn ask(missing: Missing, turn: &mut Turn<'_>) {
    let Missing { name: (origin, topic, _), epoch, numbers: (from, to), via, asked } = missing;
    let towards = turn.routing.next_hop(&origin);
    let brought = turn.routing.is_linked(&via).then_some(via);
    let hop = if asked % 2 == 0 { brought.or(towards) } else { towards.or(brought) };
    // Whoever is not asked now is asked with the next try.
    if let Some(hop) = hop.filter(|hop| turn.directory.takes_batches(hop))
        && turn.onward.may_ask(&hop, &origin, turn.now)
    {
        let wanted = Wanted { asker: turn.life.node, origin, epoch, topic, from, to, hops_left: HOPS_LEFT };
        turn.outbox.push(Output::SendWanted { to: hop, account: Account::Own, wanted });
    }
}
