use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use nuncio_bounds::Bound;
use nuncio_identity::NodeId;

use super::{MAX_URGENT, MAX_WAITING};

/// How many sources are remembered before those of which nothing waits are forgotten.
const SOURCES: usize = 64;

/// Places in a queue, and bytes.
pub(super) type Room = (usize, usize);

/// What each source has waiting for one listener.
///
/// A source may have more as long as that leaves as much free as it holds: so one alone takes half, several take parts, and
/// whoever sends little finds room whatever others send.
///
/// Bound: those of whom something waits, and as many again.
#[derive(Debug, Default)]
pub(super) struct Shares {
    of: BTreeMap<NodeId, Arc<Share>>,
    /// At so many it is looked for those that can be forgotten.
    full: usize,
}

#[derive(Debug, Default)]
struct Share {
    places: AtomicUsize,
    bytes: AtomicUsize,
    /// How many of them are urgent.
    urgent: AtomicUsize,
}

/// What one message takes of its source's share, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Charge {
    share: Arc<Share>,
    bytes: usize,
    /// Of what is urgent and waits among the rest: what its source has among what is urgent, and comes before it.
    after: Option<Arc<Share>>,
}

impl Charge {
    /// Whether nothing has to come before it.
    pub(crate) fn may_go(&self) -> bool {
        self.after.as_ref().is_none_or(|before| before.places.load(Ordering::Relaxed) == 0)
    }
}

impl Shares {
    pub(super) const BOUND: Bound = Bound::of_entries::<(NodeId, Arc<Share>)>(
        "sources whose messages wait for a listener",
        2 * (MAX_WAITING + MAX_URGENT),
        size_of::<Share>() + 2 * size_of::<usize>(),
        "as many as the queue has places, and as many again",
    );

    /// Of so much that is free, what is left to a source: places and bytes.
    pub(super) fn left_to(&self, source: &NodeId, (places, bytes): Room) -> Room {
        let Some(share) = self.of.get(source) else { return (places, bytes) };
        let held = (share.places.load(Ordering::Relaxed), share.bytes.load(Ordering::Relaxed));
        (places.saturating_sub(held.0), bytes.saturating_sub(held.1))
    }

    /// Whether something urgent of a source waits.
    pub(super) fn has_urgent(&self, source: &NodeId) -> bool {
        self.of.get(source).is_some_and(|share| share.urgent.load(Ordering::Relaxed) > 0)
    }

    /// Counts a message of a source.
    pub(super) fn charge(&mut self, source: NodeId, bytes: usize) -> Charge {
        let share = self.share(source);
        share.places.fetch_add(1, Ordering::Relaxed);
        share.bytes.fetch_add(bytes, Ordering::Relaxed);
        Charge { share, bytes, after: None }
    }

    /// The same of one that is urgent and waits here, behind what is among these.
    pub(super) fn charge_after(&mut self, source: NodeId, bytes: usize, first: &mut Self) -> Charge {
        let mut charge = self.charge(source, bytes);
        charge.share.urgent.fetch_add(1, Ordering::Relaxed);
        charge.after = Some(first.share(source));
        charge
    }

    fn share(&mut self, source: NodeId) -> Arc<Share> {
        if self.of.len() >= self.full.max(SOURCES) {
            self.of.retain(|_, share| Arc::strong_count(share) > 1);
            self.full = 2 * self.of.len();
        }
        Arc::clone(self.of.entry(source).or_default())
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.share.places.fetch_sub(1, Ordering::Relaxed);
        self.share.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.share.urgent.fetch_sub(usize::from(self.after.is_some()), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use nuncio_identity::NodeKey;

    use super::*;

    #[test]
    fn a_source_has_left_what_is_free_beyond_what_it_holds() {
        let mut first = Shares::default();
        let (mut shares, [one, other]) = (Shares::default(), [(); 2].map(|()| NodeKey::generate().node_id()));
        let held = [shares.charge(one, 30), shares.charge_after(one, 20, &mut first)];
        assert_eq!(shares.left_to(&one, (10, 60)), (8, 10));
        assert_eq!(shares.left_to(&one, (1, 40)), (0, 0));
        assert_eq!(shares.left_to(&other, (10, 60)), (10, 60));
        assert!(shares.has_urgent(&one) && !shares.has_urgent(&other));
        assert!(held.iter().all(Charge::may_go));
        let before = first.charge(one, 1);
        assert_eq!(held.each_ref().map(Charge::may_go), [true, false]);
        drop(before);
        assert!(held.iter().all(Charge::may_go));
        drop(held);
        assert!(!shares.has_urgent(&one));
        assert_eq!(shares.left_to(&one, (10, 60)), (10, 60));
    }

    #[test]
    fn sources_of_which_nothing_waits_are_forgotten() {
        let mut shares = Shares::default();
        let waiting: Vec<_> = (0..100).map(|_| shares.charge(NodeKey::generate().node_id(), 1)).collect();
        for _ in 0..1000 {
            shares.charge(NodeKey::generate().node_id(), 1);
        }
        assert!(shares.of.len() <= 2 * waiting.len(), "{}", shares.of.len());
    }
}
