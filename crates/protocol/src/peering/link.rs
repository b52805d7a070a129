mod contest;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use nuncio_bounds::Bound;
use nuncio_identity::NodeId;

use super::{Address, ConnectionId, Direction, LinkDownReason, LinkView, MAX_ADDRESS};
use crate::{Output, outbox::Outbox, schedule::Schedule};

/// How long a peer may take to introduce itself. One that has too much to do needs some of it, and to make its links anew gives it
/// more; what a silent one has of it is a link that carries nothing.
const INTRODUCTION: Duration = Duration::from_secs(10);

/// Connections, and which of them carries each link.
///
/// Bound: the edge's limit on connections.
#[derive(Debug)]
pub(super) struct Links {
    me: NodeId,
    drain: Duration,
    connections: BTreeMap<ConnectionId, Connection>,
    links: BTreeMap<NodeId, Link>,
    due: Schedule<Due>,
}

/// What happens to a connection when its time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// It lost its link to another one, and what was on its way has come: it closes.
    Drained(ConnectionId),
    /// Its other end has not introduced itself: it closes.
    Unknown(ConnectionId),
    /// It is of a second host with the key of a linked one, which gave no sign of life: it takes over.
    Contest(ConnectionId),
}

#[derive(Debug)]
struct Connection {
    peer: NodeId,
    direction: Direction,
    address: Address,
    /// The epoch in which the other end runs, once it has said so.
    epoch: Option<u64>,
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
    pub(super) fn bound(links: usize) -> Bound {
        let when_full = "further connections are closed";
        Bound::of_entries::<(ConnectionId, Connection, NodeId, Link, [(Instant, Due); 6])>(
            "connections and links",
            links,
            MAX_ADDRESS,
            when_full,
        )
    }

    pub(super) fn new(me: NodeId, drain: Duration) -> Self {
        Self { me, drain, connections: BTreeMap::new(), links: BTreeMap::new(), due: Schedule::default() }
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

    pub(super) fn views(&self, configured: impl Fn(&NodeId) -> Vec<Address>) -> impl Iterator<Item = LinkView> {
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
        self.due.set(Due::Unknown(id), now + INTRODUCTION);
        self.connections.insert(id, Connection { peer, direction, address, epoch: None });
        if self.links.contains_key(&peer) {
            // Decided when it has introduced itself.
            return Change::Kept;
        }
        self.links.insert(peer, Link { connection: id, since: now, connected: now });
        outbox.push(Output::LinkUp { peer, connection: id });
        Change::Up
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
        self.due.cancel(&Due::Drained(id));
        self.due.cancel(&Due::Contest(id));
        self.links.insert(peer, Link { connection: id, since: now, connected: now });
        outbox.push(Output::LinkUp { peer, connection: id });
    }

    fn remove(&mut self, id: ConnectionId) -> Option<Connection> {
        for due in [Due::Drained(id), Due::Unknown(id), Due::Contest(id)] {
            self.due.cancel(&due);
        }
        self.connections.remove(&id)
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
        let mut changes = Vec::new();
        while let Some(due) = self.due.pop_due(now) {
            match due {
                Due::Drained(id) => {
                    self.remove(id);
                    outbox.push(Output::Close { connection: id, reason: LinkDownReason::Duplicate });
                }
                Due::Unknown(id) => {
                    let reason = LinkDownReason::Closed("it did not introduce itself".into());
                    outbox.push(Output::Close { connection: id, reason: reason.clone() });
                    changes.extend(self.closed(id, reason, outbox, now));
                }
                Due::Contest(id) => changes.extend(self.first_is_dead(id, outbox, now)),
            }
        }
        changes
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.due.next()
    }

    fn carry(&mut self, peer: NodeId, id: ConnectionId, outbox: &mut Outbox, now: Instant) {
        self.due.cancel(&Due::Drained(id));
        if let Some(link) = self.links.get_mut(&peer) {
            link.connection = id;
            link.connected = now;
            outbox.push(Output::LinkMoved { peer, connection: id });
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
