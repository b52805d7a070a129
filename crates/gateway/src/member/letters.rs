use std::{
    collections::VecDeque,
    task::{Context, Poll},
};

use bytes::Bytes;
use nuncio_channel_protocol::{FrameKind, FrameSeq, ResultCode};
use nuncio_protocol::Topic;

use super::Member;
use crate::clients::{Content, Parcel};

/// Something for a client: a message of others, or the answer to what it said. It counts among what is queued for it until
/// it is crossed off by [`Member::poll_letter`].
#[derive(Debug)]
pub struct Letter(Parcel);

impl Letter {
    /// What it is: [`FrameKind::Unicast`] and [`FrameKind::Multicast`] are messages of others, [`FrameKind::Answer`] is a
    /// publish's, other kinds are what [`Member::answer`] was given.
    pub const fn kind(&self) -> FrameKind {
        self.0.kind
    }

    /// Of a unicast: by what its answer names it. Of an answer: what the client named its publish with.
    pub const fn seq(&self) -> FrameSeq {
        self.0.seq
    }

    /// What became of a publish.
    pub const fn result(&self) -> ResultCode {
        self.0.result
    }

    /// The topic, where there is one.
    pub const fn topic(&self) -> Option<&Topic> {
        match &self.0.content {
            Content::Amop { topic, .. } => Some(topic),
            Content::Plain(_) => None,
        }
    }

    /// The payload, or what [`Member::answer`] was given.
    pub const fn data(&self) -> &Bytes {
        match &self.0.content {
            Content::Amop { data, .. } | Content::Plain(data) => data,
        }
    }
}

impl Member {
    /// The next letter; `written`, the one before it, has gone out and counts no more. The task of `cx` is woken when there
    /// is one.
    pub fn poll_letter(&self, written: &mut Option<Letter>, cx: &mut Context<'_>) -> Poll<Letter> {
        let counters = self.door.clients.counters();
        let mut written: Vec<_> = written.take().into_iter().map(|letter| letter.0.into_written()).collect();
        counters.frames_sent.add(written.len() as u64);
        let mut batch = VecDeque::new();
        // One fits always.
        self.mailbox().exchange(&mut batch, &mut written, 0, cx);
        batch.pop_front().map_or(Poll::Pending, |parcel| Poll::Ready(Letter(parcel)))
    }

    /// Has the task of `cx`, which waits for its socket, woken for all that is not about letters.
    pub fn note_stalled(&self, cx: &Context<'_>) {
        self.mailbox().note_stalled(cx);
    }

    /// Whether it has got all it asked for and answered all it was asked.
    pub fn is_settled(&self) -> bool {
        self.mailbox().is_settled()
    }

    /// One frame of it was read.
    pub fn note_received(&self) {
        self.door.clients.counters().frames_received.increment();
    }

    /// One frame of it could not be read, and says nothing.
    pub fn note_malformed(&self) {
        self.door.clients.counters().frames_malformed.increment();
    }
}
