use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    Outcome,
    control::Control,
    message::{ACKNOWLEDGEMENT, Header, Messages, Phase},
};
use crate::{
    bench::{
        load::Latencies,
        point::{Point, Work},
        roles::LINK,
    },
    failure::Failure,
    testnet::condition::until,
};

/// Keeps a number of requests under way, each followed by the next as soon as it is answered.
pub(super) async fn drive<F, R>(point: &Point, control: &mut Control, request: F) -> Result<(), Failure>
where
    F: Fn(Bytes) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<Bytes, Failure>> + Send + 'static,
{
    until("the other end answers", LINK, || async {
        let answer = request(Messages::of(point.payload).stamp(0, Phase::Probe)).await;
        answer.and_then(|answer| check(point, 0, &answer)).map_err(|failure| failure.message)
    })
    .await?;
    phase(point, point.warmup, &request).await?;
    control.begin().await?;
    let (elapsed, latencies) = phase(point, point.measure, &request).await?;
    control.end(&Outcome::new(latencies.count(), elapsed, &latencies));
    control.idle().await;
    Ok(())
}

async fn phase<F, R>(point: &Point, length: Duration, request: &F) -> Result<(Duration, Latencies), Failure>
where
    F: Fn(Bytes) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<Bytes, Failure>> + Send + 'static,
{
    let (numbers, begun) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let worker = || tokio::spawn(work(point.clone(), begun + length, numbers.clone(), request.clone()));
    let workers: Vec<_> = (0..point.in_flight).map(|_| worker()).collect();
    let mut all = Latencies::new();
    for worker in workers {
        all.add(&worker.await.map_err(|error| Failure::operation("internal", error))??)?;
    }
    Ok((begun.elapsed(), all))
}

async fn work<F, R>(point: Point, deadline: Instant, numbers: Arc<AtomicU64>, request: F) -> Result<Latencies, Failure>
where
    F: Fn(Bytes) -> R,
    R: Future<Output = Result<Bytes, Failure>>,
{
    let (mut messages, mut latencies) = (Messages::of(point.payload), Latencies::new());
    let mut sent = Instant::now();
    while sent < deadline {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        if number >= point.max_messages {
            break;
        }
        let answer = request(messages.stamp(number, Phase::Measured)).await?;
        check(&point, number, &answer)?;
        let answered = Instant::now();
        latencies.record(answered - sent);
        sent = answered;
    }
    Ok(latencies)
}

/// Whether an answer is the whole one to this request: AMOP's is an acknowledgement, a node echoes.
fn check(point: &Point, number: u64, answer: &[u8]) -> Result<(), Failure> {
    let length = if point.work == Work::Amop { ACKNOWLEDGEMENT } else { point.payload };
    if answer.len() == length && Header::read(answer).is_some_and(|header| header.number == number) {
        return Ok(());
    }
    Err(Failure::operation("bench", format_args!("{} bytes came back for request {number}", answer.len())))
}
