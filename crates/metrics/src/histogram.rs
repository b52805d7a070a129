//! Durations by how long they are, without a lock.

use std::{
    fmt,
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::MetricType,
};

use crate::{Described, Label, Labelled};

/// Upper ends of the buckets, in microseconds; all that is longer falls into one more.
const ENDS: [u64; 19] = [
    10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000,
];

const BUCKETS: usize = ENDS.len() + 1;

/// How long something took.
#[derive(Debug, Clone, Default)]
pub struct Histogram(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    buckets: [AtomicU64; BUCKETS],
    nanoseconds: AtomicU64,
}

impl Histogram {
    /// It took so long once more.
    pub fn observe(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let bucket = ENDS.partition_point(|end| end * 1000 < nanoseconds);
        if let Some(count) = self.0.buckets.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.0.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// How often.
    pub fn count(&self) -> u64 {
        self.0.buckets.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    fn encode_into(&self, encoder: &mut MetricEncoder<'_>) -> fmt::Result {
        let ends = ENDS.iter().map(|end| Duration::from_micros(*end).as_secs_f64()).chain([f64::INFINITY]);
        let buckets: Vec<_> = ends.zip(&self.0.buckets).map(|(end, n)| (end, n.load(Ordering::Relaxed))).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = Duration::from_nanos(self.0.nanoseconds.load(Ordering::Relaxed)).as_secs_f64();
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }
}

/// A histogram for each value of a label.
pub struct HistogramBy<L> {
    histograms: Arc<[Histogram]>,
    label: PhantomData<fn(L)>,
}

impl<L: Label> HistogramBy<L> {
    /// One of these took so long.
    pub fn observe(&self, of: L, time: Duration) {
        if let Some(histogram) = self.histograms.get(of.place()) {
            histogram.observe(time);
        }
    }

    /// That of these alone.
    pub fn of(&self, of: L) -> Histogram {
        self.histograms.get(of.place()).cloned().unwrap_or_default()
    }
}

impl<L: Label> Default for HistogramBy<L> {
    fn default() -> Self {
        Self { histograms: (0..L::COUNT).map(|_| Histogram::default()).collect(), label: PhantomData }
    }
}

impl<L> Clone for HistogramBy<L> {
    fn clone(&self) -> Self {
        Self { histograms: Arc::clone(&self.histograms), label: PhantomData }
    }
}

impl<L> fmt::Debug for HistogramBy<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HistogramBy").field(&self.histograms).finish()
    }
}

impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        self.encode_into(&mut encoder)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

impl<L: Label> EncodeMetric for HistogramBy<L> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        L::all().into_iter().try_for_each(|of| {
            let pairs = of.pairs();
            self.of(of).encode_into(&mut encoder.encode_family(&pairs)?)
        })
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

impl Described for Histogram {
    const KIND: &'static str = "histogram";
}

impl<L: Label> Described for HistogramBy<L> {
    const KIND: &'static str = "histogram";

    fn labels(&self) -> Vec<Labelled> {
        L::described()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_falls_into_the_first_bucket_that_is_not_shorter() {
        let histogram = Histogram::default();
        for micros in [0, 10, 11, 1_000, 10_000_000, 10_000_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        histogram.observe(Duration::MAX);
        let counts: Vec<_> = histogram.0.buckets.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let filled: Vec<_> = counts.iter().enumerate().filter(|(_, count)| **count > 0).collect();
        assert_eq!(filled, [(0, &2), (1, &1), (6, &1), (18, &1), (19, &2)]);
        assert_eq!(histogram.count(), 7);
    }
}
