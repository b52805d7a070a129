use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use bytes::Bytes;
use nuncio_bounds::{Bound, SharedBytes};
use nuncio_identity::NodeId;

use super::super::{Payer, TenantId};
use crate::Topic;

/// Longest challenge; SDKs send at most a few hundred bytes.
const MAX_CHALLENGE: usize = 4 << 10;
/// Most bytes of challenges remembered, and of those that come from one place.
const MAX_BYTES: usize = 8 << 20;
const MAX_OF_PLACE: usize = MAX_BYTES / 2;
/// What an entry takes beside its challenge: the channel and the maps' own.
const PER_ENTRY: usize = 512;

/// The challenges that passed this node of late, and to which channel: the same words again to another one are somebody
/// else's challenge that is handed on.
///
/// None is forgotten before its time: whoever could have it forgotten could hand it on then. Those for which there is no room are
/// not carried. A place has as many bytes as leave as many free, and each who brings some from there as many as leave as many to the
/// others there: who brings many finds no room, and others do.
///
/// Bound: [`MAX_BYTES`], [`MAX_OF_PLACE`] of one place, a challenge at most [`MAX_CHALLENGE`]; each for as long as a verdict is
/// waited for.
#[derive(Debug)]
pub(super) struct Carried {
    memory: Duration,
    channels: BTreeMap<Bytes, Topic>,
    /// As they came, and until when each is kept: all are kept equally long.
    order: VecDeque<(Instant, Bytes, Bringer)>,
    places: BTreeMap<Place, Shares>,
    bytes: SharedBytes,
}

/// Who brings a challenge here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::amop) enum Bringer {
    Client(Payer),
    /// Another node, and which of its clients it says that it is.
    Node(NodeId, Option<TenantId>),
}

/// From where it comes: a node could name any number of clients, so that each has a share of its node's.
type Place = Option<NodeId>;

/// What those at one place have brought.
#[derive(Debug)]
struct Shares {
    bytes: SharedBytes,
    of: BTreeMap<Bringer, usize>,
}

impl Bringer {
    const fn place(self) -> Place {
        match self {
            Self::Client(_) => None,
            Self::Node(node, _) => Some(node),
        }
    }
}

impl Carried {
    pub(super) const BOUND: Bound = Bound::of_bytes(
        "challenges that passed lately",
        MAX_BYTES,
        "further ones are not carried, of one place, and of one that brings them there, from half of what is free on",
    );

    pub(super) const fn new(memory: Duration) -> Self {
        let bytes = SharedBytes::new(MAX_BYTES);
        Self { memory, channels: BTreeMap::new(), order: VecDeque::new(), places: BTreeMap::new(), bytes }
    }

    /// Notes a challenge on its way to a channel; `false` when it was carried to another one, there is no room to remember it, or it
    /// is no challenge.
    pub(super) fn note(&mut self, channel: &Topic, challenge: &Bytes, bringer: Bringer, now: Instant) -> bool {
        self.forget(now);
        if challenge.len() > MAX_CHALLENGE {
            return false;
        }
        if let Some(first) = self.channels.get(challenge) {
            return first == channel;
        }
        let has_room = self.take(bringer, taken(challenge));
        if has_room {
            let challenge = Bytes::copy_from_slice(challenge);
            self.channels.insert(challenge.clone(), channel.clone());
            self.order.push_back((now + self.memory, challenge, bringer));
        }
        has_room
    }

    pub(super) fn forget(&mut self, now: Instant) {
        while let Some((_, challenge, bringer)) = self.order.pop_front_if(|(until, ..)| *until <= now) {
            self.channels.remove(&challenge);
            self.give_back(bringer, taken(&challenge));
        }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.order.front().map(|(until, ..)| *until)
    }

    fn take(&mut self, bringer: Bringer, taken: usize) -> bool {
        let Self { places, bytes, .. } = self;
        let place = places.entry(bringer.place()).or_default();
        let (of_place, own) = (place.bytes.used(), place.of.get(&bringer).copied().unwrap_or_default());
        let fits_there = place.bytes.take(own, taken);
        let fits = fits_there && bytes.take(of_place, taken);
        if fits {
            place.of.insert(bringer, own + taken);
        } else if fits_there {
            place.bytes.give_back(taken);
        }
        if place.of.is_empty() {
            places.remove(&bringer.place());
        }
        fits
    }

