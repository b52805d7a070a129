use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    sync::Arc,
};

use nuncio_identity::NodeId;

use super::super::private::names;
use crate::{Topic, status_sync::Record};

/// No node counts for more subscribers than this, whatever it says: who says the most would be drawn nearly always.
const MAX_WEIGHT: u32 = 16;

/// The topics of other nodes.
///
/// Bound: the topics of the known records, which the table of nodes counts.
#[derive(Debug, Default)]
pub(super) struct Elsewhere {
    topics: BTreeMap<Topic, Nodes>,
    /// The records of nodes with topics.
    records: BTreeMap<NodeId, Arc<Record>>,
}

/// The nodes with subscribers of a topic.
#[derive(Debug)]
struct Nodes {
    /// How many subscribers; of a channel, which session owns it. In the order of the nodes; most topics have one.
    counts: Vec<(NodeId, u32)>,
    total: usize,
}

impl Elsewhere {
    /// Takes the topics of a record that its node may subscribe; says which private ones have others there than before, or
    /// sessions of another epoch.
    pub(super) fn apply(&mut self, record: &Arc<Record>, may: impl Fn(&Record, &Topic) -> bool) -> BTreeSet<Topic> {
        let (node, topics) = (record.status.node, &record.status.topics);
        let mut private = BTreeSet::new();
        if self.records.get(&node).is_some_and(|old| !is_of_the_same(old, record)) {
            private.extend(self.forget(&node));
        }
        let old = self.records.remove(&node);
        let before = old.as_ref().map(|old| &old.status.topics);
        for change in changes(before, topics) {
            private.extend(names::private_of(change.topic()));
            match change {
                Change::Now(topic, count) if may(record, topic) => self.set(topic, node, count),
                Change::Gone(topic) | Change::Now(topic, _) => self.remove(topic, &node),
            }
        }
        if old.is_some_and(|old| old.status.version.epoch != record.status.version.epoch) {
            private.extend(topics.keys().filter_map(names::private_of));
        }
        if !topics.is_empty() {
            self.records.insert(node, Arc::clone(record));
        }
        private
    }

    /// Takes the topics of all records anew: nodes may subscribe others than before.
    pub(super) fn review(&mut self, may: impl Fn(&Record, &Topic) -> bool) {
        let records: Vec<_> = self.records.values().map(Arc::clone).collect();
        for record in records {
            for (topic, count) in &record.status.topics {
                if may(&record, topic) {
                    self.set(topic, record.status.node, *count);
                } else {
                    self.remove(topic, &record.status.node);
                }
            }
        }
    }

    /// Says which private topics the node had.
    pub(super) fn forget(&mut self, node: &NodeId) -> BTreeSet<Topic> {
        let private = self.private_at(node);
        let gone = self.records.remove(node);
        for topic in gone.iter().flat_map(|record| record.status.topics.keys()) {
            self.remove(topic, node);
        }
        private
    }

    /// The private topics of a node.
    pub(super) fn private_at(&self, node: &NodeId) -> BTreeSet<Topic> {
        let topics = self.records.get(node).into_iter().flat_map(|record| record.status.topics.keys());
        topics.filter_map(names::private_of).collect()
    }

    fn set(&mut self, topic: &Topic, node: NodeId, count: u32) {
        let count = if names::is_channel(topic) { count } else { count.min(MAX_WEIGHT) };
        if count == 0 || topic.is_block_notification() {
            return self.remove(topic, &node);
        }
        match self.topics.entry(topic.clone()) {
            Entry::Vacant(place) => {
                place.insert(Nodes { counts: vec![(node, count)], total: count as usize });
            }
            Entry::Occupied(mut known) => known.get_mut().set(node, count),
        }
    }

    fn remove(&mut self, topic: &Topic, node: &NodeId) {
        let Some(nodes) = self.topics.get_mut(topic) else { return };
        nodes.remove(node);
        if nodes.counts.is_empty() {
            self.topics.remove(topic);
        }
    }

    pub(super) fn nodes(&self, topic: &Topic) -> impl Iterator<Item = (NodeId, u32)> {
        self.topics.get(topic).into_iter().flat_map(|nodes| nodes.counts.iter().copied())
    }

    pub(super) fn total(&self, topic: &Topic) -> usize {
        self.topics.get(topic).map_or(0, |nodes| nodes.total)
    }

    pub(super) fn count(&self, topic: &Topic, node: &NodeId) -> u32 {
        self.topics.get(topic).map_or(0, |nodes| nodes.place(node).map_or(0, |at| nodes.counts[at].1))
    }

    /// The channels of a private topic: whose node, in which of its epochs, and which of its sessions.
    pub(super) fn channels(&self, private: &Topic) -> impl Iterator<Item = (&Topic, NodeId, u64, u32)> {
        let first = names::beginning_of_channels(private);
        let near = first.into_iter().flat_map(|first| {
            let begins = first.clone();
            self.topics.range(first..).take_while(move |(channel, _)| channel.as_str().starts_with(begins.as_str()))
        });
        near.filter(|(channel, _)| names::private_of_channel(channel).as_ref() == Some(private)).flat_map(
            move |(channel, nodes)| {
                let at = nodes.counts.iter();
                at.filter_map(move |(node, session)| {
                    let epoch = self.records.get(node)?.status.version.epoch;
                    Some((channel, *node, epoch, *session))
                })
            },
        )
    }
}

impl Nodes {
    fn place(&self, node: &NodeId) -> Result<usize, usize> {
        self.counts.binary_search_by_key(node, |(node, _)| *node)
    }

