use std::collections::{BTreeMap, BTreeSet};

use super::{Holder, Subscriber};

/// So many challenges in vain are held against a place, and no more: who was there long is behind nobody for ever.
const MAX_VAIN: u32 = 8;

/// Whose turn it is among those that are to be asked for one publisher of a topic: of the place where fewest challenges are
/// open or were in vain of late, whoever came first. So a node that names many that prove nothing holds up those of no other.
///
/// Bound: its owner's subscribers.
#[derive(Debug, Default)]
pub(super) struct Turns {
    at: BTreeMap<Holder, Place>,
    /// The places where some are to be asked.
    order: BTreeSet<Turn>,
    next: u64,
}

/// How many challenges speak against a place, the number of its first subscriber, and the place.
type Turn = (u32, u64, Holder);

#[derive(Debug, Default)]
struct Place {
    known: usize,
    open: u32,
    vain: u32,
    /// Those that are to be asked, by the numbers that they drew.
    wanted: BTreeSet<(u64, Subscriber)>,
}

impl Place {
    fn turn(&self, holder: Holder) -> Option<Turn> {
        self.wanted.first().map(|(number, _)| (self.open + self.vain, *number, holder))
    }
}

impl Turns {
    /// How many are known at a place.
    pub(super) fn known(&self, holder: &Holder) -> usize {
        self.at.get(holder).map_or(0, |place| place.known)
    }

    pub(super) fn join(&mut self, holder: Holder) {
        self.change(holder, |place| place.known += 1);
    }

    /// Once it is neither to be asked nor asked.
    pub(super) fn leave(&mut self, holder: Holder) {
        self.change(holder, |place| place.known = place.known.saturating_sub(1));
    }

    /// It is to be asked, after those that are so already; gives the number by which that is known.
    pub(super) fn want(&mut self, subscriber: Subscriber) -> u64 {
        self.next += 1;
        let number = self.next;
        self.change(subscriber.holder, |place| {
            place.wanted.insert((number, subscriber));
        });
        number
    }

    pub(super) fn unwant(&mut self, subscriber: Subscriber, number: u64) {
        self.change(subscriber.holder, |place| {
            place.wanted.remove(&(number, subscriber));
        });
    }

    pub(super) fn open(&mut self, holder: Holder) {
        self.change(holder, |place| place.open += 1);
    }

    pub(super) fn close(&mut self, holder: Holder) {
        self.change(holder, |place| place.open = place.open.saturating_sub(1));
    }

    /// A challenge there came to nothing.
    pub(super) fn note_vain(&mut self, holder: Holder) {
        self.change(holder, |place| place.vain = (place.vain + 1).min(MAX_VAIN));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Those that are to be asked where that may be, in their order, each with what speaks against its place.
    pub(super) fn iter(&self, may_ask: impl Fn(&Holder) -> bool) -> impl Iterator<Item = (u32, Subscriber)> {
        let places = self.order.iter().filter(move |(.., holder)| may_ask(holder));
        let wanted = move |(against, _, holder): &Turn| {
            let (against, place) = (*against, self.at.get(holder));
            place.into_iter().flat_map(move |place| place.wanted.iter().map(move |(_, one)| (against, *one)))
        };
        places.flat_map(wanted)
    }

    fn change(&mut self, holder: Holder, change: impl FnOnce(&mut Place)) {
        let place = self.at.entry(holder).or_default();
        if let Some(turn) = place.turn(holder) {
            self.order.remove(&turn);
        }
        change(place);
        if let Some(turn) = place.turn(holder) {
            self.order.insert(turn);
        }
        if place.known == 0 {
            self.at.remove(&holder);
        }
    }
}
