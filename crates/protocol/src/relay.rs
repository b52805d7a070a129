//! Which multicasts to pass on.
//!
//! Multicasts travel between subscribers; where the network is no full mesh, two of them may be joined only through
//! nodes that do not subscribe.

use std::collections::{BTreeMap, BTreeSet};

use nuncio_bounds::Bound;
use nuncio_identity::NodeId;

use crate::{MAX_RELAYED_TOPICS, Output, Topic, outbox::Outbox, status_sync::Record};

/// Who subscribes which application topics, and what the edge was told to relay.
///
/// Bound: the application topics of the records known, which the table of nodes counts, and [`MAX_RELAYED_TOPICS`] to relay.
#[derive(Debug, Default)]
pub(crate) struct Relay {
    own: BTreeSet<Topic>,
    by_node: BTreeMap<NodeId, BTreeSet<Topic>>,
    subscribers: BTreeMap<Topic, usize>,
    told: BTreeSet<Topic>,
    /// Whether the network was a full mesh when the edge was told.
    was_full_mesh: bool,
    changed: bool,
}

impl Relay {
    pub(crate) const BOUND: Bound = Bound::of_entries::<[Topic; 2]>(
        "application topics relayed for others",
        MAX_RELAYED_TOPICS,
        0,
        "the nodes that subscribe the most lose those that only they subscribe",
    );

    pub(crate) fn set_own(&mut self, topics: BTreeSet<Topic>) {
        self.own = topics;
        self.changed = true;
    }

    pub(crate) fn apply(&mut self, record: &Record) {
        let (node, topics) = (record.status.node, &record.status.multicast_topics);
        if self.by_node.get(&node).map_or(topics.is_empty(), |known| known == topics) {
            return;
        }
        self.forget_topics(&node);
        for topic in topics {
            *self.subscribers.entry(topic.clone()).or_insert(0) += 1;
        }
        if !topics.is_empty() {
            self.by_node.insert(node, topics.clone());
        }
        self.changed = true;
    }

    pub(crate) fn forget(&mut self, node: &NodeId) {
        self.forget_topics(node);
    }

    fn forget_topics(&mut self, node: &NodeId) {
        for topic in self.by_node.remove(node).into_iter().flatten() {
            if let Some(count) = self.subscribers.get_mut(&topic) {
                *count -= 1;
                if *count == 0 {
                    self.subscribers.remove(&topic);
                }
            }
            self.changed = true;
        }
    }

    /// Tells the edge what to relay when that has changed. In a full mesh every subscriber reaches every other directly.
    pub(crate) fn flush(&mut self, is_full_mesh: impl FnOnce() -> bool, outbox: &mut Outbox) {
        if self.subscribers.is_empty() && self.told.is_empty() {
            return;
        }
        let is_full_mesh = is_full_mesh();
        let same_mesh = std::mem::replace(&mut self.was_full_mesh, is_full_mesh) == is_full_mesh;
        if !std::mem::take(&mut self.changed) && same_mesh {
            return;
        }
        let topics = if is_full_mesh { BTreeSet::new() } else { self.share() };
        if topics != self.told {
            self.told.clone_from(&topics);
            outbox.push(Output::Relay { topics });
        }
    }

    /// What is relayed: of every node as many topics as of any other. When there are too many, the nodes that subscribe the
    /// most lose those that only they subscribe.
    fn share(&self) -> BTreeSet<Topic> {
        let is_foreign = |topic: &&Topic| !self.own.contains(*topic);
        if self.subscribers.len() <= MAX_RELAYED_TOPICS {
            return self.subscribers.keys().filter(is_foreign).cloned().collect();
        }
        let mut nodes: Vec<_> = self.by_node.values().map(|topics| topics.iter().filter(is_foreign)).collect();
        let mut relayed = BTreeSet::new();
        while !nodes.is_empty() {
            nodes.retain_mut(|topics| {
                let next = topics.next().filter(|_| relayed.len() < MAX_RELAYED_TOPICS);
                relayed.extend(next.cloned());
                next.is_some()
            });
        }
        relayed
    }
}
