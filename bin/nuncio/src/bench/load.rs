//! The load: a fixed number of messages under way, each followed by the next.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::{participants::say, point::Point};
use crate::failure::Failure;

/// The longest latency told apart, in nanoseconds.
const LONGEST: u64 = 120_000_000_000;

/// When a request follows the one before it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// When that has ended.
    AtOnce,
    /// So long after it has ended.
    After(Duration),
    /// So long after it was due. It counts from when it is due itself, also where the one before took longer.
    Every(Duration),
}

/// How long the first answer is waited for: before it there is nothing to say.
const FIRST: Duration = Duration::from_secs(30);

/// What was measured.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) count: u64,
    pub(crate) elapsed_s: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// Of a fan-in: messages of the publisher that got least through, as a share of what each would have if all got the same.
    #[serde(default)]
    pub(crate) least_share: Option<f64>,
    /// Of what was under way beside it.
    #[serde(default)]
    pub(crate) beside_mb_per_s: Option<f64>,
    #[serde(default)]
    pub(crate) peak_msgs_per_s: Option<f64>,
}

/// Latencies, in nanoseconds with three digits kept.
#[derive(Debug)]
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(crate) fn new() -> Self {
        Self(Histogram::new_with_bounds(1, LONGEST, 3).expect("these bounds are in order"))
    }

    pub(crate) fn record(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(LONGEST));
    }

    pub(crate) fn add(&mut self, others: &Self) -> Result<(), Failure> {
        self.0.add(&others.0).map_err(|error| Failure::operation("internal", error))
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The latencies in nanoseconds, and how often each.
    pub(crate) fn pairs(&self) -> Vec<(u64, u64)> {
        self.0.iter_recorded().map(|value| (value.value_iterated_to(), value.count_at_value())).collect()
    }

    pub(crate) fn outcome(&self, count: u64, elapsed: Duration) -> Outcome {
        let micros = |quantile| self.0.value_at_quantile(quantile) as f64 / 1e3;
        Outcome {
            count,
            elapsed_s: elapsed.as_secs_f64(),
            p50_us: micros(0.5),
            p99_us: micros(0.99),
            least_share: None,
            beside_mb_per_s: None,
            peak_msgs_per_s: None,
        }
    }
}

/// Warms up, tells when the measured time begins and ends, and says the outcome.
///
/// # Errors
/// The first failure of a request.
pub(crate) async fn round_trips<F, R>(point: &Point, request: F) -> Result<(), Failure>
where
    F: Fn() -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<(), Failure>> + Send + 'static,
{
    say_outcome(&measured(point, Pace::AtOnce, request).await?);
    Ok(())
}

/// The same at another pace, and gives the outcome back.
///
/// # Errors
/// As [`round_trips`].
pub(crate) async fn measured<F, R>(point: &Point, pace: Pace, request: F) -> Result<Outcome, Failure>
where
    F: Fn() -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<(), Failure>> + Send + 'static,
{
    rounds(point, pace, say, request).await
}

/// The same, and tells nobody.
///
/// # Errors
/// As [`round_trips`].
pub(crate) async fn tried<F, R>(point: &Point, request: F) -> Result<Outcome, Failure>
where
    F: Fn() -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<(), Failure>> + Send + 'static,
{
    rounds(point, Pace::AtOnce, |_| (), request).await
}

async fn rounds<F, R>(point: &Point, pace: Pace, tell: fn(&str), request: F) -> Result<Outcome, Failure>
where
    F: Fn() -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<(), Failure>> + Send + 'static,
{
    let shared = Arc::new(Shared::default());
    let workers: Vec<_> = (0..point.in_flight)
        .map(|_| tokio::spawn(work(request.clone(), pace, shared.clone(), point.max_messages)))
        .collect();
    tokio::time::sleep(point.warmup).await;
    tell("begin");
    let begun = Instant::now();
    shared.measuring.store(true, Ordering::Release);
    let measured = async {
        loop {
            let (count, elapsed) = (shared.count.load(Ordering::Relaxed), begun.elapsed());
            let least = if count == 0 { point.measure.max(FIRST) } else { point.measure };
            if count >= point.max_messages || elapsed >= least {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    measured.await;
    shared.measuring.store(false, Ordering::Release);
    let elapsed = begun.elapsed();
    let count = shared.count.load(Ordering::Acquire);
    tell("end");
    shared.stop.store(true, Ordering::Release);
    for worker in workers {
        worker.await.map_err(|error| Failure::operation("internal", error))??;
    }
    let all = shared.latencies.lock().unwrap_or_else(PoisonError::into_inner);
    let mut sum = Latencies::new();
    for latencies in &*all {
        sum.add(latencies)?;
    }
    Ok(sum.outcome(count, elapsed))
}

pub(crate) fn say_outcome(outcome: &Outcome) {
    say(&format!("result {}", serde_json::to_string(outcome).expect("numbers serialise")));
}

#[derive(Debug, Default)]
struct Shared {
    measuring: AtomicBool,
    stop: AtomicBool,
    count: AtomicU64,
    latencies: Mutex<Vec<Latencies>>,
}

async fn work<F, R>(request: F, pace: Pace, shared: Arc<Shared>, max_messages: u64) -> Result<(), Failure>
where
    F: Fn() -> R,
    R: Future<Output = Result<(), Failure>>,
{
    let (mut latencies, mut due) = (Latencies::new(), Instant::now());
    while !shared.stop.load(Ordering::Acquire) {
        let sent = next(&mut due, pace).await;
        request().await?;
        if shared.measuring.load(Ordering::Acquire) {
            latencies.record(sent.elapsed());
            if shared.count.fetch_add(1, Ordering::Relaxed) >= max_messages {
                break;
            }
        }
    }
    shared.latencies.lock().unwrap_or_else(PoisonError::into_inner).push(latencies);
    Ok(())
}

/// Waits until the next request is due; from when it counts.
async fn next(due: &mut Instant, pace: Pace) -> Instant {
    match pace {
        Pace::AtOnce => {}
        Pace::After(pause) => tokio::time::sleep(pause).await,
        Pace::Every(pause) => {
            let this = std::mem::replace(due, *due + pause);
            if this <= Instant::now() {
                return this;
            }
            tokio::time::sleep_until(this.into()).await;
        }
    }
    Instant::now()
}
