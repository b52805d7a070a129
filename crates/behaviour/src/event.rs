use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use nuncio_identity::NodeId;
use nuncio_protocol::{
    Priority, Strike, Topic,
    amop::ClientOutput,
    peering::{Address, LinkDownReason},
    status_sync::Record,
    trace::{TraceParent, Traced},
    unicast::{ExchangeId, InboundId, Reply, UnicastError},
};

/// What the overlay tells its application.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A peer is linked.
    LinkUp {
        /// Who.
        peer: NodeId,
    },
    /// A peer is no longer linked; always comes before its next [`Event::LinkUp`].
    LinkDown {
        /// Who.
        peer: NodeId,
        /// Why.
        reason: LinkDownReason,
    },
    /// A node's status is new or changed.
    NodeChanged {
        /// Its signed, certified record.
        record: Arc<Record>,
    },
    /// A path to a node has appeared or gone.
    ReachabilityChanged {
        /// Who.
        node: NodeId,
        /// Whether there is a path now.
        reachable: bool,
    },
    /// A node asks; answer with [`crate::Behaviour::respond`] or [`crate::Behaviour::decline`].
    Request {
        /// Names the request.
        inbound: InboundId,
        /// Who asks.
        source: NodeId,
        /// What.
        body: Bytes,
        /// In which trace the application there asks, if it said so.
        parent: Option<TraceParent>,
        /// How urgent it is.
        priority: Priority,
    },
    /// A node asks this node itself, not its application; answered likewise.
    ServiceRequest {
        /// Names the request.
        inbound: InboundId,
        /// Who asks.
        source: NodeId,
        /// What.
        body: Bytes,
    },
    /// A request of ours ended. Exactly one per [`crate::Behaviour::request`] and [`crate::Behaviour::ask_service`].
    Completed {
        /// Which.
        exchange: ExchangeId,
        /// How.
        outcome: Result<Reply, UnicastError>,
    },
    /// What is known of the way of a request that the hops report on. Exactly one for each, after its [`Event::Completed`].
    Traced {
        /// Which.
        exchange: ExchangeId,
        /// Its way.
        traced: Box<Traced>,
    },
    /// Multicasts of a topic subscribed, or (without a topic) broadcasts: at least one, in their origin's order.
    Multicast {
        /// Who sent them; its signature holds and its certificate is known.
        origin: NodeId,
        /// The topic; `None` for broadcasts.
        topic: Option<Topic>,
        /// The origin's epoch.
        epoch: u64,
        /// The origin's number of the first one; those of one topic follow each other.
        first: u64,
        /// The data of each. They may share the memory that they came in: whoever keeps one of many copies it.
        bodies: Vec<Bytes>,
    },
    /// Messages that will not come: nobody that was asked has them any more. None that was told comes later.
    Gap {
        /// Who sent them.
        origin: NodeId,
        /// Their topic; `None` for broadcasts.
        topic: Option<Topic>,
        /// The origin's epoch.
        epoch: u64,
        /// The number of the first one.
        from: u64,
        /// The number of the last one.
        to: u64,
    },
    /// A peer broke the rules, and is refused for a while.
    Banned {
        /// Who.
        peer: NodeId,
        /// Until when.
        until: Instant,
        /// The rule it broke last.
        reason: Strike,
    },
    /// A node brought a message for a subscriber here to a topic that it may not publish to.
    Denied {
        /// Whose message it is.
        source: NodeId,
        /// The topic.
        topic: Topic,
        /// Why not.
        reason: String,
    },
    /// A node brought a message over its quota, or its agency's; it was delivered to nobody here.
    OverQuota {
        /// Whose message it is.
        source: NodeId,
    },
    /// The network knows this node in a higher epoch than its own: take one above it, and call
    /// [`crate::Behaviour::begin_epoch`] when it is on disk.
    EpochOutrun {
        /// The epoch known.
        seen: u64,
    },
    /// This epoch has no numbers left for further topics of multicasts, and publishing to them is refused: take a higher one, and
    /// call [`crate::Behaviour::begin_epoch`] when it is on disk.
    EpochSpent {
        /// This node's epoch.
        epoch: u64,
    },
    /// The node's key, which is not in this process, does not sign: statuses, announcements and multicasts wait for it or are
    /// dropped. Told once, until [`Event::KeyRecovered`].
    KeyFailed {
        /// What its keeper says.
        reason: String,
    },
    /// The node's key signs again.
    KeyRecovered,
    /// A second host uses the key of a node, perhaps our own; the first keeps its links.
    DuplicateIdentity {
        /// Whose key.
        node: NodeId,
        /// Where the second host was seen, if it connected.
        address: Option<Address>,
        /// In which epoch it runs.
        epoch: u64,
    },
    /// A node is proven to have signed two statuses with one version; it is expelled, unless it is this one. Once for each.
    Equivocation {
        /// Who.
        node: NodeId,
    },
    /// A peer brought revocation lists that [`crate::Certifier::take_list`] took: whoever is in is to be judged again, and
    /// what is held now told by [`crate::Behaviour::set_revocation_lists`].
    ListsTaken,
    /// The certificates of these nodes are refused: see [`crate::Behaviour::judge_members`].
    MembersRefused {
        /// Their records, as they are held.
        records: Vec<Arc<Record>>,
    },
    /// Something for an AMOP client, when no [`crate::Config::clients`] was given.
    Client(ClientOutput),
    /// A round trip over a link was measured.
    RoundTrip {
        /// The peer.
        peer: NodeId,
        /// The time.
        time: Duration,
    },
}
