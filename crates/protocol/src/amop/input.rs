use nuncio_identity::NodeId;

use super::{Message, Multicast};

/// What peers send on the bridge streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BridgeInput {
    /// A bridge message arrived; if it was relayed, its signature has been verified.
    Received {
        /// The linked peer it came from.
        from: NodeId,
        /// The message.
        message: Message,
    },
    /// A multicast arrived; if it is to be passed on, or was, its signature has been verified.
    MulticastReceived {
        /// The linked peer it came from.
        from: NodeId,
        /// The multicast.
        multicast: Multicast,
    },
    /// The link's queue was full: a message of [`crate::Output::SendBridge`] was not sent.
    NotSent {
        /// The linked peer it was for.
        to: NodeId,
        /// The message.
        message: Message,
    },
    /// The same of a multicast of [`crate::Output::SendMulticast`].
    MulticastNotSent {
        /// The linked peer it was for.
        to: NodeId,
        /// The multicast.
        multicast: Multicast,
    },
}
