use std::sync::Arc;

use axum::{Json, extract::State};
use bytes::Bytes;
use futures::stream;
use nuncio_audit::{Kind, Recorded};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, broadcast};
use tokio_util::sync::CancellationToken;
use utoipa::IntoParams;

use super::{
    Context, MAX_LISTENERS, Pairs,
    answered::{Lines, line},
    bad_request,
};
use crate::api::{AuditEvent, AuditStatus, ErrorCode, Failure};

pub(super) async fn show(State(context): State<Context>) -> Json<AuditStatus> {
    Json(context.operator.audit_status())
}

/// Query of the events.
#[derive(IntoParams)]
#[expect(dead_code, reason = "for the document: a parameter that comes several times is read by hand")]
pub(super) struct Kinds {
    /// Keeps to events of this kind; may be given several times.
    kind: Option<Vec<String>>,
}

/// One line per event from now on, until the client hangs up. `?kind=K`, as often as wanted, keeps to those kinds.
pub(super) async fn follow(State(context): State<Context>, query: Pairs<Kinds>) -> Result<Lines<AuditEvent>, Failure> {
    let kinds = query.all.iter().map(kind).collect::<Result<Vec<_>, _>>()?;
    let permit = context.followers.clone().try_acquire_owned().map_err(|_| {
        Failure::new(ErrorCode::Busy, format!("{MAX_LISTENERS} follow the events already"))
            .with_hint("end some `nuncio audit follow` first")
    })?;
    let events = context.operator.audit().follow();
    let follower = Follower { events, kinds, shutdown: context.shutdown, _permit: permit };
    let lines = stream::unfold(follower, |mut follower| async move {
        let line = follower.next_line().await?;
        Some((line, follower))
    });
    Ok(Lines::new(lines))
}

fn kind((key, value): &(String, String)) -> Result<Kind, Failure> {
    let known = || Kind::ALL.iter().find(|kind| kind.as_str() == value);
    (key == "kind").then(known).flatten().copied().ok_or_else(|| {
        let all: Vec<_> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        bad_request(format!("`{key}={value}` is no kind of event"))
            .with_hint(format!("kind is one of {}", all.join(", ")))
    })
}

struct Follower {
    events: broadcast::Receiver<Arc<Recorded>>,
    kinds: Vec<Kind>,
    shutdown: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

impl Follower {
    async fn next_line(&mut self) -> Option<Bytes> {
        loop {
            let next = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return None,
                next = self.events.recv() => next,
            };
            return match next {
                Ok(recorded) if !self.kinds.is_empty() && !self.kinds.contains(&recorded.event.kind()) => continue,
                Ok(recorded) => line(&*recorded),
                Err(broadcast::error::RecvError::Lagged(missed)) => line(
                    &json!({ "time": jiff::Timestamp::now(), "kind": "gap", "cause": "this reader was too slow", "missed": missed }),
                ),
                Err(broadcast::error::RecvError::Closed) => None,
            };
        }
    }
}
