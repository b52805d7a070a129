use std::sync::Arc;

use nuncio_identity::NodeId;
use nuncio_rights::Rights;

use crate::{
    Strike,
    amop::{BridgeInput, ClientInput},
    gossip::GossipInput,
    multicast::MulticastInput,
    peering::PeeringInput,
    status_sync::StatusInput,
    trace::TraceInput,
    unicast::UnicastInput,
};

/// All that can happen to a node, by the machine that takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Links.
    Peering(PeeringInput),
    /// Statuses.
    Status(StatusInput),
    /// Requests.
    Unicast(UnicastInput),
    /// Multicast and broadcast.
    Multicast(MulticastInput),
    /// AMOP between nodes.
    Bridge(BridgeInput),
    /// AMOP's clients.
    Client(ClientInput),
    /// What gossip brings.
    Gossip(GossipInput),
    /// Traced messages and reports on them.
    Trace(TraceInput),
    /// Who may take part.
    Access(AccessInput),
}

/// Who may take part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessInput {
    /// A node is denied or revoked: its links close, its record goes, its messages are ignored.
    Expelled {
        /// Who.
        node: NodeId,
    },
    /// The edge saw a peer break a rule.
    Struck {
        /// Who.
        peer: NodeId,
        /// Which.
        strike: Strike,
    },
    /// The edge dropped messages that a peer passed on: their seals do not open, which only their source is to blame for.
    Unread {
        /// Who.
        peer: NodeId,
        /// How many.
        messages: usize,
    },
    /// Other nodes may do something else with topics here than before.
    RightsChanged {
        /// What they may.
        rights: Arc<Rights>,
    },
    /// An expelled node may come back, unless it is proven to equivocate.
    Readmitted {
        /// Who.
        node: NodeId,
    },
}

macro_rules! input_of {
    ($($machine:ident: $input:ty),+) => {
        $(impl From<$input> for Input {
            fn from(input: $input) -> Self {
                Self::$machine(input)
            }
        })+
    };
}

input_of!(
    Peering: PeeringInput,
    Status: StatusInput,
    Unicast: UnicastInput,
    Multicast: MulticastInput,
    Bridge: BridgeInput,
    Client: ClientInput,
    Gossip: GossipInput,
    Trace: TraceInput,
    Access: AccessInput
);
