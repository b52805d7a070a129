use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{ConnectInfo, State},
};
use bytes::Bytes;
use nuncio_audit::{Kind, Recorded, Scope};
use serde_json::json;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use utoipa::IntoParams;

use super::{
    Context, Pairs,
    answered::{Lines, line},
    bad_request,
    places::{Place, Reader},
};
use crate::{
    api::{AuditEvent, AuditStatus, ErrorCode, Failure},
    server::Peer,
};

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
pub(super) async fn follow(
    State(context): State<Context>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Extension(scope): Extension<Scope>,
    query: Pairs<Kinds>,
) -> Result<Lines<AuditEvent>, Failure> {
    let kinds = query.all.iter().map(kind).collect::<Result<Vec<_>, _>>()?;
    let place = context.followers.take(scope).ok_or_else(|| {
        Failure::new(ErrorCode::Busy, "as many follow the events already as may")
            .with_hint("end some `nuncio audit follow` first")
    })?;
    let events = context.operator.audit().follow();
    let follower = Follower { events, kinds, shutdown: context.shutdown };
    let (reader, lines) = Reader::new(peer);
    tokio::spawn(tell(follower, reader, place));
    Ok(Lines::new(lines))
}

/// Tells until nobody reads any more. A reader that takes nothing loses its place and its connection.
async fn tell(mut follower: Follower, reader: Reader, _place: Place) {
    loop {
        let line = tokio::select! {
            () = reader.left() => return,
            line = follower.next_line() => line,
        };
        let Some(line) = line else { return };
        if !reader.pass(line).await {
            return;
        }
    }
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

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use nuncio_audit::{Audit, Event};
    use tokio::time::timeout;

    use super::*;
    use crate::{
        routes::places::{PATIENCE, Places},
        server::Guest,
    };

    #[tokio::test(start_paused = true)]
    async fn a_follower_that_reads_nothing_loses_its_place_and_its_connection_and_one_without_events_does_not() {
        let (audit, places, task) = (Audit::default(), Places::new(1), Context::from_waker(Waker::noop()));
        let guest = Guest::new("10.0.0.1:1".parse().unwrap(), None, false);
        let follower = Follower { events: audit.follow(), kinds: Vec::new(), shutdown: CancellationToken::new() };
        let (reader, _lines) = Reader::new(Peer::Network(guest.clone()));
        let mut telling = tokio::spawn(tell(follower, reader, places.take(Scope::Full).unwrap()));
        assert!(timeout(2 * PATIENCE, &mut telling).await.is_err(), "there is nothing to read");
        // The first waits to be read, and finds its room.
        for _ in 0..2 {
            audit.record(Event::Stopped);
        }
        timeout(2 * PATIENCE, telling).await.expect("it ends").unwrap();
        assert!(guest.is_dismissed(&task) && places.take(Scope::Full).is_some());
    }
}
