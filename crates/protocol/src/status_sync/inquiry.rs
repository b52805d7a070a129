use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use nuncio_identity::NodeId;

use super::{IssuerId, Query, Version, table::Table};
use crate::{MAX_NODES, Output, outbox::Outbox};

/// The first pause before a question is put again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Questions put again at the most; after that, the next announcement asks.
const MAX_TRIES: u8 = 5;

/// Whom to ask for what: one open query per linked peer, wanted nodes collect meanwhile.
///
/// Bound: one [`Asking`] per link, each with at most [`MAX_NODES`] offers; further offers are ignored and
/// come again with the next announcement.
#[derive(Debug, Default)]
pub(super) struct Inquiry {
    peers: BTreeMap<NodeId, Asking>,
    /// Nodes in an open query: no second peer is asked for them.
    asked: BTreeSet<NodeId>,
    /// Questions that came too early, by the time and in the order they are put again.
    again: BTreeMap<(Instant, u64), Again>,
    next_again: u64,
}

#[derive(Debug, Default)]
struct Asking {
    open: bool,
    wants_all: bool,
    lists: Lists,
    /// The nodes of the open query.
    nodes: Vec<NodeId>,
    /// Versions the peer announced that were newer than the table.
    offers: BTreeMap<NodeId, Offer>,
}

/// A version that a peer should have.
#[derive(Debug, Clone, Copy)]
struct Offer {
    version: Version,
    /// How often it was asked and had not got it yet itself.
    tries: u8,
}

/// A question to put once more.
#[derive(Debug)]
struct Again {
    peer: NodeId,
    node: NodeId,
    offer: Offer,
}

/// Whether a peer's revocation lists are asked for.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Lists {
    #[default]
    Idle,
    Wanted,
    Open,
    /// It did not answer: once more after a while.
    Failed,
}

impl Inquiry {
    pub(super) fn link_up(&mut self, peer: NodeId) {
        self.peers.insert(peer, Asking { wants_all: true, ..Asking::default() });
    }

    pub(super) fn link_down(&mut self, peer: &NodeId) {
        if let Some(asking) = self.peers.remove(peer) {
            for node in asking.nodes {
                self.asked.remove(&node);
            }
        }
    }

    /// Notes that a peer knows of a newer version.
    pub(super) fn offer(&mut self, via: NodeId, node: NodeId, version: Version) {
        self.take_offer(via, node, Offer { version, tries: 0 });
    }

    fn take_offer(&mut self, via: NodeId, node: NodeId, offer: Offer) {
        let Some(asking) = self.peers.get_mut(&via) else { return };
        if asking.offers.len() < MAX_NODES || asking.offers.contains_key(&node) {
            let known = asking.offers.entry(node).or_insert(offer);
            if offer.version > known.version {
                *known = offer;
            }
        }
    }

    /// Puts the questions again that are due.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        while let Some(entry) = self.again.first_entry().filter(|entry| entry.key().0 <= now) {
            let Again { peer, node, offer } = entry.remove();
            self.take_offer(peer, node, offer);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.again.first_key_value().map(|((at, _), _)| *at)
    }

    /// An announcement overtakes the record it is about: whoever passed it on may still be asking itself.
    fn ask_again(&mut self, peer: NodeId, node: NodeId, offer: Offer, now: Instant) {
        if offer.tries < MAX_TRIES && self.again.len() < MAX_NODES {
            let at = now + FIRST_PAUSE * 2u32.pow(offer.tries.into());
            let offer = Offer { tries: offer.tries + 1, ..offer };
            self.next_again += 1;
            self.again.insert((at, self.next_again), Again { peer, node, offer });
        }
    }

    /// Notes that a peer holds newer revocation lists.
    pub(super) fn want_lists(&mut self, peer: &NodeId) {
        if let Some(asking) = self.peers.get_mut(peer)
            && asking.lists != Lists::Open
        {
            asking.lists = Lists::Wanted;
        }
    }

    /// A peer answered a query for its lists.
    pub(super) fn lists_answered(&mut self, peer: &NodeId) {
        if let Some(asking) = self.peers.get_mut(peer)
            && asking.lists == Lists::Open
        {
            (asking.lists, asking.open) = (Lists::Idle, false);
        }
    }

    /// Asks again those that did not answer.
    pub(super) fn retry_lists(&mut self) {
        for asking in self.peers.values_mut().filter(|asking| asking.lists == Lists::Failed) {
            asking.lists = Lists::Wanted;
        }
    }

    /// The open query of a peer ended: without an answer, or with one that had more to say or not. What it did not
    /// bring is asked of the node itself where it is linked, else once more of the same peer.
    pub(super) fn closed(&mut self, peer: &NodeId, answer: Option<bool>, table: &Table, now: Instant) {
        let Some(asking) = self.peers.get_mut(peer) else { return };
        asking.open = false;
        if asking.lists == Lists::Open {
            asking.lists = Lists::Failed;
            return;
        }
        asking.wants_all |= answer == Some(true);
        let nodes = std::mem::take(&mut asking.nodes);
        for node in nodes {
            self.asked.remove(&node);
            let Some(offered) = self.peers.get_mut(peer).and_then(|asking| asking.offers.remove(&node)) else {
                continue;
            };
            if table.version(&node).is_some_and(|known| known >= offered.version) {
                continue;
            }
            match answer {
                Some(true) => self.take_offer(*peer, node, offered),
                _ if self.peers.contains_key(&node) && node != *peer => self.take_offer(node, node, offered),
                Some(false) => self.ask_again(*peer, node, offered, now),
                None => {}
            }
        }
    }

    pub(super) fn forget(&mut self, node: &NodeId) {
        self.asked.remove(node);
        self.again.retain(|_, again| again.node != *node);
        for asking in self.peers.values_mut() {
            asking.offers.remove(node);
        }
    }

    /// Opens every query that can be opened now.
    pub(super) fn ask(
        &mut self,
        own: (NodeId, Version),
        held: &BTreeMap<IssuerId, u64>,
        table: &Table,
        outbox: &mut Outbox,
    ) {
        for (peer, asking) in &mut self.peers {
            let wants_lists = asking.lists == Lists::Wanted;
            if asking.open || (!wants_lists && !asking.wants_all && asking.offers.is_empty()) {
                continue;
            }
            let wanted = if wants_lists {
                asking.lists = Lists::Open;
                Query::Revocations { held: held.clone() }
            } else if asking.wants_all {
                asking.wants_all = false;
                let known = table.records().map(|record| (record.status.node, record.status.version));
                Query::All { known: std::iter::once(own).chain(known).collect() }
            } else {
                asking.offers.retain(|node, offered| table.version(node).is_none_or(|known| known < offered.version));
                asking.nodes = asking.offers.keys().filter(|node| !self.asked.contains(*node)).copied().collect();
                if asking.nodes.is_empty() {
                    continue;
                }
                self.asked.extend(&asking.nodes);
                Query::Nodes(asking.nodes.iter().map(|node| (*node, table.version(node))).collect())
            };
            asking.open = true;
            outbox.push(Output::Query { peer: *peer, wanted });
        }
    }
}
