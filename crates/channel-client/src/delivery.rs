//! A message for a subscriber.

use std::sync::Arc;

use bytes::Bytes;
use nuncio_channel_protocol::{MAX_BODY, ResultCode};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// What becomes of a unicast: data for the publisher, or a code. Dropping the sender means empty data.
pub(crate) type Outcome = Result<Bytes, ResultCode>;

/// A message that came in through a [`crate::Subscription`].
///
/// The publisher of a unicast waits for an answer: [`Delivery::respond`]. Dropping the delivery answers with empty data;
/// so does forgetting to answer one, when it goes out of scope.
#[derive(Debug)]
#[must_use = "dropping a delivery answers its publisher with empty data"]
#[non_exhaustive]
pub struct Delivery {
    /// The topic it was published to.
    pub topic: Arc<str>,
    /// The message; at most 10 MiB.
    pub data: Bytes,
    /// To whom it was published.
    pub kind: Kind,
    pub(crate) reply: Option<oneshot::Sender<Outcome>>,
}

/// To whom a message was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// To one subscriber; its publisher waits for the answer.
    Unicast,
    /// To every subscriber; nobody waits.
    Multicast,
    /// The node's own news about a block, see [`crate::BlockNotification`]; nobody waits.
    BlockNotification,
}

/// Why an answer was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RespondError {
    /// The message is no unicast.
    #[error("nobody waits for an answer to a multicast")]
    NotUnicast,
    /// The answer is longer than 10 MiB; the publisher was told that this subscriber declines.
    #[error("an answer has at most {MAX_BODY} bytes, not {bytes}")]
    TooLarge {
        /// Bytes given.
        bytes: usize,
    },
    /// The connection over which the message came is gone, and with it the way back.
    #[error("the connection over which the message came is gone")]
    Disconnected,
}

impl Delivery {
    /// Answers the publisher of a unicast. An answer that the node does not get in time (2 s) is lost without notice.
    ///
    /// # Errors
    /// When nobody waits for an answer, it is too long, or the connection is gone.
    pub fn respond(mut self, data: impl Into<Bytes>) -> Result<(), RespondError> {
        let data = data.into();
        let reply = self.reply.take().ok_or(RespondError::NotUnicast)?;
        if data.len() > MAX_BODY {
            let _ = reply.send(Err(ResultCode::SUBSCRIBER_GONE));
            return Err(RespondError::TooLarge { bytes: data.len() });
        }
        reply.send(Ok(data)).map_err(|_| RespondError::Disconnected)
    }

    /// Declines a unicast, so that the node may try another subscriber. Does nothing for other messages.
    pub fn decline(mut self) {
        if let Some(reply) = self.reply.take() {
            let _ = reply.send(Err(ResultCode::SUBSCRIBER_GONE));
        }
    }
}

/// A delivery in a queue: declined when it is dropped there, since no application saw it.
#[derive(Debug)]
pub(crate) struct Queued {
    delivery: Option<Delivery>,
    _room: OwnedSemaphorePermit,
}

impl Queued {
    pub(crate) fn new(delivery: Delivery, room: OwnedSemaphorePermit) -> Self {
        Self { delivery: Some(delivery), _room: room }
    }

    pub(crate) fn take(mut self) -> Option<Delivery> {
        self.delivery.take()
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        if let Some(delivery) = self.delivery.take() {
            delivery.decline();
        }
    }
}
