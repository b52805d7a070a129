//! Requests whose way is told.

use std::time::Duration;

use axum::{Extension, Json, body::Body, extract::State, http::HeaderMap};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use nuncio_audit::Act;
use nuncio_identity::NodeId;
use nuncio_node::{Followed, Snapshot, Way, WayStep};
use nuncio_protocol::trace::{Fate, Report};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    Context, InTrace, Parameters, Segment, bad_request, body,
    messages::{time_limit, unicast_failure},
};
use crate::{
    api::{Encoding, ErrorCode, Failure, Priority, Trace, TraceStep},
    resolve,
};

/// Query of a trace.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct TraceQuery {
    /// How long to wait for the reply, in milliseconds; 10,000 unless given.
    #[param(minimum = 1)]
    timeout_ms: Option<u64>,
    /// True: an empty request that the node answers itself, whether or not an application listens there.
    #[serde(default)]
    probe: bool,
    /// How urgent it is, and its reply; normal unless given.
    #[serde(default)]
    #[param(inline)]
    priority: Priority,
}

pub(super) async fn trace(
    State(context): State<Context>,
    Segment(node): Segment,
    Parameters(query): Parameters<TraceQuery>,
    InTrace(parent): InTrace,
    headers: HeaderMap,
    body: Body,
) -> Result<(Extension<Act>, Json<Trace>), Failure> {
    let timeout = time_limit(query.timeout_ms)?;
    let snapshot = context.node.snapshot();
    let target = resolve::node(&node, &snapshot)?;
    let body = body::read(&headers, body, &context.bodies).await?;
    let act = Act::Send { node: target.into(), bytes: body.bytes.len() };
    #[cfg(feature = "otlp")]
    let (given, begun) = (parent.filter(|_| !query.probe), std::time::Instant::now());
    let followed = if query.probe {
        if !body.bytes.is_empty() {
            return Err(bad_request("a probe has no body"));
        }
        let is_old = snapshot.node(target).is_some_and(|node| node.seq > 0 && !node.serves());
        if is_old {
            return Err(answers_no_probes());
        }
        context.node.probe(target, timeout).await
    } else {
        context.node.with_priority(query.priority.into()).follow(target, body.bytes, timeout, parent).await
    };
    let mut trace = trace_of(&target.to_string(), followed, &snapshot);
    if query.probe && trace.failure.as_ref().is_some_and(|failure| failure.error == ErrorCode::NoHandler) {
        trace.failure = Some(answers_no_probes());
    }
    #[cfg(feature = "otlp")]
    if let Some(exporter) = &context.exporter {
        exporter.export(&trace, crate::otlp::Told { given, took: begun.elapsed() });
    }
    Ok((Extension(act), Json(trace)))
}

fn answers_no_probes() -> Failure {
    Failure::new(ErrorCode::Refused, "the node runs a release that answers no probes")
        .with_hint("`nuncio send --trace` asks its application instead")
}

fn trace_of(target: &str, followed: Followed, snapshot: &Snapshot) -> Trace {
    let Followed { outcome, way, parent, .. } = followed;
    let (answer, failure) = match outcome {
        Ok(answer) => (Some(answer), None),
        Err(error) => (None, Some(unicast_failure(error))),
    };
    let reply = answer.as_ref().map(|answer| Encoding::of(&answer.body));
    let (reply, reply_encoding) = reply.unzip();
    Trace {
        trace_id: way.id.to_string(),
        traceparent: parent.to_string(),
        node_id: target.to_owned(),
        reply,
        reply_encoding,
        rtt_us: answer.as_ref().map(|answer| microseconds(answer.rtt)),
        hops: answer.as_ref().map(|answer| answer.hops),
        failure,
        forged: way.forged.iter().map(ToString::to_string).collect(),
        way: steps(&way, snapshot),
    }
}

/// This node first, once for each first hop that it tried.
fn steps(way: &Way, snapshot: &Snapshot) -> Vec<TraceStep> {
    let me = || named(snapshot.node_id, snapshot);
    let own = way.attempts.iter().map(|first| TraceStep {
        reported: true,
        fate: Some(if first.sent.is_some() { "sent" } else { "refused" }.to_owned()),
        to: Some(first.to.to_string()),
        took_unix_ns: Some(nanoseconds(way.began)),
        queued_us: Some(microseconds(first.queued)),
        left_us: first.sent.map(microseconds),
        ..me()
    });
    let others = way.steps.iter().map(|step| {
        let report = step.report.as_ref().map(|(report, signed)| (report, BASE64.encode(signed)));
        let name = named(step.node, snapshot);
        report.map_or_else(|| name.clone(), |(report, signed)| reported(name.clone(), report, signed, way))
    });
    own.chain(others).collect()
}

fn reported(name: TraceStep, report: &Report, signed: String, way: &Way) -> TraceStep {
    let (fate, to) = match report.fate {
        Fate::Sent { to } => ("sent", Some(to.to_string())),
        Fate::Delivered => ("delivered", None),
        Fate::Refused => ("refused", None),
    };
    TraceStep {
        reported: true,
        fate: Some(fate.to_owned()),
        from: Some(report.from.to_string()),
        to,
        took_unix_ns: Some(nanoseconds(report.took)),
        queued_us: Some(microseconds(report.queued)),
        left_us: Some(microseconds(report.done)),
        leg_us: left_before(report, way).map(|left| difference(report.took, left)),
        signed: Some(signed),
        ..name
    }
}

/// When the request left the node before, by that one's clock.
fn left_before(report: &Report, way: &Way) -> Option<Duration> {
    let left = |step: &WayStep| {
        let (before, _) = step.report.as_ref().filter(|_| step.node == report.from)?;
        before.took.checked_add(before.done)
    };
    let own = way.attempts.iter().rfind(|first| first.to == report.hop).and_then(|first| first.sent);
    let is_first = report.from == report.origin;
    if is_first { own.map(|sent| way.began + sent) } else { way.steps.iter().find_map(left) }
}

fn named(node: NodeId, snapshot: &Snapshot) -> TraceStep {
    let known = snapshot.node(node);
    let (name, agency) = known.map(|node| (node.name.clone(), node.agency.clone())).unwrap_or_default();
    TraceStep {
        node_id: node.to_string(),
        name,
        agency,
        reported: false,
        fate: None,
        from: None,
        to: None,
        took_unix_ns: None,
        queued_us: None,
        left_us: None,
        leg_us: None,
        signed: None,
    }
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn difference(later: Duration, earlier: Duration) -> i64 {
    let signed = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    later.checked_sub(earlier).map_or_else(|| -signed(earlier.saturating_sub(later)), signed)
}
