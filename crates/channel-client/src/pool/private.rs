//! Publishing to a private topic through several nodes.

use bytes::Bytes;
use tokio::sync::watch;

use super::Pool;
use crate::{PrivatePublisher, PublishError, Status, SubscribeError, TopicPublicKey};

/// Publishes to a private topic through one node of a [`Pool`] at a time. When that is lost it moves at the next call;
/// subscribers have to prove themselves anew there, and are not found (code 100) until they have.
#[derive(Debug)]
pub struct PoolPrivatePublisher {
    pool: Pool,
    topic: String,
    known: Vec<TopicPublicKey>,
    home: Option<Home>,
}

/// Where a publisher is now.
#[derive(Debug)]
struct Home {
    status: watch::Receiver<Status>,
    publisher: PrivatePublisher,
}

impl Pool {
    /// As [`Client::private_publisher`](crate::Client::private_publisher), at one of the nodes.
    ///
    /// # Errors
    /// Those of the last node tried.
    pub async fn private_publisher(
        &self,
        topic: &str,
        known: impl IntoIterator<Item = TopicPublicKey>,
    ) -> Result<PoolPrivatePublisher, SubscribeError> {
        let (pool, topic, known) = (self.clone(), topic.to_owned(), known.into_iter().collect());
        let mut publisher = PoolPrivatePublisher { pool, topic, known, home: None };
        publisher.settle().await?;
        Ok(publisher)
    }
}

impl PoolPrivatePublisher {
    /// As [`PrivatePublisher::publish`].
    ///
    /// # Errors
    /// As there; `Disconnected` when there is no node to move to.
    pub async fn publish(&mut self, data: impl Into<Bytes>) -> Result<Bytes, PublishError> {
        self.connected().await?.publish(data).await
    }

    /// As [`PrivatePublisher::broadcast`].
    ///
    /// # Errors
    /// As there; `Disconnected` when there is no node to move to.
    pub async fn broadcast(&mut self, data: impl Into<Bytes>) -> Result<(), PublishError> {
        self.connected().await?.broadcast(data).await
    }

    /// Waits until so many subscribers have been accepted since the publisher came to its node; `false` when there is none, or
    /// its client was closed before.
    pub async fn accepted(&mut self, subscribers: u64) -> bool {
        match self.connected().await {
            Ok(publisher) => publisher.accepted(subscribers).await,
            Err(_) => false,
        }
    }

    async fn connected(&mut self) -> Result<&PrivatePublisher, PublishError> {
        self.settle().await.map_err(|error| {
            tracing::debug!(%error, "a private publisher did not move");
            PublishError::Disconnected { sent: false }
        })
    }

    async fn settle(&mut self) -> Result<&PrivatePublisher, SubscribeError> {
        let home = match self.home.take_if(|home| home.status.borrow().is_connected()) {
            Some(home) => home,
            None => self.find().await?,
        };
        Ok(&self.home.insert(home).publisher)
    }

    async fn find(&self) -> Result<Home, SubscribeError> {
        let mut last = SubscribeError::Closed;
        for client in self.pool.in_turn() {
            match client.private_publisher(&self.topic, self.known.iter().cloned()).await {
                Ok(publisher) => return Ok(Home { status: client.status(), publisher }),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}
