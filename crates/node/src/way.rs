//! The way of a traced request, as its application is told.

use std::time::{Duration, Instant};

use bytes::Bytes;
use nuncio_identity::NodeId;
use nuncio_protocol::{
    trace::{Report, TraceId, TraceParent, Traced},
    unicast::UnicastError,
};

use crate::Answer;

/// How a traced request ended, and which way it went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Followed {
    /// The reply, or why there is none.
    pub outcome: Result<Answer, UnicastError>,
    /// Its way.
    pub way: Way,
    /// The context in which the target's application got it.
    pub parent: TraceParent,
}

/// Which nodes had a request, and when. Its times are those of each node's own clock.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Way {
    /// Under which the hops reported.
    pub id: TraceId,
    /// When this node took the request, since the beginning of 1970.
    pub began: Duration,
    /// The first hops that it was sent to: mostly one.
    pub attempts: Vec<FirstHop>,
    /// The nodes on the way, in order, as far as reports name them.
    pub steps: Vec<WayStep>,
    /// Nodes that sent a report that they did not sign.
    pub forged: Vec<NodeId>,
}

/// A peer to which this node sent the request first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FirstHop {
    /// Who.
    pub to: NodeId,
    /// From [`Way::began`] until the request was queued for the link.
    pub queued: Duration,
    /// From [`Way::began`] until it left; `None` when it did not.
    pub sent: Option<Duration>,
}

/// A node on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WayStep {
    /// Who.
    pub node: NodeId,
    /// What it reported, and its report as it signed it. `None` where others name it and it said nothing: it is of an earlier
    /// release, or silent, or has reported enough for now.
    pub report: Option<(Report, Bytes)>,
}

impl Way {
    pub(crate) fn of(traced: &Traced, me: NodeId, (clock, now): (Duration, Instant)) -> Self {
        let since = |at: Instant| at.saturating_duration_since(traced.began);
        let attempt = |one: &nuncio_protocol::trace::Attempt| FirstHop {
            to: one.to,
            queued: since(one.queued),
            sent: one.sent.map(since),
        };
        let signed = |report: &Report| {
            let signed = traced.reports.iter().find(|signed| signed.report == *report);
            signed.map(|signed| (report.clone(), nuncio_wire::trace::encode_report(signed)))
        };
        let steps = traced.way(me);
        let step =
            |step: nuncio_protocol::trace::Step<'_>| WayStep { node: step.node, report: step.report.and_then(signed) };
        Self {
            id: traced.id,
            began: clock.saturating_sub(now.saturating_duration_since(traced.began)),
            attempts: traced.attempts.iter().map(attempt).collect(),
            steps: steps.into_iter().map(step).collect(),
            forged: traced.forged.clone(),
        }
    }

    /// Of a request that no node came to know.
    pub(crate) fn nowhere(id: TraceId) -> Self {
        let (attempts, steps, forged) = Default::default();
        Self { id, began: Duration::ZERO, attempts, steps, forged }
    }
}
