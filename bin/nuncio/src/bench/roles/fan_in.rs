//! Many nodes ask one: how much it takes, and whether each gets its share.

use std::{
    collections::HashMap,
    path::Path,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::{Bytes, BytesMut};
use futures::future::select_all;
use nuncio_identity::NodeId;
use nuncio_node::{Incoming, Listener};
use tokio::time::timeout_at;

use super::{
    LINK, linked, start,
    unicast::{TIMEOUT, first_node},
};
use crate::{
    bench::{
        load::{Latencies, Outcome, say_outcome},
        participants::say,
        point::Point,
    },
    failure::{Failure, causes},
};

/// Asks node 0 without end, as one of many that share what may be under way.
pub(super) async fn publish(point: &Point, directory: &Path, index: usize) -> Result<(), Failure> {
    let node = start(directory, index).await?;
    say("ready");
    linked(&node, 1).await?;
    let (target, payload) = (first_node(directory)?, point.payload);
    let workers = (0..point.share()).map(|_| {
        let node = node.clone();
        tokio::spawn(async move {
            loop {
                if let Err(error) = node.request(target, stamped(payload), TIMEOUT).await {
                    return Failure::operation("bench", causes(&error));
                }
            }
        })
    });
    // None ends but by a failure.
    let (ended, _, _) = select_all(workers).await;
    Err(ended.unwrap_or_else(|error| Failure::operation("internal", error)))
}

/// Answers, and counts whose requests come.
pub(super) async fn load(point: &Point, directory: &Path, index: usize) -> Result<(), Failure> {
    let node = start(directory, index).await?;
    let mut listener = node.listen(Vec::new(), true).await;
    let everybody = heard(&mut listener, LINK, |counts| counts.len() == point.publishers, point).await;
    if everybody.counts.len() < point.publishers {
        let came = everybody.counts.len();
        return Err(Failure::operation("bench", format_args!("only {came} of {} nodes came", point.publishers)));
    }
    heard(&mut listener, point.warmup, |_| false, point).await;
    say("begin");
    let begun = Instant::now();
    let most = point.max_messages;
    let heard = heard(&mut listener, point.measure, |counts| counts.values().sum::<u64>() >= most, point).await;
    let elapsed = begun.elapsed();
    say("end");
    let count = heard.counts.values().sum();
    let least = heard.counts.values().copied().min().filter(|_| heard.counts.len() == point.publishers).unwrap_or(0);
    let least_share = Some((least * point.publishers as u64) as f64 / f64::max(count as f64, 1.0));
    say_outcome(&Outcome { least_share, ..heard.latencies.outcome(count, elapsed) });
    std::future::pending().await
}

struct Heard {
    counts: HashMap<NodeId, u64>,
    latencies: Latencies,
}

/// Echoes what comes, for so long or until there is enough.
async fn heard(
    listener: &mut Listener,
    length: Duration,
    enough: impl Fn(&HashMap<NodeId, u64>) -> bool,
    point: &Point,
) -> Heard {
    let until = tokio::time::Instant::now() + length;
    let mut heard = Heard { counts: HashMap::with_capacity(point.publishers), latencies: Latencies::new() };
    while let Ok(Some(incoming)) = timeout_at(until, listener.next()).await {
        let Incoming::Unicast { from, body, responder } = incoming else { continue };
        if let Some(age) = age(&body) {
            heard.latencies.record(age);
        }
        responder.reply(body);
        *heard.counts.entry(from).or_default() += 1;
        if enough(&heard.counts) {
            break;
        }
    }
    heard
}

/// A payload that begins with the time, if it has room: all processes are on one machine.
fn stamped(payload: usize) -> Bytes {
    let mut body = BytesMut::zeroed(payload);
    if let Some(place) = body.first_chunk_mut() {
        *place = now().to_be_bytes();
    }
    body.freeze()
}

fn age(body: &[u8]) -> Option<Duration> {
    let sent = u64::from_be_bytes(*body.first_chunk()?);
    Some(Duration::from_nanos(now().saturating_sub(sent)))
}

/// Nanoseconds of the wall clock.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}