    fn give_back(&mut self, bringer: Bringer, taken: usize) {
        self.bytes.give_back(taken);
        let Some(place) = self.places.get_mut(&bringer.place()) else { return };
        place.bytes.give_back(taken);
        if let Some(own) = place.of.get_mut(&bringer) {
            *own -= taken;
            if *own == 0 {
                place.of.remove(&bringer);
            }
        }
        if place.of.is_empty() {
            self.places.remove(&bringer.place());
        }
    }
}

impl Default for Shares {
    fn default() -> Self {
        Self { bytes: SharedBytes::new(MAX_OF_PLACE), of: BTreeMap::new() }
    }
}

/// Bytes that a challenge takes.
const fn taken(challenge: &Bytes) -> usize {
    challenge.len() + PER_ENTRY
}

#[cfg(test)]
mod tests {
    use nuncio_testkit::simulator::node_id;

    use super::{super::super::ClientId, *};

    const S: Duration = Duration::from_secs(1);
    const HONEST: Bringer = Bringer::Client(Payer::Client(ClientId(1)));

    fn tenant(n: u64) -> Bringer {
        Bringer::Client(Payer::Tenant(TenantId(n)))
    }

    fn at(node: usize, tenant: u64) -> Bringer {
        Bringer::Node(node_id(node), Some(TenantId(tenant)))
    }

    /// How many of so many long challenges are carried.
    fn fill(carried: &mut Carried, bringer: Bringer, name: u64, now: Instant) -> usize {
        let channel = Topic::new("a").unwrap();
        let long = |n: u64| Bytes::from([&name.to_be_bytes()[..], &n.to_be_bytes(), &[0; 4000]].concat());
        (0..1000).filter(|n| carried.note(&channel, &long(*n), bringer, now)).count()
    }

    #[test]
    fn nothing_is_forgotten_before_its_time_and_whoever_brings_many_finds_no_room() {
        let (now, [channel, other]) = (Instant::now(), ["a", "b"].map(|name| Topic::new(name).unwrap()));
        let mut carried = Carried::new(10 * S);
        let words = Bytes::from_static(b"of somebody honest");
        assert!(carried.note(&channel, &words, HONEST, now));
        let held: Vec<_> = (2..40).map(|n| fill(&mut carried, tenant(n), n, now)).collect();
        assert!((200..400).contains(&held[0]) && held[37] < 10, "{held:?}: half of what the others leave");
        assert!(!carried.note(&other, &words, tenant(2), now), "it is known still");
        assert!(carried.note(&channel, &words, tenant(2), now), "and comes again there");
        assert!(!carried.note(&channel, &Bytes::from(vec![0; MAX_CHALLENGE + 1]), HONEST, now));
        assert!(
            carried.note(&channel, &Bytes::from_static(b"another"), tenant(99), now),
            "there is room for a first one"
        );
        carried.forget(now + 10 * S);
        assert!(carried.channels.is_empty() && carried.order.is_empty() && carried.places.is_empty());
        assert_eq!((carried.bytes.used(), carried.next()), (0, None));
    }

    #[test]
    fn a_node_that_names_clients_without_end_leaves_room_to_those_of_others() {
        let (now, mut carried) = (Instant::now(), Carried::new(10 * S));
        let names = (1..100).map(|n| fill(&mut carried, at(1, n), n, now)).sum::<usize>();
        let other = fill(&mut carried, at(2, 1), 1000, now);
        assert!(names < 800 && other > 200, "{names} {other}");
        assert_eq!(fill(&mut carried, at(2, 1), 1000, now), other, "those are known");
        assert!(fill(&mut carried, HONEST, 1001, now) > 100);
    }

    #[test]
    fn each_is_remembered_for_as_long_as_another() {
        let (now, channel) = (Instant::now(), Topic::new("a").unwrap());
        let mut carried = Carried::new(10 * S);
        for n in 0..4u32 {
            carried.note(&channel, &Bytes::copy_from_slice(&n.to_be_bytes()), tenant(u64::from(n) % 2), now + n * S);
        }
        for left in (1..=4).rev() {
            assert_eq!(carried.channels.len(), left);
            let next = carried.next().unwrap();
            carried.forget(next);
        }
        assert_eq!(carried.next(), None);
    }
}
