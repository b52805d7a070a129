//! What a probe saw, and nothing of what it means.

use std::{net::SocketAddr, time::Duration};

use nuncio_identity::NodeId;
use nuncio_pki::Certificate;
use nuncio_transport::HandshakeError;
use rustls_pki_types::UnixTime;

use crate::{Credentials, Target};

/// What a port can be meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// Where nodes speak to nodes.
    P2p,
    /// Where SDKs speak to a node, FISCO's channel port.
    Channel,
    /// Plain text, without TLS.
    Plain,
}

/// Everything that one probe saw.
#[derive(Debug)]
pub struct Facts {
    /// Where it looked.
    pub target: Target,
    /// What the port is meant to be, if anybody said so.
    pub expected: Option<Port>,
    /// What it showed.
    pub own: Option<Credentials>,
    /// This machine's clock when the probe began.
    pub now: UnixTime,
    /// Most time that each single answer was waited for.
    pub patience: Duration,
    /// What the host name led to.
    pub resolution: Resolution,
    /// Every address that was tried, in order; the last one was connected to, if any was.
    pub connections: Vec<Connection>,
    /// What the port answered to a node's first bytes.
    pub opening: Opening,
    /// How the handshake between nodes ended, if the port is a Nuncio node's p2p port and a node asks.
    pub p2p: Option<P2pOutcome>,
    /// The TLS handshakes that were tried, in order.
    pub tls: Vec<TlsAttempt>,
    /// What was found behind TLS.
    pub inside: Option<Inside>,
    /// What the port answered to the greeting of TLCP (GM/T 0024).
    pub tlcp: Option<TlcpAnswer>,
    /// What the port answered to HTTP in plain text.
    pub http: Option<HttpAnswer>,
}

/// What a host name led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// It is an address.
    Literal,
    /// These addresses, the first few.
    Addresses(Vec<SocketAddr>),
    /// None, and what the system says.
    Failed(String),
    /// No answer in time.
    TimedOut,
}

/// An attempt to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Where to.
    pub address: SocketAddr,
    /// What came of it.
    pub outcome: ConnectionOutcome,
}

/// What came of an attempt to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionOutcome {
    /// It is open, after this time.
    Open(Duration),
    /// The machine says that nothing listens there.
    Refused,
    /// No answer at all in time.
    TimedOut,
    /// A router or firewall says that there is no way, in the system's words.
    NoRoute(String),
    /// Anything else, in the system's words.
    Other(String),
}

/// What a port answered to a node's first bytes (`/multistream/1.0.0`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// Nobody asked: there was no connection.
    NotAsked,
    /// It speaks the protocol of Nuncio nodes.
    Nuncio,
    /// It speaks libp2p, but not that protocol.
    OtherLibp2p,
    /// Something else, the first bytes of it.
    Bytes(Vec<u8>),
    /// It hung up.
    Closed,
    /// Nothing in time.
    Silent,
}

/// How a handshake between nodes ended.
#[derive(Debug)]
pub enum P2pOutcome {
    /// Both admit each other.
    Admitted(NodeId),
    /// One refused, or it broke.
    Failed(HandshakeError),
}

/// What was offered in a TLS handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// TLS 1.2, with secp256k1 among the curves, as SDKs of FISCO BCOS offer.
    Tls12,
    /// TLS 1.3.
    Tls13,
    /// TLS 1.2 without secp256k1, as current JDKs and browsers offer.
    WithoutSecp256k1,
}

/// One TLS handshake.
#[derive(Debug, Clone)]
pub struct TlsAttempt {
    /// What was offered.
    pub offer: Offer,
    /// What came of it.
    pub outcome: Handshake,
    /// The certificates of the other side, leaf first, as far as they could be read.
    pub chain: Vec<Certificate>,
    /// Whether the other side asked for a certificate.
    pub asked: bool,
    /// Whether the other side proved to hold its certificate's key; `None` when that could not be checked.
    pub proved: Option<bool>,
    /// The first bytes that came.
    pub first: Vec<u8>,
}

/// How a TLS handshake ended.
#[derive(Debug, Clone)]
pub enum Handshake {
    /// It is done, with this version and suite.
    Done(String),
    /// It failed here, or by an alert of the other side.
    Failed(rustls::Error),
    /// The other side hung up.
    Closed(String),
    /// It made no end in time.
    TimedOut,
}

/// What was found behind TLS, after the question of a channel client.
#[derive(Debug, Clone)]
pub enum Inside {
    /// A channel port, and the version it answers with.
    Channel(String),
    /// A FISCO BCOS 2.x node's p2p port: it sent a frame of its own.
    FiscoP2p,
    /// HTTP.
    Http(HttpAnswer),
    /// It sent an alert.
    Refused(rustls::Error),
    /// It hung up without a word.
    Closed,
    /// Nothing in time.
    Silent,
    /// Something else, the first bytes of it.
    Bytes(Vec<u8>),
}

/// An answer in HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpAnswer {
    /// Its first line.
    pub status: String,
    /// The clock of the other side, by its Date header.
    pub date: Option<UnixTime>,
    /// This machine's clock when it came.
    pub received: UnixTime,
}

/// What a port answered to the greeting of TLCP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlcpAnswer {
    /// It speaks TLCP: a ServerHello or an alert of version 0x0101.
    Spoken,
    /// Anything else, or nothing.
    NotSpoken,
}

impl TlsAttempt {
    /// Whether what came first is a TLS record, of whatever version.
    pub fn is_tls(&self) -> bool {
        matches!(self.first[..], [0x14..=0x17, 1 | 3, ..])
    }
}

impl Facts {
    /// Whether a TCP connection could be made.
    pub fn is_connected(&self) -> bool {
        self.connections.iter().any(|one| matches!(one.outcome, ConnectionOutcome::Open(_)))
    }

    /// The handshake that says most: a finished one, else one that brought certificates, else the first TLS.
    pub fn best_handshake(&self) -> Option<&TlsAttempt> {
        let tried = || self.tls.iter().filter(|one| one.offer != Offer::WithoutSecp256k1);
        tried()
            .find(|one| matches!(one.outcome, Handshake::Done(_)))
            .or_else(|| tried().find(|one| !one.chain.is_empty()))
            .or_else(|| tried().find(|one| one.is_tls()))
    }
}
