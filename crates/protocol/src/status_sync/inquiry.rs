//! Whom to ask for what.

mod ask;
mod asking;
mod wanted;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use nuncio_bounds::Bound;
use nuncio_identity::NodeId;

use self::{
    asking::{Asking, MAX_STRANGERS, Open, Want},
    wanted::{Duty, Miss, Offer, State, Wanted},
};
use super::{IssuerId, TableDigest, Version, equivocation::Proofs, table::Table};
use crate::{
    MAX_NODES, Strike,
    hashed::{HashMap, HashSet, IndexMap},
    outbox::Outbox,
    timers::{Timers, earliest},
};

/// How long a node is left to the peer that was asked for it, or is to be as soon as it has answered what it was asked before;
/// then another one is asked, too.
pub(super) const PATIENCE: Duration = Duration::from_millis(300);

/// How long a peer that did not answer is asked nothing.
const REST: Duration = Duration::from_millis(250);

/// Whom to ask for what: one open query per linked peer, wanted nodes collect meanwhile.
///
/// Bound: one [`Asking`] per link; each offers the nodes that are known, those that are linked, and a few others.
#[derive(Debug, Default)]
pub(super) struct Inquiry {
    peers: IndexMap<NodeId, Asking>,
    /// The nodes of which peers announced newer versions.
    nodes: HashMap<NodeId, Wanted>,
    /// Peers of whom there may be something to ask that there was not before.
    ripe: Vec<NodeId>,
    /// When there may be something to ask about a node.
    waking: Timers<NodeId>,
    /// Until when a peer is asked nothing.
    resting: Timers<NodeId>,
}

/// What this node holds, which is not to be sent to it again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held<'a> {
    pub(super) revocations: &'a BTreeMap<IssuerId, u64>,
    pub(super) proofs: &'a Proofs,
    /// Where a comparison is wanted.
    pub(super) digest: TableDigest,
}

/// How a query ended.
#[derive(Debug, Clone, Copy)]
pub(super) enum End<'a> {
    Failed,
    Answered {
        /// The peer has more.
        more: bool,
        /// Nodes whose records it brought that are not kept: the edge refused them, or there is no room.
        shown: &'a HashSet<NodeId>,
    },
}

impl Inquiry {
    pub(super) fn bounds(links: usize) -> [Bound; 2] {
        let when_full = "further nodes that nothing is known of are not asked for";
        let nodes = MAX_NODES + links * MAX_STRANGERS;
        let offers = MAX_NODES + MAX_STRANGERS;
        [
            Bound::of_entries::<(NodeId, Wanted)>("nodes that are asked for", nodes, 0, when_full),
            Bound::of_bytes("what is asked of a peer", offers * 2 * size_of::<(Offer, NodeId)>(), when_full)
                .in_entries(offers)
                .per("link", links),
        ]
    }

    pub(super) fn link_up(&mut self, peer: NodeId, now: Instant) {
        self.peers.insert(peer, Asking::new(now));
        self.ripen(&peer);
    }

    pub(super) fn link_down(&mut self, peer: &NodeId, now: Instant) {
        let Some(asking) = self.peers.swap_remove(peer) else { return };
        self.ripe.retain(|ripe| ripe != peer);
        if let Some(until) = asking.rests_until {
            self.resting.cancel(until, *peer);
        }
        let offered = self.nodes.iter().filter(|(_, wanted)| wanted.offer(peer).is_some());
        let mut offered: Vec<_> = offered.map(|(node, _)| *node).collect();
        // The order in which others are asked is the same in every run.
        offered.sort_unstable();
        for node in offered {
            let news = self.nodes.get(&node).and_then(Wanted::only_of_one);
            self.drop_offer(peer, &node, now);
            if let Some(version) = news {
                self.ask_instead(peer, node, version, now);
            }
        }
    }

    pub(super) fn is_linked(&self, peer: &NodeId) -> bool {
        self.peers.contains_key(peer)
    }

    /// Notes that a peer knows of a newer version; says whether it had not said so before.
    pub(super) fn offer(&mut self, peer: NodeId, node: NodeId, version: Version, table: &Table, now: Instant) -> bool {
        if let Some(known) = self.nodes.get_mut(&node).and_then(|wanted| wanted.offer_mut(&peer)) {
            let is_news = version > known.version;
            if is_news {
                known.version = version;
            }
            return is_news;
        }
        let is_stranger = table.version(&node).is_none() && !self.is_linked(&node);
        let Some(asking) = self.peers.get_mut(&peer) else { return false };
        if is_stranger && !(table.takes_strangers() && asking.takes_stranger(now)) {
            return false;
        }
        let duty = if is_stranger || node == peer { Duty::Show } else { Duty::None };
        self.take_offer(Offer { is_stranger, duty, ..Offer::new(peer, version, now) }, node, now);
        true
    }

