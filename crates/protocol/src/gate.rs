//! Who and what is let in: the one place where messages of the network are judged before a machine sees them.
//!
//! Machines take [`Admitted`] and [`Passing`] only, and only the gate can make them. Admitted means all of this: its
//! source is *certified*; it is *addressed* to this node, in its present epoch; it is *in time* by its source's clock; it
//! is *fresh*, or known to be the same again; and it is within its neighbour's *budget*. What may pass on to another node
//! is of a certified source and within the budget; the rest is its target's to judge.

mod admitted;
mod bucket;
mod cast;
mod gossip;
mod held;
mod memory;
mod peer;
mod score;
mod source;
mod source_clock;
mod sources;
mod strike;
mod twice;
mod verdict;

pub use strike::Strike;

pub(crate) use admitted::{Admitted, Passing};
pub(crate) use bucket::{Bucket, Rate};
pub(crate) use cast::{Cast, CastRate};
pub(crate) use gossip::{Check, Checked};
pub(crate) use held::Waiting;
pub(crate) use verdict::Verdict;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use nuncio_bounds::{Bound, Holding};
use nuncio_identity::NodeId;

use self::{held::Held, memory::Sight, peer::Peer, score::Scores, source::Era, sources::Sources, verdict::excess};
use crate::{
    amop::Multicast,
    copies::Mark,
    fair::Fair,
    former::Former,
    hashed::{HashMap, RandomState},
    header::Letter,
    life::Life,
    multicast::{Batch, Leg, Wanted},
    timers::earliest,
    turn::Directory,
};

/// Judges what comes from the network.
///
/// Bounds: see [`Sources`], [`Held`] and [`Scores`]; and one entry for each link.
#[derive(Debug)]
pub(crate) struct Gate {
    sources: Sources,
    peers: HashMap<NodeId, Peer>,
    former: Former<Peer>,
    held: Held,
    /// Announcements that are passed on when the newer record is here.
    news: Held,
    scores: Scores,
    /// Announcements that are taken in all.
    announced: Option<Fair>,
    /// Applications' messages by gossip that are taken in all.
    gossip: Option<Cast>,
    /// Bytes of this node's own long gossip.
    own_long: Option<Bucket>,
    /// For what numbers stand.
    hasher: RandomState,
}

impl Default for Gate {
    fn default() -> Self {
        let (sources, peers, former, scores, hasher) = Default::default();
        let (held, news) = (Held::of_strangers(), Held::of_news());
        let (announced, gossip, own_long) = Default::default();
        Self { sources, peers, former, held, news, scores, announced, gossip, own_long, hasher }
    }
}

