use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use nuncio_bounds::{Bound, SharedBytes};
use nuncio_identity::NodeId;

use super::Batch;
use crate::{Topic, hashed::HashMap};

/// How long a batch is kept: it counts little longer, and who got it late would refuse it.
const KEPT: Duration = Duration::from_secs(50);

/// Most bytes of this node's own batches, and of those of others.
const OWN_BYTES: usize = 64 << 20;
const BYTES_OF_OTHERS: usize = 128 << 20;

/// And of copies of its own, for those who know one order only.
const BYTES_OF_COPIES: usize = 16 << 20;

/// What a batch takes besides itself.
const OVERHEAD: usize = 256;

/// Batches that somebody may have missed.
///
/// Bound: bytes and [`KEPT`]. An origin has as many bytes as are free; its oldest batches make room for its newer ones.
#[derive(Debug)]
pub(super) struct History {
    bytes: SharedBytes,
    origins: HashMap<NodeId, Origin>,
}

/// What is kept of one origin.
#[derive(Debug, Default)]
struct Origin {
    epoch: u64,
    bytes: usize,
    /// By number.
    topics: HashMap<Option<Topic>, VecDeque<Arc<Batch>>>,
    /// By the time when each goes.
    order: VecDeque<(Instant, Arc<Batch>)>,
}

/// What there is of a range of numbers.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// In order, not all that there is if that is much.
    pub(super) batches: Vec<Arc<Batch>>,
    /// The oldest number kept from there on; `None` when nothing is.
    pub(super) oldest: Option<u64>,
}

impl History {
    pub(super) const BOUNDS: [Bound; 2] = [
        Bound::of_bytes(
            "own multicasts, for those who missed them",
            2 * (OWN_BYTES + BYTES_OF_COPIES),
            "the oldest are forgotten",
        ),
        Bound::of_bytes(
            "multicasts of others, for those who missed them",
            BYTES_OF_OTHERS,
            "the origin's oldest are forgotten",
        ),
    ];

    /// Of this node's own batches.
    pub(super) fn own() -> Self {
        Self { bytes: SharedBytes::for_one(OWN_BYTES), origins: HashMap::default() }
    }

    /// Of copies of its own for those who know one order only.
    pub(super) fn of_copies() -> Self {
        Self { bytes: SharedBytes::for_one(BYTES_OF_COPIES), origins: HashMap::default() }
    }

    /// Of those that came from others.
    pub(super) fn of_others() -> Self {
        Self { bytes: SharedBytes::new(BYTES_OF_OTHERS), origins: HashMap::default() }
    }

    /// Keeps a batch, if there is room and it is not here.
    pub(super) fn keep(&mut self, batch: &Arc<Batch>, now: Instant) {
        if batch.bodies.is_empty() {
            return;
        }
        let origin = self.origins.entry(batch.origin).or_default();
        if origin.epoch != batch.epoch {
            self.bytes.give_back(origin.bytes);
            *origin = Origin { epoch: batch.epoch, ..Origin::default() };
        }
        origin.forget_until(now, &self.bytes);
        if origin.place(batch).is_err() {
            return;
        }
        let weight = batch.weight() + OVERHEAD;
        while !self.bytes.take(origin.bytes, weight) {
            if !origin.forget_oldest(&self.bytes) {
                return;
            }
        }
        origin.bytes += weight;
        // Others may have gone to make room.
        if let Ok(place) = origin.place(batch) {
            origin.topics.entry(batch.topic.clone()).or_default().insert(place, Arc::clone(batch));
        }
        origin.order.push_back((now + KEPT, Arc::clone(batch)));
    }

    /// Whether this very batch is kept.
    pub(super) fn keeps(&self, batch: &Batch) -> bool {
        let of_epoch = self.origins.get(&batch.origin).filter(|origin| origin.epoch == batch.epoch);
        let Some(batches) = of_epoch.and_then(|origin| origin.topics.get(&batch.topic)) else { return false };
        let place = batches.binary_search_by_key(&batch.first, |kept| kept.first);
        place.is_ok_and(|at| batches[at].proof.signature.get() == batch.proof.signature.get())
    }

    /// The batches with numbers of a range, of so many bytes or one more than fits.
    pub(super) fn find(
        &self,
        (origin, epoch): (&NodeId, u64),
        topic: &Option<Topic>,
        (from, to): (u64, u64),
        mut bytes: usize,
    ) -> Found {
        let of_topic = self.origins.get(origin).filter(|origin| origin.epoch == epoch);
        let Some(batches) = of_topic.and_then(|origin| origin.topics.get(topic)) else { return Found::default() };
        let start = batches.partition_point(|batch| batch.end() <= from);
        let mut found = Found { batches: Vec::new(), oldest: batches.get(start).map(|batch| batch.first) };
        for batch in batches.range(start..).take_while(|batch| batch.first <= to) {
            found.batches.push(Arc::clone(batch));
            match bytes.checked_sub(batch.weight()) {
                Some(left) => bytes = left,
                None => break,
            }
        }
        found
    }

    /// Forgets what was kept long enough.
    pub(super) fn forget_old(&mut self, now: Instant) {
        self.origins.retain(|_, origin| {
            origin.forget_until(now, &self.bytes);
            !origin.order.is_empty()
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.origins.is_empty()
    }
}

impl Origin {
    /// Where a batch belongs among those of its topic.
    ///
    /// # Errors
    /// It is there.
    fn place(&self, batch: &Batch) -> Result<usize, ()> {
        let Some(batches) = self.topics.get(&batch.topic) else { return Ok(0) };
        match batches.back() {
            Some(last) if last.first < batch.first => Ok(batches.len()),
            _ => batches.binary_search_by_key(&batch.first, |kept| kept.first).map_or_else(Ok, |_| Err(())),
        }
    }

    fn forget_until(&mut self, now: Instant, bytes: &SharedBytes) {
        while self.order.front().is_some_and(|(until, _)| *until <= now) {
            self.forget_oldest(bytes);
        }
    }

    /// Says whether there was one.
    fn forget_oldest(&mut self, bytes: &SharedBytes) -> bool {
        let Some((_, batch)) = self.order.pop_front() else { return false };
        let weight = batch.weight() + OVERHEAD;
        bytes.give_back(weight);
        self.bytes -= weight;
        if let Some(batches) = self.topics.get_mut(&batch.topic) {
            if let Ok(place) = batches.binary_search_by_key(&batch.first, |kept| kept.first) {
                batches.remove(place);
            }
            if batches.is_empty() {
                self.topics.remove(&batch.topic);
            }
        }
        true
    }
}
