//! What goes over links, counted by kind and by who the peer is.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use libp2p::swarm::ConnectionId;
use nuncio_identity::NodeId;
use nuncio_metrics::{MessageKind, Metrics, PeerClass, Relayed};
use nuncio_protocol::{MAX_NODES, amop, status_sync::Version, unicast};
use nuncio_wire::{amop::Frame as BridgeFrame, unicast::Frame as UnicastFrame};

/// A link: the connection that carries its messages, and who is at its other end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link {
    pub(crate) connection: ConnectionId,
    pub(crate) class: PeerClass,
    /// Bytes of the bodies that came over its streams.
    pub(crate) received: u64,
    /// Bytes of the bodies that were queued for them.
    pub(crate) sent: u64,
}

/// A message on a link, for counting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted {
    kind: MessageKind,
    bytes: usize,
    relayed: Option<Relayed>,
}

/// Counts.
#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) metrics: Metrics,
    own: NodeId,
    /// When what is being handled was read, until something of it is passed on.
    pub(crate) read: Option<Instant>,
    behind: Behind,
}

/// Newer statuses that are announced and not here.
///
/// Bound: an entry for each node whose record is here.
#[derive(Debug, Default)]
struct Behind(HashMap<NodeId, (Version, Instant)>);

impl Counted {
    pub(crate) const fn bytes(self) -> u64 {
        self.bytes as u64
    }
}

impl Meter {
    pub(crate) fn new(metrics: Metrics, own: NodeId) -> Self {
        Self { metrics, own, read: None, behind: Behind::default() }
    }

    pub(crate) fn unicast(&self, frame: &UnicastFrame) -> Counted {
        let UnicastFrame::Message(message) = frame else {
            let is_first = matches!(frame, UnicastFrame::Hello { .. });
            let kind = if is_first { MessageKind::Hello } else { MessageKind::Goodbye };
            return Counted { kind, bytes: 0, relayed: None };
        };
        self.message(message)
    }

    pub(crate) fn message(&self, message: &unicast::Message) -> Counted {
        let kind = match &message.content {
            unicast::Content::Request { .. } => MessageKind::Request,
            unicast::Content::ServiceRequest { .. } => MessageKind::ServiceRequest,
            unicast::Content::Reply { .. } => MessageKind::Reply,
            unicast::Content::Failure { .. } | unicast::Content::Unanswered | unicast::Content::Outlived => {
                MessageKind::Failure
            }
            unicast::Content::Report(_) => MessageKind::Report,
            unicast::Content::Sealed { .. } => MessageKind::Sealed,
        };
        let relayed = (message.header.source != self.own).then_some(Relayed::Unicast);
        Counted { kind, bytes: message.content.length(), relayed }
    }

    pub(crate) fn bridge(&self, frame: &BridgeFrame) -> Counted {
        let (kind, source, relayed) = match frame {
            BridgeFrame::Message(message) => (amop_kind(&message.content), message.header.source, Relayed::Amop),
            BridgeFrame::Multicast(multicast) => (MessageKind::AmopMulticast, multicast.source, Relayed::AmopMulticast),
            BridgeFrame::Batch(leg) => (MessageKind::Batch, leg.batch.origin, Relayed::Batch),
            BridgeFrame::Wanted(_) => (MessageKind::Wanted, self.own, Relayed::Batch),
        };
        let relayed = (source != self.own).then_some(relayed);
        Counted { kind, bytes: frame.length(), relayed }
    }

    pub(crate) fn received(&self, Counted { kind, bytes, .. }: Counted, class: PeerClass) {
        self.count_received(kind, class, bytes);
    }

    pub(crate) fn count_received(&self, kind: MessageKind, class: PeerClass, bytes: usize) {
        self.metrics.links.messages_received.increment((kind, class));
        self.metrics.links.bytes_received.add((kind, class), bytes as u64);
    }

    /// It is queued for a link.
    pub(crate) fn sent(&mut self, Counted { kind, bytes, relayed }: Counted, class: PeerClass) {
        self.count_sent(kind, class, bytes);
        if let Some(relayed) = relayed {
            self.metrics.links.relayed.increment(relayed);
            if let Some(read) = self.read.take() {
                self.metrics.links.relay_time.observe(read.elapsed());
            }
        }
    }

    pub(crate) fn count_sent(&self, kind: MessageKind, class: PeerClass, bytes: usize) {
        self.metrics.links.messages_sent.increment((kind, class));
        self.metrics.links.bytes_sent.add((kind, class), bytes as u64);
    }

    /// A known node announced a version that is newer than its record here.
    pub(crate) fn announced(&mut self, node: NodeId, version: Version, now: Instant) {
        self.behind.note(node, version, now);
        self.metrics.core.status_behind.set(self.behind.0.len());
    }

    /// A record was applied.
    pub(crate) fn applied(&mut self, node: &NodeId, version: Version, now: Instant) {
        self.metrics.core.records.increment();
        if let Some(lag) = self.behind.take(node, version, now) {
            self.metrics.core.status_lag.observe(lag);
        }
        self.metrics.core.status_behind.set(self.behind.0.len());
    }
}

impl Behind {
    fn note(&mut self, node: NodeId, version: Version, now: Instant) {
        if self.0.len() >= MAX_NODES {
            // Some have gone, and nobody waits for them any more.
            self.0.clear();
        }
        self.0.entry(node).or_insert((version, now));
    }

    fn take(&mut self, node: &NodeId, version: Version, now: Instant) -> Option<Duration> {
        let (wanted, since) = *self.0.get(node)?;
        (version >= wanted).then(|| {
            self.0.remove(node);
            now.saturating_duration_since(since)
        })
    }
}

const fn amop_kind(content: &amop::Content) -> MessageKind {
    match content {
        amop::Content::Publish { .. } => MessageKind::AmopPublish,
        amop::Content::Result { .. } => MessageKind::AmopResult,
        amop::Content::Received => MessageKind::AmopReceived,
        amop::Content::Sealed { .. } => MessageKind::AmopSealed,
    }
}

#[cfg(test)]
mod tests {
    use nuncio_testkit::simulator::node_id;

    use super::*;

    #[test]
    fn the_lag_of_a_status_is_from_its_first_announcement_to_its_record() {
        let (mut behind, start) = (Behind::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let version = |seq| Version { epoch: 1, seq };
        behind.note(node_id(1), version(3), at(0));
        behind.note(node_id(1), version(4), at(1));
        assert_eq!(behind.take(&node_id(1), version(2), at(2)), None, "an older one");
        assert_eq!(behind.take(&node_id(1), version(3), at(3)), Some(Duration::from_secs(3)));
        assert_eq!(behind.take(&node_id(1), version(4), at(4)), None, "told once");
    }
}
