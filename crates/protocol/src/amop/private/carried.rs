use std::{
    collections::{BTreeMap, VecDeque},
    hash::BuildHasher,
    time::{Duration, Instant},
};

use bytes::Bytes;
use nuncio_bounds::{Bound, SharedBytes};
use nuncio_identity::NodeId;

use super::super::{Payer, TenantId};
use crate::{Topic, hashed::RandomState};

/// Longest challenge; SDKs send at most a few hundred bytes.
const MAX_CHALLENGE: usize = 4 << 10;
/// Most bytes of challenges remembered, and of those of one group.
const MAX_BYTES: usize = 8 << 20;
const MAX_OF_GROUP: usize = MAX_BYTES / 2;
/// What an entry takes beside its challenge: the channel and the maps' own.
const PER_ENTRY: usize = 512;

/// The challenges that passed this node of late, and to which channel: the same words again to another one are somebody
/// else's challenge that is handed on.
///
/// None is forgotten before its time: whoever could have it forgotten could hand it on then. Those for which there is no room are
/// not carried. An agency has as many bytes as leave as many free, each of its nodes as many as leave as many to the others, and each
/// client of a node likewise: who brings many finds no room, and others do.
///
/// Bound: [`MAX_BYTES`], [`MAX_OF_GROUP`] of one agency and of the clients here together, half of that of one node, a challenge at most
/// [`MAX_CHALLENGE`]; each for as long as a verdict is waited for.
#[derive(Debug)]
pub(super) struct Carried {
    memory: Duration,
    channels: BTreeMap<Bytes, Topic>,
    /// As they came, and until when each is kept: all are kept equally long.
    order: VecDeque<(Instant, Bytes, Source)>,
    groups: BTreeMap<Group, SharedBytes>,
    of: BTreeMap<Bringer, usize>,
    hasher: RandomState,
}

/// Who brings a challenge here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::amop) enum Bringer {
    Client(Payer),
    /// Another node, and which of its clients it says that it is.
    Node(NodeId, Option<TenantId>),
}

/// The same, and of which agency it is.
#[derive(Debug, Clone, Copy)]
struct Source {
    bringer: Bringer,
    agency: u64,
}

/// Those who share bytes: a node could name any number of clients, and an agency have any number of nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    All,
    Here,
    Agency(u64),
    Node(NodeId),
}

impl Source {
    /// The largest first.
    fn groups(self) -> impl DoubleEndedIterator<Item = Group> {
        let groups = match self.bringer {
            Bringer::Client(_) => [Some(Group::All), Some(Group::Here), None],
            Bringer::Node(node, _) => [Some(Group::All), Some(Group::Agency(self.agency)), Some(Group::Node(node))],
        };
        groups.into_iter().flatten()
    }
}

impl Group {
    /// Half of what those around it have: else one client of a node could use up all that the node may have of its agency's.
    const fn limit(self) -> usize {
        match self {
            Self::All => MAX_BYTES,
            Self::Here | Self::Agency(_) => MAX_OF_GROUP,
            Self::Node(_) => MAX_OF_GROUP / 2,
        }
    }
}

impl Carried {
    pub(super) const BOUND: Bound = Bound::of_bytes(
        "challenges that passed lately",
        MAX_BYTES,
        "further ones are not carried, of one agency, of a node of it, and of a client there, from half of what is free on",
    );

    pub(super) fn new(memory: Duration) -> Self {
        let (channels, order, groups, of, hasher) = Default::default();
        Self { memory, channels, order, groups, of, hasher }
    }

    /// Notes a challenge on its way to a channel; `false` when it was carried to another one, there is no room to remember it, or it
    /// is no challenge.
    pub(super) fn note(
        &mut self,
        channel: &Topic,
        challenge: &Bytes,
        (bringer, agency): (Bringer, &str),
        now: Instant,
    ) -> bool {
        self.forget(now);
        if challenge.len() > MAX_CHALLENGE {
            return false;
        }
        if let Some(first) = self.channels.get(challenge) {
            return first == channel;
        }
        let source = Source { bringer, agency: self.hasher.hash_one(agency) };
        let has_room = self.take(source, taken(challenge));
        if has_room {
            let challenge = Bytes::copy_from_slice(challenge);
            self.channels.insert(challenge.clone(), channel.clone());
            self.order.push_back((now + self.memory, challenge, source));
        }
        has_room
    }

