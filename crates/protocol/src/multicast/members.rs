use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use nuncio_identity::NodeId;

use super::{Destination, class::Class};
use crate::{MAX_HOPS, Topic, status_sync::Record, turn::Turn};

/// How long after the way to a subscriber is lost gossip tries to find one.
const DOUBT: Duration = Duration::from_secs(3);

/// Who subscribes a topic, and over whom each is reached whom these numbers are for.
///
/// Bound: the nodes known.
#[derive(Debug)]
pub(super) struct Members {
    serves: Serves,
    nodes: BTreeMap<NodeId, Member>,
    plan: Option<(Basis, Plan)>,
}

/// Whom numbers are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Serves {
    All,
    /// Those who know priorities.
    Others,
    /// Those of releases that know one order only.
    Strict,
}

#[derive(Debug)]
struct Member {
    epoch: u64,
    /// The first number that it is to have.
    since: u64,
    /// Whether batches may be pushed to it.
    takes_batches: bool,
    /// Whether it knows numbers of other priorities than the normal one.
    takes_priorities: bool,
    /// When the way to it was lost.
    lost: Option<Instant>,
}

/// As long as these stay as they are, so do the ways: how often paths were computed, and how often links or records changed.
pub(super) type Basis = (u64, u64);

/// How the members are reached.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Over each next hop, whom.
    pub(super) legs: BTreeMap<NodeId, Vec<Destination>>,
    /// Whether a relay has to check a signature.
    pub(super) is_relayed: bool,
    /// Some member, or a node on the way to it, takes gossip alone.
    pub(super) needs_gossip: bool,
    /// Some member knows one order only, and is not served.
    pub(super) has_strict: bool,
    /// Until then gossip is tried for those to whom there is no way.
    in_doubt: Option<Instant>,
    /// A peer is linked of which not all is known yet that a push needs.
    has_strangers: bool,
}

/// How a message reaches them now.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Reach {
    pub(super) is_pushed: bool,
    /// As [`Plan::needs_gossip`].
    pub(super) needs_gossip: bool,
    /// Whether the map is in doubt: gossip may find whom it does not show.
    pub(super) is_in_doubt: bool,
}

impl Plan {
    pub(super) fn reach(&self, now: Instant) -> Reach {
        let is_in_doubt = self.has_strangers || self.in_doubt.is_some_and(|until| now < until);
        Reach { is_pushed: !self.legs.is_empty(), needs_gossip: self.needs_gossip, is_in_doubt }
    }
}

impl Members {
    pub(super) fn new(class: Class) -> Self {
        let serves = match class {
            Class::NORMAL => Serves::All,
            Class::Of(_) => Serves::Others,
            Class::Strict => Serves::Strict,
        };
        Self { serves, nodes: BTreeMap::new(), plan: None }
    }

    /// Those who know one order only are served by numbers of their own from now on.
    pub(super) fn leave_strict(&mut self) {
        if self.serves == Serves::All {
            (self.serves, self.plan) = (Serves::Others, None);
        }
    }

    /// Whether those who know one order only have numbers of their own.
    pub(super) fn have_left_strict(&self) -> bool {
        self.serves == Serves::Others
    }

    /// Whether one of them knows one order only.
    pub(super) fn have_strict(&self) -> bool {
        self.nodes.values().any(Member::is_strict)
    }

    /// A node's record says whether it is a member; `next` is the number of the next message.
    pub(super) fn apply(&mut self, record: &Record, topic: Option<&Topic>, next: u64) {
        let status = &record.status;
        if topic.is_some_and(|topic| !status.multicast_topics.contains(topic)) {
            self.forget(&status.node);
            return;
        }
        let (epoch, takes_batches, takes_priorities) =
            (status.version.epoch, status.takes_batches, status.takes_priorities);
        let fresh = || Member { epoch, since: next, takes_batches, takes_priorities, lost: None };
        let member = self.nodes.entry(status.node).or_insert_with(fresh);
        if member.epoch != epoch {
            *member = fresh();
        }
        (member.takes_batches, member.takes_priorities) = (takes_batches, takes_priorities);
        if self.serves == Serves::Strict && !member.is_strict() {
            self.nodes.remove(&status.node);
        }
        self.plan = None;
    }

    /// What was sent before this number none of them is to have any more.
    pub(super) fn begin(&mut self, number: u64) {
        for member in self.nodes.values_mut() {
            member.since = number;
        }
        self.plan = None;
    }

    pub(super) fn forget(&mut self, node: &NodeId) {
        if self.nodes.remove(node).is_some() {
            self.plan = None;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn contain(&self, node: &NodeId) -> bool {
        self.nodes.contains_key(node)
    }

    /// How they are reached now.
    pub(super) fn plan(&mut self, basis: Basis, deaf: &dyn Fn(&NodeId) -> bool, turn: &mut Turn<'_>) -> &Plan {
        if self.plan.as_ref().is_none_or(|(known, _)| *known != basis) {
            self.plan = Some((basis, self.find_ways(deaf, turn)));
        }
        let (_, plan) = self.plan.get_or_insert_default();
        plan
    }

    fn find_ways(&mut self, deaf: &dyn Fn(&NodeId) -> bool, turn: &mut Turn<'_>) -> Plan {
        let directory = turn.directory;
        let peers = directory.peering.neighbours();
        let has_strangers = peers.iter().any(|peer| directory.status_sync.record(peer).is_none());
        let closed: Vec<NodeId> = peers.into_iter().filter(|peer| !directory.takes_batches(peer)).collect();
        let mut plan = Plan { has_strangers, ..Plan::default() };
        for (node, member) in &mut self.nodes {
            if self.serves == Serves::Others && member.is_strict() {
                plan.has_strict = true;
                continue;
            }
            let path = turn.routing.path(node).filter(|path| path.len() > 1);
            let Some(path) = path else {
                let lost = *member.lost.get_or_insert(turn.now);
                plan.in_doubt = plan.in_doubt.max(Some(lost + DOUBT));
                continue;
            };
            member.lost = None;
            let is_deaf = !member.takes_batches || path[1..].iter().any(deaf);
            plan.needs_gossip |= is_deaf;
            if !member.takes_batches {
                continue;
            }
            let hop = if is_deaf || closed.contains(&path[1]) {
                // A peer that has just linked has not said its epoch.
                turn.routing.next_hop_without(node, &[&closed[..], &path[1..2]].concat())
            } else {
                Some(path[1])
            };
            let Some(hop) = hop else {
                plan.has_strangers = true;
                continue;
            };
            plan.is_relayed |= hop != *node;
            plan.legs.entry(hop).or_default().push(Destination { node: *node, since: member.since });
        }
        plan
    }

    /// One of them, if it can be reached.
    pub(super) fn reached(
        &mut self,
        node: &NodeId,
        basis: Basis,
        deaf: &dyn Fn(&NodeId) -> bool,
        turn: &mut Turn<'_>,
    ) -> Option<Destination> {
        let plan = self.plan(basis, deaf, turn);
        plan.legs.values().flatten().find(|destination| destination.node == *node).copied()
    }
}

impl Member {
    const fn is_strict(&self) -> bool {
        self.takes_batches && !self.takes_priorities
    }
}

/// Links that a batch may cross after the first.
pub(super) const HOPS_LEFT: u8 = MAX_HOPS - 1;
