use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures::Stream;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::{TopicKey, challenge::Challenge, channel_name, name};
use crate::{Client, Delivery, Kind, SubscribeError, Subscription};

/// Most challenges of Nuncio's publishers signed in a minute. They prove this subscriber only: it is the work that is bounded.
const BOUND_PER_MINUTE: u32 = 600;

/// Most challenges of SDKs signed in a minute.
const SDK_PER_MINUTE: u32 = 60;

/// Whose challenges a subscriber answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Challengers {
    /// Those of Nuncio's publishers, which are bound to this subscriber, and those of FISCO BCOS's SDKs, which are not: there
    /// only the nodes see to it that nobody else has them signed here.
    #[default]
    Any,
    /// Those of Nuncio's publishers only. No signature made here proves anybody else.
    Nuncio,
}

/// Messages to a private topic; a stream. Dropping it unsubscribes.
///
/// Challenges of publishers are answered with the topic's key as long as this lives, whether messages are taken or not: at
/// most 600 of Nuncio's publishers and 60 of SDKs a minute. The others are declined and counted.
#[derive(Debug)]
#[must_use = "dropping a subscription unsubscribes"]
pub struct PrivateSubscription {
    messages: Subscription,
    declined: Arc<AtomicU64>,
    _challenges: AbortOnDropHandle<()>,
}

/// Signs what proves this subscriber and nobody else.
struct Signer {
    key: TopicKey,
    channel: String,
    challengers: Challengers,
    bound: Allowance,
    sdk: Allowance,
    declined: Arc<AtomicU64>,
}

/// So many a minute.
struct Allowance {
    limit: u32,
    since: Instant,
    used: u32,
}

impl Client {
    /// Subscribes a private topic. Messages come once a publisher has been convinced that this client has a key that the
    /// publisher knows. Publishers may use Nuncio or an SDK.
    ///
    /// # Errors
    /// When the topic is empty or has more than 185 bytes, there would be too many topics, or no node confirms in time.
    pub async fn subscribe_private(&self, topic: &str, key: TopicKey) -> Result<PrivateSubscription, SubscribeError> {
        self.subscribe_private_for(topic, key, Challengers::Any).await
    }

    /// As [`subscribe_private`](Self::subscribe_private), for these publishers.
    ///
    /// # Errors
    /// As [`subscribe_private`](Self::subscribe_private).
    pub async fn subscribe_private_for(
        &self,
        topic: &str,
        key: TopicKey,
        challengers: Challengers,
    ) -> Result<PrivateSubscription, SubscribeError> {
        if topic.is_empty() {
            return Err(SubscribeError::Topic { bytes: 0 });
        }
        let (channel, declined) = (channel_name(topic), Arc::new(AtomicU64::new(0)));
        let challenges = self.subscribe([&channel]).await?;
        let (bound, sdk) = (Allowance::new(BOUND_PER_MINUTE), Allowance::new(SDK_PER_MINUTE));
        let signer = Signer { key, channel, challengers, bound, sdk, declined: Arc::clone(&declined) };
        let challenges = AbortOnDropHandle::new(tokio::spawn(signer.run(challenges)));
        let messages = self.subscribe([name(topic)]).await?;
        Ok(PrivateSubscription { messages, declined, _challenges: challenges })
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

    /// How many challenges were not signed: put to another subscriber and passed on, of no known form, too many, or of an
    /// SDK where only Nuncio's are answered.
    pub fn declined_challenges(&self) -> u64 {
        self.declined.load(Ordering::Relaxed)
    }
}

impl Signer {
    async fn run(mut self, mut challenges: Subscription) {
        while let Some(delivery) = challenges.next().await {
            if delivery.kind == Kind::Unicast && self.may_sign(&delivery.data) {
                let answer = self.key.sign(&delivery.data);
                if let Err(error) = delivery.respond(answer) {
                    tracing::debug!(%error, "the answer to a challenge was lost");
                }
            } else {
                self.declined.fetch_add(1, Ordering::Relaxed);
                delivery.decline();
            }
        }
    }

    /// The kinds are counted apart, so that what an SDK, or who poses as one, sends takes nothing from Nuncio's publishers.
    fn may_sign(&mut self, challenge: &[u8]) -> bool {
        let challenge = Challenge::judge(challenge, &self.channel);
        let signs = match (challenge, self.challengers) {
            (Challenge::Bound, _) => self.bound.take(),
            (Challenge::Sdk, Challengers::Any) => self.sdk.take(),
            (Challenge::Sdk | Challenge::PassedOn | Challenge::Unknown, _) => false,
        };
        if !signs {
            tracing::debug!(?challenge, channel = self.channel, "a challenge was declined");
        }
        signs
    }
}

impl Allowance {
    fn new(limit: u32) -> Self {
        Self { limit, since: Instant::now(), used: 0 }
    }

    fn take(&mut self) -> bool {
        if self.since.elapsed() >= Duration::from_secs(60) {
            *self = Self::new(self.limit);
        }
        let is_left = self.used < self.limit;
        self.used += u32::from(is_left);
        is_left
    }
}

impl Stream for PrivateSubscription {
    type Item = Delivery;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Delivery>> {
        Pin::new(&mut self.messages).poll_next(context)
    }
}
