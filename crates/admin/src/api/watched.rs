//! What an operator watches: what goes over links, who is refused and why, the network as a picture, what ends when.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Messages of one kind over links to peers of one class, since the node started (`GET /v1/traffic`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Traffic {
    /// What the messages are, as the metrics call it: `request`, `reply`, `amop_publish`, `batch`, …
    pub kind: String,
    /// Who the peers are: `own_agency`, `other_agency`, `unknown`.
    pub peer: String,
    /// Messages that came.
    pub messages_received: u64,
    /// Messages that were queued.
    pub messages_sent: u64,
    /// Bytes of the bodies that came.
    pub bytes_received: u64,
    /// Bytes of the bodies that were queued.
    pub bytes_sent: u64,
}

/// Who and what is refused (`GET /v1/refusals`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Refusals {
    /// How many, since the node started, by cause; causes without any are left out.
    pub counts: Vec<RefusalCount>,
    /// Peers that broke the rules and are refused for a while.
    pub bans: Vec<Ban>,
    /// The last ones, the newest first.
    pub last: Vec<Refusal>,
}

/// How many were refused for one cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusalCount {
    /// What was refused: `link_inbound`, `link_outbound`, `message`, `rule` for a rule that a peer broke, or the door or judge that
    /// refused it: `sdk`, `web`, `admin`, `enrolment`, `issuer`, `lists`, `rights`, `quota`, `files`.
    pub what: String,
    /// Why, as the metrics call it.
    pub cause: String,
    /// How many.
    pub count: u64,
}

/// A peer that is refused for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ban {
    /// The peer.
    pub node_id: String,
    /// Name in its certificate, where that is known still.
    pub name: Option<String>,
    /// Agency in its certificate.
    pub agency: Option<String>,
    /// For how long still, and why.
    pub reason: String,
}

/// One refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Refusal {
    /// When, RFC 3339.
    pub time: String,
    /// The kind of the audit event: `node_refused`, `sdk_refused`, `node_banned`, …
    pub kind: String,
    /// The door or judge, as the metrics call it: `p2p`, `gate`, `sdk`, `web`, `admin`, `enrolment`, `issuer`, `lists`, `rights`,
    /// `quota`.
    #[serde(default)]
    pub door: String,
    /// Why, as the metrics call it: it is counted in `nuncio_refused_total` under this door and cause.
    #[serde(default)]
    pub counted_as: String,
    /// Who: a node, the subject of a certificate, or an address.
    pub who: String,
    /// Why, in words.
    pub cause: String,
}

/// The network as the nodes' records tell it (`GET /v1/topology`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Topology {
    /// Every node that this one knows and may see.
    pub nodes: Vec<TopologyNode>,
    /// Links, each as the places of its ends in `nodes`: both say so.
    pub links: Vec<[usize; 2]>,
    /// What the first end says is a link and the second does not: no route uses it.
    pub claims: Vec<[usize; 2]>,
}

/// A node of the picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TopologyNode {
    /// The node's ID.
    pub node_id: String,
    /// Name in its certificate.
    pub name: String,
    /// Agency in its certificate.
    pub agency: String,
    /// Whether a path to it is known.
    pub reachable: bool,
    /// Links on that path; 0 for the node itself.
    pub hops: Option<u8>,
    /// Whether it is expelled for two statuses that it signed with one version.
    pub equivocates: bool,
}

/// A topic of the dashboard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TopicCount {
    /// Its name.
    pub topic: String,
    /// Nodes with subscribers.
    pub nodes: usize,
    /// Subscribers in all.
    pub subscribers: u32,
}

/// When something ends that the node shows or trusts (`GET /v1/lifetimes`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ending {
    /// `node`, `agency`, `root`, `sdk_port`, `sdk_port_rsa`, `sdk_authority` or `revocation_list`.
    pub kind: String,
    /// Whose certificate it is, or who made the list, RFC 4514.
    pub subject: String,
    /// Its last second, of 1970.
    pub not_after: u64,
    /// Whole days until then; negative when it is over.
    pub days_left: i64,
    /// Whether operators are warned of it.
    pub is_close: bool,
}