impl Gate {
    /// Judges a message that a peer brought.
    pub(crate) fn admit<M: Letter>(
        &mut self,
        from: NodeId,
        message: M,
        life: &Life,
        directory: Directory<'_>,
        now: Instant,
    ) -> Verdict<M> {
        let header = *message.header();
        let Some(peer) = self.peers.get_mut(&from) else { return Verdict::Refused };
        peer.passes_on(usize::from(from != header.source));
        if header.source == life.node || directory.peering.is_expelled(&header.source) {
            return Verdict::Refused;
        }
        if !directory.is_certified(&header.source) {
            return Verdict::Held(message);
        }
        let mark = Mark::of(&header, message.asks());
        if header.target != life.node {
            if !directory.can_show(&header.source) {
                return Verdict::Held(message);
            }
            if !peer.may_pass(message.length(), now) {
                return Verdict::Refused;
            }
            let is_excess = peer.brings(mark) && !peer.may_repeat(now);
            return if is_excess {
                Verdict::Struck(Strike::Replayed)
            } else {
                Verdict::Passing(Passing { message, from })
            };
        }
        let Some(source) = self.sources.of(header.source, (from, header.source_epoch), directory) else {
            return Verdict::Held(message);
        };
        match source.era(header.source_epoch) {
            Era::Present if message.is_sealed() => return Verdict::Sealed(message),
            Era::Present => {}
            Era::Past => return Verdict::Refused,
            Era::Future => return Verdict::Held(message),
        }
        let Some(in_time) = source.in_time(header.sent, header.lifetime, now) else { return Verdict::Refused };
        let mut admitted = Admitted { message, from, time_left: in_time.left, is_repeated: false };
        if header.target_epoch != life.epoch {
            return if admitted.message.asks() { Verdict::Outlived(admitted) } else { Verdict::Refused };
        }
        // An answer finds what asked only once.
        if admitted.message.asks() {
            if directory.peering.is_banned(&header.source, now) {
                return Verdict::Refused;
            }
            match self.sources.see(&header.source, header.number, &in_time) {
                Sight::New => {}
                Sight::Seen => admitted.is_repeated = true,
                Sight::Forgotten => return Verdict::Refused,
            }
        }
        let is_copy = if from == header.source { admitted.is_repeated } else { peer.brings(mark) };
        let mut source = self.sources.get_mut(&header.source);
        if admitted.is_repeated
            && let Some(source) = &mut source
            && source.gives_twice(header.number, admitted.message.digest(&self.hasher))
        {
            return Verdict::Proved(Strike::Renumbered);
        }
        excess((peer, source), (admitted.is_repeated, is_copy), now).unwrap_or(Verdict::Mine(admitted))
    }

    /// Judges a multicast that a peer brought: its copies for other nodes are charged to the peer, and to its source what that
    /// brings itself; of what others bring, its source is charged once for each number. While a source is banned nothing of it is
    /// for this node.
    pub(crate) fn admit_multicast(
        &mut self,
        from: NodeId,
        mut multicast: Multicast,
        life: &Life,
        directory: Directory<'_>,
        now: Instant,
    ) -> Verdict<Multicast> {
        let Some(peer) = self.peers.get_mut(&from) else { return Verdict::Refused };
        peer.passes_on(usize::from(from != multicast.source));
        if multicast.destinations.is_empty() {
            return Verdict::Struck(Strike::Misdirected);
        }
        if directory.peering.is_banned(&multicast.source, now) {
            multicast.destinations.retain(|destination| destination.node != life.node);
        }
        let is_mine = multicast.destinations.iter().any(|destination| destination.node == life.node);
        let copies = multicast.destinations.len() - usize::from(is_mine);
        let length = multicast.length();
        if multicast.sealed.is_some() && !peer.may_cast(length, now) {
            return Verdict::Struck(Strike::Overspent);
        }
        let is_for_nobody = multicast.destinations.is_empty();
        if multicast.source == life.node || is_for_nobody || directory.peering.is_expelled(&multicast.source) {
            return Verdict::Refused;
        }
        let is_known = directory.is_certified(&multicast.source);
        if !is_known || (copies > 0 && !directory.can_show(&multicast.source)) {
            return Verdict::Held(multicast);
        }
        let Some(source) = self.sources.of(multicast.source, (from, multicast.epoch), directory) else {
            return Verdict::Held(multicast);
        };
        match source.era(multicast.epoch) {
            Era::Present => {}
            Era::Past => return Verdict::Refused,
            Era::Future => return Verdict::Held(multicast),
        }
        let Some(in_time) = source.in_time(multicast.sent, multicast.lifetime, now) else { return Verdict::Refused };
        if is_mine && multicast.post.is_none() {
            return Verdict::Sealed(multicast);
        }
        let (bytes, is_sources) = (length * copies, from == multicast.source);
        if copies > 0 && !(peer.may_copy(copies, bytes, now) && (!is_sources || source.may_copy(bytes, now))) {
            return Verdict::Refused;
        }
        let (of, number) = (multicast.source, multicast.number);
        let is_repeated = is_mine && source.has_seen(number);
        let is_copy = if is_sources && copies == 0 { is_repeated } else { peer.brings(multicast.mark()) };
        // Its destinations its source has not signed: whoever brings it for others each time uses up nothing of his.
        let is_new = if is_sources { !is_copy } else { !source.has_seen_brought(number) };
        let is_charged = multicast.sealed.is_some() && !is_repeated && is_new;
        let copied = if is_sources { 0 } else { length.min(bytes) };
        if is_charged && !(source.may_cast(length, now) && source.may_copy(copied, now)) {
            return Verdict::Refused;
        }
        // What is refused is remembered by none: whoever brings it next would bring it for nothing.
        if is_mine {
            self.sources.see(&of, number, &in_time);
        }
        if is_charged && !is_sources {
            self.sources.see_brought(&of, number, &in_time);
        }
        let source = self.sources.get_mut(&of);
        excess((peer, source), (is_repeated, is_copy), now).unwrap_or(Verdict::Mine(Admitted {
            message: multicast,
            from,
            time_left: in_time.left,
            is_repeated,
        }))
    }

