//! What the API says: every request and answer as a type.
//!
//! Field names are a contract with operators' scripts: they stay; more may be added. Durations carry their
//! unit in the name. Node IDs are 128 lower-case hexadecimal digits.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

mod encoding;
mod failure;
mod files;
mod priority;
mod sdks;
mod trace;
mod watched;

pub use encoding::Encoding;
pub use failure::{ErrorCode, Failure};
pub use files::{FileOffer, FileProgress, FileState, ReceivedFile};
pub use priority::Priority;
pub use sdks::{SdkAuthority, SdkCertificate, SdksAt};
pub use trace::{TRACE_PARENT_HEADER, Trace, TraceStep};
pub use watched::{Ban, Ending, Refusal, RefusalCount, Refusals, TopicCount, Topology, TopologyNode, Traffic};

/// Header of a unicast's answer: microseconds from request to reply.
pub const RTT_HEADER: &str = "x-nuncio-rtt-us";

/// Header of a unicast's answer: links the reply crossed.
pub const HOPS_HEADER: &str = "x-nuncio-hops";

/// Who the node is and how it fares (`GET /v1/status`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The node's ID.
    pub node_id: String,
    /// Its version counter within the epoch.
    pub seq: u64,
    /// Its start counter.
    pub epoch: u64,
    /// Software version.
    pub version: String,
    /// Seconds since the node started.
    pub uptime_s: u64,
    /// Links that are up.
    pub peers: usize,
    /// Nodes known in the network, this one included.
    pub nodes: usize,
    /// AMOP topics known in the network.
    pub topics: usize,
    /// Whether the node does its work: listening, gateway up, at least one link if peers are configured.
    pub ready: bool,
    /// Name in the node's certificate.
    pub name: String,
    /// Agency in the node's certificate.
    pub agency: String,
    /// Addresses of the p2p listeners.
    pub listen: Vec<String>,
    /// Address of the gateway, when it is enabled.
    pub gateway: Option<String>,
    /// End of the certificate's validity, in Unix seconds.
    pub certificate_not_after: u64,
    /// How often a second host with the key of this or another node was seen since the start.
    #[serde(default)]
    pub duplicate_identities: u64,
    /// What the operator should see to, in words; empty when all is well.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// One peer, linked or wanted (`GET /v1/peers`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Peer {
    /// The peer's ID; unknown until its certificate was seen.
    pub node_id: Option<String>,
    /// Its address, as configured or as the connection shows it.
    pub address: String,
    /// `inbound` or `outbound`; absent without a connection.
    pub direction: Option<String>,
    /// `linked`, `dialing`, `waiting`, or `banned` for what it did.
    pub state: String,
    /// Seconds since the link is up.
    pub connected_for_s: Option<u64>,
    /// Last measured round trip in milliseconds.
    pub rtt_ms: Option<f64>,
    /// Agency in the peer's certificate.
    pub agency: Option<String>,
    /// Name in the peer's certificate.
    pub name: Option<String>,
    /// Whether it comes from the configuration or from `peers add`.
    pub configured: bool,
    /// Why the last connection failed.
    pub last_error: Option<String>,
    /// Bytes of message bodies that came since the link is up; read once a second.
    #[serde(default)]
    pub bytes_received: Option<u64>,
    /// The same of what was queued for it.
    #[serde(default)]
    pub bytes_sent: Option<u64>,
}

/// One node of the network (`GET /v1/nodes`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Node {
    /// The node's ID.
    pub node_id: String,
    /// Its version counter within the epoch.
    pub seq: u64,
    /// Its start counter.
    pub epoch: u64,
    /// Whether a path to it is known.
    pub reachable: bool,
    /// Links on that path; 0 for the node itself.
    pub hops: Option<u8>,
    /// The first node on that path.
    pub next_hop: Option<String>,
    /// AMOP topics its clients subscribe.
    pub topics: Vec<String>,
    /// Name in its certificate.
    pub name: String,
    /// Agency in its certificate.
    pub agency: String,
    /// Addresses it says it listens on.
    pub addresses: Vec<String>,
    /// The opaque field of its application, hexadecimal.
    #[serde(default)]
    pub application: String,
    /// The newest revocation list it holds of each issuer: the series, hexadecimal, and the number.
    #[serde(default)]
    pub revocations: BTreeMap<String, u64>,
    /// Whether it is expelled: it signed two statuses with one version, and the proof is held.
    #[serde(default)]
    pub equivocates: bool,
}

