use std::time::Duration;

use axum::{
    Extension, Json,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use nuncio_audit::Act;
use nuncio_node::{Answer, PublishError};
use nuncio_protocol::{
    Topic,
    unicast::{Refusal, UnicastError},
};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    api::{ErrorCode, Failure, HOPS_HEADER, Priority, Published, RTT_HEADER},
    resolve,
};

use super::{
    Context, InTrace, Parameters, Segment, bad_request,
    body::{self, too_large},
};

/// Query of a unicast.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct UnicastQuery {
    /// How long to wait for the reply, in milliseconds; 10,000 unless given.
    #[param(minimum = 1)]
    timeout_ms: Option<u64>,
    /// How urgent it is, and its reply; normal unless given.
    #[serde(default)]
    #[param(inline)]
    priority: Priority,
}

/// Query of a multicast or broadcast.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct PublishQuery {
    /// How urgent it is; normal unless given.
    #[serde(default)]
    #[param(inline)]
    priority: Priority,
}

pub(super) async fn unicast(
    State(context): State<Context>,
    Segment(node): Segment,
    Parameters(query): Parameters<UnicastQuery>,
    InTrace(parent): InTrace,
    headers: HeaderMap,
    body: Body,
) -> Result<(Extension<Act>, Reply), Failure> {
    let timeout = time_limit(query.timeout_ms)?;
    let target = resolve::node(&node, &context.node.snapshot())?;
    let body = body::read(&headers, body, &context.bodies).await?;
    let act = Act::Send { node: target.into(), bytes: body.bytes.len() };
    let node = context.node.with_priority(query.priority.into());
    let answer = node.request_in(target, body.bytes, timeout, parent).await.map_err(unicast_failure)?;
    Ok((Extension(act), Reply(answer)))
}

/// How long to wait.
pub(super) fn time_limit(timeout_ms: Option<u64>) -> Result<Duration, Failure> {
    match timeout_ms {
        Some(0) => Err(bad_request("timeout_ms must be at least 1")),
        other => Ok(Duration::from_millis(other.unwrap_or(10_000))),
    }
}

/// The reply to a unicast.
pub(super) struct Reply(Answer);

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let Answer { body, rtt, hops, .. } = self.0;
        let rtt = u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX);
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
            (HeaderName::from_static(RTT_HEADER), HeaderValue::from(rtt)),
            (HeaderName::from_static(HOPS_HEADER), HeaderValue::from(u16::from(hops))),
        ];
        (headers, body).into_response()
    }
}

pub(super) async fn multicast(
    State(context): State<Context>,
    Segment(topic): Segment,
    Parameters(query): Parameters<PublishQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<(Extension<Act>, Json<Published>), Failure> {
    let topic = Topic::new(&topic).map_err(|error| bad_request(error.to_string()))?;
    let body = body::read(&headers, body, &context.bodies).await?;
    let bytes = body.bytes.len();
    let act = Act::Publish { topic: topic.to_string().into(), bytes };
    let node = context.node.with_priority(query.priority.into());
    let id = node.publish(topic, body.bytes).await.map_err(publish_failure)?;
    Ok((Extension(act), Json(Published { id: id.to_string(), bytes })))
}

pub(super) async fn broadcast(
    State(context): State<Context>,
    Parameters(query): Parameters<PublishQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<(Extension<Act>, Json<Published>), Failure> {
    let body = body::read(&headers, body, &context.bodies).await?;
    let bytes = body.bytes.len();
    let node = context.node.with_priority(query.priority.into());
    let id = node.broadcast(body.bytes).await.map_err(publish_failure)?;
    Ok((Extension(Act::Broadcast { bytes }), Json(Published { id: id.to_string(), bytes })))
}

pub(super) fn unicast_failure(error: UnicastError) -> Failure {
    let message = error.to_string();
    match error {
        UnicastError::NoRoute | UnicastError::Refused(Refusal::NoRoute) => {
            Failure::new(ErrorCode::NoRoute, message).with_hint("see `nuncio nodes`: is the node reachable?")
        }
        UnicastError::TimedOut { .. } => Failure::new(ErrorCode::TimedOut, message)
            .with_hint("the node may have seen the request; a longer --timeout gives it more time"),
        UnicastError::TooLarge { bytes, .. } => too_large(bytes),
        UnicastError::Refused(Refusal::Busy) => Failure::new(ErrorCode::Busy, message).with_hint("try again"),
        UnicastError::Refused(Refusal::NoHandler) => Failure::new(ErrorCode::NoHandler, message)
            .with_hint("run `nuncio listen --echo` (or --reply TEXT) at that node"),
        UnicastError::Refused(Refusal::Denied) => Failure::new(ErrorCode::Denied, message)
            .with_hint("its operator sees why in `nuncio access list`; `nuncio access reset` with this node's ID takes a denial back"),
        _ => Failure::new(ErrorCode::Refused, message),
    }
}

/// This node may not do that with a topic.
pub(super) fn denied(message: String) -> Failure {
    Failure::new(ErrorCode::Denied, message).with_hint(
        "the rules are in [rights] of this node's configuration: `nuncio rights check` shows which one decides",
    )
}

fn publish_failure(error: PublishError) -> Failure {
    let message = error.to_string();
    match error {
        PublishError::TooLarge { bytes, .. } => too_large(bytes),
        PublishError::Busy => Failure::new(ErrorCode::Busy, message).with_hint("try again"),
        PublishError::Denied { .. } => denied(message),
        PublishError::Stopped => Failure::new(ErrorCode::Stopped, message),
        _ => Failure::new(ErrorCode::Internal, message),
    }
}
