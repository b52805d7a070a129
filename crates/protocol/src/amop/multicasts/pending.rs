use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use nuncio_bounds::Bound;
use nuncio_identity::NodeId;

use super::super::{ClientId, Payer, Post, budget::Budget, pace};
use crate::{Priority, timers::Timers};

/// How long a node that is not linked may take to say that it has a multicast, beside the time for its body.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often a multicast is sent again.
const MAX_RESENDS: u8 = 2;

/// Most bytes of multicasts that are kept, a quarter of them of one payer.
const MAX_BYTES: usize = 64 << 20;
/// What an entry takes beside its payload, and for each node that it waits for.
const PER_MULTICAST: usize = 512;
const PER_NODE: usize = 448;

/// Multicasts of clients here that not all nodes have acknowledged. A link of its own needs no acknowledgement.
///
/// Bound: [`MAX_BYTES`]. When a payer's share is full, the oldest of the client that publishes are no longer waited for; what still
/// does not fit is sent once.
#[derive(Debug)]
pub(super) struct Pending {
    open: BTreeMap<u64, Sent>,
    of_client: BTreeSet<(ClientId, u64)>,
    timers: Timers<u64>,
    budget: Budget<Payer>,
}

/// A multicast, and who has not said that it has it.
#[derive(Debug)]
pub(super) struct Sent {
    client: ClientId,
    pub(super) payer: Payer,
    pub(super) post: Post,
    pub(super) priority: Priority,
    /// Each with the first hops that were used.
    pub(super) waiting: BTreeMap<NodeId, Vec<NodeId>>,
    resends: u8,
    due: Instant,
    bytes: usize,
}

impl Pending {
    pub(super) const BOUND: Bound = Bound::of_bytes(
        "multicasts that not all nodes have acknowledged",
        MAX_BYTES,
        "the client's oldest are no longer waited for, of one certificate from a quarter on",
    );

    pub(super) fn new() -> Self {
        let (open, of_client) = (BTreeMap::new(), BTreeSet::new());
        Self { open, of_client, timers: Timers::default(), budget: Budget::new(MAX_BYTES) }
    }

    /// Waits for nodes, each reached over a first hop.
    pub(super) fn insert(
        &mut self,
        number: u64,
        (client, payer): (ClientId, Payer),
        (post, priority): (Post, Priority),
        nodes: impl Iterator<Item = (NodeId, NodeId)>,
        now: Instant,
    ) {
        let waiting: BTreeMap<_, _> = nodes.map(|(node, via)| (node, vec![via])).collect();
        let bytes = PER_MULTICAST + post.topic.as_str().len() + post.data.len() + PER_NODE * waiting.len();
        if waiting.is_empty() || !self.make_room((client, payer), bytes) {
            return;
        }
        let due = now + PATIENCE + pace::travel(post.data.len());
        self.timers.set(due, number);
        self.of_client.insert((client, number));
        self.open.insert(number, Sent { client, payer, post, priority, waiting, resends: 0, due, bytes });
    }

    /// A node has it; gives back over which first hops it was sent, if it was waited for.
    pub(super) fn acknowledge(&mut self, number: u64, node: &NodeId) -> Option<Vec<NodeId>> {
        let sent = self.open.get_mut(&number)?;
        let tried = sent.waiting.remove(node);
        if sent.waiting.is_empty() {
            self.remove(number);
        }
        tried
    }

    /// Takes one whose nodes have been waited for long enough; it is waited for again if it comes back.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(u64, Sent)> {
        let number = self.timers.pop_due(now)?;
        self.open.remove(&number).map(|sent| (number, sent))
    }

    /// Waits once more, unless that was done often enough.
    pub(super) fn put_back(&mut self, number: u64, mut sent: Sent, now: Instant) {
        sent.resends += 1;
        sent.due = now + PATIENCE + pace::travel(sent.post.data.len());
        let is_over = sent.waiting.is_empty();
        if !is_over {
            self.timers.set(sent.due, number);
        }
        self.open.insert(number, sent);
        if is_over {
            self.remove(number);
        }
    }

    pub(super) fn handle_disconnected(&mut self, client: ClientId) {
        while self.let_go(client) {}
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.timers.next()
    }

    fn make_room(&mut self, (client, payer): (ClientId, Payer), bytes: usize) -> bool {
        while !self.budget.take(payer, bytes) {
            if !self.let_go(client) {
                return false;
            }
        }
        true
    }

    /// Waits no longer for a client's oldest; says whether there was one.
    fn let_go(&mut self, client: ClientId) -> bool {
        let oldest = self.of_client.range((client, 0)..=(client, u64::MAX)).next().copied();
        oldest.is_some_and(|(_, number)| {
            self.remove(number);
            true
        })
    }

    fn remove(&mut self, number: u64) {
        let Some(sent) = self.open.remove(&number) else { return };
        self.timers.cancel(sent.due, number);
        self.budget.give_back(sent.payer, sent.bytes);
        self.of_client.remove(&(sent.client, number));
    }
}

impl Sent {
    pub(super) const fn may_go_again(&self) -> bool {
        self.resends < MAX_RESENDS
    }
}
