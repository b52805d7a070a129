use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use nuncio_identity::NodeId;

use super::channel::REMINDERS;

/// Members of a channel to which a way has appeared: they may have missed the end of what was said meanwhile. Each is told where
/// that is, and a few times more; nobody else is.
///
/// Bound: one entry for each member; each goes when it was told often enough.
#[derive(Debug, Default)]
pub(super) struct Returned(BTreeMap<NodeId, Telling>);

#[derive(Debug)]
struct Telling {
    at: Instant,
    times: usize,
}

impl Returned {
    /// A way to a node has appeared: says when it is told. One that comes and goes is told no more often than one that stays away.
    pub(super) fn note(&mut self, node: NodeId, now: Instant) -> Instant {
        let first = Telling { at: now, times: 0 };
        self.0
            .entry(node)
            .and_modify(|telling| *telling = Telling { at: telling.at.min(now + REMINDERS[0]), times: 0 })
            .or_insert(first)
            .at
    }

    /// Those that are to be told now.
    pub(super) fn due(&self, now: Instant) -> BTreeSet<NodeId> {
        self.0.iter().filter(|(_, telling)| telling.at <= now).map(|(node, _)| *node).collect()
    }

    /// They were told.
    pub(super) fn told(&mut self, nodes: &BTreeSet<NodeId>, now: Instant) {
        for node in nodes {
            let Some(telling) = self.0.get_mut(node) else { continue };
            match REMINDERS.get(telling.times) {
                Some(pause) => *telling = Telling { at: now + *pause, times: telling.times + 1 },
                None => drop(self.0.remove(node)),
            }
        }
    }

    /// When somebody is to be told next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.values().map(|telling| telling.at).min()
    }

    /// All are told what comes.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn forget(&mut self, node: &NodeId) {
        self.0.remove(node);
    }
}
