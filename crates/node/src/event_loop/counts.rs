//! What the node's task counts, and what it reads every second.

use std::{error::Error, time::Instant};

use libp2p::swarm::{DialError, ListenError};
use nuncio_metrics::{CastKind, GateRefusal, LinkRefusal, PublishResult, QuotaRefusal, RightsRefusal, UnicastEnd};
use nuncio_pki::ChainError;
use nuncio_protocol::{
    Strike, Topic,
    unicast::{Refusal, UnicastError, Unknown},
};
use nuncio_transport::{HandshakeError, Refusal as Refused};

use super::EventLoop;
use crate::{handle::PublishError, queue::Taken};

/// Ticks between two readings.
const READING: u32 = 10;

impl EventLoop {
    /// How late a tick is, and, once a second, all that is read and not counted.
    pub(super) fn measure(&mut self, due: Instant) {
        self.metrics.node.loop_lag.observe(due.elapsed());
        self.ticks = self.ticks.wrapping_add(1);
        if self.ticks % READING != 1 {
            return;
        }
        self.swarm.behaviour().measure();
        let rows = self.round_trips.iter().map(|(peer, time)| (vec![peer.short()], time.as_secs_f64()));
        self.metrics.links.peer_round_trip.set(rows);
        let node = &self.metrics.node;
        node.command_bytes.set(self.command_room.iter().map(Taken::held).sum());
        node.reply_bytes.set(self.replies.held());
        node.listener_bytes.set(self.listeners.held());
        node.listeners.set(self.listeners.count());
        self.show_refused();
    }

    /// What others count: the core and the rights.
    fn show_refused(&self) {
        let (refused, overlay) = (&self.metrics.refused, self.swarm.behaviour().overlay());
        for (strike, count) in overlay.strikes() {
            refused.gate.copy(of_strike(*strike), *count);
        }
        let [denied, over_quota] = self.hearing.refused(overlay.refused());
        refused.rights.copy(RightsRefusal::Message, denied);
        refused.quota.copy(QuotaRefusal::Message, over_quota);
    }

    /// After one came or went.
    pub(super) fn show_open_requests(&self) {
        self.metrics.unicast.in_flight.set(self.exchanges.len());
    }

    pub(super) fn count_publish(&self, topic: Option<&Topic>, outcome: Result<(), &PublishError>) {
        self.metrics.node.published.increment((cast(topic), publish_result(outcome)));
    }
}

/// To whom a message goes.
pub(crate) const fn cast(topic: Option<&Topic>) -> CastKind {
    if topic.is_some() { CastKind::Multicast } else { CastKind::Broadcast }
}

/// What became of it.
pub(crate) const fn publish_result(outcome: Result<(), &PublishError>) -> PublishResult {
    match outcome {
        Ok(()) => PublishResult::Sent,
        Err(PublishError::Denied { .. }) => PublishResult::Denied,
        Err(PublishError::TooLarge { .. }) => PublishResult::TooLarge,
        Err(PublishError::Busy | PublishError::Stopped) => PublishResult::Busy,
    }
}

/// How a request ended, for counting.
pub(crate) const fn end(error: &UnicastError) -> UnicastEnd {
    match error {
        UnicastError::NoRoute | UnicastError::Refused(Refusal::NoRoute) => UnicastEnd::NoRoute,
        UnicastError::Refused(Refusal::Busy) => UnicastEnd::Busy,
        UnicastError::Refused(Refusal::NoHandler) => UnicastEnd::NoHandler,
        UnicastError::Refused(Refusal::Denied) => UnicastEnd::Denied,
        UnicastError::TooLarge { .. } => UnicastEnd::TooLarge,
        UnicastError::TimedOut { .. } => UnicastEnd::TimedOut,
        UnicastError::Unknown(Unknown::Restarted) => UnicastEnd::Restarted,
        UnicastError::Unknown(Unknown::Unanswered) => UnicastEnd::Unanswered,
        UnicastError::Unknown(Unknown::Expelled) => UnicastEnd::Expelled,
        _ => UnicastEnd::Other,
    }
}

/// The rule that a peer broke.
pub(super) fn of_strike(strike: Strike) -> GateRefusal {
    GateRefusal::named(strike.name()).expect("a test holds the names of both against each other")
}

/// What is wrong with a node's certificate.
pub(crate) fn of_chain(error: &ChainError) -> LinkRefusal {
    LinkRefusal::named(error.fault().name()).unwrap_or(LinkRefusal::Chain)
}

/// Why a dial made no link; `None` where it is nobody's fault.
pub(super) fn of_dial(error: &DialError) -> Option<LinkRefusal> {
    match error {
        DialError::LocalPeerId { .. } | DialError::Aborted | DialError::DialPeerConditionFalse(_) => None,
        DialError::Denied { .. } => Some(LinkRefusal::Limit),
        error => Some(of_error(error)),
    }
}