    fn take_offer(&mut self, offer: Offer, node: NodeId, now: Instant) {
        let wanted = self.nodes.entry(node).or_default();
        if wanted.offer(&offer.peer).is_none() {
            wanted.offers.push(offer);
        }
        self.refresh(&node, now);
    }

    fn drop_offer(&mut self, peer: &NodeId, node: &NodeId, now: Instant) {
        let Some(wanted) = self.nodes.get_mut(node) else { return };
        let Some(at) = wanted.offers.iter().position(|offer| offer.peer == *peer) else { return };
        let offer = wanted.offers.swap_remove(at);
        wanted.left_to.take_if(|(asked, _)| asked == peer);
        if offer.is_stranger
            && let Some(asking) = self.peers.get_mut(peer)
        {
            asking.forget_stranger();
        }
        self.refresh(node, now);
    }

    /// Finds out who may be asked for a node now, and when that has to be done next. Called whenever anything about the
    /// node has changed.
    fn refresh(&mut self, node: &NodeId, now: Instant) {
        let Some(wanted) = self.nodes.get_mut(node) else { return };
        if let Some(at) = wanted.wakes.take() {
            self.waking.cancel(at, *node);
        }
        if wanted.offers.is_empty() {
            self.nodes.remove(node);
            return;
        }
        let held = wanted.held_until(now);
        let mut ready = Vec::new();
        for offer in wanted.offers.iter_mut().filter(|offer| offer.state == State::Waiting) {
            let from = held.unwrap_or(now).max(offer.from);
            if from > now {
                wanted.wakes = earliest(wanted.wakes, Some(from));
            } else {
                (offer.state, offer.from) = (State::Ready, now);
                ready.push(offer.peer);
            }
        }
        let patience_ends = wanted.patience_ends();
        let is_held_back = patience_ends.is_some_and(|at| at <= now);
        let again = if is_held_back { Some(now + PATIENCE) } else { patience_ends };
        wanted.wakes = earliest(wanted.wakes, again);
        if let Some(at) = wanted.wakes {
            self.waking.set(at, *node);
        }
        for peer in ready {
            if let Some(asking) = self.peers.get_mut(&peer) {
                asking.ready.push(*node);
                self.ripen(&peer);
            }
        }
        if is_held_back {
            self.ask_another(node, now);
        }
    }

    /// The peers that have a node in hand say nothing: one more is asked, best of all the node itself.
    fn ask_another(&mut self, node: &NodeId, now: Instant) {
        if let Some(wanted) = self.nodes.get_mut(node) {
            wanted.further_from = Some(now + PATIENCE);
        }
        let Some(wanted) = self.nodes.get(node) else { return };
        let has_offered = |peer: &NodeId| wanted.offer(peer).is_some();
        let Some(version) = wanted.offers.iter().map(|offer| offer.version).max() else { return };
        let itself = Some(*node).filter(|node| self.is_linked(node) && !has_offered(node));
        if let Some(other) = itself.or_else(|| self.instead_of(has_offered)) {
            self.take_offer(Offer::new(other, version, now), *node, now);
        }
    }