    pub(super) fn forget(&mut self, now: Instant) {
        while let Some((_, challenge, source)) = self.order.pop_front_if(|(until, ..)| *until <= now) {
            self.channels.remove(&challenge);
            self.give_back(source, taken(&challenge));
        }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.order.front().map(|(until, ..)| *until)
    }

    fn take(&mut self, source: Source, taken: usize) -> bool {
        let mut own = self.of.get(&source.bringer).copied().unwrap_or_default();
        let mut inner = Vec::new();
        for group in source.groups().rev() {
            let bytes = self.groups.entry(group).or_insert_with(|| SharedBytes::new(group.limit()));
            let used = bytes.used();
            if !bytes.take(own, taken) {
                self.forget_if_empty(group);
                inner.into_iter().for_each(|group| self.give_back_to(group, taken));
                return false;
            }
            inner.push(group);
            own = used;
        }
        *self.of.entry(source.bringer).or_default() += taken;
        true
    }

    fn give_back(&mut self, source: Source, taken: usize) {
        source.groups().for_each(|group| self.give_back_to(group, taken));
        if let Some(own) = self.of.get_mut(&source.bringer) {
            *own -= taken;
            if *own == 0 {
                self.of.remove(&source.bringer);
            }
        }
    }

    fn give_back_to(&mut self, group: Group, taken: usize) {
        if let Some(bytes) = self.groups.get(&group) {
            bytes.give_back(taken);
        }
        self.forget_if_empty(group);
    }

    fn forget_if_empty(&mut self, group: Group) {
        if self.groups.get(&group).is_some_and(|bytes| bytes.used() == 0) {
            self.groups.remove(&group);
        }
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
    const HONEST: (Bringer, &str) = (Bringer::Client(Payer::Client(ClientId(1))), "");

    fn tenant(n: u64) -> (Bringer, &'static str) {
        (Bringer::Client(Payer::Tenant(TenantId(n))), "")
    }

    fn at(node: usize, tenant: u64, agency: &str) -> (Bringer, &str) {
        (Bringer::Node(node_id(node), Some(TenantId(tenant))), agency)
    }

    /// How many of so many long challenges are carried.
    fn fill(carried: &mut Carried, bringer: (Bringer, &str), name: u64, now: Instant) -> usize {
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
        assert!(carried.channels.is_empty() && carried.order.is_empty());
        assert!(carried.groups.is_empty() && carried.of.is_empty());
        assert_eq!(carried.next(), None);
    }

    #[test]
    fn a_node_that_names_clients_without_end_leaves_room_to_those_of_others() {
        let (now, mut carried) = (Instant::now(), Carried::new(10 * S));
        let names = (1..100).map(|n| fill(&mut carried, at(1, n, "a"), n, now)).sum::<usize>();
        let other = fill(&mut carried, at(2, 1, "a"), 1000, now);
        assert!(names < 600 && other > 50, "{names} {other}");
        assert_eq!(fill(&mut carried, at(2, 1, "a"), 1000, now), other, "those are known");
        assert!(fill(&mut carried, HONEST, 1001, now) > 100);
    }

    #[test]
    fn an_agency_with_nodes_without_end_leaves_room_to_another() {
        let (now, mut carried) = (Instant::now(), Carried::new(10 * S));
        let theirs = (0..600).map(|n| fill(&mut carried, at(n, 1, "a"), n as u64, now)).sum::<usize>();
        let other = fill(&mut carried, at(1000, 1, "b"), 1000, now);
        assert!(theirs < 1000 && other > 100, "{theirs} {other}");
        assert!(fill(&mut carried, HONEST, 1001, now) > 50);
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