/// One key of the configuration in force (`GET /v1/config`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConfigurationKey {
    /// `section.key`.
    pub key: String,
    /// The value in force; null when nothing is set.
    pub value: serde_json::Value,
    /// When a changed value takes effect: `live` or `next_start`.
    pub takes_effect: String,
    /// Whether the file says something else that waits for the next start.
    #[serde(default)]
    pub is_waiting: bool,
    /// What it says then; null when it sets nothing.
    #[serde(default)]
    pub waiting: serde_json::Value,
}

/// How the audit log fares (`GET /v1/audit`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditStatus {
    /// Where its files are; absent when none is written.
    pub directory: Option<String>,
    /// The last line, `SEQ:HASH`: noted elsewhere, it shows when the end is cut off later.
    pub written_to: Option<String>,
    /// Why nothing can be written now.
    pub failing: Option<String>,
    /// Events that were counted only, since the start.
    pub missed: u64,
}

/// One line of `GET /v1/events`: what the node judged, or an operator did. Besides these each kind has fields of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEvent {
    /// When, RFC 3339.
    pub time: String,
    /// What it is about, such as `node_refused`; `gap` where this reader was too slow.
    pub kind: String,
}

/// One node's certificate (`GET /v1/certificates`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeCertificate {
    /// The node's ID.
    pub node_id: String,
    /// Name in its certificate.
    pub name: String,
    /// The roles that the certificate states: `node`, `sdk`, `operator`; none when it states none.
    pub role: Option<String>,
    /// The issuer, RFC 4514.
    pub issuer: String,
    /// The serial number, lower-case hexadecimal.
    pub serial: String,
    /// The last second at which it is valid, and every certificate that the node shows above it, in Unix seconds.
    pub not_after: u64,
    /// Whole days until then; negative when it is over.
    pub days_left: i64,
    /// Whether a path to the node is known.
    pub reachable: bool,
    /// The revocation lists that the node holds: the issuer's name, where this node holds a list of it too, else the
    /// series in hexadecimal; and the number, or the date for lists without one.
    pub lists: BTreeMap<String, String>,
    /// The certificates that it shows, its own first, each in PEM.
    #[serde(default)]
    pub chain: Vec<String>,
}

/// One revocation list in force at the node that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldList {
    /// The series, hexadecimal, as [`Node::revocations`] names it.
    pub series: String,
    /// The issuer, RFC 4514.
    pub issuer: String,
}

/// The way to a node (`GET /v1/route/{node}`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Route {
    /// The node asked for.
    pub node_id: String,
    /// Links to cross.
    pub hops: usize,
    /// Every node on the way, the asked one last, the answering one first.
    pub path: Vec<Hop>,
}

/// One node on a way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Hop {
    /// The node's ID.
    pub node_id: String,
    /// Name in its certificate.
    pub name: String,
    /// Agency in its certificate.
    pub agency: String,
}

/// One AMOP topic (`GET /v1/topics`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Topic {
    /// Its name.
    pub topic: String,
    /// Nodes with subscribers.
    pub nodes: Vec<String>,
    /// Subscribers in all.
    pub subscribers: u32,
}

/// A topic that an SDK at this node has listed and may not subscribe (`GET /v1/topics/denied`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeniedTopic {
    /// The subject of the SDK's certificate.
    pub client: String,
    /// The topic; `null` in the last entry of an SDK that has listed more than are named.
    pub topic: Option<String>,
    /// Why it may not; in that last entry, how many more there are.
    pub reason: String,
}

/// What an access list says about a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Named as welcome; as soon as one node is, all others are not.
    Allow,
    /// Refused, whatever else is said.
    Deny,
}

