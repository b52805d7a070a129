use std::time::{Duration, Instant};

use axum::extract::State;
use futures::FutureExt;
use nuncio_node::Snapshot;
use serde::Deserialize;
use tokio::time::timeout;
use utoipa::IntoParams;

use crate::{
    Operator,
    api::{Check, Failure, Health},
};

use super::{Context, Parameters, answered::Judged, network::links};

/// Time in which the event loop must take a command to count as turning.
const LOOP_DEADLINE: Duration = Duration::from_secs(2);

/// Query of both.
#[derive(Deserialize, IntoParams)]
pub(super) struct Detail {
    /// Given, with any value or none: the checks are told, too.
    verbose: Option<String>,
}

pub(super) async fn livez(
    State(context): State<Context>,
    Parameters(detail): Parameters<Detail>,
) -> Result<Judged, Failure> {
    Ok(answer(vec![loop_turns(&context).await], &detail))
}

pub(super) async fn readyz(
    State(context): State<Context>,
    Parameters(detail): Parameters<Detail>,
) -> Result<Judged, Failure> {
    let mut checks = vec![loop_turns(&context).await];
    checks.extend(readiness(&context.node.snapshot(), &*context.operator));
    Ok(answer(checks, &detail))
}

/// What must hold for the node to do its work.
pub(super) fn readiness(snapshot: &Snapshot, operator: &dyn Operator) -> Vec<Check> {
    let listening = Check {
        check: "listening".to_owned(),
        ok: !snapshot.listen.is_empty(),
        detail: if snapshot.listen.is_empty() { "nowhere".to_owned() } else { snapshot.listen.join(", ") },
    };
    let own = Some(snapshot.node_id);
    let wanted = snapshot.peers.iter().filter(|peer| peer.configured && peer.node_id != own).count();
    let linked = links(snapshot);
    let peers = Check {
        check: "peers".to_owned(),
        ok: snapshot.ready && (wanted == 0 || linked > 0),
        detail: format!("{linked} linked, {wanted} configured"),
    };
    [listening, peers].into_iter().chain(operator.checks()).collect()
}

/// Registers a listener that hears nothing: the cheapest command that the event loop answers.
async fn loop_turns(context: &Context) -> Check {
    let asked = Instant::now();
    let turned = timeout(LOOP_DEADLINE, context.node.listen(Vec::new(), false)).await;
    let (ok, detail) = match turned {
        Err(_) => (false, format!("took no command within {LOOP_DEADLINE:?}")),
        Ok(mut listener) => match listener.next().now_or_never() {
            Some(None) => (false, "stopped".to_owned()),
            _ => (true, format!("took a command in {} µs", asked.elapsed().as_micros())),
        },
    };
    Check { check: "loop".to_owned(), ok, detail }
}

fn answer(checks: Vec<Check>, detail: &Detail) -> Judged {
    let ok = checks.iter().all(|check| check.ok);
    Judged(Health { ok, checks: if detail.verbose.is_some() { checks } else { Vec::new() } })
}
