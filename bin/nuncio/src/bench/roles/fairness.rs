//! Latency of a request now and then, while much else is under way between the same two nodes.

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
use nuncio_protocol::{MAX_BODY, Priority};
use tokio::task::JoinSet;

use super::{
    linked, start,
    unicast::{ask, first_node},
};
use crate::{
    bench::{
        load::{Outcome, Pace, measured, say_outcome, tried},
        point::{Beside, Point},
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
    let (bytes, count, priority) = match point.beside {
        Beside::Bulk => (64 << 10, point.in_flight, Priority::Bulk),
        Beside::Body => (MAX_BODY, 1, Priority::Normal),
        Beside::Flood => (64, point.in_flight, Priority::Normal),
        Beside::Idle | Beside::Half => (0, 0, Priority::Normal),
    };
    let (moved, body) = (Arc::new(AtomicU64::new(0)), Bytes::from(vec![0xa5; bytes]));
    // Whoever answers sends back what is no longer than what is measured.
    let expected = if bytes <= point.payload { bytes } else { 0 };
    let mut others = JoinSet::new();
    for _ in 0..count {
        let (node, body, moved) = (node.with_priority(priority), body.clone(), Arc::clone(&moved));
        others.spawn(async move {
            loop {
                match ask(node.clone(), target, body.clone(), expected).await {
                    Ok(()) => moved.fetch_add(bytes as u64, Ordering::Relaxed),
                    Err(failure) => return failure,
                };
            }
        });
    }
    let (node, payload) = (node.with_priority(point.priority), Bytes::from(vec![0x5a; point.payload]));
    let began = Instant::now();
    let one = Point { in_flight: 1, ..point.clone() };
    let measured =
        measured(&one, Pace::After(PAUSE), move || ask(node.clone(), target, payload.clone(), payload.len()));
    let outcome = tokio::select! {
        outcome = measured => outcome?,
        Some(ended) = others.join_next() => {
            return Err(ended.unwrap_or_else(|error| Failure::operation("internal", error)));
        }
    };
    let per_second = moved.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64();
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
