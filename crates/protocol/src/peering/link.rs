use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use nuncio_identity::NodeId;

use super::{Address, ConnectionId, Direction, LinkDownReason, LinkView};
use crate::{Output, outbox::Outbox, timers::Timers};

/// Dials can cross only while both handshakes run. A second connection to a link older than this means
/// that the other end lost the first one.
const CROSSING_WINDOW: Duration = Duration::from_secs(10);

/// Connections, and which of them carries each link.
///
/// Bound: the edge's limit on connections.
#[derive(Debug)]
pub(super) struct Links {
    me: NodeId,
    drain: Duration,
    connections: BTreeMap<ConnectionId, Connection>,
    links: BTreeMap<NodeId, Link>,
    draining: Timers<ConnectionId>,
}

#[derive(Debug)]
struct Connection {
    peer: NodeId,
    direction: Direction,
    address: Address,
    closes_at: Option<Instant>,
}

#[derive(Debug)]
struct Link {
    connection: ConnectionId,
    since: Instant,
    connected: Instant,
}

/// What became of a link.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    Up,
    Kept,
    Down { lived: Duration },
}

impl Links {
    pub(super) fn new(me: NodeId, drain: Duration) -> Self {
        Self { me, drain, connections: BTreeMap::new(), links: BTreeMap::new(), draining: Timers::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.links.len()
    }

    pub(super) fn contains(&self, peer: &NodeId) -> bool {
        self.links.contains_key(peer)
    }

    pub(super) fn peers(&self) -> impl Iterator<Item = &NodeId> {
        self.links.keys()
    }

    pub(super) fn views(&self, configured: impl Fn(&NodeId) -> Option<Address>) -> impl Iterator<Item = LinkView> {
        self.links.iter().filter_map(move |(peer, link)| {
            let connection = self.connections.get(&link.connection)?;
            Some(LinkView {
                peer: *peer,
                connection: link.connection,
                address: connection.address.clone(),
                direction: connection.direction,
                since: link.since,
                configured: configured(peer),
            })
        })
    }

    /// The peers met by dialling an address.
    pub(super) fn peers_dialled_at(&self, address: &Address) -> Vec<NodeId> {
        let dialled =
            |connection: &&Connection| connection.direction == Direction::Outbound && connection.address == *address;
        self.connections.values().filter(dialled).map(|connection| connection.peer).collect()
    }

    pub(super) fn opened(
        &mut self,
        id: ConnectionId,
        peer: NodeId,
        direction: Direction,
        address: Address,
        outbox: &mut Outbox,
        now: Instant,
    ) -> Change {
        self.connections.insert(id, Connection { peer, direction, address, closes_at: None });
        let Some(link) = self.links.get(&peer) else {
            self.links.insert(peer, Link { connection: id, since: now, connected: now });
            outbox.push(Output::LinkUp { peer, connection: id });
            return Change::Up;
        };
        let old = link.connection;
        if self.newer_wins(link, peer, direction, now) {
            self.carry(peer, id, outbox, now);
            self.retire(old, peer, now);
        } else {
            self.retire(id, peer, now);
        }
        Change::Kept
    }

    /// A connection ended; the link moves to another one if there is one.
    pub(super) fn closed(
        &mut self,
        id: ConnectionId,
        reason: Arc<str>,
        outbox: &mut Outbox,
        now: Instant,
    ) -> Option<(NodeId, Change)> {
        let connection = self.connections.remove(&id)?;
        if let Some(at) = connection.closes_at {
            self.draining.cancel(at, id);
        }
        let peer = connection.peer;
        let link = self.links.get(&peer)?;
        if link.connection != id {
            return Some((peer, Change::Kept));
        }
        let spare = self.connections.iter().rev().find(|(_, other)| other.peer == peer).map(|(id, _)| *id);
        if let Some(spare) = spare {
            self.carry(peer, spare, outbox, now);
            return Some((peer, Change::Kept));
        }
        let lived = now.saturating_duration_since(link.since);
        self.links.remove(&peer);
        outbox.push(Output::LinkDown { peer, reason: LinkDownReason::Closed(reason) });
        Some((peer, Change::Down { lived }))
    }

    /// Closes every connection to a peer.
    pub(super) fn close(&mut self, peer: &NodeId, reason: &LinkDownReason, outbox: &mut Outbox) -> Option<Change> {
        let mut lived = None;
        if self.links.remove(peer).is_some() {
            outbox.push(Output::LinkDown { peer: *peer, reason: reason.clone() });
            lived = Some(Change::Down { lived: Duration::ZERO });
        }
        let ids: Vec<_> =
            self.connections.iter().filter(|(_, connection)| connection.peer == *peer).map(|(id, _)| *id).collect();
        for id in ids {
            if let Some(at) = self.connections.remove(&id).and_then(|connection| connection.closes_at) {
                self.draining.cancel(at, id);
            }
            outbox.push(Output::Close { connection: id, reason: reason.clone() });
        }
        lived
    }

    pub(super) fn handle_timeout(&mut self, outbox: &mut Outbox, now: Instant) {
        while let Some(id) = self.draining.pop_due(now) {
            self.connections.remove(&id);
            outbox.push(Output::Close { connection: id, reason: LinkDownReason::Duplicate });
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.draining.next()
    }

    fn newer_wins(&self, link: &Link, peer: NodeId, direction: Direction, now: Instant) -> bool {
        let same_direction =
            self.connections.get(&link.connection).is_none_or(|connection| connection.direction == direction);
        let dialled_by_lower = (direction == Direction::Outbound) == (self.me < peer);
        same_direction || dialled_by_lower || now >= link.connected + CROSSING_WINDOW
    }

    fn carry(&mut self, peer: NodeId, id: ConnectionId, outbox: &mut Outbox, now: Instant) {
        if let Some(connection) = self.connections.get_mut(&id)
            && let Some(at) = connection.closes_at.take()
        {
            self.draining.cancel(at, id);
        }
        if let Some(link) = self.links.get_mut(&peer) {
            link.connection = id;
            link.connected = now;
            outbox.push(Output::LinkMoved { peer, connection: id });
        }
    }

    fn retire(&mut self, id: ConnectionId, peer: NodeId, now: Instant) {
        let at = now + if self.me < peer { self.drain } else { 2 * self.drain };
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.closes_at = Some(at);
            self.draining.set(at, id);
        }
    }
}