    /// There may be something new to ask of this peer.
    fn ripen(&mut self, peer: &NodeId) {
        if let Some(asking) = self.peers.get_mut(peer)
            && !std::mem::replace(&mut asking.is_ripe, true)
        {
            self.ripe.push(*peer);
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        while let Some(node) = self.waking.pop_due(now) {
            self.refresh(&node, now);
        }
        while let Some(peer) = self.resting.pop_due(now) {
            if let Some(asking) = self.peers.get_mut(&peer) {
                asking.rests_until = None;
                self.ripen(&peer);
            }
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        earliest(self.waking.next(), self.resting.next())
    }

    /// Notes that a peer tells of newer revocation lists than those held.
    pub(super) fn want_lists(&mut self, peer: &NodeId, told: &BTreeMap<IssuerId, u64>, held: &BTreeMap<IssuerId, u64>) {
        let Some(asking) = self.peers.get_mut(peer) else { return };
        let is_settled = asking.lists_answered && (&asking.lists_asked.0, &asking.lists_asked.1) == (told, held);
        if !is_settled && !matches!(asking.open, Some(Open::Lists)) {
            asking.lists_asked = (told.clone(), held.clone());
            asking.lists_answered = false;
            asking.lists = Want::Wanted;
            self.ripen(peer);
        }
    }

    /// Notes how many proofs a peer tells of, and how many there are here.
    pub(super) fn want_proofs(&mut self, peer: &NodeId, counts: (u32, usize)) {
        if let Some(asking) = self.peers.get_mut(peer)
            && asking.proofs_asked.replace(counts) != Some(counts)
        {
            asking.proofs = Want::Wanted;
            self.ripen(peer);
        }
    }

    /// Has one of the peers asked whether it knows the same.
    pub(super) fn compare(&mut self, turn: usize) {
        let Some(at) = turn.checked_rem(self.peers.len()) else { return };
        let misses = self.peers.get_index_mut(at).is_some_and(|(_, asking)| asking.doubt.misses());
        let others = (at + 1..self.peers.len()).chain(0..at);
        let may = |at: &usize| self.peers.get_index(*at).is_some_and(|(_, asking)| asking.doubt.is_none());
        let at = if misses { others.into_iter().find(may) } else { Some(at) };
        let Some((peer, asking)) = at.and_then(|at| self.peers.get_index_mut(at)) else { return };
        asking.same = Want::Wanted;
        let peer = *peer;
        self.ripen(&peer);
    }

    /// What was asked of a peer since it knows something else brought news, or did not.
    pub(super) fn concluded(&mut self, peer: &NodeId, has_brought: bool) {
        if let Some(Asking { doubt, .. }) = self.peers.get_mut(peer) {
            if has_brought { doubt.is_settled() } else { doubt.was_in_vain() }
        }
    }

    /// Whether the next asking is such a comparison.
    pub(super) fn is_to_compare(&self) -> bool {
        let wants = |peer| self.peers.get(peer).is_some_and(|asking| asking.same == Want::Wanted);
        self.ripe.iter().any(wants)
    }

    pub(super) fn is_comparing(&self, peer: &NodeId) -> bool {
        self.peers.get(peer).is_some_and(|asking| matches!(asking.open, Some(Open::Same)))
    }

    /// Whether a peer is asked for all since it knows something else.
    pub(super) fn is_in_doubt(&self, peer: &NodeId) -> bool {
        self.peers.get(peer).is_some_and(|asking| matches!(asking.open, Some(Open::All { in_doubt: true })))
    }

    /// A peer answered whether it knows something else.
    pub(super) fn compared(&mut self, peer: &NodeId, differs: bool) {
        let Some(asking) = self.peers.get_mut(peer) else { return };
        (asking.open, asking.failures) = (None, 0);
        if differs {
            (asking.all, asking.in_doubt) = (Want::Wanted, true);
        } else {
            asking.doubt.is_settled();
        }
        self.ripen(peer);
    }

    pub(super) fn is_alone(&self) -> bool {
        self.peers.is_empty()
    }

    /// What was refused may be taken now.
    pub(super) fn lists_count_anew(&mut self) {
        self.peers.values_mut().for_each(|asking| asking.lists_answered = false);
    }

    /// A peer answered a query for its lists.
    pub(super) fn lists_answered(&mut self, peer: &NodeId) {
        if let Some(asking) = self.peers.get_mut(peer)
            && asking.open.take_if(|open| matches!(open, Open::Lists)).is_some()
        {
            asking.lists_answered = true;
            self.ripen(peer);
        }
    }

    /// Asks again those that did not answer.
    pub(super) fn retry(&mut self) {
        let mut again = Vec::new();
        for (peer, asking) in &mut self.peers {
            for want in [&mut asking.all, &mut asking.lists, &mut asking.proofs]
                .into_iter()
                .filter(|want| **want == Want::Failed)
            {
                *want = Want::Wanted;
                again.push(*peer);
            }
        }
        for peer in again {
            self.ripen(&peer);
        }
    }

    /// The open query of a peer ended. What it did not bring is asked of the node itself where it is linked, else once
    /// more of the same peer.
    pub(super) fn closed(&mut self, peer: &NodeId, end: End<'_>, table: &Table, outbox: &mut Outbox, now: Instant) {
        let Some(asking) = self.peers.get_mut(peer) else { return };
        let open = asking.open.take();
        asking.note_pace(open.as_ref(), matches!(end, End::Failed));
        match (end, &open) {
            (End::Failed, open) => {
                match open {
                    Some(Open::All { .. }) => asking.all = Want::Failed,
                    Some(Open::Lists) => asking.lists = Want::Failed,
                    Some(Open::Proofs) => asking.proofs = Want::Failed,
                    Some(Open::Nodes { .. } | Open::Same) | None => {}
                }
                if let Some(until) = asking.rests_until.replace(now + REST) {
                    self.resting.cancel(until, *peer);
                }
                self.resting.set(now + REST, *peer);
            }
            (End::Answered { more: true, .. }, _) => asking.all = Want::Wanted,
            (End::Answered { .. }, _) => {}
        }
        self.ripen(peer);
        if let Some(Open::Nodes { nodes, .. }) = open {
            for node in nodes {
                self.judge(peer, node, end, table, outbox, now);
            }
        }
    }

    /// What an answer means for a node that was asked for.
    fn judge(&mut self, peer: &NodeId, node: NodeId, end: End<'_>, table: &Table, outbox: &mut Outbox, now: Instant) {
        let (can_ask_itself, has_failed) = (node != *peer && self.is_linked(&node), matches!(end, End::Failed));
        let Some(wanted) = self.nodes.get_mut(&node) else { return };
        wanted.left_to.take_if(|(asked, _)| asked == peer);
        let Some(offer) = wanted.offer_mut(peer) else { return self.refresh(&node, now) };
        offer.state = State::Waiting;
        let version = offer.version;
        let end = match end {
            _ if Some(version) <= table.version(&node) => Miss::GotIt,
            End::Answered { more: true, .. } => Miss::AskAgain,
            End::Answered { shown, .. } if shown.contains(&node) => Miss::GotIt,
            End::Answered { .. } if !can_ask_itself => offer.missed(now),
            End::Answered { .. } | End::Failed => Miss::GiveUp,
        };
        // Whoever showed any record of the node told the truth, as the announcement was signed: it may lag behind it itself.
        let has_shown = node != *peer && table.version(&node).is_some();
        if end == Miss::Lie && !has_shown {
            outbox.strike(*peer, Strike::EmptyPromise);
        }
        if end == Miss::AskElsewhere {
            self.move_on(peer, &node);
        }
        if matches!(end, Miss::AskAgain | Miss::AskElsewhere) {
            return self.refresh(&node, now);
        }
        self.drop_offer(peer, &node, now);
        if end == Miss::GiveUp && (can_ask_itself || has_failed && !self.nodes.contains_key(&node)) {
            self.ask_instead(peer, node, version, now);
        }
    }

    /// Asks the node itself where it is linked, else anybody, for what a peer announced that can be asked no more: gossip
    /// brings each announcement once, and whoever is the first to bring it, and then silent or gone, is the only one heard to
    /// have the record.
    fn ask_instead(&mut self, peer: &NodeId, node: NodeId, version: Version, now: Instant) {
        let itself = Some(node).filter(|node| node != peer && self.is_linked(node));
        if let Some(other) = itself.or_else(|| self.soonest(|other| other == peer)) {
            self.take_offer(Offer::new(other, version, now), node, now);
        }
    }

    /// Has the askings that are left go to a peer that is not asked yet. Else two nodes to which the same silent peer has
    /// announced something may ask each other for it, and nobody else.
    fn move_on(&mut self, peer: &NodeId, node: &NodeId) {
        let Some(wanted) = self.nodes.get(node) else { return };
        let Some(other) = self.soonest(|other| wanted.offer(other).is_some()) else { return };
        if let Some(offer) = self.nodes.get_mut(node).and_then(|wanted| wanted.offer_mut(peer)) {
            offer.peer = other;
        }
    }

    /// The peer that can be asked soonest, of those that answer.
    fn soonest(&self, but: impl Fn(&NodeId) -> bool) -> Option<NodeId> {
        let others = self.peers.iter().filter(|(other, asking)| !but(other) && asking.rests_until.is_none());
        others.min_by_key(|(_, asking)| (asking.failures > 0, asking.open.is_some())).map(|(other, _)| *other)
    }

    /// Who can be asked at once, and has not been.
    fn instead_of(&self, was_asked: impl Fn(&NodeId) -> bool) -> Option<NodeId> {
        let others = self.peers.iter().filter(|(other, asking)| asking.is_idle() && !was_asked(other));
        others.min_by_key(|(_, asking)| asking.failures > 0).map(|(other, _)| *other)
    }

    pub(super) fn forget(&mut self, node: &NodeId, now: Instant) {
        let offers =
            self.nodes.get(node).map(|wanted| wanted.offers.iter().map(|offer| offer.peer).collect::<Vec<_>>());
        for peer in offers.into_iter().flatten() {
            self.drop_offer(&peer, node, now);
        }
    }
}
