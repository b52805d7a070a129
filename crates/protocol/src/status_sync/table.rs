use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use indexmap::IndexMap;
use nuncio_identity::NodeId;

use super::{Record, Version};
use crate::{
    MAX_APPLICATION_FIELD, MAX_ISSUERS, MAX_NEIGHBOURS, MAX_NODES, MAX_SEALING_KEY, MAX_STATUS, MAX_TOPICS_PER_NODE,
};

/// Most addresses in a status.
pub(super) const MAX_ADDRESSES: usize = 8;

/// The newest record of every other node.
///
/// Bound: [`MAX_NODES`] with this node; the record of a further node is ignored.
#[derive(Debug, Default)]
pub(crate) struct Table {
    entries: IndexMap<NodeId, Entry>,
}

#[derive(Debug)]
struct Entry {
    /// The record's, at hand: most announcements are looked up here and name no newer one.
    version: Version,
    record: Arc<Record>,
    unreachable_since: Option<Instant>,
}

/// Whether a record is the first of its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct First(pub(crate) bool);

impl Table {
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
        self.entries.values().filter(|entry| entry.unreachable_since.is_none()).map(|entry| &entry.record)
    }

    /// Takes a record if it is newer than what is there; says whether it is the first of its node, if it did.
    pub(super) fn apply(&mut self, record: Arc<Record>, now: Instant) -> Option<First> {
        let (node, version) = (record.status.node, record.status.version);
        if let Some(fault) = fault(&record) {
            tracing::warn!(node = %node.short(), fault, "status record over the limits is ignored");
            return None;
        }
        if let Some(entry) = self.entries.get_mut(&node) {
            if version == entry.version && record.bytes != entry.record.bytes {
                tracing::warn!(node = %node.short(), %version, "node signed two records with one version; the first is kept");
            }
            if version <= entry.version {
                return None;
            }
            (entry.version, entry.record) = (version, record);
            return Some(First(false));
        }
        if self.entries.len() + 1 >= MAX_NODES {
            tracing::warn!(node = %node.short(), "table of nodes is full, record ignored");
            return None;
        }
        self.entries.insert(node, Entry { version, record, unreachable_since: Some(now) });
        Some(First(true))
    }

    pub(super) fn remove(&mut self, node: &NodeId) -> bool {
        self.entries.swap_remove(node).is_some()
    }

    pub(super) fn set_reachable(&mut self, node: &NodeId, reachable: bool, now: Instant) {
        if let Some(entry) = self.entries.get_mut(node) {
            entry.unreachable_since = if reachable { None } else { entry.unreachable_since.or(Some(now)) };
        }
    }

    /// Drops the records of nodes that could not be reached for so long.
    pub(super) fn forget_unreachable(&mut self, after: Duration, now: Instant) -> Vec<NodeId> {
        let stale = |entry: &Entry| entry.unreachable_since.is_some_and(|since| now >= since + after);
        let gone: Vec<_> = self.entries.iter().filter(|(_, entry)| stale(entry)).map(|(node, _)| *node).collect();
        for node in &gone {
            self.entries.swap_remove(node);
        }
        gone
    }
}

/// What makes a record too big to keep.
fn fault(record: &Record) -> Option<&'static str> {
    let status = &record.status;
    if record.bytes.len() > MAX_STATUS {
        Some("bytes")
    } else if status.neighbours.len() > MAX_NEIGHBOURS {
        Some("neighbours")
    } else if status.topics.len() > MAX_TOPICS_PER_NODE {
        Some("topics")
    } else if status.multicast_topics.len() > MAX_TOPICS_PER_NODE {
        Some("multicast topics")
    } else if status.revocations.len() > MAX_ISSUERS {
        Some("issuers of revocation lists")
    } else if status.addresses.len() > MAX_ADDRESSES {
        Some("addresses")
    } else if status.application.len() > MAX_APPLICATION_FIELD {
        Some("application field")
    } else if status.sealing_key.len() > MAX_SEALING_KEY {
        Some("sealing key")
    } else {
        None
    }
}
