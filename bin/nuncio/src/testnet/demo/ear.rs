//! A listener at one node that remembers what it heard.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use nuncio_admin::{
    api::{ListenOptions, Message, Reply},
    client::Messages,
};
use tokio::time::timeout;

use super::{LIMIT, Site};
use crate::failure::Failure;

/// How long one publication may travel before another is made. A subscription travels too, and what is
/// published before it arrives is not heard: that is no fault.
const PATIENCE: Duration = Duration::from_millis(500);

/// A listener.
#[derive(Debug)]
pub(super) struct Ear {
    name: String,
    messages: Messages,
    heard: Vec<Message>,
}

impl Ear {
    /// Listens at `site` to a topic and to broadcasts.
    pub(super) async fn open(site: &Site, topic: &str) -> Result<Self, Failure> {
        let options = ListenOptions { topics: vec![topic.to_owned()], unicast: false, reply: Reply::Empty };
        let messages = site.client().listen(&options).await?;
        Ok(Self { name: site.name.clone(), messages, heard: Vec::new() })
    }

    /// How often it heard these words.
    pub(super) fn times(&self, words: &str) -> usize {
        self.heard.iter().filter(|message| message.data == words).count()
    }

    /// Fails unless these words were heard exactly once.
    pub(super) fn must_have_heard_once(&self, words: &str) -> Result<(), Failure> {
        match self.times(words) {
            1 => Ok(()),
            times => Err(Failure::operation(
                "wrong_delivery",
                format_args!("{} heard {words:?} {times} times, not once", self.name),
            )),
        }
    }

    /// Fails when something was heard that came by a topic.
    pub(super) fn must_have_heard_no_multicast(&self) -> Result<(), Failure> {
        match self.heard.iter().find(|message| message.topic.is_some()) {
            None => Ok(()),
            Some(message) => Err(Failure::operation(
                "wrong_delivery",
                format_args!("{} heard {:?} without listening to its topic", self.name, message.data),
            )),
        }
    }

    async fn hear(&mut self, words: &str, limit: Duration) -> Result<bool, Failure> {
        let listening = async {
            while self.times(words) == 0 {
                let message = self.messages.next().await.ok_or_else(Failure::from_stopped_node)??;
                self.heard.push(message);
            }
            Ok(true)
        };
        timeout(limit, listening).await.unwrap_or(Ok(false))
    }
}

/// Publishes words until one publication was heard by all; those words.
pub(super) async fn publish_until_heard<F>(
    what: &str,
    ears: &mut [Ear],
    publish: impl Fn(String) -> F,
) -> Result<String, Failure>
where
    F: Future<Output = Result<(), Failure>>,
{
    let started = Instant::now();
    for attempt in 1.. {
        let words = format!("{what} {attempt}");
        publish(words.clone()).await?;
        let mut deaf = None;
        for ear in &mut *ears {
            if !ear.hear(&words, PATIENCE).await? {
                deaf = Some(ear.name.clone());
                break;
            }
        }
        match deaf {
            None => return Ok(words),
            Some(name) if started.elapsed() > LIMIT => {
                let text = format!("{what}: {name} heard none of {attempt} publications in {LIMIT:?}");
                return Err(Failure::operation("timed_out", text));
            }
            Some(_) => {}
        }
    }
    unreachable!("an endless range ends")
}