    /// Judges a batch that a peer brought. Which of its messages are fresh, their numbers say: `is_known` where none is. Where
    /// others are shown that it is its origin's, or were, the peer and the origin are charged for the signature; and for
    /// copies, if it goes on. Of what others bring its origin is charged once, as long as it is known that it `has_passed`. While an
    /// origin is banned nothing of it is for this node.
    pub(crate) fn admit_batch(
        &mut self,
        from: NodeId,
        (mut leg, is_known, has_passed): (Leg, bool, impl FnOnce(&Batch) -> bool),
        life: &Life,
        directory: Directory<'_>,
        now: Instant,
    ) -> Verdict<Leg> {
        let Some(peer) = self.peers.get_mut(&from) else { return Verdict::Refused };
        let (batch, length) = (&leg.batch, leg.batch.length());
        peer.passes_on(usize::from(from != batch.origin));
        let is_banned = directory.peering.is_banned(&batch.origin, now);
        let onward = leg.destinations.iter().filter(|destination| destination.node != life.node).count();
        let is_sources = batch.origin == from;
        let is_checked = !is_sources || onward > 0;
        if !peer.may_push(batch, is_checked, now) {
            return Verdict::Struck(Strike::Overspent);
        }
        if let Some(strike) = leg.fault() {
            return Verdict::Struck(strike);
        }
        if batch.origin == life.node || directory.peering.is_expelled(&batch.origin) || (is_banned && onward == 0) {
            return Verdict::Refused;
        }
        if !directory.is_certified(&batch.origin) || (onward > 0 && !directory.can_show(&batch.origin)) {
            return Verdict::Held(leg);
        }
        let Some(source) = self.sources.of(batch.origin, (from, batch.epoch), directory) else {
            return Verdict::Held(leg);
        };
        match source.era(batch.epoch) {
            Era::Present => {}
            Era::Past => return Verdict::Refused,
            Era::Future => return Verdict::Held(leg),
        }
        let Some(in_time) = source.in_time(batch.sent, batch.lifetime, now) else { return Verdict::Refused };
        let is_copy = if is_checked { peer.brings(leg.mark()) } else { is_known };
        // When a hop falls silent, or an answer comes twice, that is no offence.
        if is_copy && !peer.may_repeat(now) {
            return Verdict::Struck(Strike::Replayed);
        }
        if is_known {
            return Verdict::Refused;
        }
        // Its destinations its origin has not signed: whoever brings it for others each time uses up nothing of his.
        let is_charged = is_checked && !is_copy && (is_sources || !has_passed(batch));
        if is_charged && !source.may_relay(length, now) {
            return Verdict::Refused;
        }
        let bytes = length * onward;
        let copied = match (is_sources, is_charged) {
            (true, _) => bytes,
            (false, true) => length,
            (false, false) => 0,
        };
        if onward > 0 && !(peer.may_copy(onward, bytes, now) && source.may_copy(copied, now)) {
            return Verdict::Refused;
        }
        if is_banned {
            leg.destinations.retain(|destination| destination.node != life.node);
        }
        Verdict::Mine(Admitted { message: leg, from, time_left: in_time.left, is_repeated: false })
    }

