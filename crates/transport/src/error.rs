use std::{fmt, io, time::Duration};

use jiff::Timestamp;
use libp2p::PeerId;
use nuncio_identity::{NodeId, SignError};
use nuncio_pki::ChainError;
use nuncio_wire::{
    DecodeError,
    verdict::{Behind, Protocol},
};
use rustls_pki_types::UnixTime;

/// Which end of the connection this node was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It opened the connection.
    Dialer,
    /// It accepted the connection.
    Listener,
}

/// How far the securing of a connection had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// In the TLS handshake.
    Tls,
    /// After it, exchanging verdicts.
    Verdict,
}

/// Why a connection was not secured. Its text is one line that says who, which check, and which side refused; text that
/// came from the peer is shortened and cleared of control characters.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// This node refuses the peer.
    #[error("this node refuses {}: {refusal}{}", Name(*peer), Answer(answer.as_deref()))]
    Refused {
        /// This node's end.
        role: Role,
        /// The peer, by the key it has proved to hold.
        peer: PeerId,
        /// The check that failed.
        #[source]
        refusal: Box<Refusal>,
        /// What the peer has against this node, if it refuses as well.
        answer: Option<String>,
    },
    /// The peer, which this node would admit, refuses this node.
    #[error("node {} refuses this node: {reason}", node.short())]
    RefusedByPeer {
        /// This node's end.
        role: Role,
        /// The peer.
        node: NodeId,
        /// Its words.
        reason: String,
    },
    /// Both admit each other, but they are configured for different networks.
    #[error("node {} is in network \"{theirs}\", this node in \"{ours}\"", node.short())]
    OtherNetwork {
        /// This node's end.
        role: Role,
        /// The peer.
        node: NodeId,
        /// This node's network.
        ours: String,
        /// The peer's.
        theirs: String,
    },
    /// Both admit each other, but there is no version of the protocol that both speak.
    #[error(
        "node {} speaks {theirs} of the protocol, this node {ours}: {} has to be upgraded",
        node.short(), if *behind == Behind::Us { "this node" } else { "that node" }
    )]
    NoCommonVersion {
        /// This node's end.
        role: Role,
        /// The peer.
        node: NodeId,
        /// What this node speaks.
        ours: Box<Protocol>,
        /// What the peer speaks.
        theirs: Box<Protocol>,
        /// Which side has to be upgraded.
        behind: Behind,
    },
    /// Both admit each other, but their longest bodies differ, which breaks multicast.
    #[error("node {} takes bodies up to {theirs} bytes, this node up to {ours}", node.short())]
    OtherMaxBody {
        /// This node's end.
        role: Role,
        /// The peer.
        node: NodeId,
        /// This node's longest body, in bytes.
        ours: u32,
        /// The peer's, in bytes.
        theirs: u32,
    },
    /// The first certificate is no libp2p-tls leaf, or its host key's signature does not hold.
    #[error("the peer's TLS certificate does not prove a host key: {source}")]
    Leaf {
        /// This node's end.
        role: Role,
        /// What is wrong with it.
        source: libp2p_tls::certificate::ParseError,
    },
    /// The peer did not agree on this protocol inside TLS.
    #[error("the peer did not agree on the application protocol nuncio/1 inside TLS")]
    ApplicationProtocol {
        /// This node's end.
        role: Role,
    },
    /// TLS failed, here or, when it is an alert, there.
    #[error("{}", TlsText(source))]
    Tls {
        /// This node's end.
        role: Role,
        /// What rustls says.
        source: rustls::Error,
    },
    /// The peer's verdict could not be read.
    #[error("the verdict of node {} cannot be read: {source}", node.short())]
    Verdict {
        /// This node's end.
        role: Role,
        /// The peer.
        node: NodeId,
        /// What is wrong with it.
        source: Box<DecodeError>,
    },
    /// The connection broke.
    #[error("the connection ended {stage}: {source}")]
    Connection {
        /// This node's end.
        role: Role,
        /// How far it had come.
        stage: Stage,
        /// What the socket says.
        source: io::Error,
    },
    /// It had to make room for another, who knocked while too many handshakes were under way.
    #[error("its handshake had made no end when its place was needed")]
    GaveWay,
    /// The deadline passed.
    #[error("the peer did not answer {stage} within {after:?}")]
    TimedOut {
        /// This node's end.
        role: Role,
        /// How far it had come.
        stage: Stage,
        /// The deadline.
        after: Duration,
    },
}

/// The check a peer failed although it holds the key it claims.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The certificate chain is missing or not acceptable.
    #[error("{source}{}", Clock::beside(source, *judged_at))]
    Chain {
        /// The check that failed.
        source: ChainError,
        /// The refusing node's clock when it judged.
        judged_at: UnixTime,
    },
    /// The certificate is another node's.
    #[error(
        "the certificate of {subject} belongs to node {}, but the connection was made with the key of node {}",
        certificate.short(), host.short()
    )]
    KeyMismatch {
        /// Subject of the certificate.
        subject: String,
        /// The node the certificate names.
        certificate: NodeId,
        /// The node whose key made the connection.
        host: NodeId,
    },
    /// The host key is on another curve, so there is no node ID.
    #[error("its host key is not on secp256k1, so it has no node ID")]
    NotANode,
}

