//! Latency of a request now and then, while much else is under way between the same two nodes.

pub(super) mod amop;
pub(super) mod cast;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use nuncio_identity::NodeId;
use nuncio_node::NodeHandle;
use tokio::task::JoinSet;

use super::{
    linked, start,
    unicast::{ask, first_node},
};
use crate::{
    bench::{
        load::{Outcome, Pace, measured, say_outcome, tried},
        point::{Beside, Company, Point},
    },
    failure::Failure,
};

/// From the end of one request to the next: few enough to be as urgent as they say.
const PAUSE: Duration = Duration::from_millis(2);

/// Asks node 0.
pub(super) async fn load(point: &Point, directory: &Path, index: usize) -> Result<(), Failure> {
    let node = start(directory, index).await?;
    linked(&node, point.relays + 1).await?;
    let target = first_node(directory)?;
    let outcome = match point.beside {
        Beside::Half => half(point, &node, target).await?,
        _ => beside(point, &node, target).await?,
    };
    say_outcome(&outcome);
    Ok(())
}

async fn beside(point: &Point, node: &NodeHandle, target: NodeId) -> Result<Outcome, Failure> {
    let company = point.beside.company(point.in_flight);
    let (urgent, payload) = (node.with_priority(point.priority), Bytes::from(vec![0x5a; point.payload]));
    let one = move || ask(urgent.clone(), target, payload.clone(), payload.len());
    let (node, body) = (node.with_priority(company.priority), Bytes::from(vec![0xa5; company.bytes]));
    // Whoever answers sends back what is no longer than what is measured.
    let expected = if company.bytes <= point.payload { company.bytes } else { 0 };
    in_company(point, (PAUSE, one), move || ask(node.clone(), target, body.clone(), expected)).await
}

/// Measures one now and then, while `other` goes on as often as is wanted beside.
async fn in_company<F, R, G, S>(point: &Point, (pause, one): (Duration, F), other: G) -> Result<Outcome, Failure>
where
    F: Fn() -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<(), Failure>> + Send + 'static,
    G: Fn() -> S + Clone + Send + 'static,
    S: Future<Output = Result<(), Failure>> + Send + 'static,
{
    let Company { bytes, count, .. } = point.beside.company(point.in_flight);
    let (moved, mut others) = (Arc::new(AtomicU64::new(0)), JoinSet::new());
    for _ in 0..count {
        let (other, moved) = (other.clone(), Arc::clone(&moved));
        others.spawn(async move {
            loop {
                match other().await {
                    Ok(()) => moved.fetch_add(bytes as u64, Ordering::Relaxed),
                    Err(failure) => return failure,
                };
            }
        });
    }
    let (begun, alone) = (Instant::now(), Point { in_flight: 1, ..point.clone() });
    let outcome = tokio::select! {
        outcome = measured(&alone, Pace::After(pause), one) => outcome?,
        Some(ended) = others.join_next() => {
            return Err(ended.unwrap_or_else(|error| Failure::operation("internal", error)));
        }
    };
    let per_second = moved.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64();
    Ok(Outcome { beside_mb_per_s: (count > 0).then_some(per_second / 1e6), ..outcome })
}

/// Finds out how many there can be, and then sends half as many.
async fn half(point: &Point, node: &NodeHandle, target: NodeId) -> Result<Outcome, Failure> {
    let (node, payload) = (node.with_priority(point.priority), Bytes::from(vec![0x5a; point.payload]));
    let request = move || ask(node.clone(), target, payload.clone(), payload.len());
    let tried = tried(point, request.clone()).await?;
    let peak = tried.count as f64 / tried.elapsed_s;
    // Each of so many sends one at its time.
    let pause = Duration::from_secs_f64(2.0 * point.in_flight as f64 / peak);
    let outcome = measured(point, Pace::Every(pause), request).await?;
    Ok(Outcome { peak_msgs_per_s: Some(peak), ..outcome })
}
