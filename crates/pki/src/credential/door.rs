//! Who may do what: the one place that says which role each door demands.

use super::Role;

/// A way into a network, or behind which somebody is met. Its role is demanded in the TLS handshake, on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// The port where nodes link: each end is asked.
    P2p,
    /// The SDK port, asked by the node.
    SdkPort,
    /// The SDK port, asked by a Nuncio client. FISCO BCOS's SDKs do not ask.
    SdkServer,
    /// The admin API over TLS, asked by the node. The `nuncio` command asks the node for its role, as at the SDK port.
    Admin,
}

impl Door {
    /// Every door.
    pub const ALL: [Self; 4] = [Self::P2p, Self::SdkPort, Self::SdkServer, Self::Admin];

    /// The role it demands.
    pub const fn role(self) -> Role {
        match self {
            Self::P2p | Self::SdkServer => Role::Node,
            Self::SdkPort => Role::Sdk,
            Self::Admin => Role::Operator,
        }
    }

    /// What it is, in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::P2p => "p2p port, either end",
            Self::SdkPort => "SDK port, who connects",
            Self::SdkServer => "SDK port, who listens",
            Self::Admin => "admin API over TLS, who connects",
        }
    }

    /// Whether a certificate that states no role passes all the same: SDKs have no setting that could let it.
    pub const fn takes_unstated(self) -> bool {
        matches!(self, Self::SdkServer)
    }

    /// What whoever passes may do.
    pub const fn acts(self) -> &'static [&'static str] {
        match self {
            Self::P2p => &[
                "link to nodes, within their limits",
                "send and receive unicasts, multicasts and broadcasts",
                "relay what others send, sealed",
                "see the status of every node: name, agency, addresses, topics",
                "pass on revocation lists, each signed by its authority",
                "publish for SDKs, and receive for those that subscribe",
            ],
            Self::SdkPort => &[
                "subscribe topics, and receive what is published to them",
                "publish to any topic, to one subscriber or to all",
                "prove a key of a private topic, and ask others for it",
                "ask by JSON-RPC for the node's version, peers and topics",
            ],
            Self::SdkServer => &["serve SDKs"],
            Self::Admin => &["what its scope says, see below"],
        }
    }
}
