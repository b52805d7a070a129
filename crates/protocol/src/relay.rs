//! Which multicasts to pass on.
//!
//! Multicasts travel between subscribers; where the network is no full mesh, two of them may be joined only through
//! nodes that do not subscribe.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use nuncio_bounds::Bound;
use nuncio_identity::NodeId;

use crate::{
    MAX_RELAYED_TOPICS, Output, Topic,
    gate::{Bucket, Rate},
    outbox::Outbox,
    status_sync::Record,
};

/// Topics that begin and end to be relayed: fewer than a neighbour puts up with, whatever others subscribe.
const CHANGES: Rate = Rate { per_second: 100.0, burst: 1_000.0 };

/// How soon more of them follow.
const PAUSE: Duration = Duration::from_millis(100);

/// Who subscribes which application topics, and what the edge was told to relay.
///
/// Bound: the application topics of the records known, which the table of nodes counts, and [`MAX_RELAYED_TOPICS`] to relay.
#[derive(Debug, Default)]
pub(crate) struct Relay {
    own: BTreeSet<Topic>,
    by_node: BTreeMap<NodeId, BTreeSet<Topic>>,
    subscribers: BTreeMap<Topic, usize>,
    told: BTreeSet<Topic>,
    /// How many topics may still begin and end, and when there will be more.
    pace: Option<Bucket>,
    due: Option<Instant>,
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

    /// Tells the edge what to relay when that has changed, a little at a time. In a full mesh every subscriber reaches every
    /// other directly.
    pub(crate) fn flush(&mut self, is_full_mesh: impl FnOnce() -> bool, outbox: &mut Outbox, now: Instant) {
        if self.subscribers.is_empty() && self.told.is_empty() {
            return;
        }
        let is_full_mesh = is_full_mesh();
        let same_mesh = std::mem::replace(&mut self.was_full_mesh, is_full_mesh) == is_full_mesh;
        let is_due = self.due.take_if(|due| *due <= now).is_some();
        if !std::mem::take(&mut self.changed) && same_mesh && !is_due {
            return;
        }
        let wanted = if is_full_mesh { Vec::new() } else { self.share() };
        if self.approach(wanted, now) {
            outbox.push(Output::Relay { topics: self.told.clone() });
        }
    }

    /// When [`Relay::flush`] is due for what could not be told yet.
    pub(crate) const fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Changes what the edge was told into what is wanted as far as may be now; says whether anything has changed.
    fn approach(&mut self, wanted: Vec<Topic>, now: Instant) -> bool {
        let kept: BTreeSet<_> = wanted.iter().collect();
        let mut stale: Vec<_> = self.told.iter().filter(|topic| !kept.contains(*topic)).cloned().collect();
        let missing: Vec<_> = wanted.iter().filter(|topic| !self.told.contains(*topic)).cloned().collect();
        let (to_change, mut changed) = (stale.len() + missing.len(), 0);
        let pace = self.pace.get_or_insert(Bucket::new(CHANGES, now));
        for topic in missing {
            if self.told.len() >= MAX_RELAYED_TOPICS
                && let Some(old) = stale.pop_if(|_| pace.take(1.0, CHANGES, now))
            {
                self.told.remove(&old);
                changed += 1;
            }
            if self.told.len() >= MAX_RELAYED_TOPICS || !pace.take(1.0, CHANGES, now) {
                break;
            }
            self.told.insert(topic);
            changed += 1;
        }
        while let Some(old) = stale.pop_if(|_| pace.take(1.0, CHANGES, now)) {
            self.told.remove(&old);
            changed += 1;
        }
        self.due = (changed < to_change).then(|| now + PAUSE);
        changed > 0
    }

    /// What is relayed, in the order in which it is begun: of every node as many topics as of any other. When there are too
    /// many, the nodes that subscribe the most lose those that only they subscribe.
    fn share(&self) -> Vec<Topic> {
        let is_foreign = |topic: &&Topic| !self.own.contains(*topic);
        let mut nodes: Vec<_> = self.by_node.values().map(|topics| topics.iter().filter(is_foreign)).collect();
        let (mut relayed, mut taken) = (Vec::new(), BTreeSet::new());
        while !nodes.is_empty() {
            nodes.retain_mut(|topics| {
                let next = topics.next().filter(|_| taken.len() < MAX_RELAYED_TOPICS);
                relayed.extend(next.filter(|topic| taken.insert(*topic)).cloned());
                next.is_some()
            });
        }
        relayed
    }
}
