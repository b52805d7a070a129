use std::{collections::BTreeMap, sync::Arc};

use nuncio_identity::NodeId;

use super::super::private::names;
use crate::{Topic, status_sync::Record};

/// No node counts for more subscribers than this, whatever it says.
const MAX_WEIGHT: u32 = 4096;

/// The topics of other nodes.
///
/// Bound: the topics of the known records.
#[derive(Debug, Default)]
pub(super) struct Elsewhere {
    topics: BTreeMap<Topic, Nodes>,
    /// The records of nodes with topics.
    records: BTreeMap<NodeId, Arc<Record>>,
}

/// The nodes with subscribers of a topic.
#[derive(Debug, Default)]
struct Nodes {
    /// How many subscribers; of a channel, which session owns it.
    counts: BTreeMap<NodeId, u32>,
    total: usize,
}

impl Elsewhere {
    /// Takes the topics of a record; says whether they changed, or the epoch of the sessions in it.
    pub(super) fn apply(&mut self, record: &Arc<Record>) -> bool {
        let (node, epoch, topics) = (record.status.node, record.status.version.epoch, &record.status.topics);
        let same = |old: &Arc<Record>| old.status.topics == *topics && old.status.version.epoch == epoch;
        if self.records.get(&node).map_or(topics.is_empty(), same) {
            return false;
        }
        self.forget(&node);
        if topics.is_empty() {
            return true;
        }
        for (topic, &count) in topics.iter().filter(|(topic, _)| !topic.is_block_notification()) {
            let count = if names::is_channel(topic) { count } else { count.min(MAX_WEIGHT) };
            if count > 0 {
                let nodes = self.topics.entry(topic.clone()).or_default();
                nodes.counts.insert(node, count);
                nodes.total += count as usize;
            }
        }
        self.records.insert(node, Arc::clone(record));
        true
    }

    /// Says whether there was anything to forget.
    pub(super) fn forget(&mut self, node: &NodeId) -> bool {
        let Some(record) = self.records.remove(node) else { return false };
        for topic in record.status.topics.keys() {
            let Some(nodes) = self.topics.get_mut(topic) else { continue };
            nodes.total -= nodes.counts.remove(node).unwrap_or(0) as usize;
            if nodes.counts.is_empty() {
                self.topics.remove(topic);
            }
        }
        true
    }

    pub(super) fn nodes(&self, topic: &Topic) -> impl Iterator<Item = (NodeId, u32)> {
        self.topics.get(topic).into_iter().flat_map(|nodes| &nodes.counts).map(|(node, count)| (*node, *count))
    }

    pub(super) fn total(&self, topic: &Topic) -> usize {
        self.topics.get(topic).map_or(0, |nodes| nodes.total)
    }

    pub(super) fn count(&self, topic: &Topic, node: &NodeId) -> u32 {
        self.topics.get(topic).and_then(|nodes| nodes.counts.get(node)).copied().unwrap_or_default()
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
