//! Several connections to one peer: of one host, one is kept; of two hosts with one key, the first keeps its link.

use std::time::{Duration, Instant};

use nuncio_identity::NodeId;

use super::{Change, Due, Link, Links};
use crate::{
    Output, Strike,
    outbox::Outbox,
    peering::{ConnectionId, Direction, LinkDownReason},
};

/// Dials can cross only while both handshakes run. A second connection to a link older than this means
/// that the other end lost the first one.
const CROSSING_WINDOW: Duration = Duration::from_secs(10);

/// How long the first of two hosts with one key has for a sign of life: more than one heartbeat.
const CONTEST: Duration = Duration::from_secs(3);

impl Links {
    /// The other end of a connection said in which epoch it runs.
    pub(in crate::peering) fn introduced(&mut self, id: ConnectionId, epoch: u64, outbox: &mut Outbox, now: Instant) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.epoch.is_some() {
            // Each makes others look for new ways, and costs nothing.
            return outbox.strike(connection.peer, Strike::Malformed);
        }
        connection.epoch = Some(epoch);
        self.due.cancel(&Due::Unknown(id));
        let peer = connection.peer;
        let is_decided = |id| [Due::Drained(id), Due::Contest(id)].iter().any(|due| self.due.get(due).is_some());
        let introduced = self.connections.iter().filter(|(_, other)| other.peer == peer && other.epoch.is_some());
        let undecided: Vec<_> = introduced.map(|(id, _)| *id).filter(|id| !is_decided(*id)).collect();
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
        self.due.set(Due::Contest(id), now + CONTEST);
        outbox.push(Output::Probe { connection: old });
    }

    /// Something was heard on a connection: whoever contests its link is sent away.
    pub(in crate::peering) fn alive(&mut self, id: ConnectionId, outbox: &mut Outbox) {
        let Some(peer) = self.connections.get(&id).map(|connection| connection.peer) else { return };
        if self.links.get(&peer).is_none_or(|link| link.connection != id) {
            return;
        }
        let losers = self.connections.iter().filter(|(_, other)| other.peer == peer).map(|(id, _)| *id);
        let losers: Vec<_> = losers.filter(|id| self.due.get(&Due::Contest(*id)).is_some()).collect();
        for loser in losers {
            let Some(connection) = self.remove(loser) else { continue };
            outbox.push(Output::Close { connection: loser, reason: LinkDownReason::DuplicateIdentity });
            let (address, epoch) = (Some(connection.address), connection.epoch.unwrap_or_default());
            outbox.push(Output::DuplicateIdentity { node: peer, address, epoch });
        }
    }

    /// The host that had the link gave no sign of life: the one that contests it takes over.
    pub(super) fn first_is_dead(
        &mut self,
        id: ConnectionId,
        outbox: &mut Outbox,
        now: Instant,
    ) -> Option<(NodeId, Change)> {
        let peer = self.connections.get(&id)?.peer;
        let Link { connection: dead, since, .. } = *self.links.get(&peer)?;
        self.remove(dead);
        let reason = LinkDownReason::Closed("gave no sign of life, and the node has started anew".into());
        outbox.push(Output::Close { connection: dead, reason: reason.clone() });
        outbox.push(Output::LinkDown { peer, reason });
        self.settle_on(peer, id, outbox, now);
        Some((peer, Change::Replaced { lived: now.saturating_duration_since(since) }))
    }

    fn newer_wins(&self, link: &Link, peer: NodeId, direction: Direction, now: Instant) -> bool {
        let same_direction =
            self.connections.get(&link.connection).is_none_or(|connection| connection.direction == direction);
        let dialled_by_lower = (direction == Direction::Outbound) == (self.me < peer);
        same_direction || dialled_by_lower || now >= link.connected + CROSSING_WINDOW
    }

    fn retire(&mut self, id: ConnectionId, peer: NodeId, now: Instant) {
        let drain = if self.me < peer { self.drain } else { 2 * self.drain };
        self.due.set(Due::Drained(id), now + drain);
    }
}