impl Rule {
    /// `allow` or `deny`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

/// One line of the access lists (`GET /v1/access`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessEntry {
    /// The node.
    pub node_id: String,
    /// What holds for it.
    pub rule: Rule,
    /// Where it is written: `config` (the configuration file) or `runtime` (changed by an operator).
    pub origin: String,
}

/// Body of `PUT /v1/access/{node}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessChange {
    /// What shall hold.
    pub rule: Rule,
}

/// Body of `POST /v1/peers` and `DELETE /v1/peers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeerAddress {
    /// `host:port`, `ip:port`, `[ipv6]:port` or a multiaddr; for removal a node ID (or prefix) too.
    pub address: String,
}

/// Constant facts of the process (`GET /v1/info`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Info {
    /// Software version.
    pub version: String,
    /// The commit it was built of, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Its date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_date: Option<String>,
    /// The node's ID.
    pub node_id: String,
    /// The network's name, compared in the handshake.
    pub network: String,
    /// Process ID.
    pub pid: u32,
    /// Longest body of a message, in bytes.
    pub max_body: usize,
    /// Addresses of the p2p listeners.
    pub listen: Vec<String>,
    /// Address of the gateway, when it is enabled.
    pub gateway: Option<String>,
    /// Where the node keeps what it must remember.
    pub data_dir: String,
}

/// The log filter (`GET` and `PUT /v1/log-level`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLevel {
    /// Directives, such as `info` or `warn,nuncio_node=debug`.
    pub filter: String,
}

/// Answer of `POST /v1/multicast/{topic}` and `POST /v1/broadcast`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Published {
    /// The message's ID in hexadecimal.
    pub id: String,
    /// Bytes in its body.
    pub bytes: usize,
}

/// How a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// A request to this node alone.
    Unicast,
    /// To a topic's listeners.
    Multicast,
    /// To every node.
    Broadcast,
    /// No message: some of a topic's, or of those to every node, do not come.
    Gap,
}

/// One line of `POST /v1/listen`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Message {
    /// How it came.
    pub kind: MessageKind,
    /// The node that sent it.
    pub from: String,
    /// The topic of a multicast.
    pub topic: Option<String>,
    /// The body, as `encoding` says.
    pub data: String,
    /// What `data` is.
    pub encoding: Encoding,
    /// The message's ID in hexadecimal; unicasts have none.
    pub id: Option<String>,
    /// The name under which a unicast waits for its answer, with [`Reply::Later`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// Of a unicast whose sender is in a distributed trace: its W3C trace context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Of a gap: which messages do not come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,
}

/// Messages of one node to one topic that do not come: nobody has them any more, or the listener was too slow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Missing {
    /// The ID of the first one.
    pub first: String,
    /// The ID of the last one.
    pub last: String,
    /// How many they are.
    pub messages: u64,
}

/// What `POST /v1/listen` shall report and answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListenOptions {
    /// Multicast topics to hear; broadcasts are always heard.
    pub topics: Vec<String>,
    /// Whether requests to this node are taken. Without [`ListenOptions::reply`] the reply is empty.
    pub unicast: bool,
    /// What such a request is answered with.
    pub reply: Reply,
}

/// What a listener answers to a unicast.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// An empty body.
    #[default]
    Empty,
    /// This text.
    Text(String),
    /// The request's own body.
    Echo,
    /// What is sent later to `POST /v1/requests/{request}`, with the name that came with the message. Whoever asked waits until
    /// then; what is not answered when the listener goes ends unanswered.
    Later,
}

/// Answer of `GET /livez` and `GET /readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// Whether all checks hold.
    pub ok: bool,
    /// The checks; empty without `?verbose`.
    #[serde(default)]
    pub checks: Vec<Check>,
}

/// One condition of health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Check {
    /// What is checked: `loop`, `listening`, `gateway`, `peers`.
    pub check: String,
    /// Whether it holds.
    pub ok: bool,
    /// The facts it was judged by.
    pub detail: String,
}

#[cfg(test)]
mod tests;
