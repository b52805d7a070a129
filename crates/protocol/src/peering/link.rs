use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use nuncio_identity::NodeId;

use super::{Address, ConnectionId, Direction, LinkDownReason, LinkView};
use crate::{
    Output,
    outbox::Outbox,
    timers::{Timers, earliest},
};

/// Dials can cross only while both handshakes run. A second connection to a link older than this means
/// that the other end lost the first one.
const CROSSING_WINDOW: Duration = Duration::from_secs(10);

/// How long a peer may take to introduce itself.
const INTRODUCTION: Duration = Duration::from_secs(5);

/// How long the first of two hosts with one key has for a sign of life: more than one heartbeat.
const CONTEST: Duration = Duration::from_secs(3);

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
    /// Connections whose other end has not introduced itself.
    strangers: Timers<ConnectionId>,
    /// Connections of a second host with the key of a linked one.
    contests: Timers<ConnectionId>,
}

#[derive(Debug)]
struct Connection {
    peer: NodeId,
    direction: Direction,
    address: Address,
    closes_at: Option<Instant>,
    /// The epoch in which the other end runs, once it has said so.
    epoch: Option<u64>,
    introduced_by: Instant,
    contested_until: Option<Instant>,
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
    Down {
        lived: Duration,
    },
    /// The link ended, and another host with the peer's key has one now.
    Replaced {
        lived: Duration,
    },
}

impl Links {
    pub(super) fn new(me: NodeId, drain: Duration) -> Self {
        let (connections, links) = (BTreeMap::new(), BTreeMap::new());
        let [draining, strangers, contests] = std::array::from_fn(|_| Timers::default());
        Self { me, drain, connections, links, draining, strangers, contests }
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

    /// The epoch in which a linked peer runs, as it said on the connection that carries the link; `None` before.
    pub(super) fn epoch_of(&self, peer: &NodeId) -> Option<u64> {
        self.connections.get(&self.links.get(peer)?.connection)?.epoch
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
        let introduced_by = now + INTRODUCTION;
        self.strangers.set(introduced_by, id);
        let (closes_at, epoch, contested_until) = (None, None, None);
        let connection = Connection { peer, direction, address, closes_at, epoch, introduced_by, contested_until };
        self.connections.insert(id, connection);
        if self.links.contains_key(&peer) {
            // Decided when it has introduced itself.
            return Change::Kept;
        }
        self.links.insert(peer, Link { connection: id, since: now, connected: now });
        outbox.push(Output::LinkUp { peer, connection: id });
        Change::Up
    }

    /// The other end of a connection said in which epoch it runs.
    pub(super) fn introduced(&mut self, id: ConnectionId, epoch: u64, outbox: &mut Outbox, now: Instant) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.epoch.is_some() {
            return;
        }
        connection.epoch = Some(epoch);
        self.strangers.cancel(connection.introduced_by, id);
        let peer = connection.peer;
        let undecided = |other: &Connection| {
            other.peer == peer && other.epoch.is_some() && other.closes_at.is_none() && other.contested_until.is_none()
        };
        let undecided: Vec<_> =
            self.connections.iter().filter(|(_, other)| undecided(other)).map(|(id, _)| *id).collect();
        for id in undecided {
            self.decide(peer, id, outbox, now);
        }
    }

    /// Two connections of one host: both ends keep the same one. Two hosts with one key: the first is asked for a
    /// sign of life.
    fn decide(&mut self, peer: NodeId, id: ConnectionId, outbox: &mut Outbox, now: Instant) {
        let (Some(link), Some(newer)) = (self.links.get(&peer), self.connections.get(&id)) else { return };
        let old = link.connection;
        let Some(carrier) = self.connections.get(&old).filter(|_| old != id) else { return };
        if carrier.epoch.is_none() {
            return;
        }
        if carrier.epoch == newer.epoch {
            if self.newer_wins(link, peer, newer.direction, now) {
                self.carry(peer, id, outbox, now);
                self.retire(old, peer, now);
            } else {
                self.retire(id, peer, now);
            }
            return;
        }
        let until = now + CONTEST;
        self.contests.set(until, id);
        if let Some(newer) = self.connections.get_mut(&id) {
            newer.contested_until = Some(until);
        }
        outbox.push(Output::Probe { connection: old });
    }

    /// Something was heard on a connection: whoever contests its link is sent away.
    pub(super) fn alive(&mut self, id: ConnectionId, outbox: &mut Outbox) {
        let Some(peer) = self.connections.get(&id).map(|connection| connection.peer) else { return };
        if self.links.get(&peer).is_none_or(|link| link.connection != id) {
            return;
        }
        let contests =
            |(_, other): &(&ConnectionId, &Connection)| other.peer == peer && other.contested_until.is_some();
        let losers: Vec<_> = self.connections.iter().filter(contests).map(|(id, _)| *id).collect();
        for loser in losers {
            let Some(connection) = self.remove(loser) else { continue };
            outbox.push(Output::Close { connection: loser, reason: LinkDownReason::DuplicateIdentity });
            let (address, epoch) = (Some(connection.address), connection.epoch.unwrap_or_default());
            outbox.push(Output::DuplicateIdentity { node: peer, address, epoch });
        }
    }

