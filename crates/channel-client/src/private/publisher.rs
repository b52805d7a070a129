use std::sync::Arc;

use bytes::Bytes;
use nuncio_channel_protocol::{Frame, FrameKind, TopicVerdict, TopicVerification};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::task::AbortOnDropHandle;

use super::{TopicPublicKey, challenge, is_channel_of, name, publisher_name, verifiers::Inquiries};
use crate::{Client, PublishError, SubscribeError, Subscription};

/// Most challenges in flight; the node's further questions wait.
const MAX_OPEN: usize = 64;

/// Publishes to a private topic, to subscribers that have proved themselves with one of the known keys.
///
/// Challenges are made in the background, when the node says that a subscriber has come. Dropping the publisher tells the
/// node that this client publishes there no more.
#[derive(Debug)]
pub struct PrivatePublisher {
    client: Client,
    topic: String,
    verdicts: watch::Receiver<Verdicts>,
    _announced: Subscription,
    _challenges: AbortOnDropHandle<()>,
}

/// How many verdicts were given so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Verdicts {
    accepted: u64,
    refused: u64,
}

/// What the task that challenges needs.
struct Challenger {
    client: Client,
    known: Arc<[TopicPublicKey]>,
    verdicts: watch::Sender<Verdicts>,
}

impl Client {
    /// Begins to publish to a private topic, to the owners of these keys.
    ///
    /// # Errors
    /// When the topic is empty or has more than 185 bytes, there would be too many topics, or no node confirms in time.
    pub async fn private_publisher(
        &self,
        topic: &str,
        known: impl IntoIterator<Item = TopicPublicKey>,
    ) -> Result<PrivatePublisher, SubscribeError> {
        if topic.is_empty() {
            return Err(SubscribeError::Topic { bytes: 0 });
        }
        let inquiries = self.core.shared.verifiers.register(name(topic));
        let (sender, verdicts) = watch::channel(Verdicts::default());
        let challenger = Challenger { client: self.clone(), known: known.into_iter().collect(), verdicts: sender };
        let challenges = AbortOnDropHandle::new(tokio::spawn(challenger.run(inquiries)));
        let announced = self.subscribe([publisher_name(topic)]).await?;
        Ok(PrivatePublisher {
            client: self.clone(),
            topic: name(topic),
            verdicts,
            _announced: announced,
            _challenges: challenges,
        })
    }
}

impl PrivatePublisher {
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Sends a message to one subscriber that has proved itself and waits for its answer.
    ///
    /// # Errors
    /// As [`Client::publish`]; code 100 while nobody has proved itself.
    pub async fn publish(&self, data: impl Into<Bytes>) -> Result<Bytes, PublishError> {
        self.client.publish(&self.topic, data).await
    }

    /// Sends a message to every subscriber that has proved itself.
    ///
    /// # Errors
    /// As [`Client::broadcast`]; code 100 while nobody has proved itself.
    pub async fn broadcast(&self, data: impl Into<Bytes>) -> Result<(), PublishError> {
        self.client.broadcast(&self.topic, data).await
    }

    /// Waits until so many subscribers have been accepted since the publisher began; one that comes back counts again.
    /// `false` when the client was closed before.
    pub async fn accepted(&self, subscribers: u64) -> bool {
        let mut verdicts = self.verdicts.clone();
        verdicts.wait_for(|verdicts| verdicts.accepted >= subscribers).await.is_ok()
    }

    /// How many subscribers failed to prove themselves, or did not answer.
    pub fn refused(&self) -> u64 {
        self.verdicts.borrow().refused
    }
}

impl Challenger {
    async fn run(self, mut inquiries: Inquiries) {
        let mut open = JoinSet::new();
        loop {
            tokio::select! {
                Some(asked) = inquiries.next(), if open.len() < MAX_OPEN => {
                    open.spawn(put_to_the_proof(self.client.clone(), Arc::clone(&self.known), asked));
                }
                Some(judged) = open.join_next() => self.note(judged.unwrap_or(false)),
                () = self.client.core.closed() => return,
            }
        }
    }

    fn note(&self, accepted: bool) {
        self.verdicts.send_modify(|verdicts| {
            if accepted {
                verdicts.accepted += 1;
            } else {
                verdicts.refused += 1;
            }
        });
    }
}

/// Challenges one subscriber and tells the node; true when it was accepted.
async fn put_to_the_proof(client: Client, known: Arc<[TopicPublicKey]>, asked: TopicVerification) -> bool {
    let accepted = is_channel_of(&asked.channel, &asked.topic) && is_proved(&client, &known, &asked).await;
    tracing::debug!(topic = asked.topic, accepted, "a subscriber was challenged");
    let verdict = TopicVerdict { check: i64::from(!accepted), node: asked.node, topic: asked.topic };
    let core = &client.core;
    let frame = Frame::request(FrameKind::TopicVerified, core.shared.seqs.next(), verdict.encode());
    core.requests.send(frame).await.is_ok() && accepted
}

async fn is_proved(client: &Client, known: &[TopicPublicKey], asked: &TopicVerification) -> bool {
    let challenge = challenge::draw(&asked.channel);
    match client.publish(&asked.channel, challenge.clone()).await {
        Ok(answer) => known.iter().any(|key| key.made(&answer, challenge.as_bytes())),
        Err(error) => {
            tracing::debug!(topic = asked.topic, reason = %error, "a subscriber was not challenged");
            false
        }
    }
}
