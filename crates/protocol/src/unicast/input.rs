use std::time::Duration;

use bytes::Bytes;
use nuncio_identity::NodeId;

use super::{ExchangeId, InboundId, Message, Refusal};
use crate::{Priority, trace::Trace};

/// What applications and peers do with requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnicastInput {
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
        /// How it is followed; a traced one ends in [`crate::Output::Traced`], too.
        trace: Trace,
        /// How urgent it is, and its answer.
        priority: Priority,
    },
    /// This node asks another node itself; ends in [`crate::Output::Completed`] like any request.
    ServiceRequest {
        /// Its name for the exchange; of the same numbers as those of requests.
        exchange: ExchangeId,
        /// Whom. One that has not said in its status that it serves takes it for nonsense.
        target: NodeId,
        /// What; at most [`crate::MAX_SERVICE_BODY`].
        body: Bytes,
        /// How long it waits.
        timeout: Duration,
        /// How it is followed.
        trace: Trace,
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
    /// The application had a request, and will not answer it.
    Abandon {
        /// Which.
        inbound: InboundId,
    },
    /// A unicast message arrived; if it was relayed to this node, its seal has been opened and was its source's.
    Received {
        /// The linked peer it came from.
        from: NodeId,
        /// The message.
        message: Message,
    },
    /// The link's queue was full: a message of [`crate::Output::SendUnicast`] was not sent.
    NotSent {
        /// The linked peer it was for.
        to: NodeId,
        /// The message.
        message: Message,
    },
}
