use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use bytes::Bytes;
use nuncio_identity::NodeId;

use crate::{
    Priority, Strike, Topic,
    amop::{self, ClientOutput},
    copies::start,
    gossip::{GossipId, Judgement},
    multicast::{Leg, Wanted},
    peering::{Address, ConnectionId, LinkDownReason},
    status_sync::{Equivocation, IssuerId, Query, QueryId, Record, Status, Version},
    trace::{Passage, Signed, TraceParent, Traced},
    unicast::{self, ExchangeId, InboundId, Reply, UnicastError},
};

/// On whose account a message waits for its link: what a neighbour brings is that neighbour's, since nobody else has proved on
/// its way whose it is; an answer is of the node that asked; what a client publishes is of its tenant, if it has one.
pub type Account = nuncio_bounds::Account<NodeId>;

/// On which account of its owner a message waits that says it comes of a source: each has one of its own there.
pub(crate) fn of_source(account: Account, source: &NodeId) -> Account {
    match account {
        Account::Of(by) if by != *source => Account::Brought(by, start(source)),
        other => other,
    }
}

/// A message whose content only the edge can open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sealed {
    /// From the unicast stream.
    Unicast {
        /// The peer that brought it.
        from: NodeId,
        /// The message.
        message: unicast::Message,
    },
    /// From the bridge stream.
    Bridge {
        /// The peer that brought it.
        from: NodeId,
        /// The message.
        message: amop::Message,
    },
    /// From the bridge stream.
    Multicast {
        /// The peer that brought it.
        from: NodeId,
        /// The multicast.
        multicast: amop::Multicast,
    },
}

