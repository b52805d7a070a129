//! Streams of messages to many: what an application sends while its node is busy leaves together.

use std::{
    collections::{BTreeMap, VecDeque},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use nuncio_protocol::{MAX_BODY, Topic};
use nuncio_rights::Act;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::Sleep,
};

use crate::{NodeHandle, PublishError};

/// Most bytes that one publisher has sent and the node has not taken: a message of the greatest length, and more.
const MAX_BYTES: usize = 16 << 20;

/// What a message counts beside its body.
const OVERHEAD: usize = 256;

/// How long a publisher whose links are full is let alone.
const PAUSE: Duration = Duration::from_millis(5);

/// Sends one message after the other to all who listen to a topic, or to all nodes: each gets them once and in this order, or
/// is told which it misses.
///
/// [`Publisher::send`] waits for nothing but room, where [`NodeHandle::publish`] waits until the node has numbered the message.
/// While the links to all who listen are full, the messages wait here, at most 16 MiB of them, and `send` with them.
/// Clones send one after the other, too.
#[derive(Debug, Clone)]
pub struct Publisher {
    node: NodeHandle,
    stream: Arc<Stream>,
    room: Arc<Semaphore>,
}

/// What a publisher and the node both know of it.
#[derive(Debug)]
struct Stream {
    topic: Option<Topic>,
    /// Why the newest that was refused after it had been sent was.
    refused: ArcSwapOption<PublishError>,
}

/// What a publisher has for the node.
#[derive(Debug)]
pub(crate) struct Post {
    stream: Arc<Stream>,
    item: Item,
    _room: Option<OwnedSemaphorePermit>,
}

#[derive(Debug)]
enum Item {
    Message(Bytes),
    /// All before it was taken.
    Flush(oneshot::Sender<()>),
}

/// The publishers of a node, at its side.
///
/// Bound: [`MAX_BYTES`] for each publisher, of which the application has as many as it makes.
#[derive(Debug)]
pub(crate) struct Posts {
    posts: mpsc::UnboundedReceiver<Post>,
    /// What waits because links are full, by publisher.
    stalled: BTreeMap<usize, VecDeque<Post>>,
    /// Those of them that are tried anew now.
    retried: Vec<usize>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Publisher {
    pub(crate) fn new(node: NodeHandle, topic: Option<Topic>) -> Self {
        let stream = Arc::new(Stream { topic, refused: ArcSwapOption::empty() });
        Self { node, stream, room: Arc::new(Semaphore::new(MAX_BYTES)) }
    }

    /// Sends a message behind those sent before, as soon as there is room.
    ///
    /// # Errors
    /// When the data is too long, the node has stopped, or this node may not publish to the topic; that may also be said of a
    /// message sent before, which was waiting when the rights changed.
    pub async fn send(&self, data: Bytes) -> Result<(), PublishError> {
        if data.len() > MAX_BODY {
            let error = PublishError::TooLarge { bytes: data.len(), limit: MAX_BODY };
            return Err(self.node.refused(self.stream.topic.as_ref(), error));
        }
        if let Some(topic) = &self.stream.topic
            && let Err(reason) = self.node.judge(Act::Publish, topic)
        {
            return Err(self.node.refused(Some(topic), PublishError::Denied { reason }));
        }
        self.check()?;
        let bytes = (data.len() + OVERHEAD) as u32;
        let room = Arc::clone(&self.room).acquire_many_owned(bytes).await.map_err(|_| PublishError::Stopped)?;
        self.post(Item::Message(data), Some(room))
    }

    /// Waits until the node has taken all that was sent before: it is on its way then.
    ///
    /// # Errors
    /// When the node has stopped, or refused one of them because the rights changed.
    pub async fn flush(&self) -> Result<(), PublishError> {
        let (taken, all) = oneshot::channel();
        self.post(Item::Flush(taken), None)?;
        all.await.map_err(|_| PublishError::Stopped)?;
        self.check()
    }

    fn post(&self, item: Item, room: Option<OwnedSemaphorePermit>) -> Result<(), PublishError> {
        let post = Post { stream: Arc::clone(&self.stream), item, _room: room };
        self.node.posts.send(post).map_err(|_| PublishError::Stopped)
    }

    fn check(&self) -> Result<(), PublishError> {
        if self.stream.refused.load().is_none() {
            return Ok(());
        }
        self.stream.refused.swap(None).map_or(Ok(()), |error| Err(Arc::unwrap_or_clone(error)))
    }
}

impl Post {
    /// Does what is wanted: `publish` sends a message. Gives the post back when links are full.
    pub(crate) fn perform(
        self,
        publish: impl FnOnce(Option<&Topic>, Bytes) -> Result<(), PublishError>,
    ) -> Result<(), Self> {
        let data = match self.item {
            Item::Flush(taken) => {
                // Whoever waited may have gone.
                let _ = taken.send(());
                return Ok(());
            }
            Item::Message(ref data) => data.clone(),
        };
        match publish(self.stream.topic.as_ref(), data) {
            Ok(()) => {}
            Err(PublishError::Busy) => return Err(self),
            Err(error) => self.stream.refused.store(Some(Arc::new(error))),
        }
        Ok(())
    }