/// Why the secured transport could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The name of the network cannot be sent.
    #[error("the network name has {bytes} bytes; it needs 1 to {limit}, and no control characters")]
    NetworkName {
        /// Its length, in bytes.
        bytes: usize,
        /// Most bytes allowed.
        limit: usize,
    },
    /// The ephemeral TLS certificate could not be made.
    #[error("no TLS certificate could be made for this process")]
    Leaf(#[from] rcgen::Error),
    /// The node's key does not sign it.
    #[error(transparent)]
    Signer(#[from] SignError),
    /// The signature of the node's key, or what it is put into, is none.
    #[error("the node's key has not signed the TLS certificate of this process")]
    LeafSignature,
    /// rustls does not take the ephemeral key.
    #[error("the TLS key of this process cannot be used")]
    LeafKey(#[source] rustls::Error),
}

impl HandshakeError {
    /// This node's end of the connection.
    pub fn role(&self) -> Role {
        match self {
            Self::Refused { role, .. }
            | Self::RefusedByPeer { role, .. }
            | Self::OtherNetwork { role, .. }
            | Self::OtherMaxBody { role, .. }
            | Self::NoCommonVersion { role, .. }
            | Self::Leaf { role, .. }
            | Self::ApplicationProtocol { role }
            | Self::Tls { role, .. }
            | Self::Verdict { role, .. }
            | Self::Connection { role, .. }
            | Self::TimedOut { role, .. } => *role,
            Self::GaveWay => Role::Listener,
        }
    }

    /// The peer, when it had proved its key.
    pub fn node(&self) -> Option<NodeId> {
        match self {
            Self::Refused { peer, .. } => NodeId::try_from(*peer).ok(),
            Self::RefusedByPeer { node, .. }
            | Self::OtherNetwork { node, .. }
            | Self::OtherMaxBody { node, .. }
            | Self::NoCommonVersion { node, .. }
            | Self::Verdict { node, .. } => Some(*node),
            _ => None,
        }
    }

    /// What the operator of this node can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Refused { refusal, .. } => return Some(refusal.hint()),
            Self::RefusedByPeer { .. } => {
                "compare this node's node.crt with what the peer trusts: nuncio cert inspect node.crt; if the reason is its \
                 role, issue one of the role it wants: nuncio cert issue NAME --ca DIR --out DIR --kind node; if it is a \
                 list or a revocation, ask the peer's operator"
            }
            Self::OtherNetwork { .. } => {
                "both nodes need the same network name in nuncio.toml; if they belong to different networks, remove \
                 the address from the peers"
            }
            Self::NoCommonVersion { .. } => {
                "a release of nuncio speaks with the one before it: upgrade nodes one release at a time"
            }
            Self::OtherMaxBody { .. } => "run the same version of nuncio on both nodes",
            Self::Leaf { .. } | Self::ApplicationProtocol { .. } => {
                "the peer is not a nuncio node, or of an incompatible version"
            }
            Self::Tls { source: rustls::Error::NoCertificatesPresented, .. } => {
                "the other side is a TLS client without a certificate; SDKs connect to the gateway's port, not to this"
            }
            Self::Tls { .. } => "the peer's log has its reason; if it is no nuncio node, check the address and port",
            Self::Verdict { .. } => "run the same version of nuncio on both nodes",
            Self::Connection { .. } => "the peer's log has its reason, unless the network broke",
            Self::GaveWay => "look for a port scanner, or for many nodes that connect from one address",
            Self::TimedOut { .. } => "check that the address leads to the p2p port of a nuncio node that is running",
        };
        Some(hint.to_owned())
    }

    /// `error` as it surfaced while reading or writing TLS.
    pub(crate) fn from_io(role: Role, stage: Stage, error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::NoApplicationProtocol) => Self::ApplicationProtocol { role },
            Some(tls) => Self::Tls { role, source: tls.clone() },
            None => Self::Connection { role, stage, source: error },
        }
    }
}

impl Refusal {
    /// What the operator of the refusing node can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Chain { source, .. } => source.hint(),
            Self::KeyMismatch { .. } => {
                "the peer's node.key and node.crt do not belong together: its operator should issue a certificate for \
                 that key (nuncio cert issue); if the certificate was copied, revoke it (nuncio cert revoke)"
                    .to_owned()
            }
            Self::NotANode => "the peer is not a nuncio node".to_owned(),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dialer => "dialer",
            Self::Listener => "listener",
        })
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls => "in the TLS handshake",
            Self::Verdict => "before its verdict",
        })
    }
}

/// A peer in a log line: the node ID's first digits, or the peer ID of what is no node.
struct Name(PeerId);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NodeId::try_from(self.0) {
            Ok(node) => write!(f, "node {}", node.short()),
            Err(_) => write!(f, "peer {}", self.0),
        }
    }
}

/// The judge's clock, said when a refusal depends on it: it may be the clock that is wrong.
struct Clock(Option<UnixTime>);

impl Clock {
    fn beside(error: &ChainError, judged_at: UnixTime) -> Self {
        let depends = matches!(error, ChainError::Expired { .. } | ChainError::NotYetValid { .. });
        Self(depends.then_some(judged_at))
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(now) = self.0 else { return Ok(()) };
        match i64::try_from(now.as_secs()).ok().and_then(|seconds| Timestamp::from_second(seconds).ok()) {
            Some(now) => write!(f, "; the local clock of the refusing node says {now}"),
            None => write!(f, "; the local clock of the refusing node says second {} of 1970", now.as_secs()),
        }
    }
}

struct Answer<'a>(Option<&'a str>);

impl fmt::Display for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(reason) => write!(f, " (and it refuses this node: {reason})"),
            None => Ok(()),
        }
    }
}

struct TlsText<'a>(&'a rustls::Error);

impl fmt::Display for TlsText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            rustls::Error::AlertReceived(alert) => write!(f, "the peer ended the TLS handshake with alert {alert:?}"),
            rustls::Error::InvalidMessage(_) => write!(f, "the peer's bytes are not TLS: {}", self.0),
            other => write!(f, "the TLS handshake failed: {other}"),
        }
    }
}
