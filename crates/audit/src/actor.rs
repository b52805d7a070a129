//! Who acted, what it did, and how much it may.

use std::fmt;

use nuncio_identity::NodeId;
use serde::{Deserialize, Serialize};

use crate::Text;

/// What an operator may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Nothing here: come in at the web door as a client, as an SDK does.
    Client,
    /// See everything, change nothing, and take no message from an application.
    Read,
    /// Everything.
    Full,
}

impl Scope {
    /// All, the lesser first.
    pub const ALL: [Self; 3] = [Self::Client, Self::Read, Self::Full];

    /// `client`, `read` or `full`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Read => "read",
            Self::Full => "full",
        }
    }

    /// What it lets its holder do, in words.
    pub const fn acts(self) -> &'static [&'static str] {
        match self {
            Self::Client => {
                &["come in at the web door without a certificate, as an SDK of the node's agency; nothing here"]
            }
            Self::Read => &[
                "see status, peers, nodes, routes, topics, certificates, lists, the log filter",
                "see the configuration in force",
                "read metrics, and follow the audit events",
            ],
            Self::Full => &[
                "everything that `read` may",
                "add and remove peers, allow and deny nodes",
                "change the log filter",
                "send, publish and broadcast in the node's name",
                "take and answer messages to the node",
            ],
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who acted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Actor {
    /// A process on this machine, over the unix socket: as the kernel says.
    Process {
        /// The user.
        uid: u32,
        /// Its group.
        gid: u32,
        /// The process, where the kernel says it.
        pid: Option<i32>,
    },
    /// The holder of an operator's certificate.
    Certificate {
        /// The name in it.
        name: Text,
        /// Its issuer, RFC 4514.
        issuer: Text,
        /// Its serial number, hexadecimal.
        serial: Text,
    },
    /// The holder of a token.
    Token {
        /// The token's name.
        name: Text,
    },
    /// An SDK that is an operator's, by JSON-RPC.
    Sdk {
        /// Its key or certificate, as lists name it.
        name: Text,
    },
    /// Whoever sent SIGHUP.
    Signal,
    /// Whoever changed the node's files.
    Files,
    /// A program in this process that runs the node.
    Program,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process { uid, pid: Some(pid), .. } => write!(f, "user {uid} (process {pid})"),
            Self::Process { uid, .. } => write!(f, "user {uid}"),
            Self::Certificate { name, serial, .. } => write!(f, "operator {name} (certificate {serial})"),
            Self::Token { name } => write!(f, "token {name}"),
            Self::Sdk { name } => write!(f, "SDK {name}"),
            Self::Signal => f.write_str("SIGHUP"),
            Self::Files => f.write_str("changed files"),
            Self::Program => f.write_str("the program that runs the node"),
        }
    }
}

/// What an operator did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum Act {
    /// Set the rule of a node, or took it back.
    SetAccess {
        /// The node.
        node: NodeIdText,
        /// `allow`, `deny` or `reset`.
        rule: &'static str,
    },
    /// Added a peer.
    AddPeer {
        /// Its address.
        address: Text,
    },
    /// Removed a peer.
    RemovePeer {
        /// Its address or node ID.
        peer: Text,
    },
    /// Replaced the log filter.
    SetLogFilter {
        /// The new one.
        filter: Text,
    },
    /// Sent a request to a node.
    Send {
        /// The node.
        node: NodeIdText,
        /// Bytes of its body.
        bytes: usize,
    },
    /// Offered a file to a node, or asked how far it is; its pieces are sent as `send`.
    OfferFile {
        /// The node.
        node: NodeIdText,
        /// The file's name there.
        name: Text,
        /// Its length.
        bytes: u64,
    },
    /// Published to a topic.
    Publish {
        /// The topic.
        topic: Text,
        /// Bytes of the body.
        bytes: usize,
    },
    /// Sent to every node.
    Broadcast {
        /// Bytes of the body.
        bytes: usize,
    },
    /// Began to take messages to the node.
    Listen {
        /// The topics, with commas.
        topics: Text,
        /// Whether requests to the node are taken.
        unicast: bool,
    },
    /// Came in over TLS, or tried to.
    Connect,
    /// Something that was refused before it was read, or that has no name of its own.
    Call {
        /// The HTTP method.
        method: Text,
        /// The path.
        path: Text,
    },
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetAccess { node, rule } => write!(f, "{rule} node {}", node.0.short()),
            Self::AddPeer { address } => write!(f, "add peer {address}"),
            Self::RemovePeer { peer } => write!(f, "remove peer {peer}"),
            Self::SetLogFilter { filter } => write!(f, "log filter {filter}"),
            Self::Send { node, bytes } => write!(f, "send {bytes} bytes to node {}", node.0.short()),
            Self::OfferFile { node, name, bytes } => {
                write!(f, "offer file {name} of {bytes} bytes to node {}", node.0.short())
            }
            Self::Publish { topic, bytes } => write!(f, "publish {bytes} bytes to {topic}"),
            Self::Broadcast { bytes } => write!(f, "broadcast {bytes} bytes"),
            Self::Listen { topics, unicast: true } => write!(f, "listen for requests and topics {topics}"),
            Self::Listen { topics, .. } => write!(f, "listen for topics {topics}"),
            Self::Connect => f.write_str("an operator's connection"),
            Self::Call { method, path } => write!(f, "{method} {path}"),
        }
    }
}

/// A node ID that is written as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeIdText(pub NodeId);

impl Serialize for NodeIdText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl From<NodeId> for NodeIdText {
    fn from(node: NodeId) -> Self {
        Self(node)
    }
}