    fn publisher(&self) -> usize {
        Arc::as_ptr(&self.stream) as usize
    }
}

impl Posts {
    /// And where posts go in.
    pub(crate) fn new() -> (mpsc::UnboundedSender<Post>, Self) {
        let (sender, posts) = mpsc::unbounded_channel();
        (sender, Self { posts, stalled: BTreeMap::new(), retried: Vec::new(), pause: None })
    }

    /// The next one to be tried; `None` when one came that has to wait.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Post>> {
        if let Some(pause) = &mut self.pause
            && pause.as_mut().poll(cx).is_ready()
        {
            self.pause = None;
            self.retried = self.stalled.keys().copied().collect();
        }
        while let Some(publisher) = self.retried.last() {
            if let Some(post) = self.stalled.get_mut(publisher).and_then(VecDeque::pop_front) {
                return Poll::Ready(Some(post));
            }
            self.stalled.remove(publisher);
            self.retried.pop();
        }
        // A channel whose senders are all gone never has work again.
        let Some(post) = ready!(self.posts.poll_recv(cx)) else { return Poll::Pending };
        Poll::Ready(match self.stalled.get_mut(&post.publisher()) {
            Some(stalled) => {
                stalled.push_back(post);
                None
            }
            None => Some(post),
        })
    }

    /// Takes back what was tried last: links are full.
    pub(crate) fn hold(&mut self, post: Post) {
        let publisher = post.publisher();
        self.retried.retain(|retried| *retried != publisher);
        self.stalled.entry(publisher).or_default().push_front(post);
        self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(PAUSE)));
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, future::poll_fn};

    use super::*;

    fn stream() -> Arc<Stream> {
        Arc::new(Stream { topic: None, refused: ArcSwapOption::empty() })
    }

    fn message(stream: &Arc<Stream>, text: &'static str) -> Post {
        Post { stream: Arc::clone(stream), item: Item::Message(text.into()), _room: None }
    }

    /// What is tried now, all of it; links are full for messages that begin with this.
    fn tried(posts: &mut Posts, full: &str) -> Vec<Bytes> {
        let mut sent = Vec::new();
        while let Some(next) = poll_fn(|cx| posts.poll_next(cx)).now_or_never() {
            let Some(post) = next else { continue };
            let outcome = post.perform(|_, data| {
                if !full.is_empty() && data.starts_with(full.as_bytes()) {
                    return Err(PublishError::Busy);
                }
                sent.push(data);
                Ok(())
            });
            if let Err(post) = outcome {
                posts.hold(post);
            }
        }
        sent
    }

    #[tokio::test(start_paused = true)]
    async fn a_publisher_whose_links_are_full_waits_keeps_its_order_and_holds_up_no_other() {
        let ((sender, mut posts), (slow, quick)) = (Posts::new(), (stream(), stream()));
        for (stream, text) in [(&slow, "slow 1"), (&quick, "quick 1"), (&slow, "slow 2"), (&quick, "quick 2")] {
            sender.send(message(stream, text)).unwrap();
        }
        assert_eq!(tried(&mut posts, "slow"), ["quick 1", "quick 2"]);
        assert!(tried(&mut posts, "").is_empty(), "not before the pause");
        tokio::time::advance(PAUSE).await;
        assert!(tried(&mut posts, "slow").is_empty(), "still full");
        sender.send(message(&slow, "slow 3")).unwrap();
        tokio::time::advance(PAUSE).await;
        assert_eq!(tried(&mut posts, ""), ["slow 1", "slow 2", "slow 3"]);
        sender.send(message(&slow, "slow 4")).unwrap();
        assert_eq!(tried(&mut posts, ""), ["slow 4"], "it waits no more");
    }

    #[tokio::test(start_paused = true)]
    async fn a_flush_is_answered_behind_all_that_waits() {
        let ((sender, mut posts), slow) = (Posts::new(), stream());
        let (taken, mut all) = oneshot::channel();
        sender.send(message(&slow, "slow 1")).unwrap();
        sender.send(Post { stream: slow, item: Item::Flush(taken), _room: None }).unwrap();
        assert!(tried(&mut posts, "slow").is_empty() && all.try_recv().is_err());
        tokio::time::advance(PAUSE).await;
        assert_eq!(tried(&mut posts, ""), ["slow 1"]);
        all.try_recv().expect("answered");
    }

    #[test]
    fn what_is_refused_after_it_was_sent_is_kept_for_its_publisher() {
        let stream = stream();
        let denied = PublishError::Denied { reason: "no longer".into() };
        message(&stream, "late").perform(|_, _| Err(denied.clone())).expect("not held");
        assert_eq!(stream.refused.load_full().as_deref(), Some(&denied));
    }
}
