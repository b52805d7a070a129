//! What operators read in the log.

use std::{io, time::Instant};

use libp2p::{
    Multiaddr, PeerId,
    swarm::{DialError, ListenError},
};
use nuncio_behaviour::from_multiaddr;
use nuncio_identity::NodeId;
use nuncio_protocol::{
    Strike,
    peering::{Address, LinkDownReason},
};

use super::EventLoop;
use crate::told::News;

impl EventLoop {
    pub(super) fn report_link_up(&mut self, peer: &NodeId) {
        if let Some(News { left_out }) = self.told.event("link up", Instant::now()) {
            tracing::info!(peer = %peer.short(), name = %self.admission.name_of(peer), left_out, "link up");
        }
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

    pub(super) fn report_duplicate(&mut self, node: NodeId, address: Option<&Address>, epoch: u64) {
        let Some(News { left_out }) = self.told.event("two hosts with one key", Instant::now()) else { return };
        let from = address.map_or_else(|| "elsewhere in the network".to_owned(), ToString::to_string);
        let name = self.admission.name_of(&node);
        if node == self.swarm.behaviour().overlay().node() {
            tracing::error!(%from, epoch, left_out, "another host runs with the key of this node: stop one of them, or issue it a certificate of its own");
        } else {
            tracing::error!(node = %node.short(), %name, %from, epoch, left_out, "two hosts run with the key of one node: the first keeps its links; stop the second, or issue it a certificate of its own");
        }
    }

    pub(super) fn report_ban(&mut self, peer: &NodeId, until: Instant, reason: Strike) {
        let now = Instant::now();
        if let Some(News { left_out }) = self.told.event("banned", now) {
            let name = self.admission.name_of(peer);
            let seconds = until.saturating_duration_since(now).as_secs();
            tracing::warn!(peer = %peer, %name, seconds, left_out, "banned a peer: {reason}");
        }
    }

    pub(super) fn report_dial(&mut self, peer: Option<PeerId>, error: &DialError) {
        if matches!(error, DialError::LocalPeerId { .. } | DialError::Aborted | DialError::DialPeerConditionFalse(_)) {
            return;
        }
        let words = nuncio_transport::describe(error);
        let source = peer.map_or_else(|| words.clone(), |peer| peer.to_string());
        if let Some(News { left_out }) = self.told.attempt("cannot link", &source, &words, Instant::now()) {
            tracing::warn!(left_out, "cannot link: {words}");
        }
    }

    pub(super) fn report_refusal(&mut self, from: &Multiaddr, error: &ListenError) {
        let words = nuncio_transport::describe(error);
        let from = from_multiaddr(from);
        let host = from.rsplit_once(':').map(|(host, _)| host).unwrap_or_default();
        if let Some(News { left_out }) = self.told.attempt("refused a connection", host, &words, Instant::now()) {
            tracing::warn!(%from, left_out, "refused a connection: {words}");
        }
    }

    pub(super) fn report_listener(&mut self, error: &io::Error) {
        if let Some(News { left_out }) = self.told.event("a listener failed to accept", Instant::now()) {
            tracing::warn!(%error, left_out, "a listener failed to accept");
        }
    }
}
