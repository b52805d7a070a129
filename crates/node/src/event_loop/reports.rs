//! What operators read in the log.

use std::{io, time::Instant};

use libp2p::{
    Multiaddr, PeerId,
    swarm::{DialError, ListenError},
};
use nuncio_audit::{Event, News};
use nuncio_behaviour::from_multiaddr;
use nuncio_identity::NodeId;
use nuncio_metrics::{Cause, Direction, GateRefusal, RightsRefusal};
use nuncio_pki::Credential;
use nuncio_protocol::{
    Strike, Topic,
    peering::{Address, LinkDownReason},
};
use nuncio_transport::HandshakeError;

use super::{
    EventLoop,
    counts::{of_dial, of_handshake, of_listen, of_strike},
};

impl EventLoop {
    pub(super) fn report_link_up(&mut self, peer: &NodeId) {
        let certificate = self.admissions.get(peer).map(|admission| admission.certificate.clone());
        let of = |field: fn(&Credential) -> &String| certificate.as_ref().map(field).cloned().unwrap_or_default();
        self.audit.record(Event::NodeAdmitted {
            node: (*peer).into(),
            name: of(|certificate| &certificate.name).into(),
            agency: of(|certificate| &certificate.agency).into(),
            serial: of(|certificate| &certificate.serial).into(),
        });
    }

    pub(super) fn report_link_down(&mut self, peer: &NodeId, reason: &LinkDownReason) {
        if let Some(News { left_out }) = self.told.event("link down", Instant::now()) {
            tracing::info!(peer = %peer.short(), name = %self.admission.name_of(peer), %reason, left_out, "link down");
        }
    }

    pub(super) fn report_reachability(&mut self, node: &NodeId, reachable: bool) {
        if let Some(News { left_out }) = self.told.event("reachability changed", Instant::now()) {
            tracing::info!(node = %node.short(), reachable, left_out, "reachability changed");
        }
    }

    pub(super) fn report_gap(&mut self, origin: &NodeId, messages: u64) {
        if let Some(News { left_out }) = self.told.event("multicasts lost", Instant::now()) {
            tracing::warn!(
                origin = %origin.short(),
                messages,
                left_out,
                "multicasts are lost: nobody that was asked has them any more; listeners are told which"
            );
        }
    }

    pub(super) fn report_duplicate(&mut self, node: NodeId, address: Option<&Address>, epoch: u64) {
        let from = address.map_or_else(|| "elsewhere in the network".to_owned(), ToString::to_string);
        self.audit.record(Event::DuplicateIdentity {
            node: node.into(),
            own: node == self.swarm.behaviour().overlay().node(),
            name: self.admission.name_of(&node).into(),
            address: from.into(),
            epoch,
        });
    }

    pub(super) fn report_ban(&mut self, peer: &NodeId, until: Instant, reason: Strike) {
        self.audit.record(Event::NodeBanned {
            refused: Cause::Gate(of_strike(reason)).into(),
            node: (*peer).into(),
            name: self.admission.name_of(peer).into(),
            seconds: until.saturating_duration_since(Instant::now()).as_secs(),
            cause: reason.to_string().into(),
        });
    }

    pub(super) fn report_denied(&self, node: NodeId, topic: &Topic, reason: &str) {
        let (topic, cause) = (topic.as_str().into(), reason.into());
        let refused = Cause::Rights(RightsRefusal::Message).into();
        self.audit.record(Event::MessageDenied { refused, node: node.into(), topic, cause });
    }

    pub(super) fn report_equivocation(&mut self, node: NodeId) {
        let overlay = self.swarm.behaviour().overlay();
        if node == overlay.node() {
            let epoch = overlay.version().epoch;
            tracing::error!(
                "this node's key has signed two statuses with one version, as when a running machine is copied: whoever has seen \
                 both expels the node. Stop both hosts, and give each a key and certificate of its own"
            );
            self.duplicates += 1;
            return self.report_duplicate(node, None, epoch);
        }
        let cause = "it signed two statuses with one version: two hosts use its key, or it lies; it comes back with another key".into();
        let refused = Cause::Gate(GateRefusal::Equivocation).into();
        self.audit.record(Event::NodeExpelled { refused, node: node.into(), cause });
    }

    pub(super) fn report_dial(&mut self, peer: Option<PeerId>, error: &DialError) {
        if matches!(error, DialError::LocalPeerId { .. } | DialError::Aborted | DialError::DialPeerConditionFalse(_)) {
            return;
        }
        let words = nuncio_transport::describe(error);
        if let Some((address, refused)) = refusal_of(error) {
            let node = refused.node().map(Into::into);
            self.audit.record(Event::NodeRefused {
                refused: Cause::P2p(Direction::Outbound, of_handshake(refused)).into(),
                address: from_multiaddr(address).into(),
                node,
                cause: words.into(),
            });
            return;
        }
        // Nobody was judged here.
        if let Some(cause) = of_dial(error) {
            self.metrics.links.refused.increment((Direction::Outbound, cause));
        }
        let source = peer.map_or_else(|| words.clone(), |peer| peer.to_string());
        if let Some(News { left_out }) = self.told.attempt("cannot link", &source, &words, Instant::now()) {
            tracing::warn!(left_out, "cannot link: {words}");
        }
    }

    pub(super) fn report_refusal(&mut self, from: &Multiaddr, error: &ListenError) {
        self.audit.record(Event::NodeRefused {
            refused: Cause::P2p(Direction::Inbound, of_listen(error)).into(),
            address: from_multiaddr(from).into(),
            node: nuncio_transport::handshake_error(error).and_then(HandshakeError::node).map(Into::into),
            cause: nuncio_transport::describe(error).into(),
        });
    }

    pub(super) fn report_listener(&mut self, error: &io::Error) {
        if let Some(News { left_out }) = self.told.event("a listener failed to accept", Instant::now()) {
            tracing::warn!(%error, left_out, "a listener failed to accept");
        }
    }
}

/// Where this node itself refused whom it dialled, and why.
fn refusal_of(error: &DialError) -> Option<(&Multiaddr, &HandshakeError)> {
    let DialError::Transport(attempts) = error else { return None };
    attempts.iter().find_map(|(address, error)| {
        let refused = nuncio_transport::handshake_error(error)?;
        matches!(refused, HandshakeError::Refused { .. }).then_some((address, refused))
    })
}
