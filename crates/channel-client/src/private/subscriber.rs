use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures::Stream;
use tokio_util::task::AbortOnDropHandle;

use super::{TopicKey, channel_name, name};
use crate::{Client, Delivery, SubscribeError, Subscription};

/// Messages to a private topic; a stream. Dropping it unsubscribes.
///
/// Challenges of publishers are answered with the topic's key as long as this lives, whether messages are taken or not.
#[derive(Debug)]
#[must_use = "dropping a subscription unsubscribes"]
pub struct PrivateSubscription {
    messages: Subscription,
    _challenges: AbortOnDropHandle<()>,
}

impl Client {
    /// Subscribes a private topic. Messages come once a publisher has been convinced that this client has a key that the
    /// publisher knows.
    ///
    /// # Errors
    /// When the topic is empty or has more than 185 bytes, there would be too many topics, or no node confirms in time.
    pub async fn subscribe_private(&self, topic: &str, key: TopicKey) -> Result<PrivateSubscription, SubscribeError> {
        if topic.is_empty() {
            return Err(SubscribeError::Topic { bytes: 0 });
        }
        let mut challenges = self.subscribe([channel_name(topic)]).await?;
        let answering = tokio::spawn(async move {
            while let Some(challenge) = challenges.next().await {
                let answer = key.sign(&challenge.data);
                if let Err(error) = challenge.respond(answer) {
                    tracing::debug!(%error, "the answer to a challenge was lost");
                }
            }
        });
        let challenges = AbortOnDropHandle::new(answering);
        let messages = self.subscribe([name(topic)]).await?;
        Ok(PrivateSubscription { messages, _challenges: challenges })
    }
}

impl PrivateSubscription {
    /// The next message; `None` once the client is closed. Cancel safe.
    pub async fn next(&mut self) -> Option<Delivery> {
        self.messages.next().await
    }

    /// How many multicasts were dropped because too many messages were waiting here.
    pub fn missed(&self) -> u64 {
        self.messages.missed()
    }
}

impl Stream for PrivateSubscription {
    type Item = Delivery;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Delivery>> {
        Pin::new(&mut self.messages).poll_next(context)
    }
}
