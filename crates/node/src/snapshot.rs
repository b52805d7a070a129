use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use bytes::Bytes;
use nuncio_identity::NodeId;
use nuncio_pki::Certificate;
use nuncio_protocol::{Topic, status_sync::Record};
use nuncio_wire::status;
use rustls_pki_types::CertificateDer;

/// What a node knows at one moment; replaced as a whole a few times a second when something changed. So it shares the
/// records of nodes: what is long in them becomes text when it is read, on the reader's task.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Snapshot {
    /// This node.
    pub node_id: NodeId,
    /// The common name in its certificate.
    pub name: String,
    /// The common name of its certificate's issuer.
    pub agency: String,
    /// Grows at each start.
    pub epoch: u64,
    /// Grows at each change of the own status.
    pub seq: u64,
    /// Name and version of the software.
    pub version: String,
    /// When the node started.
    pub started: Instant,
    /// The addresses it listens at.
    pub listen: Vec<String>,
    /// Links, and configured peers without one.
    pub peers: Vec<PeerSnapshot>,
    /// Every known node, this one included, in the order of their IDs.
    pub nodes: Vec<NodeSnapshot>,
    /// When the own certificate expires, in seconds since 1970.
    pub certificate_not_after: u64,
    /// Whether it listens and every configured peer has been dialled once.
    pub ready: bool,
    /// How often a second host with the key of this or another node was seen since the start.
    pub duplicate_identities: u64,
    /// How many multicasts and broadcasts listeners missed because they were too slow, each once per listener.
    pub missed: u64,
    /// How many multicasts and broadcasts of other nodes did not come, though their numbers were known.
    pub lost: u64,
    /// How many messages of other nodes were not delivered since the start, because they may not publish to the topic.
    pub denied: u64,
    /// The same, because they are over a quota.
    pub over_quota: u64,
    /// How many rules peers have broken since the start, by kind.
    pub strikes: BTreeMap<&'static str, u64>,
}

impl Snapshot {
    /// A node of those that are known.
    pub fn node(&self, id: NodeId) -> Option<&NodeSnapshot> {
        let place = self.nodes.binary_search_by(|node| node.node_id.cmp(&id));
        place.ok().and_then(|place| self.nodes.get(place))
    }

    /// Every AMOP topic of reachable nodes, in order.
    pub fn topics(&self) -> Vec<TopicSnapshot> {
        let mut topics: BTreeMap<&Topic, TopicSnapshot> = BTreeMap::new();
        for node in self.nodes.iter().filter(|node| node.reachable) {
            for (topic, count) in node.record.iter().flat_map(|record| &record.status.topics) {
                let entry = topics.entry(topic).or_insert_with(|| TopicSnapshot {
                    topic: topic.clone(),
                    nodes: Vec::new(),
                    subscribers: 0,
                });
                entry.nodes.push(node.node_id);
                entry.subscribers = entry.subscribers.saturating_add(*count);
            }
        }
        topics.into_values().collect()
    }

    /// How many these are, and how many subscribers they have in all: the same without a table of them.
    pub fn count_topics(&self) -> (usize, u64) {
        let reachable = self.nodes.iter().filter(|node| node.reachable).filter_map(|node| node.record.as_ref());
        let counts = reachable.flat_map(|record| &record.status.topics);
        let mut topics = BTreeSet::new();
        let subscribers = counts.map(|(topic, count)| (topics.insert(topic), u64::from(*count)).1).sum();
        (topics.len(), subscribers)
    }
}

/// A link, or a configured peer without one.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PeerSnapshot {
    /// The peer, once known.
    pub node_id: Option<NodeId>,
    /// The remote address of a link, the configured address otherwise.
    pub address: String,
    /// Who dialled, of a link.
    pub direction: Option<Direction>,
    /// Where it stands.
    pub state: PeerState,
    /// Since when the link is up.
    pub connected_since: Option<Instant>,
    /// Round trip time last measured, in microseconds.
    pub rtt_us: Option<u64>,
    /// The agency in its certificate.
    pub agency: Option<String>,
    /// The name in its certificate.
    pub name: Option<String>,
    /// Whether the operator asked for it.
    pub configured: bool,
    /// The configured addresses at which it was met, or is looked for.
    pub configured_at: Vec<String>,
    /// Why the last dial failed, of a peer without a link.
    pub last_error: Option<String>,
}

