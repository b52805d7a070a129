use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Encoding, Failure};

/// Header of a unicast, as of any request in a distributed trace: W3C Trace Context.
pub const TRACE_PARENT_HEADER: &str = "traceparent";

/// How a traced request ended, and which way it went (`POST /v1/trace/{node}`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Trace {
    /// The name under which the hops reported, 32 hexadecimal digits.
    pub trace_id: String,
    /// The trace context in which the target's application got the request.
    pub traceparent: String,
    /// The target.
    pub node_id: String,
    /// The reply, as `reply_encoding` says; null when there is none.
    pub reply: Option<String>,
    /// What `reply` is.
    pub reply_encoding: Option<Encoding>,
    /// Microseconds from request to reply.
    pub rtt_us: Option<u64>,
    /// Links that the reply crossed.
    pub hops: Option<u8>,
    /// Why there is no reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Every node that had the request, as far as reports name them: the answering one first, then in order.
    pub way: Vec<TraceStep>,
    /// Nodes that sent a report that they did not sign.
    pub forged: Vec<String>,
}

/// A node on the way of a traced request. What it says of times it says by its own clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TraceStep {
    /// The node.
    pub node_id: String,
    /// Name in its certificate; empty when it is not known here.
    pub name: String,
    /// Agency in its certificate.
    pub agency: String,
    /// Whether it reported. Of one that did not, only others say that it had the request.
    pub reported: bool,
    /// `sent`, `delivered` or `refused`.
    pub fate: Option<String>,
    /// The node that brought it.
    pub from: Option<String>,
    /// The node that it was sent to.
    pub to: Option<String>,
    /// When it was read from its link, or taken of the application: nanoseconds since the beginning of 1970.
    pub took_unix_ns: Option<u64>,
    /// Microseconds from then until it was queued for the next link, handed over or refused.
    pub queued_us: Option<u64>,
    /// Microseconds from when it was read until it left.
    pub left_us: Option<u64>,
    /// Microseconds from when it left the node before until it was read here, by the clocks of both: where these differ it is
    /// off by as much, and may be negative.
    pub leg_us: Option<i64>,
    /// The report as the node signed it, base64; null for the answering node itself.
    pub signed: Option<String>,
}
