mod agencies;
mod unreachable;

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use nuncio_bounds::{Bound, Holding};
use nuncio_identity::NodeId;

use self::{agencies::Agencies, unreachable::Unreachable};
use super::{
    Record, Status, TableDigest, Version,
    fault::fault,
    pace::{Pace, Rate},
};
use crate::{MAX_NODES, hashed::IndexMap};

/// Most bytes of all records together, counted as [`cost`] does.
pub(crate) const MAX_TABLE_BYTES: usize = 256 << 20;

/// A record that costs more than this is over its share: where bytes are short, the largest such record makes room.
const SHARE: usize = MAX_TABLE_BYTES / MAX_NODES;

/// What a record costs besides its own bytes, and what each neighbour and topic in it does, beside its name: as they are
/// read, and where other parts of the core look them up.
const ENTRY: usize = 1 << 10;
const NEIGHBOUR: usize = 128;
const TOPIC: usize = 256;

/// Most neighbours that all records together name.
pub(crate) const MAX_NAMED: usize = MAX_TABLE_BYTES / NEIGHBOUR;

/// How long a node is given until a path to it is found.
const FIRST_PATH: Duration = Duration::from_secs(10);

/// How often a node's record may change on average, and how many changes of longer silence may come at once. A node
/// itself keeps well below: see `own_status.rs`.
const CHANGES: Rate = Rate { every: Duration::from_millis(500), at_once: 20 };

/// The newest record of every other node.
///
/// Bound: [`MAX_NODES`] with this node, and [`MAX_TABLE_BYTES`]. When full, nodes that can be reached go before those
/// that cannot: see [`Unreachable`]. Where all can be reached, a record takes the place of the largest one that is over its
/// [`SHARE`] and far larger; one within its share, that of a node of the agency that has more than any other; and else only that of a
/// linked peer finds room, in place of a node's that is not linked.
#[derive(Debug, Default)]
pub(crate) struct Table {
    entries: IndexMap<NodeId, Entry>,
    bytes: usize,
    unreachable: Unreachable,
    /// What costs more than its share.
    large: BTreeSet<(usize, NodeId)>,
    agencies: Agencies,
    /// Of the nodes that can be reached; until one of them changes.
    digest: Option<TableDigest>,
}

#[derive(Debug)]
struct Entry {
    /// The record's, at hand: most announcements are looked up here and name no newer one.
    version: Version,
    record: Arc<Record>,
    /// Of its version, once it was wanted.
    digest: Option<TableDigest>,
    /// What it takes, which is long to count.
    cost: usize,
    /// The peer that brought the first record of the node.
    via: NodeId,
    reached: Reached,
    changes: Pace,
}

impl Entry {
    /// Until when no further change is taken, if there were too many of late.
    fn restless_until(&self, now: Instant) -> Option<Instant> {
        Some(self.changes.next(CHANGES)).filter(|until| *until > now)
    }
}

/// Whether a path to a node exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reached {
    Now,
    /// Not since then, but before.
    Before(Instant),
    /// Never since then, when its record came.
    Never(Instant),
}

/// A record as it comes.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) record: Arc<Record>,
    /// The peer that brought it.
    pub(super) via: NodeId,
    /// Whether its node is linked.
    pub(super) linked: bool,
}

/// Whether a record is the first of its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct First(pub(crate) bool);

/// What became of a record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Applied {
    Newer(First),
    /// It is known, or older than the one known.
    Old,
    /// This one is known, which has the same version and says something else.
    Contradicts(Arc<Record>),
    /// It says more than a record may.
    OverLimits,
    /// No room for it, whoever brings it.
    Full,
    /// The node's record changes too often.
    TooSoon,
}

impl Table {
    pub(super) const BOUND: Bound = Bound::of_bytes(
        "records of nodes, and their topics as they are looked up",
        MAX_TABLE_BYTES,
        "unreachable nodes make room, then whoever takes the most and more than its share, then the agency with the most nodes; further ones are ignored",
    )
    .in_entries(MAX_NODES);

    pub(super) fn holding(&self) -> Holding {
        Holding { bound: Self::BOUND, entries: self.entries.len(), bytes: self.bytes }
    }

    pub(crate) fn get(&self, node: &NodeId) -> Option<&Arc<Record>> {
        self.entries.get(node).map(|entry| &entry.record)
    }

