use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use nuncio_identity::NodeId;

use crate::{
    Topic,
    amop::{self, ClientInput},
    peering::{Address, ConnectionId, Direction, Parting},
    status_sync::{IssuerId, Query, QueryId, Record, Version},
    unicast::{self, ExchangeId, InboundId, Refusal},
};

/// All that can happen to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The operator (or the configuration) wants a link to whoever answers at this address.
    PeerAdded {
        /// Where.
        address: Address,
    },
    /// The operator no longer wants this configured peer; its link is closed.
    PeerRemoved {
        /// Where.
        address: Address,
    },
    /// A node is denied or revoked: its links close, its record goes, its messages are ignored.
    Expelled {
        /// Who.
        node: NodeId,
    },
    /// An expelled node may come back.
    Readmitted {
        /// Who.
        node: NodeId,
    },
    /// The addresses this node can be dialled at.
    LocalAddresses {
        /// All of them; at most 8 are used.
        addresses: Vec<Address>,
    },
    /// The revocation lists this node holds now.
    RevocationLists {
        /// The newest number of each issuer; at most [`crate::MAX_ISSUERS`] are told.
        numbers: BTreeMap<IssuerId, u64>,
    },
    /// A peer answered a [`Query::Revocations`]; the edge has judged and taken the lists already.
    RevocationsAnswered {
        /// Who.
        peer: NodeId,
    },
    /// The own certificate chain was replaced: the own status is signed again, under a new seq, and
    /// peers that could not be linked are dialled again at once.
    CertificateRenewed,
    /// The application topics this node subscribes; they replace what was said before.
    MulticastTopics {
        /// All of them; at most [`crate::MAX_TOPICS_PER_NODE`].
        topics: BTreeSet<Topic>,
    },
    /// The node is about to stop: every link ends with a goodbye.
    Leave,
    /// The application's opaque status field.
    ApplicationField {
        /// At most [`crate::MAX_APPLICATION_FIELD`] bytes; longer ones are cut.
        bytes: Bytes,
    },
    /// An admitted connection is there.
    ConnectionOpened {
        /// Its name.
        connection: ConnectionId,
        /// Who is at the other end.
        peer: NodeId,
        /// Who dialled.
        direction: Direction,
        /// The remote address; for an outbound one, the address that was dialled.
        address: Address,
    },
    /// The other end of a connection said in which epoch it runs; the first thing a peer says.
    Introduced {
        /// The connection.
        connection: ConnectionId,
        /// The peer's epoch: two hosts with one key differ in it.
        epoch: u64,
    },
    /// Something arrived on a connection since its [`crate::Output::Probe`].
    Alive {
        /// The connection.
        connection: ConnectionId,
    },
    /// The other end said goodbye: it will not send again on this connection.
    Farewell {
        /// The connection.
        connection: ConnectionId,
        /// Why it goes.
        parting: Parting,
    },
    /// A connection is gone.
    ConnectionClosed {
        /// Its name.
        connection: ConnectionId,
        /// How it ended.
        reason: Arc<str>,
    },
    /// A dial came to nothing.
    DialFailed {
        /// The address of the [`crate::Output::Dial`].
        address: Address,
        /// Why.
        reason: Arc<str>,
    },
    /// The edge signed the status of [`crate::Output::Sign`].
    Signed {
        /// The own record.
        record: Arc<Record>,
    },
    /// A node's version was heard of.
    Announced {
        /// The linked peer that passed it on.
        via: NodeId,
        /// Whose version.
        node: NodeId,
        /// The version.
        version: Version,
    },
    /// A peer asks.
    Queried {
        /// Its name, for [`crate::Output::Answer`].
        query: QueryId,
        /// Who asks.
        peer: NodeId,
        /// What.
        wanted: Query,
    },
    /// A peer answered.
    Answered {
        /// Who.
        peer: NodeId,
        /// Verified records only.
        records: Vec<Arc<Record>>,
        /// Whether the peer has more than fitted.
        more: bool,
    },
    /// A peer did not answer.
    QueryFailed {
        /// Who.
        peer: NodeId,
    },
    /// The application asks a node.
    Request {
        /// Its name for the exchange.
        exchange: ExchangeId,
        /// Whom.
        target: NodeId,
        /// What.
        body: Bytes,
        /// How long it waits.
        timeout: Duration,
    },
    /// The application answers a request.
    Respond {
        /// Which.
        inbound: InboundId,
        /// What; at most [`crate::MAX_BODY`], which the edge has checked.
        body: Bytes,
    },
    /// The application will not answer a request.
    Decline {
        /// Which.
        inbound: InboundId,
        /// Why.
        refusal: Refusal,
    },
    /// A unicast message arrived; if it was relayed, its signature has been verified.
    UnicastReceived {
        /// The linked peer it came from.
        from: NodeId,
        /// The message.
        message: unicast::Message,
    },
    /// The link's queue was full: a message of [`crate::Output::SendUnicast`] was not sent.
    UnicastNotSent {
        /// The linked peer it was for.
        to: NodeId,
        /// The message.
        message: unicast::Message,
    },
    /// A bridge message arrived; if it was relayed, its signature has been verified.
    BridgeReceived {
        /// The linked peer it came from.
        from: NodeId,
        /// The message.
        message: amop::Message,
    },
    /// The link's queue was full: a message of [`crate::Output::SendBridge`] was not sent.
    BridgeNotSent {
        /// The linked peer it was for.
        to: NodeId,
        /// The message.
        message: amop::Message,
    },
    /// A client did something.
    Client(ClientInput),
}
