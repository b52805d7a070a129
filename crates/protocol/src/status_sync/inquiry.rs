use std::collections::{BTreeMap, BTreeSet};

use nuncio_identity::NodeId;

use super::{IssuerId, Query, Version, table::Table};
use crate::{MAX_NODES, Output, outbox::Outbox};

/// Whom to ask for what: one open query per linked peer, wanted nodes collect meanwhile.
///
/// Bound: one [`Asking`] per link, each with at most [`MAX_NODES`] offers; further offers are ignored and
/// come again with the next announcement.
#[derive(Debug, Default)]
pub(super) struct Inquiry {
    peers: BTreeMap<NodeId, Asking>,
    /// Nodes in an open query: no second peer is asked for them.
    asked: BTreeSet<NodeId>,
}

#[derive(Debug, Default)]
struct Asking {
    open: bool,
    wants_all: bool,
    lists: Lists,
    /// The nodes of the open query.
    nodes: Vec<NodeId>,
    /// Versions the peer announced that were newer than the table.
    offers: BTreeMap<NodeId, Version>,
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
        let Some(asking) = self.peers.get_mut(&via) else { return };
        if asking.offers.len() < MAX_NODES || asking.offers.contains_key(&node) {
            let offered = asking.offers.entry(node).or_insert(version);
            *offered = version.max(*offered);
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

    /// The open query of a peer ended; what it did not bring is asked of another one.
    pub(super) fn closed(&mut self, peer: &NodeId, answered: bool, more: bool, table: &Table) {
        let Some(asking) = self.peers.get_mut(peer) else { return };
        asking.open = false;
        if asking.lists == Lists::Open {
            asking.lists = Lists::Failed;
            return;
        }
        asking.wants_all |= more;
        let nodes = std::mem::take(&mut asking.nodes);
        for node in nodes {
            self.asked.remove(&node);
            let Some(offered) = self.peers.get_mut(peer).and_then(|asking| asking.offers.remove(&node)) else {
                continue;
            };
            let missing = table.version(&node).is_none_or(|known| known < offered);
            let more_to_come = answered && more;
            if missing && more_to_come {
                self.offer(*peer, node, offered);
            } else if missing && node != *peer {
                self.offer(node, node, offered);
            }
        }
    }

    pub(super) fn forget(&mut self, node: &NodeId) {
        self.asked.remove(node);
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
                asking.offers.retain(|node, offered| table.version(node).is_none_or(|known| known < *offered));
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
