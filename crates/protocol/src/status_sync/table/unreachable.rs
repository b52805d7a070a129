use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use nuncio_identity::NodeId;

use super::{Entry, Reached};

use crate::hashed::HashMap;

/// What one peer may have brought of nodes that were never reached: so many records, of so many bytes.
///
/// A node that joins learns all nodes before it has computed a path, so the budget holds when nodes are forgotten, not
/// when they come.
const MAX_NEVER_REACHED: usize = 256;
const MAX_NEVER_REACHED_BYTES: usize = 4 << 20;

/// The nodes without a path, in the order in which they make room: those that were never reached before others, of these
/// the ones of the peer that brought the most bytes, and always those first that are out of reach for longest. So a peer
/// that brings records nobody can use pushes out its own.
#[derive(Debug, Default)]
pub(super) struct Unreachable {
    never: HashMap<NodeId, Brought>,
    before: BTreeSet<(Instant, NodeId)>,
}

/// Records of nodes that were never reached, from one peer.
#[derive(Debug, Default)]
struct Brought {
    /// What each costs.
    nodes: BTreeMap<(Instant, NodeId), usize>,
    bytes: usize,
}

impl Unreachable {
    pub(super) fn insert(&mut self, node: NodeId, entry: &Entry) {
        match entry.reached {
            Reached::Now => {}
            Reached::Before(since) => {
                self.before.insert((since, node));
            }
            Reached::Never(since) => {
                let brought = self.never.entry(entry.via).or_default();
                brought.nodes.insert((since, node), entry.cost);
                brought.bytes += entry.cost;
            }
        }
    }

    pub(super) fn remove(&mut self, node: &NodeId, entry: &Entry) {
        match entry.reached {
            Reached::Now => {}
            Reached::Before(since) => {
                self.before.remove(&(since, *node));
            }
            Reached::Never(since) => {
                let Some(brought) = self.never.get_mut(&entry.via) else { return };
                brought.nodes.remove(&(since, *node));
                brought.bytes -= entry.cost;
                if brought.nodes.is_empty() {
                    self.never.remove(&entry.via);
                }
            }
        }
    }

    /// Whether a peer may bring one more for which somebody makes room who can be reached.
    pub(super) fn has_room_of(&self, peer: &NodeId) -> bool {
        self.never.get(peer).is_none_or(|brought| brought.nodes.len() < MAX_NEVER_REACHED)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.never.is_empty() && self.before.is_empty()
    }

    /// The next one to make room: of those that were never reached one that came by then, of the others one that may.
    pub(super) fn first(&self, came_by: Option<Instant>, may: impl Fn(&NodeId) -> bool) -> Option<NodeId> {
        let oldest = |(peer, brought): (&NodeId, &Brought)| {
            let ((since, node), _) = brought.nodes.first_key_value()?;
            (Some(*since) <= came_by).then_some((brought.bytes, *peer, *node))
        };
        let never = self.never.iter().filter_map(oldest).max().map(|(.., node)| node);
        never.or_else(|| self.before.iter().map(|(_, node)| *node).find(may))
    }

    /// Those out of reach since `until` or longer.
    pub(super) fn since(&self, until: Instant) -> Vec<NodeId> {
        let stale = |(since, _): &&(Instant, NodeId)| *since <= until;
        let never = self.never.values().flat_map(|brought| brought.nodes.keys().take_while(stale));
        never.chain(self.before.iter().take_while(stale)).map(|(_, node)| *node).collect()
    }

    /// Those that were never reached and are over the budget of whoever brought them.
    pub(super) fn over_budget(&self) -> Vec<NodeId> {
        self.never.values().flat_map(Brought::over_budget).collect()
    }
}

impl Brought {
    /// The oldest ones, until the rest fits.
    fn over_budget(&self) -> impl Iterator<Item = NodeId> {
        let (mut left, mut bytes) = (self.nodes.len(), self.bytes);
        let surplus = self.nodes.iter().take_while(move |(_, cost)| {
            let is_surplus = left > MAX_NEVER_REACHED || bytes > MAX_NEVER_REACHED_BYTES;
            (left, bytes) = (left - 1, bytes - *cost);
            is_surplus
        });
        surplus.map(|((_, node), _)| *node)
    }
}