/// Why a connection that came made no link.
pub(super) fn of_listen(error: &ListenError) -> LinkRefusal {
    match error {
        ListenError::Denied { .. } => LinkRefusal::Limit,
        error => of_error(error),
    }
}

fn of_error(error: &(dyn Error + 'static)) -> LinkRefusal {
    nuncio_transport::handshake_error(error).map_or(LinkRefusal::Connection, of_handshake)
}

pub(super) fn of_handshake(error: &HandshakeError) -> LinkRefusal {
    match error {
        HandshakeError::Refused { refusal, .. } => match &**refusal {
            Refused::Chain { source, .. } => of_chain(source),
            _ => LinkRefusal::Key,
        },
        HandshakeError::RefusedByPeer { .. } => LinkRefusal::ByPeer,
        HandshakeError::OtherNetwork { .. } | HandshakeError::OtherMaxBody { .. } => LinkRefusal::Network,
        HandshakeError::NoCommonVersion { .. } => LinkRefusal::Version,
        HandshakeError::Connection { .. } => LinkRefusal::Connection,
        HandshakeError::GaveWay | HandshakeError::TimedOut { .. } => LinkRefusal::Slow,
        _ => LinkRefusal::Handshake,
    }
}

#[cfg(test)]
mod tests {
    use std::{io, time::Duration};

    use libp2p::{PeerId, swarm::ConnectionDenied};
    use nuncio_identity::NodeKey;
    use nuncio_pki::ChainFault;
    use nuncio_transport::{Role, Stage};
    use nuncio_wire::verdict::{Behind, Protocol};
    use rustls_pki_types::UnixTime;

    use super::*;

    #[test]
    fn each_connection_that_makes_no_link_is_counted_by_what_was_wrong_with_it() {
        let (role, node) = (Role::Listener, NodeKey::generate().node_id());
        let refused = |refusal| HandshakeError::Refused {
            role,
            peer: PeerId::from(node),
            refusal: Box::new(refusal),
            answer: None,
        };
        let chain = Refused::Chain { source: ChainError::NoCertificate, judged_at: UnixTime::now() };
        let other_key = Refused::KeyMismatch { subject: String::new(), certificate: node, host: node };
        let [ours, theirs] = [(); 2].map(|()| String::new());
        let protocols = || Box::new(Protocol::of_this_release());
        let stage = Stage::Tls;
        let table = [
            (refused(chain), LinkRefusal::Chain),
            (refused(other_key), LinkRefusal::Key),
            (refused(Refused::NotANode), LinkRefusal::Key),
            (HandshakeError::RefusedByPeer { role, node, reason: String::new() }, LinkRefusal::ByPeer),
            (HandshakeError::OtherNetwork { role, node, ours, theirs }, LinkRefusal::Network),
            (HandshakeError::OtherMaxBody { role, node, ours: 1, theirs: 2 }, LinkRefusal::Network),
            (
                HandshakeError::NoCommonVersion {
                    role,
                    node,
                    ours: protocols(),
                    theirs: protocols(),
                    behind: Behind::Us,
                },
                LinkRefusal::Version,
            ),
            (
                HandshakeError::Connection { role, stage, source: io::ErrorKind::BrokenPipe.into() },
                LinkRefusal::Connection,
            ),
            (HandshakeError::GaveWay, LinkRefusal::Slow),
            (HandshakeError::TimedOut { role, stage, after: Duration::ZERO }, LinkRefusal::Slow),
            (HandshakeError::ApplicationProtocol { role }, LinkRefusal::Handshake),
        ];
        for (error, cause) in table {
            assert_eq!(of_handshake(&error), cause, "{error}");
        }
        let denied = || ConnectionDenied::new(io::Error::other("as many links as there may be"));
        assert_eq!(of_listen(&ListenError::Denied { cause: denied() }), LinkRefusal::Limit);
        assert_eq!(of_dial(&DialError::Denied { cause: denied() }), Some(LinkRefusal::Limit));
        assert_eq!(of_listen(&ListenError::Aborted), LinkRefusal::Connection);
        assert_eq!(of_dial(&DialError::Aborted), None);
    }

    #[test]
    fn every_rule_of_the_gate_and_every_fault_of_a_chain_is_counted_by_its_own_name() {
        for strike in Strike::ALL {
            assert!(GateRefusal::named(strike.name()).is_some(), "{strike:?}");
        }
        for fault in ChainFault::ALL {
            assert!(LinkRefusal::named(fault.name()).is_some(), "{fault:?}");
        }
    }
}
