//! Whether the client has a node.

use std::fmt;

use nuncio_channel_protocol::ProtocolVersion;

/// The state of a client's connection. `Connected ⇄ Reconnecting`, and from both to `Closed`, where it stays.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// A node serves this client.
    Connected {
        /// Which, as it was given to the builder.
        node: String,
        /// The FISCO BCOS version it says it is compatible with.
        node_version: String,
        /// The channel protocol version in use.
        protocol: ProtocolVersion,
        /// Whether the node knows priorities: to one that does not, everything goes without.
        priorities: bool,
    },
    /// The connection was lost and the nodes are tried in turn.
    Reconnecting {
        /// What happened last, in one line.
        reason: String,
    },
    /// The client was closed.
    Closed,
}

impl Status {
    /// Whether a node serves this client.
    pub fn is_connected(&self) -> bool {
        matches!(self, Self::Connected { .. })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected { node, node_version, protocol, .. } => {
                write!(f, "connected to {node} (version {node_version}, protocol {protocol})")
            }
            Self::Reconnecting { reason } => write!(f, "reconnecting: {reason}"),
            Self::Closed => f.write_str("closed"),
        }
    }
}