    /// Judges a question for missing messages that a peer brought.
    pub(crate) fn admit_wanted(
        &mut self,
        from: NodeId,
        wanted: Wanted,
        life: &Life,
        directory: Directory<'_>,
        now: Instant,
    ) -> Verdict<Wanted> {
        let Some(peer) = self.peers.get_mut(&from) else { return Verdict::Refused };
        if !peer.may_ask(now) {
            return Verdict::Struck(Strike::Overspent);
        }
        if wanted.is_none() {
            return Verdict::Struck(Strike::Malformed);
        }
        let is_banned = directory.peering.is_banned(&wanted.asker, now);
        if wanted.asker == life.node || is_banned || !directory.is_certified(&wanted.asker) {
            return Verdict::Refused;
        }
        Verdict::Mine(Admitted { message: wanted, from, time_left: Duration::ZERO, is_repeated: false })
    }

    /// A peer's own answer was for nothing that this node asks still, of which there have been so many numbers.
    pub(crate) fn may_answer_too_late(&mut self, peer: &NodeId, numbers: u64, now: Instant) -> bool {
        self.peers.get_mut(peer).is_none_or(|peer| peer.may_answer_too_late(numbers, now))
    }

    /// Whether so many bytes may be sent because a peer asked, for itself or on behalf of somebody else.
    pub(crate) fn may_repair(&mut self, from: &NodeId, asker: &NodeId, bytes: usize, now: Instant) -> bool {
        self.peers.get_mut(from).is_some_and(|peer| peer.may_repair((from, asker), bytes, now))
    }

    /// A peer showed the record of a source, which is refused here: gives back what waited for it.
    pub(crate) fn handle_refused(&mut self, peer: &NodeId, source: &NodeId, now: Instant) -> Vec<Waiting> {
        let is_fair = self.peers.get_mut(peer).is_some_and(|budget| budget.shows_in_vain(*source, now));
        if is_fair { self.held.drop_of(peer, source) } else { Vec::new() }
    }

    /// A peer showed the record of a source, for which there is no room: gives back what it brought of it.
    pub(crate) fn drop_shown(&mut self, peer: &NodeId, source: &NodeId) -> Vec<Waiting> {
        self.held.drop_of(peer, source)
    }

    /// What was refused of a node may be taken now.
    pub(crate) fn handle_readmitted(&mut self, node: &NodeId) {
        self.peers.values_mut().for_each(|budget| budget.may_show_again(node));
    }

    /// Whether a peer showed a source's record in vain, so that it need not be asked for now.
    pub(crate) fn is_refused(&self, peer: &NodeId, source: &NodeId, now: Instant) -> bool {
        self.peers.get(peer).is_some_and(|budget| budget.has_shown_in_vain(source, now))
    }

    /// Keeps a message until its source's record is here; says whether there is room.
    pub(crate) fn hold(&mut self, from: NodeId, waiting: Waiting, is_asked: bool, now: Instant) -> bool {
        self.held.hold(from, waiting, is_asked, now)
    }

    /// Keeps the announcement of a known node until the record is here; says whether there is room.
    pub(crate) fn hold_news(&mut self, from: NodeId, waiting: Waiting, now: Instant) -> bool {
        self.news.hold(from, waiting, false, now)
    }

    /// Takes what waited for a source's record.
    pub(crate) fn release(&mut self, source: &NodeId) -> Vec<(NodeId, Waiting)> {
        let mut released = self.held.release(source);
        released.append(&mut self.news.release(source));
        released
    }

    /// A peer passed messages on that nobody here can read.
    pub(crate) fn handle_unread(&mut self, peer: &NodeId, messages: usize) {
        if let Some(peer) = self.peers.get_mut(peer) {
            peer.passes_on(messages);
        }
    }