/// All that a node does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Dial an address. Ends in [`crate::PeeringInput::ConnectionOpened`] or [`crate::PeeringInput::DialFailed`] with
    /// the same address.
    Dial {
        /// Where.
        address: Address,
        /// Who must answer; `None` where that is not known yet.
        expected: Option<NodeId>,
    },
    /// Close a connection.
    Close {
        /// Which.
        connection: ConnectionId,
        /// Why.
        reason: LinkDownReason,
    },
    /// Say at once, by [`crate::PeeringInput::Alive`], when the next byte arrives on a connection; nothing within
    /// a few heartbeats means that it is dead.
    Probe {
        /// Which.
        connection: ConnectionId,
    },
    /// A node brought a message to a topic that it may not publish to. It goes to nobody here.
    Denied {
        /// Whose message it is.
        source: NodeId,
        /// The topic.
        topic: Topic,
        /// Why not.
        reason: String,
    },
    /// A node brought a message over its quota, or its agency's. It goes to nobody here.
    OverQuota {
        /// Whose message it is.
        source: NodeId,
    },
    /// A second host uses the key of a node (perhaps our own). The first keeps its links.
    DuplicateIdentity {
        /// Whose key.
        node: NodeId,
        /// Where the second host was seen, if it connected.
        address: Option<Address>,
        /// The second host's epoch.
        epoch: u64,
    },
    /// The network knows this node in a higher epoch: its data was lost, and its clock is behind. Answered by
    /// [`crate::Overlay::begin_epoch`] once an epoch above this one is on disk.
    EpochOutrun {
        /// The epoch known.
        seen: u64,
    },
    /// This epoch has no numbers left for further topics of multicasts: publishing to them is refused until
    /// [`crate::Overlay::begin_epoch`], once an epoch above it is on disk.
    EpochSpent {
        /// This node's epoch.
        epoch: u64,
    },
    /// A peer is linked.
    LinkUp {
        /// Who.
        peer: NodeId,
        /// The connection that carries messages.
        connection: ConnectionId,
    },
    /// A link continues on another connection.
    LinkMoved {
        /// Who.
        peer: NodeId,
        /// The connection that carries messages from now on.
        connection: ConnectionId,
    },
    /// A peer is no longer linked. Always comes before the next `LinkUp` of the same peer.
    LinkDown {
        /// Who.
        peer: NodeId,
        /// Why.
        reason: LinkDownReason,
    },
    /// A node is proven to equivocate; it is expelled, but for the own node. Once for each node.
    Equivocation {
        /// What proves it.
        proof: Equivocation,
    },
    /// A node's record is new or changed (never the own one).
    NodeChanged {
        /// The record now applied.
        record: Arc<Record>,
    },
    /// Whether a path to a node exists has changed (linked peers included).
    ReachabilityChanged {
        /// Who.
        node: NodeId,
        /// Whether it can be reached now.
        reachable: bool,
    },
    /// Sign the own status; answered by [`crate::StatusInput::Signed`]. Until then the former record stands.
    Sign {
        /// What to sign.
        status: Status,
    },
    /// Announce the own version to the network.
    Announce {
        /// The version.
        version: Version,
    },
    /// What becomes of a message of gossip; exactly one for each.
    Judged {
        /// Which.
        id: GossipId,
        /// What.
        judgement: Judgement,
    },
    /// Ask a linked peer. Ends in [`crate::StatusInput::Answered`] or [`crate::StatusInput::QueryFailed`]; at most
    /// one is open per peer.
    Query {
        /// Whom.
        peer: NodeId,
        /// What.
        wanted: Query,
    },
    /// Answer a peer's query.
    Answer {
        /// Which.
        query: QueryId,
        /// What it gets; at most 4 MiB of record bytes.
        records: Vec<Arc<Record>>,
        /// Proofs of equivocation it gets; at most [`crate::status_sync::MAX_PROOFS`], of 3 MiB in all.
        proofs: Vec<Equivocation>,
        /// Whether there is more.
        more: bool,
    },
    /// Leave a peer's query without an answer: it asks more than it may. It hears that its query failed.
    Ignore {
        /// Which.
        query: QueryId,
    },
    /// Answer a peer's [`Query::Revocations`] with every held list that is newer than what it has.
    AnswerRevocations {
        /// Which.
        query: QueryId,
        /// What the peer has.
        held: BTreeMap<IssuerId, u64>,
    },
    /// Pass on multicasts of these topics, though nobody here subscribes them: subscribers may be joined
    /// through this node only. Replaces what was said before.
    Relay {
        /// All of them; at most [`crate::MAX_RELAYED_TOPICS`].
        topics: BTreeSet<Topic>,
    },
    /// Send on the unicast stream of a linked peer.
    SendUnicast {
        /// Whom.
        to: NodeId,
        /// On whose account it waits for the link.
        account: Account,
        /// What.
        message: unicast::Message,
    },
    /// Send on the bridge stream of a linked peer.
    SendBridge {
        /// Whom.
        to: NodeId,
        /// On whose account it waits for the link.
        account: Account,
        /// What.
        message: amop::Message,
    },
    /// Send on the bridge stream of a linked peer.
    SendMulticast {
        /// Whom.
        to: NodeId,
        /// On whose account it waits for the link.
        account: Account,
        /// What.
        multicast: amop::Multicast,
    },
    /// Send on the bridge stream of a linked peer; where that has no room, [`crate::MulticastInput::NotSent`].
    SendBatch {
        /// Whom.
        to: NodeId,
        /// On whose account it waits for the link.
        account: Account,
        /// What.
        leg: Leg,
    },
    /// Send on the bridge stream of a linked peer; it may get lost.
    SendWanted {
        /// Whom.
        to: NodeId,
        /// On whose account it waits for the link.
        account: Account,
        /// What.
        wanted: Wanted,
    },
    /// Messages for the applications here, of each origin and topic in the origin's order.
    Multicast {
        /// Who sent them.
        origin: NodeId,
        /// In which of its epochs.
        epoch: u64,
        /// Their topic; `None` for broadcasts.
        topic: Option<Topic>,
        /// The number of the first one; the others follow it.
        first: u64,
        /// What they say.
        bodies: Vec<Bytes>,
    },
    /// Messages that the applications here will not get; none that was told comes later.
    Gap {
        /// Who sent them.
        origin: NodeId,
        /// In which of its epochs.
        epoch: u64,
        /// Their topic; `None` for broadcasts.
        topic: Option<Topic>,
        /// The number of the first one.
        from: u64,
        /// The number of the last one.
        to: u64,
    },
    /// A message that the edge could not open, for want of its source's key, can be opened now: comes again as it came
    /// the first time, or not at all.
    Unseal(Sealed),
    /// A peer is cut off for what it did.
    Ban {
        /// Who.
        peer: NodeId,
        /// Until when.
        until: Instant,
        /// The rule it broke last.
        reason: Strike,
    },
    /// A request reached us: the application answers by [`crate::UnicastInput::Respond`] or
    /// [`crate::UnicastInput::Decline`].
    Request {
        /// Its name.
        inbound: InboundId,
        /// Who asks.
        source: NodeId,
        /// What.
        body: Bytes,
        /// In which trace its application asks, if it said so.
        parent: Option<TraceParent>,
        /// How urgent it is here.
        priority: Priority,
    },
    /// A request to this node itself, not to an application; answered likewise.
    ServiceRequest {
        /// Its name.
        inbound: InboundId,
        /// Who asks.
        source: NodeId,
        /// What.
        body: Bytes,
    },
    /// A request of ours ended. Exactly one per [`crate::UnicastInput::Request`] and
    /// [`crate::UnicastInput::ServiceRequest`].
    Completed {
        /// Which.
        exchange: ExchangeId,
        /// How.
        outcome: Result<Reply, UnicastError>,
    },
    /// What is known of the way of a traced request of ours. Exactly one for each, after its [`Output::Completed`].
    Traced {
        /// Which request.
        exchange: ExchangeId,
        /// Its way.
        traced: Box<Traced>,
    },
    /// Date and sign a report on a message of another node; answered by [`crate::TraceInput::Signed`], if there is room.
    SignReport {
        /// What is reported.
        passage: Box<Passage>,
    },
    /// Check the signature of a report on a message of ours; answered by [`crate::TraceInput::Checked`].
    CheckReport {
        /// The peer that brought it.
        from: NodeId,
        /// The report.
        report: Box<Signed>,
    },
    /// Something for a client.
    Client(ClientOutput),
}
