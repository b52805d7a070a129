//! Streams of messages to many: what an application sends while its node is busy leaves together.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use nuncio_protocol::{MAX_BODY, Priority, Topic};
use nuncio_rights::Act;
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    task::coop::consume_budget,
    time::Sleep,
};

use crate::{NodeHandle, PublishError};

/// Most bytes that one publisher has sent and the node has not taken: a message of the greatest length, and more.
const MAX_BYTES: usize = 16 << 20;

/// What a message counts beside its body.
const OVERHEAD: usize = 256;

/// How long a publisher whose links are full is let alone.
const PAUSE: Duration = Duration::from_millis(5);

/// Most messages of one publisher that the node takes before it looks at others.
const TURN: usize = 32;

/// One of so many messages counts as a piece of work of the task that sends them: a task that does nothing else lets the node
/// have its turn after some hundreds.
const PER_PIECE: usize = 4;

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
}

/// What a publisher and the node both know of it.
///
/// Bound: [`MAX_BYTES`].
#[derive(Debug)]
struct Stream {
    topic: Option<Topic>,
    priority: Priority,
    room: Semaphore,
    sent: Mutex<Sent>,
    /// Why the newest that was refused after it had been sent was.
    refused: ArcSwapOption<PublishError>,
}

/// What was sent and not taken.
#[derive(Debug, Default)]
struct Sent {
    items: VecDeque<Item>,
    /// The node has been told that there is something.
    is_posted: bool,
    has_stopped: bool,
}

#[derive(Debug)]
enum Item {
    Message(Bytes),
    /// All before it was taken.
    Flush(oneshot::Sender<()>),
}

/// A publisher that has something for the node.
#[derive(Debug)]
pub(crate) struct Post {
    stream: Arc<Stream>,
    /// What was taken out and has not been done.
    items: VecDeque<Item>,
}

/// What became of what a publisher had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// There is more.
    More,
    /// Links are full.
    Full,
}

/// The publishers of a node, at its side.
///
/// Bound: [`MAX_BYTES`] for each publisher, of which the application has as many as it makes.
#[derive(Debug)]
pub(crate) struct Posts {
    posts: mpsc::UnboundedReceiver<Post>,
    /// Those that have more, in turn.
    ready: VecDeque<Post>,
    /// Those that wait because links are full.
    stalled: Vec<Post>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Publisher {
    pub(crate) fn new(node: NodeHandle, topic: Option<Topic>) -> Self {
        let stream = Arc::new(Stream::new(topic, node.priority));
        Self { node, stream }
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
        let bytes = cost(&data);
        let room = match self.stream.room.try_acquire_many(bytes) {
            Ok(room) => room,
            Err(_) => self.stream.room.acquire_many(bytes).await.map_err(|_| PublishError::Stopped)?,
        };
        room.forget();
        if self.post(Item::Message(data))?.is_multiple_of(PER_PIECE) {
            consume_budget().await;
        }
        Ok(())
    }

    /// Waits until the node has taken all that was sent before: it is on its way then.
    ///
    /// # Errors
    /// When the node has stopped, or refused one of them because the rights changed.
    pub async fn flush(&self) -> Result<(), PublishError> {
        let (taken, all) = oneshot::channel();
        self.post(Item::Flush(taken))?;
        all.await.map_err(|_| PublishError::Stopped)?;
        self.check()
    }

    /// Says how many wait.
    fn post(&self, item: Item) -> Result<usize, PublishError> {
        let mut sent = self.stream.lock();
        if sent.has_stopped {
            return Err(PublishError::Stopped);
        }
        sent.items.push_back(item);
        let (waiting, is_posted) = (sent.items.len(), std::mem::replace(&mut sent.is_posted, true));
        drop(sent);
        let post = || Post { stream: Arc::clone(&self.stream), items: VecDeque::new() };
        if !is_posted && self.node.posts.send(post()).is_err() {
            self.stream.stop();
            return Err(PublishError::Stopped);
        }
        Ok(waiting)
    }

    fn check(&self) -> Result<(), PublishError> {
        if self.stream.refused.load().is_none() {
            return Ok(());
        }
        self.stream.refused.swap(None).map_or(Ok(()), |error| Err(Arc::unwrap_or_clone(error)))
    }
}

impl Stream {
    fn new(topic: Option<Topic>, priority: Priority) -> Self {
        let (room, refused) = (Semaphore::new(MAX_BYTES), ArcSwapOption::empty());
        Self { topic, priority, room, sent: Mutex::default(), refused }
    }

