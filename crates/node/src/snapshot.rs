use std::{collections::BTreeMap, time::Instant};

use serde::Serialize;

/// What a node knows at one moment; replaced as a whole a few times a second when something changed.
#[derive(Debug, Clone, Serialize)]
pub struct Snapshot {
    /// This node, 128 hexadecimal digits.
    pub node_id: String,
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
    #[serde(skip)]
    pub started: Instant,
    /// The addresses it listens at.
    pub listen: Vec<String>,
    /// Links, and configured peers without one.
    pub peers: Vec<PeerSnapshot>,
    /// Every known node, this one included.
    pub nodes: Vec<NodeSnapshot>,
    /// Every AMOP topic of reachable nodes.
    pub topics: Vec<TopicSnapshot>,
    /// When the own certificate expires, in seconds since 1970.
    pub certificate_not_after: u64,
    /// Whether it listens and every configured peer has been dialled once.
    pub ready: bool,
    /// How often a second host with the key of this or another node was seen since the start.
    pub duplicate_identities: u64,
}

/// A link, or a configured peer without one.
#[derive(Debug, Clone, Serialize)]
pub struct PeerSnapshot {
    /// The peer, once known.
    pub node_id: Option<String>,
    /// The remote address of a link, the configured address otherwise.
    pub address: String,
    /// Who dialled, of a link.
    pub direction: Option<Direction>,
    /// Where it stands.
    pub state: PeerState,
    /// Since when the link is up.
    #[serde(skip)]
    pub connected_since: Option<Instant>,
    /// Round trip time last measured, in microseconds.
    pub rtt_us: Option<u64>,
    /// The agency in its certificate.
    pub agency: Option<String>,
    /// The name in its certificate.
    pub name: Option<String>,
    /// Whether the operator asked for it.
    pub configured: bool,
    /// Why the last dial failed, of a peer without a link.
    pub last_error: Option<String>,
}

/// Who dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The peer.
    Inbound,
    /// We.
    Outbound,
}

/// Where a peer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PeerState {
    /// It has a link.
    Linked,
    /// A dial is under way.
    Dialing,
    /// The next dial waits for its time.
    Waiting,
}

/// A known node.
#[derive(Debug, Clone, Serialize)]
pub struct NodeSnapshot {
    /// 128 hexadecimal digits.
    pub node_id: String,
    /// Of its last record; 0 before the first.
    pub seq: u64,
    /// Of its last record; 0 before the first.
    pub epoch: u64,
    /// Whether a path exists.
    pub reachable: bool,
    /// Links to cross; 0 for this node.
    pub hops: Option<u8>,
    /// The peer over which it is reached.
    pub next_hop: Option<String>,
    /// Its AMOP topics.
    pub topics: Vec<String>,
    /// The name in its certificate.
    pub name: String,
    /// The agency in its certificate.
    pub agency: String,
    /// Where it can be dialled.
    pub addresses: Vec<String>,
    /// The opaque field of its application, hexadecimal.
    pub application: String,
    /// The newest revocation list it holds of each issuer: the series, hexadecimal, and the number.
    pub revocations: BTreeMap<String, u64>,
}

/// An AMOP topic.
#[derive(Debug, Clone, Serialize)]
pub struct TopicSnapshot {
    /// Its name.
    pub topic: String,
    /// The nodes whose clients subscribe it.
    pub nodes: Vec<String>,
    /// How many clients in all.
    pub subscribers: u32,
}
