use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use nuncio_channel_protocol::TopicVerification;
use tokio::sync::mpsc;

/// Most questions of the node that wait for one publisher; it puts a lost one again.
const QUEUE: usize = 64;

/// The private topics this client publishes to, and who challenges their subscribers.
#[derive(Debug, Default)]
pub(crate) struct Verifiers {
    topics: Arc<Mutex<HashMap<String, Vec<Verifier>>>>,
}

#[derive(Debug)]
struct Verifier {
    id: u64,
    sender: mpsc::Sender<TopicVerification>,
}

/// The node's questions about one topic. Dropping it ends them.
#[derive(Debug)]
pub(super) struct Inquiries {
    id: u64,
    topic: String,
    asked: mpsc::Receiver<TopicVerification>,
    topics: Arc<Mutex<HashMap<String, Vec<Verifier>>>>,
}

impl Verifiers {
    /// Registers a publisher of a topic, by its whole name.
    pub(super) fn register(&self, topic: String) -> Inquiries {
        let (sender, asked) = mpsc::channel(QUEUE);
        let id = rand::random();
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        topics.entry(topic.clone()).or_default().push(Verifier { id, sender });
        Inquiries { id, topic, asked, topics: Arc::clone(&self.topics) }
    }

    /// Hands a question to the topic's latest publisher; what it cannot take is put again by the node.
    pub(crate) fn hand_on(&self, asked: TopicVerification) {
        let topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        let verifier = topics.get(&asked.topic).and_then(|verifiers| verifiers.last());
        if verifier.is_none_or(|verifier| verifier.sender.try_send(asked).is_err()) {
            tracing::debug!("a verification nobody takes");
        }
    }
}

impl Inquiries {
    pub(super) async fn next(&mut self) -> Option<TopicVerification> {
        self.asked.recv().await
    }
}

impl Drop for Inquiries {
    fn drop(&mut self) {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(verifiers) = topics.get_mut(&self.topic) {
            verifiers.retain(|verifier| verifier.id != self.id);
            if verifiers.is_empty() {
                topics.remove(&self.topic);
            }
        }
    }
}