/// Who dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The peer.
    Inbound,
    /// We.
    Outbound,
}

/// Where a peer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerState {
    /// It has a link.
    Linked,
    /// A dial is under way.
    Dialing,
    /// The next dial waits for its time.
    Waiting,
    /// It broke the rules and is refused for a while.
    Banned,
}

impl PeerState {
    /// A word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Linked => "linked",
            Self::Dialing => "dialing",
            Self::Waiting => "waiting",
            Self::Banned => "banned",
        }
    }
}

/// A known node.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NodeSnapshot {
    /// Its ID.
    pub node_id: NodeId,
    /// Of its last record; 0 before the first.
    pub seq: u64,
    /// Of its last record; 0 before the first.
    pub epoch: u64,
    /// Whether a path exists.
    pub reachable: bool,
    /// Links to cross; 0 for this node.
    pub hops: Option<u8>,
    /// The peer over which it is reached.
    pub next_hop: Option<NodeId>,
    /// The name in its certificate.
    pub name: String,
    /// The agency in its certificate.
    pub agency: String,
    /// Whether it is expelled for two statuses that it signed with one version.
    pub equivocates: bool,
    /// Its last record; `None` before the first.
    pub record: Option<Arc<Record>>,
    /// The agencies above the certificate by which it was linked, while its first record has not come.
    pub linked_under: Option<String>,
}

impl NodeSnapshot {
    /// Its AMOP topics.
    pub fn topics(&self) -> Vec<Topic> {
        self.read(|record| record.status.topics.keys().cloned().collect())
    }

    /// The agencies above its certificate, as [`nuncio_rights::agency_path`] writes them; empty while neither its record nor
    /// a link has shown one.
    pub fn agency_path(&self) -> String {
        let certified = self.record.as_ref().map(|record| record.agency_path()).or(self.linked_under.as_deref());
        certified.unwrap_or_default().to_owned()
    }

    /// Whether it renews certificates of its agency.
    pub fn issues(&self) -> bool {
        self.read(|record| record.status.issues)
    }

    /// Whether it can be asked itself ([`NodeHandle::ask_service`](crate::NodeHandle::ask_service)): the first release that can
    /// is the first that takes batches of multicasts.
    pub fn serves(&self) -> bool {
        self.read(|record| record.status.issues || record.status.takes_batches)
    }

    /// Where it can be dialled.
    pub fn addresses(&self) -> Vec<String> {
        self.read(|record| record.status.addresses.iter().map(ToString::to_string).collect())
    }

    /// The opaque field of its application.
    pub fn application(&self) -> Bytes {
        self.read(|record| record.status.application.clone())
    }

    /// The certificates behind its last record, its own first; they were judged when the record came. Empty before the
    /// first.
    pub fn chain(&self) -> Vec<Certificate> {
        self.read(|record| {
            let chain = status::chain_of(record.bytes.clone()).unwrap_or_default();
            chain.iter().filter_map(|der| Certificate::from_der(CertificateDer::from(der.to_vec())).ok()).collect()
        })
    }

    /// The newest revocation list it holds of each issuer: the series, hexadecimal, and the number.
    pub fn revocations(&self) -> BTreeMap<String, u64> {
        self.read(|record| {
            record.status.revocations.iter().map(|(issuer, number)| (hex::encode(issuer.0), *number)).collect()
        })
    }

    fn read<T: Default>(&self, read: impl FnOnce(&Record) -> T) -> T {
        self.record.as_deref().map(read).unwrap_or_default()
    }
}

/// An AMOP topic.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TopicSnapshot {
    /// Its name.
    pub topic: Topic,
    /// The nodes whose clients subscribe it.
    pub nodes: Vec<NodeId>,
    /// How many clients in all.
    pub subscribers: u32,
}
