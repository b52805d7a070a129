use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    time::{Duration, Instant},
};

use indexmap::IndexMap;
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
    peers: IndexMap<NodeId, Asking>,
    /// The nodes of which peers announced newer versions.
    wanted: HashMap<NodeId, Wanted>,
    /// Peers of whom there may be something to ask that there was not before.
    ripe: Vec<NodeId>,
    /// Questions that came too early, by the time and in the order they are put again.
    again: BTreeMap<(Instant, u64), Again>,
    next_again: u64,
}

#[derive(Debug, Default)]
struct Asking {
    open: bool,
    /// Whether it is among the ripe ones.
    ripe: bool,
    wants_all: bool,
    lists: Lists,
    /// The nodes of the open query.
    nodes: Vec<NodeId>,
    /// The nodes it offers and may be asked for; some may have come from others meanwhile.
    ready: Vec<NodeId>,
    /// How many nodes it offers.
    offers: usize,
}

/// A node whose newer version is wanted.
#[derive(Debug, Default)]
struct Wanted {
    /// It is in an open query: no second peer is asked for it.
    asked: bool,
    /// Who should have which version: one for each peer.
    offers: Vec<Offer>,
}

/// A version that a peer should have.
#[derive(Debug, Clone, Copy)]
struct Offer {
    peer: NodeId,
    version: Version,
    /// How often it was asked and had not got it yet itself.
    tries: u8,
    /// Whether it is among what the peer may be asked for.
    ready: bool,
}