    /// The node has: whoever waits is told.
    fn stop(&self) {
        let mut sent = self.lock();
        sent.has_stopped = true;
        sent.items.clear();
        drop(sent);
        self.room.close();
    }

    fn lock(&self) -> MutexGuard<'_, Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Post {
    /// Does some of what is wanted: `publish` sends a message.
    pub(crate) fn perform(
        &mut self,
        mut publish: impl FnMut((Option<&Topic>, Priority), Bytes) -> Result<(), PublishError>,
    ) -> Outcome {
        let stream = Arc::clone(&self.stream);
        let to = (stream.topic.as_ref(), stream.priority);
        let (mut bytes, mut outcome) = (0, Outcome::More);
        for _ in 0..TURN {
            if self.items.is_empty() && !self.take_more() {
                outcome = Outcome::Done;
                break;
            }
            match self.items.front() {
                Some(Item::Message(data)) => match publish(to, data.clone()) {
                    Err(PublishError::Busy) => {
                        outcome = Outcome::Full;
                        break;
                    }
                    published => {
                        bytes += cost(data) as usize;
                        let refused = published.err().map(Arc::new);
                        refused.into_iter().for_each(|error| self.stream.refused.store(Some(error)));
                    }
                },
                Some(Item::Flush(_)) | None => {}
            }
            if let Some(Item::Flush(taken)) = self.items.pop_front() {
                // Whoever waited may have gone.
                let _ = taken.send(());
            }
        }
        self.stream.room.add_permits(bytes);
        outcome
    }

    /// Says whether there was more; if not, the next that is sent is told.
    fn take_more(&mut self) -> bool {
        let mut sent = self.stream.lock();
        std::mem::swap(&mut sent.items, &mut self.items);
        sent.is_posted = !self.items.is_empty();
        sent.is_posted
    }
}

impl Posts {
    /// And where posts go in.
    pub(crate) fn new() -> (mpsc::UnboundedSender<Post>, Self) {
        let (sender, posts) = mpsc::unbounded_channel();
        (sender, Self { posts, ready: VecDeque::new(), stalled: Vec::new(), pause: None })
    }

    /// The next one that has something.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Post> {
        if let Some(pause) = &mut self.pause
            && pause.as_mut().poll(cx).is_ready()
        {
            self.pause = None;
            self.ready.extend(self.stalled.drain(..));
        }
        // Each publisher is there once, so there are no more of them than of publishers.
        while let Poll::Ready(Some(post)) = self.posts.poll_recv(cx) {
            self.ready.push_back(post);
        }
        self.ready.pop_front().map_or(Poll::Pending, Poll::Ready)
    }

    /// Takes back one of which some was done.
    pub(crate) fn put_back(&mut self, post: Post, outcome: Outcome) {
        match outcome {
            Outcome::Done => {}
            Outcome::More => self.ready.push_back(post),
            Outcome::Full => {
                self.stalled.push(post);
                self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(PAUSE)));
            }
        }
    }
}

impl Drop for Posts {
    fn drop(&mut self) {
        self.posts.close();
        let sent = std::iter::from_fn(|| self.posts.try_recv().ok());
        for post in sent.chain(self.ready.drain(..)).chain(self.stalled.drain(..)) {
            post.stream.stop();
        }
    }
}

