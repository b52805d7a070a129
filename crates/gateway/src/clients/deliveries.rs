use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use nuncio_bounds::Portions;
use nuncio_channel_protocol::FrameSeq;
use nuncio_identity::NodeId;
use nuncio_protocol::{Account, amop::DeliveryId};

use crate::tenants::QueuePlace;

/// The unicasts one client has yet to acknowledge, by the seq each went out with.
///
/// At most twice `capacity`, of which accounts have their [`Portions`]: else no further one is taken. Each has a place in its
/// certificate's queue, besides its message.
/// An entry goes with its acknowledgement, or when it expires: its time runs from when its frame was written, since a large
/// one takes longer to a slow client than the client may take to answer.
#[derive(Debug)]
pub(super) struct Deliveries {
    capacity: usize,
    lifetime: Duration,
    open: HashMap<FrameSeq, Open>,
    /// How many are open of each account.
    open_of: Portions<NodeId>,
    /// Those that were written, and when.
    by_age: VecDeque<(Instant, FrameSeq)>,
}

/// A delivery that waits for its acknowledgement.
#[derive(Debug)]
struct Open {
    delivery: DeliveryId,
    place: QueuePlace,
}

impl Deliveries {
    pub(super) fn new(capacity: usize, lifetime: Duration) -> Self {
        Self { capacity, lifetime, open: HashMap::new(), open_of: Portions::default(), by_age: VecDeque::new() }
    }

    /// Whether another one of an account fits.
    pub(super) fn has_room(&mut self, account: Account, now: Instant) -> bool {
        self.expire(now);
        self.open_of.to_leave(account) + self.open.len() + 2 <= 2 * self.capacity
    }

    pub(super) fn insert(&mut self, seq: FrameSeq, delivery: DeliveryId, place: QueuePlace) {
        self.open_of.add(place.account(), 1);
        self.open.insert(seq, Open { delivery, place });
    }

    /// The frame has gone out; its acknowledgement may have come already.
    pub(super) fn note_written(&mut self, seq: FrameSeq, now: Instant) {
        if !self.open.contains_key(&seq) {
            return;
        }
        if self.by_age.len() >= 2 * self.capacity {
            // Those before it that were acknowledged out of order.
            self.by_age.retain(|(_, seq)| self.open.contains_key(seq));
        }
        self.by_age.push_back((now, seq));
    }

    /// Which delivery a seq stands for, once.
    pub(super) fn take(&mut self, seq: &FrameSeq, now: Instant) -> Option<DeliveryId> {
        self.expire(now);
        let delivery = self.remove(seq);
        // What is left at the front was acknowledged in order: the usual case keeps nothing.
        while self.by_age.front().is_some_and(|(_, seq)| !self.open.contains_key(seq)) {
            self.by_age.pop_front();
        }
        if self.open.is_empty() {
            self.shrink();
        }
        delivery
    }

    pub(super) fn is_empty(&mut self, now: Instant) -> bool {
        self.expire(now);
        self.open.is_empty()
    }

    fn expire(&mut self, now: Instant) {
        while let Some((since, seq)) = self.by_age.front()
            && now.duration_since(*since) >= self.lifetime
        {
            let seq = *seq;
            self.remove(&seq);
            self.by_age.pop_front();
        }
    }

    fn remove(&mut self, seq: &FrameSeq) -> Option<DeliveryId> {
        let Open { delivery, place } = self.open.remove(seq)?;
        self.open_of.remove(place.account(), 1);
        Some(delivery)
    }

    /// An idle client keeps no memory of a busy hour.
    fn shrink(&mut self) {
        if self.by_age.capacity() > 64 {
            (self.open, self.open_of) = (HashMap::new(), Portions::default());
            self.by_age = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use nuncio_rights::Party;

    use super::*;
    use crate::{access::ClientName, config::Limits, tenants::Tenants};

    fn place() -> QueuePlace {
        let tenant = Tenants::default().join(
            ClientName::Fingerprint(String::new()),
            &Party::sdk("", ""),
            &Limits::DEFAULT,
            &Arc::default(),
        );
        tenant.queue(Account::Own, &Bytes::new()).unwrap()
    }

    fn seq(number: u128) -> FrameSeq {
        FrameSeq::from_number(number)
    }

    #[test]
    fn an_acknowledgement_is_taken_once_and_only_by_its_seq() {
        let now = Instant::now();
        let mut deliveries = Deliveries::new(4, Duration::from_secs(5));
        deliveries.insert(seq(1), DeliveryId(7), place());
        deliveries.note_written(seq(1), now);
        assert_eq!(deliveries.take(&seq(2), now), None, "another's seq");
        assert_eq!(deliveries.take(&seq(1), now), Some(DeliveryId(7)));
        assert_eq!(deliveries.take(&seq(1), now), None, "twice");
    }

    #[test]
    fn the_time_of_a_delivery_runs_from_when_it_was_written() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut deliveries = Deliveries::new(2, Duration::from_secs(5));
        deliveries.insert(seq(1), DeliveryId(1), place());
        deliveries.insert(seq(2), DeliveryId(2), place());
        assert!(!deliveries.has_room(Account::Own, at(60)), "what is not written yet is not late");
        deliveries.note_written(seq(1), at(60));
        deliveries.note_written(seq(2), at(61));
        assert_eq!(deliveries.take(&seq(1), at(64)), Some(DeliveryId(1)));
        assert_eq!(deliveries.take(&seq(2), at(66)), None);
        deliveries.insert(seq(3), DeliveryId(3), place());
        assert_eq!(
            deliveries.take(&seq(3), at(67)),
            Some(DeliveryId(3)),
            "before the gateway noted that it was written"
        );
        deliveries.note_written(seq(3), at(67));
        assert!(deliveries.is_empty(at(67)) && deliveries.by_age.is_empty());
    }

    #[test]
    fn late_acknowledgements_find_nothing_and_make_room() {
        let start = Instant::now();
        let mut deliveries = Deliveries::new(2, Duration::from_secs(5));
        deliveries.insert(seq(1), DeliveryId(1), place());
        deliveries.note_written(seq(1), start);
        deliveries.insert(seq(2), DeliveryId(2), place());
        deliveries.note_written(seq(2), start + Duration::from_secs(1));
        assert!(!deliveries.has_room(Account::Own, start + Duration::from_secs(4)));
        assert!(deliveries.has_room(Account::Own, start + Duration::from_secs(5)));
        assert_eq!(deliveries.take(&seq(1), start + Duration::from_secs(5)), None);
        assert_eq!(deliveries.take(&seq(2), start + Duration::from_secs(5)), Some(DeliveryId(2)));
    }
}