    fn set(&mut self, node: NodeId, count: u32) {
        self.remove(&node);
        if let Err(at) = self.place(&node) {
            self.counts.insert(at, (node, count));
            self.total += count as usize;
        }
    }

    fn remove(&mut self, node: &NodeId) {
        if let Ok(at) = self.place(node) {
            self.total -= self.counts.remove(at).1 as usize;
        }
    }
}

/// Whether rights judge both alike.
fn is_of_the_same(one: &Record, other: &Record) -> bool {
    (one.agency_path(), &one.status.name) == (other.agency_path(), &other.status.name)
}

/// What is other about a topic.
enum Change<'a> {
    Gone(&'a Topic),
    Now(&'a Topic, u32),
}

impl<'a> Change<'a> {
    const fn topic(&self) -> &'a Topic {
        match self {
            Self::Gone(topic) | Self::Now(topic, _) => topic,
        }
    }
}

/// What is other in a map than before: of a hundred thousand topics one may have changed.
fn changes<'a>(
    before: Option<&'a BTreeMap<Topic, u32>>,
    after: &'a BTreeMap<Topic, u32>,
) -> impl Iterator<Item = Change<'a>> {
    let (mut old, mut new) = (before.into_iter().flatten().peekable(), after.iter().peekable());
    std::iter::from_fn(move || {
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => return None,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((old, _)), Some((new, _))) => old.cmp(new),
            };
            let gone = if order.is_le() { old.next() } else { None };
            let now = if order.is_ge() { new.next() } else { None };
            match (gone, now) {
                (Some((topic, _)), None) => return Some(Change::Gone(topic)),
                (before, Some((topic, count))) if before.is_none_or(|(_, before)| before != count) => {
                    return Some(Change::Now(topic, *count));
                }
                _ => {}
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use nuncio_testkit::simulator::node_id;

    use super::*;
    use crate::{Start, status_sync::empty_status};

    fn record(n: usize, seq: u64, topics: &[(&str, u32)]) -> Arc<Record> {
        let start = Start {
            node: node_id(n),
            name: String::new(),
            agency: String::new(),
            software: String::new(),
            epoch: 1,
            sealing_key: bytes::Bytes::new(),
            issues: false,
            seed: 0,
        };
        let mut status = empty_status(start);
        status.version.seq = seq;
        status.topics = topics.iter().map(|(name, count)| (Topic::new(name).expect("a valid topic"), *count)).collect();
        Arc::new(Record { status, bytes: bytes::Bytes::new(), pages: Vec::new(), agency_path: None })
    }

    #[test]
    fn what_changes_of_a_record_ends_in_what_it_says() {
        let mut elsewhere = Elsewhere::default();
        let says: [&[(&str, u32)]; 6] = [
            &[("a", 1), ("b", 2), ("d", 1)],
            &[("b", 2), ("c", 9000)],
            &[],
            &[("d", 1)],
            &[("d", 0), ("e", 3)],
            &[("d", 2)],
        ];
        elsewhere.apply(&record(2, 1, &[("b", 5), ("d", 7)]), |_, _| true);
        for (seq, topics) in says.iter().enumerate() {
            elsewhere.apply(&record(1, seq as u64 + 1, topics), |_, _| true);
            for name in ["a", "b", "c", "d", "e"] {
                let topic = Topic::new(name).expect("a valid topic");
                let own =
                    topics.iter().find(|(other, _)| *other == name).map_or(0, |(_, count)| *count).min(MAX_WEIGHT);
                let others = match name {
                    "b" => 5,
                    "d" => 7,
                    _ => 0,
                };
                assert_eq!(elsewhere.count(&topic, &node_id(1)), own, "{name} of {topics:?}");
                assert_eq!(elsewhere.total(&topic), (own + others) as usize, "{name} of {topics:?}");
            }
        }
        for node in [1, 2] {
            elsewhere.forget(&node_id(node));
        }
        assert!(elsewhere.topics.is_empty() && elsewhere.records.is_empty());
    }

    #[test]
    fn of_what_changed_the_private_topics_are_told() {
        let (one, other) = ("#!$TopicNeedVerify_one", "#!$TopicNeedVerify_other");
        let channel = format!("#!$VerifyChannel_{one}_{}", "a".repeat(32));
        let (mut elsewhere, told) = (Elsewhere::default(), |names: &[&str]| {
            names.iter().map(|name| Topic::new(name).expect("a valid topic")).collect::<BTreeSet<_>>()
        });
        let mut say = |seq, topics: &[(&str, u32)]| elsewhere.apply(&record(1, seq, topics), |_, _| true);
        assert_eq!(say(1, &[("a", 1), (&channel, 7), (other, 1)]), told(&[one, other]));
        assert_eq!(say(2, &[("b", 1), (&channel, 7), (other, 1)]), told(&[]));
        assert_eq!(say(2, &[("b", 1), (&channel, 7), (other, 1)]), told(&[]), "it is the same");
        assert_eq!(say(3, &[("b", 1), (&channel, 8), (other, 1)]), told(&[one]), "another session has it");
        let mut anew = Record::clone(&record(1, 1, &[(&channel, 8)]));
        anew.status.version.epoch = 2;
        assert_eq!(elsewhere.apply(&Arc::new(anew), |_, _| true), told(&[one, other]), "all sessions are others");
        assert_eq!(elsewhere.forget(&node_id(1)), told(&[one]));
    }
}