fn cost(data: &Bytes) -> u32 {
    (data.len() + OVERHEAD) as u32
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, future::poll_fn};

    use super::*;

    fn stream() -> Arc<Stream> {
        Arc::new(Stream::new(None, Priority::default()))
    }

    /// Puts something behind what was sent, and tells the node unless it has been told.
    fn post(sender: &mpsc::UnboundedSender<Post>, stream: &Arc<Stream>, item: Item) {
        let mut sent = stream.lock();
        sent.items.push_back(item);
        if !std::mem::replace(&mut sent.is_posted, true) {
            sender.send(Post { stream: Arc::clone(stream), items: VecDeque::new() }).unwrap();
        }
    }

    fn message(text: &'static str) -> Item {
        Item::Message(text.into())
    }

    /// What is tried now, all of it; links are full for messages that begin with this.
    fn tried(posts: &mut Posts, full: &str) -> Vec<Bytes> {
        let mut sent = Vec::new();
        while let Some(mut post) = poll_fn(|cx| posts.poll_next(cx)).now_or_never() {
            let outcome = post.perform(|_, data| {
                if !full.is_empty() && data.starts_with(full.as_bytes()) {
                    return Err(PublishError::Busy);
                }
                sent.push(data);
                Ok(())
            });
            posts.put_back(post, outcome);
        }
        sent
    }

    #[tokio::test(start_paused = true)]
    async fn a_publisher_whose_links_are_full_waits_keeps_its_order_and_holds_up_no_other() {
        let ((sender, mut posts), (slow, quick)) = (Posts::new(), (stream(), stream()));
        for (stream, text) in [(&slow, "slow 1"), (&quick, "quick 1"), (&slow, "slow 2"), (&quick, "quick 2")] {
            post(&sender, stream, message(text));
        }
        assert_eq!(tried(&mut posts, "slow"), ["quick 1", "quick 2"]);
        assert!(tried(&mut posts, "").is_empty(), "not before the pause");
        tokio::time::advance(PAUSE).await;
        assert!(tried(&mut posts, "slow").is_empty(), "still full");
        post(&sender, &slow, message("slow 3"));
        tokio::time::advance(PAUSE).await;
        assert_eq!(tried(&mut posts, ""), ["slow 1", "slow 2", "slow 3"]);
        post(&sender, &slow, message("slow 4"));
        assert_eq!(tried(&mut posts, ""), ["slow 4"], "it waits no more");
    }

    #[tokio::test(start_paused = true)]
    async fn a_flush_is_answered_behind_all_that_waits() {
        let ((sender, mut posts), slow) = (Posts::new(), stream());
        let (taken, mut all) = oneshot::channel();
        post(&sender, &slow, message("slow 1"));
        post(&sender, &slow, Item::Flush(taken));
        assert!(tried(&mut posts, "slow").is_empty() && all.try_recv().is_err());
        tokio::time::advance(PAUSE).await;
        assert_eq!(tried(&mut posts, ""), ["slow 1"]);
        all.try_recv().expect("answered");
    }

    #[test]
    fn what_is_refused_after_it_was_sent_is_kept_for_its_publisher() {
        let ((sender, mut posts), stream) = (Posts::new(), stream());
        let denied = PublishError::Denied { reason: "no longer".into() };
        post(&sender, &stream, message("late"));
        let mut post = poll_fn(|cx| posts.poll_next(cx)).now_or_never().expect("posted");
        assert_eq!(post.perform(|_, _| Err(denied.clone())), Outcome::Done);
        assert_eq!(stream.refused.load_full().as_deref(), Some(&denied));
        assert_eq!(stream.room.available_permits(), MAX_BYTES + cost(&"late".into()) as usize, "given back");
    }

    #[test]
    fn many_messages_of_one_publisher_leave_others_their_turn() {
        let ((sender, mut posts), (first, second)) = (Posts::new(), (stream(), stream()));
        for _ in 0..2 * TURN {
            post(&sender, &first, message("many"));
        }
        post(&sender, &second, message("one"));
        let sent = tried(&mut posts, "");
        assert_eq!((sent.len(), &sent[TURN][..]), (2 * TURN + 1, &b"one"[..]));
    }

    #[tokio::test]
    async fn who_waits_for_the_node_is_told_when_it_stops() {
        let ((sender, posts), stream) = (Posts::new(), stream());
        let (taken, all) = oneshot::channel();
        post(&sender, &stream, Item::Flush(taken));
        let room = stream.room.acquire_many(MAX_BYTES as u32 + 1);
        drop(posts);
        assert!(all.await.is_err() && room.await.is_err() && stream.lock().has_stopped);
    }
}