    pub(crate) fn version(&self, node: &NodeId) -> Option<Version> {
        self.entries.get(node).map(|entry| entry.version)
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = &Arc<Record>> {
        self.entries.values().map(|entry| &entry.record)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Records of nodes that can be reached.
    pub(super) fn reachable(&self) -> impl Iterator<Item = &Arc<Record>> {
        self.entries.values().filter(|entry| entry.reached == Reached::Now).map(|entry| &entry.record)
    }

    /// Takes a record if it is newer than what is there; gives the nodes whose records made room for it.
    pub(super) fn apply(
        &mut self,
        arrival: Arrival,
        is_linked: impl Fn(&NodeId) -> bool,
        now: Instant,
    ) -> (Applied, Vec<NodeId>) {
        let Arrival { record, via, linked } = arrival;
        let (node, version) = (record.status.node, record.status.version);
        if let Some(fault) = fault(&record) {
            tracing::debug!(node = %node.short(), fault, "status record over the limits is ignored");
            return (Applied::OverLimits, Vec::new());
        }
        let mut known = None;
        if let Some(entry) = self.entries.get(&node) {
            if version <= entry.version {
                let contradicts = version == entry.version && record.status != entry.record.status;
                let applied = if contradicts { Applied::Contradicts(Arc::clone(&entry.record)) } else { Applied::Old };
                return (applied, Vec::new());
            }
            if entry.restless_until(now).is_some() {
                return (Applied::TooSoon, Vec::new());
            }
            known = Some((Arc::clone(&entry.record), entry.cost));
        }
        let (cost, mut evicted) = (cost(&record), Vec::new());
        // Most replace one of the same agency, and there is room.
        let stays = known.is_some_and(|(known, before)| {
            known.agency() == record.agency() && self.bytes - before + cost <= MAX_TABLE_BYTES
        });
        // The old record makes room first; it comes back if that is not enough.
        let old = if stays { self.lift(&node) } else { self.take(&node) };
        while !self.has_room(cost) {
            let Some(victim) = self.victim((cost, record.agency(), &via), linked, &is_linked, now) else {
                tracing::debug!(node = %node.short(), "table of nodes is full, record ignored");
                old.into_iter().for_each(|old| self.put(node, old));
                return (Applied::Full, evicted);
            };
            self.take(&victim);
            evicted.push(victim);
        }
        let first = First(old.is_none());
        let mut entry = match old {
            Some(old) => Entry { version, record, cost, digest: None, ..old },
            None => {
                let (reached, changes) = (Reached::Never(now), Pace::new(now));
                Entry { version, record, digest: None, cost, via, reached, changes }
            }
        };
        if !first.0 {
            entry.changes.count(CHANGES, now);
        }
        if stays {
            self.lay(node, entry)
        } else {
            self.put(node, entry)
        }
        (Applied::Newer(first), evicted)
    }

    /// Until when no further change of a node's record is taken, if it has changed too often.
    pub(super) fn restless_until(&self, node: &NodeId, now: Instant) -> Option<Instant> {
        self.entries.get(node)?.restless_until(now)
    }

    /// Whether the record of a node that is not known may be kept, if it is within its share.
    pub(super) fn takes_strangers(&self) -> bool {
        self.has_room(SHARE)
            || !self.unreachable.is_empty()
            || self.largest(SHARE, false).is_some()
            || self.agencies.are_uneven()
    }

    fn has_room(&self, cost: usize) -> bool {
        self.entries.len() + 1 < MAX_NODES && self.bytes + cost <= MAX_TABLE_BYTES
    }

    /// Whose record makes room for one that costs so much, of a node of this agency, that this peer has brought.
    fn victim(
        &self,
        (cost, agency, via): (usize, &str, &NodeId),
        for_linked: bool,
        is_linked: impl Fn(&NodeId) -> bool,
        now: Instant,
    ) -> Option<NodeId> {
        let in_its_share = cost <= SHARE;
        let is_trusted = in_its_share && self.unreachable.has_room_of(via);
        let of_the_most = self.agencies.of_the_most(agency, &is_linked).filter(|_| is_trusted);
        // What has just come could not be reached yet: else the records of one answer would push each other out.
        let came_by = if of_the_most.is_some() { now.checked_sub(FIRST_PATH) } else { Some(now) };
        // Who is out of reach for a moment makes no room for the many of another agency.
        let theirs = self.agencies.count(agency);
        let has_as_many = |node: &NodeId| {
            let record = self.get(node);
            record.is_some_and(|record| self.agencies.count(record.agency()) >= theirs)
        };
        let out_of_reach = self.unreachable.first(came_by, |node| for_linked || has_as_many(node));
        let reachable = || self.entries.keys().rev().find(|node| !is_linked(node)).copied();
        let for_one_more = || if for_linked && in_its_share { reachable() } else { None };
        out_of_reach.or_else(|| self.largest(cost, for_linked)).or(of_the_most).or_else(for_one_more)
    }

    /// Whose record takes the most where bytes are short for one that costs so much: more than its share, and more than that. Twice
    /// as much unless that one is linked: else records that are a little smaller each time would push each other out without end,
    /// and nobody could show what it has just passed on.
    fn largest(&self, cost: usize, for_linked: bool) -> Option<NodeId> {
        let is_short = self.bytes + SHARE.max(cost) > MAX_TABLE_BYTES;
        let least = match cost {
            ..=SHARE => SHARE,
            _ if for_linked => cost,
            _ => 2 * cost,
        };
        self.large.last().filter(|(most, _)| is_short && *most > least).map(|(_, node)| *node)
    }

    /// Stands for the records of nodes that can be reached.
    pub(super) fn digest(&mut self) -> TableDigest {
        let reached = self.entries.iter_mut().filter(|(_, entry)| entry.reached == Reached::Now);
        let each = reached.map(|(node, entry)| {
            let version = entry.version;
            *entry.digest.get_or_insert_with(|| TableDigest::of(node, version))
        });
        *self.digest.get_or_insert_with(|| each.fold(TableDigest::default(), TableDigest::with))
    }

    fn put(&mut self, node: NodeId, entry: Entry) {
        self.agencies.insert(entry.record.agency(), node);
        self.lay(node, entry);
    }

    fn take(&mut self, node: &NodeId) -> Option<Entry> {
        let entry = self.lift(node)?;
        self.agencies.remove(entry.record.agency(), node);
        Some(entry)
    }

    /// [`Table::put`] of a node that has its place among those of its agency.
    fn lay(&mut self, node: NodeId, entry: Entry) {
        self.digest = None;
        self.bytes += entry.cost;
        if entry.cost > SHARE {
            self.large.insert((entry.cost, node));
        }
        self.unreachable.insert(node, &entry);
        self.entries.insert(node, entry);
    }

    /// [`Table::take`] of a node that keeps its place among those of its agency.
    fn lift(&mut self, node: &NodeId) -> Option<Entry> {
        let entry = self.entries.swap_remove(node)?;
        self.digest = None;
        self.bytes -= entry.cost;
        self.large.remove(&(entry.cost, *node));
        self.unreachable.remove(node, &entry);
        Some(entry)
    }

    pub(super) fn remove(&mut self, node: &NodeId) {
        self.take(node);
    }

    pub(super) fn set_reachable(&mut self, node: &NodeId, reachable: bool, now: Instant) {
        let Some(entry) = self.entries.get_mut(node) else { return };
        self.unreachable.remove(node, entry);
        self.digest = None;
        entry.reached = match entry.reached {
            _ if reachable => Reached::Now,
            Reached::Now => Reached::Before(now),
            still => still,
        };
        self.unreachable.insert(*node, entry);
    }

    /// Drops the records of nodes that could not be reached for so long, and those over their bringers' budgets.
    pub(super) fn forget_unreachable(&mut self, after: Duration, now: Instant) -> Vec<NodeId> {
        let mut gone = self.unreachable.over_budget();
        gone.extend(now.checked_sub(after).into_iter().flat_map(|until| self.unreachable.since(until)));
        gone.retain(|node| self.take(node).is_some());
        gone
    }
}

/// Bytes that a record takes.
fn cost(record: &Record) -> usize {
    let Status { neighbours, topics, multicast_topics, .. } = &record.status;
    let named = topics.keys().chain(multicast_topics).map(|topic| TOPIC + topic.as_str().len());
    record.bytes.len() + ENTRY + NEIGHBOUR * neighbours.len() + named.sum::<usize>()
}
