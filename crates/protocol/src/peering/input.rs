use std::sync::Arc;

use nuncio_identity::NodeId;

use super::{Address, ConnectionId, Direction, Parting};

/// What happens to links, and what the operator wants of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeeringInput {
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
    /// The node is about to stop: every link ends with a goodbye.
    Leave,
}