    /// A connection ended; the link moves to another one of the same host, or ends.
    pub(super) fn closed(
        &mut self,
        id: ConnectionId,
        reason: LinkDownReason,
        outbox: &mut Outbox,
        now: Instant,
    ) -> Option<(NodeId, Change)> {
        let Connection { peer, epoch, .. } = self.remove(id)?;
        let link = self.links.get(&peer)?;
        if link.connection != id {
            return Some((peer, Change::Kept));
        }
        let lived = now.saturating_duration_since(link.since);
        let spare = self.connections.iter().rev().find(|(_, other)| other.peer == peer);
        let spare = spare.map(|(id, other)| (*id, other.epoch == epoch || other.epoch.is_none() || epoch.is_none()));
        match spare {
            Some((spare, true)) => {
                self.carry(peer, spare, outbox, now);
                Some((peer, Change::Kept))
            }
            Some((spare, false)) => {
                outbox.push(Output::LinkDown { peer, reason });
                self.settle_on(peer, spare, outbox, now);
                Some((peer, Change::Replaced { lived }))
            }
            None => {
                self.links.remove(&peer);
                outbox.push(Output::LinkDown { peer, reason });
                Some((peer, Change::Down { lived }))
            }
        }
    }

    /// A new link on a connection that was there already.
    fn settle_on(&mut self, peer: NodeId, id: ConnectionId, outbox: &mut Outbox, now: Instant) {
        if let Some(connection) = self.connections.get_mut(&id) {
            let (closes, contested) = (connection.closes_at.take(), connection.contested_until.take());
            closes.into_iter().for_each(|at| self.draining.cancel(at, id));
            contested.into_iter().for_each(|at| self.contests.cancel(at, id));
        }
        self.links.insert(peer, Link { connection: id, since: now, connected: now });
        outbox.push(Output::LinkUp { peer, connection: id });
    }

    fn remove(&mut self, id: ConnectionId) -> Option<Connection> {
        let connection = self.connections.remove(&id)?;
        connection.closes_at.into_iter().for_each(|at| self.draining.cancel(at, id));
        connection.contested_until.into_iter().for_each(|at| self.contests.cancel(at, id));
        if connection.epoch.is_none() {
            self.strangers.cancel(connection.introduced_by, id);
        }
        Some(connection)
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
            self.remove(id);
            outbox.push(Output::Close { connection: id, reason: reason.clone() });
        }
        lived
    }

    /// Does what is due; gives back what became of links.
    pub(super) fn handle_timeout(&mut self, outbox: &mut Outbox, now: Instant) -> Vec<(NodeId, Change)> {
        while let Some(id) = self.draining.pop_due(now) {
            self.connections.remove(&id);
            outbox.push(Output::Close { connection: id, reason: LinkDownReason::Duplicate });
        }
        let mut changes = Vec::new();
        while let Some(id) = self.contests.pop_due(now) {
            changes.extend(self.first_is_dead(id, outbox, now));
        }
        while let Some(id) = self.strangers.pop_due(now) {
            let reason = LinkDownReason::Closed("it did not introduce itself".into());
            outbox.push(Output::Close { connection: id, reason: reason.clone() });
            changes.extend(self.closed(id, reason, outbox, now));
        }
        changes
    }

    /// The host that had the link gave no sign of life: the one that contests it takes over.
    fn first_is_dead(&mut self, id: ConnectionId, outbox: &mut Outbox, now: Instant) -> Option<(NodeId, Change)> {
        let connection = self.connections.get_mut(&id)?;
        connection.contested_until = None;
        let peer = connection.peer;
        let Link { connection: dead, since, .. } = *self.links.get(&peer)?;
        self.remove(dead);
        let reason = LinkDownReason::Closed("gave no sign of life, and the node has started anew".into());
        outbox.push(Output::Close { connection: dead, reason: reason.clone() });
        outbox.push(Output::LinkDown { peer, reason });
        self.settle_on(peer, id, outbox, now);
        Some((peer, Change::Replaced { lived: now.saturating_duration_since(since) }))
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        earliest(self.draining.next(), earliest(self.strangers.next(), self.contests.next()))
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

#[cfg(test)]
mod tests {
    use nuncio_testkit::simulator::node_id;

    use super::*;

    #[test]
    fn the_epoch_of_a_linked_peer_is_the_one_said_on_the_connection_that_carries_the_link() {
        let (me, peer, now) = (node_id(0), node_id(1), Instant::now());
        let mut links = Links::new(me, Duration::ZERO);
        let mut outbox = Outbox::default();
        let mut open = |links: &mut Links, id| {
            links.opened(ConnectionId(id), peer, Direction::Inbound, Address::new("a:1"), &mut outbox, now)
        };
        open(&mut links, 1);
        assert_eq!(links.epoch_of(&peer), None, "it has not said so yet");
        links.introduced(ConnectionId(1), 5, &mut Outbox::default(), now);
        assert_eq!(links.epoch_of(&peer), Some(5));

        open(&mut links, 2);
        links.introduced(ConnectionId(2), 6, &mut Outbox::default(), now);
        assert_eq!(links.epoch_of(&peer), Some(5), "a second host contests the link, it does not carry it");
        let dead: LinkDownReason = LinkDownReason::Closed("reset".into());
        links.closed(ConnectionId(1), dead.clone(), &mut Outbox::default(), now);
        assert_eq!(links.epoch_of(&peer), Some(6));
        links.closed(ConnectionId(2), dead, &mut Outbox::default(), now);
        assert_eq!(links.epoch_of(&peer), None);
    }
}
