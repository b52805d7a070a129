//! Numbers that grow, numbers that go up and down, and arrays of the former.

use std::{
    fmt,
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::MetricType,
};

use crate::{Described, Label, Labelled};

/// A number that only grows. Any task may add to it.
#[derive(Debug, Clone, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// So many more.
    pub fn add(&self, number: u64) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }

    /// One more.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Takes over what somebody else counts.
    pub fn copy(&self, counted: u64) {
        self.0.store(counted, Ordering::Relaxed);
    }

    /// The number now.
    pub fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Clone, Default)]
pub struct Gauge(Arc<AtomicU64>);

impl Gauge {
    /// So many more.
    pub fn add(&self, number: u64) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }

    /// So many fewer.
    pub fn subtract(&self, number: u64) {
        self.0.fetch_sub(number, Ordering::Relaxed);
    }

    /// One more.
    pub fn increment(&self) {
        self.add(1);
    }

    /// One fewer.
    pub fn decrement(&self) {
        self.subtract(1);
    }

    /// So many.
    pub fn set(&self, number: usize) {
        self.0.store(number as u64, Ordering::Relaxed);
    }

    /// The number now.
    pub fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A counter for each value of a label.
pub struct CounterBy<L> {
    counts: Arc<[AtomicU64]>,
    label: PhantomData<fn(L)>,
}

impl<L: Label> CounterBy<L> {
    /// So many more of these.
    pub fn add(&self, of: L, number: u64) {
        if let Some(count) = self.counts.get(of.place()) {
            count.fetch_add(number, Ordering::Relaxed);
        }
    }

    /// One more of these.
    pub fn increment(&self, of: L) {
        self.add(of, 1);
    }

    /// Takes over what somebody else counts.
    pub fn copy(&self, of: L, counted: u64) {
        if let Some(count) = self.counts.get(of.place()) {
            count.store(counted, Ordering::Relaxed);
        }
    }

    /// How many of these.
    pub fn read(&self, of: L) -> u64 {
        self.counts.get(of.place()).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// How many in all.
    pub fn sum(&self) -> u64 {
        self.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

impl<L: Label> Default for CounterBy<L> {
    fn default() -> Self {
        Self { counts: (0..L::COUNT).map(|_| AtomicU64::new(0)).collect(), label: PhantomData }
    }
}

impl<L> Clone for CounterBy<L> {
    fn clone(&self) -> Self {
        Self { counts: Arc::clone(&self.counts), label: PhantomData }
    }
}

impl<L> fmt::Debug for CounterBy<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CounterBy").field(&self.counts).finish()
    }
}

impl EncodeMetric for Counter {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        encoder.encode_counter::<NoLabelSet, _, u64>(&self.read(), None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }
}

impl EncodeMetric for Gauge {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        encoder.encode_gauge(&self.read())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}

impl<L: Label> EncodeMetric for CounterBy<L> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        L::all().into_iter().try_for_each(|of| {
            let pairs = of.pairs();
            encoder.encode_family(&pairs)?.encode_counter::<NoLabelSet, _, u64>(&self.read(of), None)
        })
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }
}

impl Described for Counter {
    const KIND: &'static str = "counter";
}

impl Described for Gauge {
    const KIND: &'static str = "gauge";
}

impl<L: Label> Described for CounterBy<L> {
    const KIND: &'static str = "counter";

    fn labels(&self) -> Vec<Labelled> {
        L::described()
    }
}
