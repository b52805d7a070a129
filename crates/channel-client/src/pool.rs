//! Connections to several nodes at once.

mod private;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::future::{join_all, select_all};
use serde_json::Value;
use tokio::sync::watch;

use crate::{
    CallError, Challengers, Client, Delivery, Priority, PublishError, Status, SubscribeError, TopicKey,
    messages::Messages,
};

pub use private::PoolPrivatePublisher;

/// How long it waits for a node to subscribe at before it looks for another.
const PATIENCE: Duration = Duration::from_millis(200);

/// A connection to each of several nodes; cheap to clone. Made by [`crate::Builder::connect_all`].
///
/// Messages leave through the connected nodes in turn, and through the next one when a node is lost before it took them.
/// A subscription lives at one node at a time, so that each multicast comes once, and moves when that node is lost; another
/// connection stands ready. Messages published while it moves are not kept for it, by any node.
#[derive(Debug, Clone)]
pub struct Pool {
    clients: Arc<[Client]>,
    turn: Arc<AtomicUsize>,
}

/// Messages to topics subscribed through a [`Pool`]. It moves to another node when [`next`](Self::next) is called.
#[derive(Debug)]
#[must_use = "dropping a subscription unsubscribes"]
pub struct PoolSubscription {
    pool: Pool,
    wanted: Wanted,
    home: Option<Home>,
}

/// What a subscription subscribes wherever it lives.
#[derive(Debug)]
enum Wanted {
    Topics(Vec<String>),
    Private { topic: String, key: TopicKey, challengers: Challengers },
}

/// Where a subscription lives now.
#[derive(Debug)]
struct Home {
    status: watch::Receiver<Status>,
    messages: Messages,
}

impl Pool {
    pub(crate) fn new(clients: Vec<Client>) -> Self {
        Self { clients: clients.into(), turn: Arc::default() }
    }

    /// The connections, one for each node, in the order in which the nodes were named.
    pub fn clients(&self) -> &[Client] {
        &self.clients
    }

    /// As [`Client::with_priority`].
    #[must_use]
    pub fn with_priority(&self, priority: Priority) -> Self {
        let clients = self.clients.iter().map(|client| client.with_priority(priority)).collect();
        Self { clients, turn: Arc::clone(&self.turn) }
    }

    /// How many nodes are connected now.
    pub fn connected(&self) -> usize {
        self.clients.iter().filter(|client| client.is_connected()).count()
    }

    /// As [`Client::publish`], through any node. Tried at another node only while none has taken it.
    ///
    /// # Errors
    /// Those of the last node tried.
    pub async fn publish(&self, topic: &str, data: impl Into<Bytes>) -> Result<Bytes, PublishError> {
        let data = data.into();
        self.through_any(|client| {
            let data = data.clone();
            async move { client.publish(topic, data).await }
        })
        .await
    }

    /// As [`Client::broadcast`], through any node.
    ///
    /// # Errors
    /// Those of the last node tried.
    pub async fn broadcast(&self, topic: &str, data: impl Into<Bytes>) -> Result<(), PublishError> {
        let data = data.into();
        self.through_any(|client| {
            let data = data.clone();
            async move { client.broadcast(topic, data).await }
        })
        .await
    }

    /// As [`Client::call`], of a connected node.
    ///
    /// # Errors
    /// When that node answers with an error or not at all, or none is connected.
    pub async fn call(&self, method: &str, params: Value) -> Result<Value, CallError> {
        let client = self.in_turn().into_iter().next();
        client.ok_or(CallError::Disconnected)?.call(method, params).await
    }

    /// Subscribes topics at one of the nodes and waits until it knows.
    ///
    /// # Errors
    /// As [`Client::subscribe`].
    pub async fn subscribe<T: AsRef<str>>(
        &self,
        topics: impl IntoIterator<Item = T>,
    ) -> Result<PoolSubscription, SubscribeError> {
        let topics = topics.into_iter().map(|topic| topic.as_ref().to_owned()).collect();
        self.settle(Wanted::Topics(topics)).await
    }

    /// Subscribes a private topic at one of the nodes, as [`Client::subscribe_private_for`]. Publishers challenge it anew
    /// wherever it moves.
    ///
    /// # Errors
    /// As [`Client::subscribe_private`].
    pub async fn subscribe_private(
        &self,
        topic: &str,
        key: TopicKey,
        challengers: Challengers,
    ) -> Result<PoolSubscription, SubscribeError> {
        self.settle(Wanted::Private { topic: topic.to_owned(), key, challengers }).await
    }

    async fn settle(&self, wanted: Wanted) -> Result<PoolSubscription, SubscribeError> {
        let mut subscription = PoolSubscription { pool: self.clone(), wanted, home: None };
        let client = self.in_turn().into_iter().next().unwrap_or(&self.clients[0]);
        subscription.move_to(client).await?;
        Ok(subscription)
    }

    /// Closes every connection.
    pub async fn close(&self) {
        join_all(self.clients.iter().map(Client::close)).await;
    }

    /// The connected nodes, another one first at each call.
    fn in_turn(&self) -> Vec<&Client> {
        let start = self.turn.fetch_add(1, Ordering::Relaxed);
        let count = self.clients.len();
        let order = (0..count).map(|step| &self.clients[start.wrapping_add(step) % count]);
        order.filter(|client| client.is_connected()).collect()
    }

    async fn through_any<'a, T, F: Future<Output = Result<T, PublishError>>>(
        &'a self,
        attempt: impl Fn(&'a Client) -> F,
    ) -> Result<T, PublishError> {
        let mut last = PublishError::Disconnected { sent: false };
        for client in self.in_turn() {
            match attempt(client).await {
                Err(error @ PublishError::Disconnected { sent: false }) => last = error,
                outcome => return outcome,
            }
        }
        Err(last)
    }

    /// Waits until some node is connected; false when all are closed.
    async fn any_connected(&self) -> bool {
        let waits = self.clients.iter().map(|client| {
            let mut status = client.status();
            Box::pin(async move {
                let found = status.wait_for(|now| now.is_connected() || *now == Status::Closed).await;
                found.is_ok_and(|now| now.is_connected())
            })
        });
        let mut waits: Vec<_> = waits.collect();
        while !waits.is_empty() {
            let (connected, _, others) = select_all(waits).await;
            if connected {
                return true;
            }
            waits = others;
        }
        false
    }
}

impl PoolSubscription {
    /// The next message; `None` once every connection is closed.
    pub async fn next(&mut self) -> Option<Delivery> {
        loop {
            if let Some(home) = &mut self.home {
                let lost = home.status.wait_for(|status| !status.is_connected());
                tokio::select! {
                    biased;
                    delivery = home.messages.next() => if delivery.is_some() {
                        return delivery;
                    },
                    _ = lost => {}
                }
                self.home = None;
            }
            if !self.pool.any_connected().await {
                return None;
            }
            let pool = self.pool.clone();
            for client in pool.in_turn() {
                match self.move_to(client).await {
                    Ok(()) => break,
                    Err(error) => tracing::debug!(%error, "a subscription did not move there"),
                }
            }
            if self.home.is_none() {
                tokio::time::sleep(PATIENCE).await;
            }
        }
    }

    async fn move_to(&mut self, client: &Client) -> Result<(), SubscribeError> {
        let messages = match &self.wanted {
            Wanted::Topics(topics) => Messages::Public(client.subscribe(topics).await?),
            Wanted::Private { topic, key, challengers } => {
                Messages::Private(client.subscribe_private_for(topic, key.clone(), *challengers).await?)
            }
        };
        self.home = Some(Home { status: client.status(), messages });
        Ok(())
    }
}
