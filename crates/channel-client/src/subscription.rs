//! A stream of messages.

use std::{
    collections::BTreeSet,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::Stream;
use nuncio_channel_protocol::MAX_TOPIC_LENGTH;
use tokio::time::timeout;

use crate::{
    client::{Client, Core},
    delivery::{Delivery, Queued},
    registry::{MAX_TOPICS, Outlet},
};

/// Messages to the topics of one [`Client::subscribe`]; a stream. Dropping it unsubscribes.
///
/// It keeps the client's connection open, and lives across reconnections. Several subscriptions of one client may name
/// the same topic: each gets every multicast, and unicasts go to them in turn.
#[derive(Debug)]
#[must_use = "dropping a subscription unsubscribes"]
pub struct Subscription {
    topics: Vec<Arc<str>>,
    outlet: Outlet,
    core: Arc<Core>,
}

/// Why topics were not subscribed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// A topic is empty or has more than 254 bytes.
    #[error("a topic has 1 to {MAX_TOPIC_LENGTH} bytes, not {bytes}")]
    Topic {
        /// Bytes of the topic.
        bytes: usize,
    },
    /// The client would have more topics than a node takes.
    #[error("a client has at most {MAX_TOPICS} topics")]
    TooManyTopics,
    /// No node confirmed the topics in time.
    #[error("no node confirmed the topics within {after:?}")]
    TimedOut {
        /// The request time-out.
        after: Duration,
    },
    /// The client was closed.
    #[error("the client was closed")]
    Closed,
}

impl Client {
    /// Subscribes topics, besides those subscribed already, and waits until the node knows.
    ///
    /// Other nodes of the network learn of the topics a little later.
    ///
    /// # Errors
    /// When a name is not one, there are more than 512, no node confirms in time, or the client was closed.
    pub async fn subscribe<T: AsRef<str>>(
        &self,
        topics: impl IntoIterator<Item = T>,
    ) -> Result<Subscription, SubscribeError> {
        let mut names = BTreeSet::new();
        for topic in topics {
            let topic = topic.as_ref();
            if !(1..=MAX_TOPIC_LENGTH).contains(&topic.len()) {
                return Err(SubscribeError::Topic { bytes: topic.len() });
            }
            if names.len() > MAX_TOPICS {
                return Err(SubscribeError::TooManyTopics);
            }
            names.insert(Arc::from(topic));
        }
        let options = &self.core.shared.options;
        let topics: Vec<Arc<str>> = names.into_iter().collect();
        let registry = &self.core.shared.registry;
        let outlet =
            registry.add(&topics, options.queue_messages, options.queue_bytes).ok_or(SubscribeError::TooManyTopics)?;
        let subscription = Subscription { topics, outlet, core: Arc::clone(&self.core) };
        self.core.confirmation(subscription.outlet.change).await?;
        Ok(subscription)
    }
}

impl Subscription {
    /// The next message; `None` once the client is closed. Cancel safe.
    pub async fn next(&mut self) -> Option<Delivery> {
        self.outlet.deliveries.recv().await.and_then(Queued::take)
    }

    /// How many multicasts were dropped because too many messages were waiting here.
    pub fn missed(&self) -> u64 {
        self.outlet.missed.load(Ordering::Relaxed)
    }

    /// The topics, sorted.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.topics.iter().map(|topic| &**topic)
    }

    /// Unsubscribes and waits until the node knows. Messages not yet taken are declined.
    ///
    /// # Errors
    /// When no node confirms in time, or the client was closed; the subscription has ended all the same.
    pub async fn unsubscribe(self) -> Result<(), SubscribeError> {
        let core = Arc::clone(&self.core);
        let change = core.shared.registry.remove(&self.topics, self.outlet.id);
        drop(self);
        core.confirmation(change).await
    }
}

impl Stream for Subscription {
    type Item = Delivery;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Delivery>> {
        Poll::Ready(ready!(self.outlet.deliveries.poll_recv(context)).and_then(Queued::take))
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.core.shared.registry.remove(&self.topics, self.outlet.id);
    }
}

impl Core {
    /// Waits until the node knows a change of the topics.
    async fn confirmation(&self, change: u64) -> Result<(), SubscribeError> {
        let after = self.shared.options.request_timeout;
        let mut confirmed = self.shared.registry.confirmed();
        tokio::select! {
            known = timeout(after, confirmed.wait_for(|known| *known >= change)) => match known {
                Ok(_) => Ok(()),
                Err(_) => Err(SubscribeError::TimedOut { after }),
            },
            () = self.closed() => Err(SubscribeError::Closed),
        }
    }
}