    pub(crate) fn handle_link_up(&mut self, peer: NodeId, now: Instant) {
        let budget = self.former.take(&peer).unwrap_or_else(|| Peer::new(now));
        self.peers.insert(peer, budget);
    }

    /// Gives back what the peer had brought and what waits no longer.
    pub(crate) fn handle_link_down(&mut self, peer: &NodeId, now: Instant) -> Vec<Waiting> {
        if let Some(budget) = self.peers.remove(peer) {
            self.former.keep(*peer, budget.rest(now), now);
        }
        let mut forgotten = self.held.forget_peer(peer);
        forgotten.append(&mut self.news.forget_peer(peer));
        forgotten
    }

    /// A record of a node was applied.
    pub(crate) fn handle_record(&mut self, node: NodeId, epoch: u64, clock: Duration, now: Instant) {
        if let Some(source) = self.sources.recorded(node, epoch) {
            source.read_clock(clock, false, now);
        }
    }

    /// A node's announcement shows its clock.
    pub(crate) fn handle_clock(&mut self, node: &NodeId, epoch: u64, clock: Duration, now: Instant) {
        if let Some(source) = self.sources.get_mut(node).filter(|source| source.era(epoch) == Era::Present) {
            source.read_clock(clock, true, now);
        }
    }

    /// Counts a strike; gives back until when the peer is banned for it.
    pub(crate) fn strike(&mut self, peer: NodeId, strike: Strike, now: Instant) -> Option<Instant> {
        self.scores.count(peer, strike, now)
    }

    /// How many strikes there were, by kind.
    pub(crate) const fn strikes(&self) -> &BTreeMap<Strike, u64> {
        self.scores.strikes()
    }

    /// Gives up what was held too long; with who brought it, if that was asked for the record. `waits_on` says of who brought
    /// something of a source whether it is to be asked for that yet, or may take its time to answer.
    pub(crate) fn give_up(
        &mut self,
        waits_on: impl Fn(&NodeId, &NodeId) -> bool,
        now: Instant,
    ) -> Vec<(Option<NodeId>, Waiting)> {
        self.held.give_up(waits_on, now)
    }

    /// Announcements of known nodes whose record has not come in time.
    pub(crate) fn give_up_news(&mut self, now: Instant) -> impl Iterator<Item = Waiting> {
        self.news.give_up(|_, _| false, now).into_iter().map(|(_, waiting)| waiting)
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        earliest(self.held.next(), self.news.next())
    }

    /// Makes room for sources of whom nothing is known any more.
    pub(crate) fn tidy(&mut self, directory: Directory<'_>) {
        self.sources.tidy(directory);
    }

    /// Most messages of gossip that a peer may bring in so long.
    pub(crate) fn most_brought(time: Duration) -> usize {
        Peer::most_brought(time)
    }

    /// What it holds now of what others can make it hold.
    pub(crate) fn holdings(&self) -> [Holding; 4] {
        let [sources, numbers] = self.sources.holdings();
        [sources, numbers, self.held.holding(Held::BOUND), self.news.holding(Held::BOUND_OF_NEWS)]
    }

    /// What the gate can be made to hold.
    pub(crate) fn bounds(links: usize) -> Vec<Bound> {
        let elsewhere = Peer::most_bytes();
        let peers = Bound::of_entries::<(NodeId, Peer)>(
            "budgets of neighbours",
            links,
            elsewhere,
            "as many as there are links",
        );
        let former = Former::<Peer>::bound("budgets of those that were neighbours a minute ago");
        let announced = Bound::of_bytes(
            "shares of the announcements that are passed on",
            Fair::most_bytes(links),
            "an agency shares one with others",
        );
        [&Sources::BOUNDS[..], &[peers, former, announced, Held::BOUND, Held::BOUND_OF_NEWS, Scores::BOUND]].concat()
    }
}
