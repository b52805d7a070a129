use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::MetricType,
};

use crate::{Described, Labelled};

/// A row: the values of the labels, and the number.
pub type Row = (Vec<String>, f64);

/// Numbers that are read elsewhere when somebody asks: all rows are replaced at once.
///
/// Bound: whoever sets them sees to it, and says so in `values` of each label.
#[derive(Debug, Clone)]
pub struct Table {
    keys: &'static [(&'static str, &'static str)],
    grows: bool,
    rows: Arc<Mutex<Vec<Row>>>,
}

impl Table {
    /// Numbers that go up and down, by labels; of each, the key and what values there can be.
    pub(crate) fn gauges(keys: &'static [(&'static str, &'static str)]) -> Self {
        Self { keys, grows: false, rows: Arc::default() }
    }

    /// Numbers that only grow.
    pub(crate) fn counters(keys: &'static [(&'static str, &'static str)]) -> Self {
        Self { grows: true, ..Self::gauges(keys) }
    }

    /// These are all rows now.
    pub fn set(&self, rows: impl IntoIterator<Item = Row>) {
        let rows = rows.into_iter().collect();
        *self.rows.lock().unwrap_or_else(PoisonError::into_inner) = rows;
    }

    /// All rows now.
    pub fn rows(&self) -> Vec<Row> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The one number of a table without labels.
    pub fn set_one(&self, number: f64) {
        self.set([(Vec::new(), number)]);
    }
}

impl Table {
    /// A whole number is written as one.
    fn encode_one(&self, encoder: &mut MetricEncoder<'_>, number: f64) -> fmt::Result {
        let is_whole = number.fract() == 0.0 && number.abs() < WHOLE;
        match (self.grows, is_whole) {
            (true, true) if number >= 0.0 => encoder.encode_counter::<NoLabelSet, _, u64>(&(number as u64), None),
            (true, _) => encoder.encode_counter::<NoLabelSet, _, u64>(&number, None),
            (false, true) => encoder.encode_gauge(&(number as i64)),
            (false, false) => encoder.encode_gauge(&number),
        }
    }
}

/// All whole numbers up to here are exact.
const WHOLE: f64 = 1e15;

impl EncodeMetric for Table {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (values, number) in rows {
            let pairs: Vec<_> = self.keys.iter().map(|(key, _)| *key).zip(values).collect();
            if pairs.is_empty() {
                self.encode_one(&mut encoder, number)?;
            } else {
                self.encode_one(&mut encoder.encode_family(&pairs)?, number)?;
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        if self.grows { MetricType::Counter } else { MetricType::Gauge }
    }

    fn is_empty(&self) -> bool {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

impl Described for Table {
    const KIND: &'static str = "gauge";

    fn kind(&self) -> &'static str {
        if self.grows { "counter" } else { "gauge" }
    }

    fn labels(&self) -> Vec<Labelled> {
        self.keys.iter().map(|(key, values)| Labelled { key, values: (*values).to_owned() }).collect()
    }
}
