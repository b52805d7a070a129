use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    time::Duration,
};

use nuncio_identity::NodeId;
use nuncio_protocol::{
    Input, Output, Priority, Topic,
    amop::{ClientId, Kind, PublishSeq, ResultCode},
    unicast::{ExchangeId, Reply, UnicastError},
};

/// A node, one of its epochs, and a topic to which it published then.
pub type Published = (usize, u64, Option<Topic>);

/// What an outsider saw of the network: facts for invariants to judge.
#[derive(Debug, Default)]
pub struct Observed {
    /// Requests by node and exchange.
    pub requests: BTreeMap<(usize, ExchangeId), RequestTrace>,
    /// Publishes by client and seq.
    pub publishes: BTreeMap<(ClientId, PublishSeq), PublishTrace>,
    /// What was published, in order: the number, and what stands for the body.
    pub published: BTreeMap<Published, Vec<(u64, u64)>>,
    /// What applications heard of it, in order.
    pub heard: BTreeMap<Listening, Vec<Heard>>,
    /// The links of each node, as its outputs tell.
    pub links: BTreeMap<usize, BTreeSet<NodeId>>,
    /// `LinkUp` of a linked peer, or `LinkDown` of one that was not linked.
    pub link_disorders: usize,
    /// How often a second host with somebody's key was noticed.
    pub duplicates: usize,
    /// Unicast and bridge messages that arrived over more links than allowed.
    pub long_ways: usize,
    /// Times an application was handed a request that it had had already.
    pub handler_reruns: usize,
    /// Requests that an application had and that ended as if none had seen them.
    pub denied_runs: usize,
    /// Completions without an open request, replies without an open publish.
    pub stray_ends: usize,
    /// Records that a node took and that their owner never signed.
    pub unsigned: usize,
    /// How often a node banned a peer.
    pub bans: usize,
    /// How often an honest node banned an honest one.
    pub unjust_bans: usize,
    /// Requests and AMOP messages that were delivered though the node had seen no certificate of their source.
    pub uncertified: usize,
    /// Unicast and bridge messages that a link did not take, of which the core was told.
    pub not_sent: usize,
    /// Bytes that came to honest nodes for others, and bytes that these passed on, by node and kind.
    pub passed: BTreeMap<(usize, Passed), (u64, u64)>,
    /// An honest node that passed on more than four bytes of a kind for each that came.
    pub amplified: Option<(usize, Passed)>,
    /// What crossed links.
    pub traffic: Traffic,
}

/// What goes from one node to another over a third one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Passed {
    /// Requests and answers.
    Unicast,
    /// AMOP messages to one and their results.
    Bridge,
    /// Questions for missing multicasts.
    Wanted,
}

/// What crossed links, all nodes together.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    /// Unicast and bridge messages.
    pub messages: u64,
    /// Announcements, one per node they reached.
    pub announcements: u64,
    /// Queries.
    pub queries: u64,
    /// Records in answers.
    pub records: u64,
    /// Bytes of records in answers.
    pub record_bytes: u64,
    /// Bytes of announcements, queries and answers, as they weigh on a link.
    pub bytes: u64,
}

/// Who hears multicasts of whom.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listening {
    /// Whose application.
    pub node: usize,
    /// In which of its epochs.
    pub since: u64,
    /// Who publishes.
    pub origin: NodeId,
    /// In which of its epochs.
    pub epoch: u64,
    /// The topic; `None` for broadcasts.
    pub topic: Option<Topic>,
    /// Each priority has an order of its own.
    pub priority: Priority,
}

/// What an application is told of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// A message: its number, and what stands for its body.
    Message(u64, u64),
    /// The first and the last number of messages that do not come.
    Gap(u64, u64),
}

/// A request and what became of it.
#[derive(Debug, Clone)]
pub struct RequestTrace {
    /// Whom it was for.
    pub target: usize,
    /// When it must have ended.
    pub deadline: Duration,
    /// How and when it ended.
    pub ended: Option<(Duration, Result<Reply, UnicastError>)>,
    /// Times it ended.
    pub ends: usize,
    /// Times an application was handed it.
    pub handler_runs: usize,
    /// Whether the requester crashed: then nobody waits.
    pub orphaned: bool,
}

impl RequestTrace {
    /// Whether it ended as one that no application saw.
    pub const fn is_denied(&self) -> bool {
        matches!(self.ended, Some((_, Err(UnicastError::NoRoute | UnicastError::Refused(_)))))
    }
}

/// A publish and what became of it.
#[derive(Debug, Clone)]
pub struct PublishTrace {
    /// To one or to all.
    pub kind: Kind,
    /// When it must have ended.
    pub deadline: Duration,
    /// How and when it ended.
    pub ended: Option<(Duration, ResultCode)>,
    /// Times it was answered.
    pub ends: usize,
    /// How often each client got it.
    pub deliveries: BTreeMap<ClientId, usize>,
    /// Whether the publisher is gone: then nobody waits.
    pub orphaned: bool,
}

/// One line of the journal.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Virtual time.
    pub at: Duration,
    /// Whose.
    pub node: usize,
    /// What happened.
    pub what: What,
}

/// What a journal line tells.
#[derive(Debug, Clone)]
pub enum What {
    /// The node took this.
    In(Input),
    /// The node decided this.
    Out(Output),
    /// The world did this to the node.
    World(&'static str),
}

/// The newest lines, for printing when a test fails. Bound: its capacity; the oldest lines go first.
#[derive(Debug, Default)]
pub(super) struct Journal {
    pub(super) capacity: usize,
    entries: VecDeque<Entry>,
}

impl Journal {
    pub(super) fn push(&mut self, at: Duration, node: usize, what: impl FnOnce() -> What) {
        if self.capacity == 0 {
            return;
        }
        if self.entries.len() >= self.capacity {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry { at, node, what: what() });
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>10.4}s node {}: {:?}", self.at.as_secs_f64(), self.node, self.what)
    }
}