/// A question to put once more.
#[derive(Debug)]
struct Again {
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
        let asking = self.peers.entry(peer).insert_entry(Asking { wants_all: true, ..Asking::default() }).into_mut();
        asking.ripen(peer, &mut self.ripe);
    }

    pub(super) fn is_linked(&self, peer: &NodeId) -> bool {
        self.peers.contains_key(peer)
    }

    pub(super) fn link_down(&mut self, peer: &NodeId) {
        let Some(asking) = self.peers.swap_remove(peer) else { return };
        self.ripe.retain(|ripe| ripe != peer);
        for node in asking.nodes {
            self.set_free(peer, &node, None);
        }
        self.wanted.retain(|_, wanted| {
            wanted.offers.retain(|offer| offer.peer != *peer);
            wanted.asked || !wanted.offers.is_empty()
        });
    }

    /// Notes that a peer knows of a newer version.
    pub(super) fn offer(&mut self, peer: NodeId, node: NodeId, version: Version) {
        self.take_offer(node, Offer { peer, version, tries: 0, ready: false });
    }

    fn take_offer(&mut self, node: NodeId, offer: Offer) {
        let Some(asking) = self.peers.get_mut(&offer.peer) else { return };
        let full = asking.offers >= MAX_NODES;
        let entry = match self.wanted.entry(node) {
            Entry::Vacant(_) if full => return,
            entry => entry.or_default(),
        };
        let known = match entry.offers.iter_mut().find(|known| known.peer == offer.peer) {
            Some(known) => {
                if offer.version > known.version {
                    *known = Offer { ready: known.ready, ..offer };
                }
                known
            }
            None if full => return,
            None => {
                asking.offers += 1;
                entry.offers.push_mut(offer)
            }
        };
        if !entry.asked && !known.ready {
            known.ready = true;
            asking.ready.push(node);
            asking.ripen(offer.peer, &mut self.ripe);
        }
    }

    /// A node is no longer in the open query of a peer: whoever else offers a version newer than the known one may be
    /// asked. Gives back what the peer itself had offered, if that is newer.
    fn set_free(&mut self, peer: &NodeId, node: &NodeId, known: Option<Version>) -> Option<Offer> {
        let Entry::Occupied(mut entry) = self.wanted.entry(*node) else { return None };
        let wanted = entry.get_mut();
        wanted.asked = false;
        let own = wanted.offers.iter().position(|offer| offer.peer == *peer).map(|at| wanted.offers.swap_remove(at));
        if own.is_some()
            && let Some(asking) = self.peers.get_mut(peer)
        {
            asking.offers -= 1;
        }
        for offer in wanted.offers.iter_mut().filter(|offer| !offer.ready) {
            if let Some(asking) = self.peers.get_mut(&offer.peer) {
                offer.ready = true;
                asking.ready.push(*node);
                asking.ripen(offer.peer, &mut self.ripe);
            }
        }
        if wanted.offers.is_empty() {
            entry.remove();
        }
        own.filter(|offer| Some(offer.version) > known)
    }

    /// Puts the questions again that are due.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        while let Some(entry) = self.again.first_entry().filter(|entry| entry.key().0 <= now) {
            let Again { node, offer } = entry.remove();
            self.take_offer(node, offer);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.again.first_key_value().map(|((at, _), _)| *at)
    }

    /// An announcement overtakes the record it is about: whoever passed it on may still be asking itself.
    fn ask_again(&mut self, node: NodeId, offer: Offer, now: Instant) {
        if offer.tries < MAX_TRIES && self.again.len() < MAX_NODES {
            let at = now + FIRST_PAUSE * 2u32.pow(offer.tries.into());
            let offer = Offer { tries: offer.tries + 1, ..offer };
            self.next_again += 1;
            self.again.insert((at, self.next_again), Again { node, offer });
        }
    }

    /// Notes that a peer holds newer revocation lists.
    pub(super) fn want_lists(&mut self, peer: &NodeId) {
        if let Some(asking) = self.peers.get_mut(peer)
            && asking.lists != Lists::Open
        {
            asking.lists = Lists::Wanted;
            asking.ripen(*peer, &mut self.ripe);
        }
    }

    /// A peer answered a query for its lists.
    pub(super) fn lists_answered(&mut self, peer: &NodeId) {
        if let Some(asking) = self.peers.get_mut(peer)
            && asking.lists == Lists::Open
        {
            (asking.lists, asking.open) = (Lists::Idle, false);
            asking.ripen(*peer, &mut self.ripe);
        }
    }

    /// Asks again those that did not answer.
    pub(super) fn retry_lists(&mut self) {
        for (peer, asking) in self.peers.iter_mut().filter(|(_, asking)| asking.lists == Lists::Failed) {
            asking.lists = Lists::Wanted;
            asking.ripen(*peer, &mut self.ripe);
        }
    }

    /// The open query of a peer ended: without an answer, or with one that had more to say or not. What it did not
    /// bring is asked of the node itself where it is linked, else once more of the same peer.
    pub(super) fn closed(&mut self, peer: &NodeId, answer: Option<bool>, table: &Table, now: Instant) {
        let Some(asking) = self.peers.get_mut(peer) else { return };
        asking.open = false;
        asking.ripen(*peer, &mut self.ripe);
        if asking.lists == Lists::Open {
            asking.lists = Lists::Failed;
            return;
        }
        asking.wants_all |= answer == Some(true);
        for node in std::mem::take(&mut asking.nodes) {
            let Some(offered) = self.set_free(peer, &node, table.version(&node)) else { continue };
            let offered = Offer { ready: false, ..offered };
            match answer {
                Some(true) => self.take_offer(node, offered),
                _ if self.peers.contains_key(&node) && node != *peer => {
                    self.take_offer(node, Offer { peer: node, ..offered });
                }
                Some(false) => self.ask_again(node, offered, now),
                None => {}
            }
        }
    }

    pub(super) fn forget(&mut self, node: &NodeId) {
        let wanted = self.wanted.remove(node).unwrap_or_default();
        for offer in wanted.offers {
            if let Some(asking) = self.peers.get_mut(&offer.peer) {
                asking.offers -= 1;
                asking.ready.retain(|ready| ready != node);
            }
        }
        self.again.retain(|_, again| again.node != *node);
    }

    /// Opens every query that can be opened now.
    pub(super) fn ask(
        &mut self,
        own: (NodeId, Version),
        held: &BTreeMap<IssuerId, u64>,
        table: &Table,
        outbox: &mut Outbox,
    ) {
        for peer in self.ripe.drain(..) {
            let Some(asking) = self.peers.get_mut(&peer) else { continue };
            asking.ripe = false;
            if asking.open {
                continue;
            }
            let wanted = if asking.lists == Lists::Wanted {
                asking.lists = Lists::Open;
                Query::Revocations { held: held.clone() }
            } else if asking.wants_all {
                asking.wants_all = false;
                let known = table.records().map(|record| (record.status.node, record.status.version));
                Query::All { known: std::iter::once(own).chain(known).collect() }
            } else {
                let ready = std::mem::take(&mut asking.ready).into_iter();
                let missing: Vec<_> =
                    ready.filter_map(|node| asking.claim(&mut self.wanted, peer, node, table)).collect();
                if missing.is_empty() {
                    continue;
                }
                asking.nodes = missing.iter().map(|(node, _)| *node).collect();
                Query::Nodes(missing)
            };
            asking.open = true;
            outbox.push(Output::Query { peer, wanted });
        }
    }
}

impl Asking {
    /// There may be something new to ask of this peer.
    fn ripen(&mut self, peer: NodeId, ripe: &mut Vec<NodeId>) {
        if !std::mem::replace(&mut self.ripe, true) {
            ripe.push(peer);
        }
    }

    /// Whether its peer is to be asked for a node that it offered, and which version is known.
    fn claim(
        &mut self,
        all: &mut HashMap<NodeId, Wanted>,
        peer: NodeId,
        node: NodeId,
        table: &Table,
    ) -> Option<(NodeId, Option<Version>)> {
        let Entry::Occupied(mut entry) = all.entry(node) else { return None };
        let wanted = entry.get_mut();
        let at = wanted.offers.iter().position(|offer| offer.peer == peer)?;
        wanted.offers[at].ready = false;
        let known = table.version(&node);
        if Some(wanted.offers[at].version) <= known {
            wanted.offers.swap_remove(at);
            self.offers -= 1;
            if wanted.offers.is_empty() && !wanted.asked {
                entry.remove();
            }
            return None;
        }
        (!std::mem::replace(&mut wanted.asked, true)).then_some((node, known))
    }
}
