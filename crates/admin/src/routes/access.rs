use axum::{Extension, Json, extract::State};
use nuncio_audit::Act;

use crate::{
    api::{AccessChange, AccessEntry, ErrorCode, Failure},
    resolve,
};

use super::{Context, JsonBody, Segment, answered::Done};

pub(super) async fn list(State(context): State<Context>) -> Json<Vec<AccessEntry>> {
    Json(context.operator.access())
}

pub(super) async fn set(
    State(context): State<Context>,
    Segment(node): Segment,
    JsonBody(change): JsonBody<AccessChange>,
) -> Result<(Extension<Act>, Json<AccessEntry>), Failure> {
    let node = find(&context, &node)?;
    context.operator.set_access(node, Some(change.rule)).await?;
    let entry = AccessEntry { node_id: node.to_string(), rule: change.rule, origin: "runtime".to_owned() };
    Ok((Extension(Act::SetAccess { node: node.into(), rule: change.rule.as_str() }), Json(entry)))
}

pub(super) async fn reset(
    State(context): State<Context>,
    Segment(node): Segment,
) -> Result<(Extension<Act>, Done), Failure> {
    let node = find(&context, &node)?;
    context.operator.set_access(node, None).await?;
    Ok((Extension(Act::SetAccess { node: node.into(), rule: "reset" }), Done))
}

/// A denied node is soon forgotten by the network, but not by the list.
fn find(context: &Context, text: &str) -> Result<nuncio_identity::NodeId, Failure> {
    let unresolved = match resolve::node(text, &context.node.snapshot()) {
        Err(failure) if failure.error == ErrorCode::NotFound => failure,
        outcome => return outcome,
    };
    let prefix = text.to_ascii_lowercase();
    let listed: Vec<_> =
        context.operator.access().into_iter().filter(|entry| entry.node_id.starts_with(&prefix)).collect();
    match &listed[..] {
        [entry] => entry.node_id.parse().map_err(|_| unresolved),
        _ => Err(unresolved),
    }
}
