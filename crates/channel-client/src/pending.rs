//! Requests that wait for their answers.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use nuncio_channel_protocol::{Frame, FrameKind, FrameSeq};
use tokio::sync::oneshot;

use crate::shared::Shared;

/// Bounded by the permits its callers hold.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    waiters: Mutex<HashMap<FrameSeq, Waiter>>,
}

/// Why no answer will come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The connection broke after the request was written.
    Disconnected,
    /// The client was closed.
    Closed,
}

/// A caller's place in [`Pending`]; gives it up when dropped.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) seq: FrameSeq,
    answer: oneshot::Receiver<Result<Frame, Lost>>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Waiter {
    kind: FrameKind,
    sent: bool,
    answer: oneshot::Sender<Result<Frame, Lost>>,
}

impl Ticket {
    /// Takes a place for an answer of `kind`.
    pub(crate) fn new(shared: &Arc<Shared>, kind: FrameKind) -> Self {
        let seq = shared.seqs.next();
        let (sender, answer) = oneshot::channel();
        shared.pending.lock(|waiters| waiters.insert(seq, Waiter { kind, sent: false, answer: sender }));
        Self { seq, answer, shared: Arc::clone(shared) }
    }

    pub(crate) async fn answer(&mut self) -> Result<Frame, Lost> {
        (&mut self.answer).await.unwrap_or(Err(Lost::Closed))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.shared.pending.lock(|waiters| waiters.remove(&self.seq));
    }
}

impl Pending {
    /// Whether more than one waits for its answer.
    pub(crate) fn are_several(&self) -> bool {
        self.lock(|waiters| waiters.len() > 1)
    }

    /// Notes that a request is being written; false when its caller has given up.
    pub(crate) fn mark_sent(&self, seq: &FrameSeq) -> bool {
        self.lock(|waiters| waiters.get_mut(seq).map(|waiter| waiter.sent = true)).is_some()
    }

    /// Hands an answer to its caller; false when nobody waits for it. The kind must fit: a node may deliver a message
    /// under the seq of a request.
    pub(crate) fn answer(&self, frame: Frame) -> bool {
        let waiter = self.lock(|waiters| match waiters.get(&frame.seq) {
            Some(waiter) if waiter.kind == frame.kind => waiters.remove(&frame.seq),
            _ => None,
        });
        waiter.is_some_and(|waiter| waiter.answer.send(Ok(frame)).is_ok())
    }

    /// Fails the requests that were written; the others wait for the next connection.
    pub(crate) fn lose_sent(&self) {
        self.lose(Lost::Disconnected, |waiter| waiter.sent);
    }

    pub(crate) fn lose_all(&self) {
        self.lose(Lost::Closed, |_| true);
    }

    fn lose(&self, why: Lost, mut lost: impl FnMut(&Waiter) -> bool) {
        let gone: Vec<Waiter> =
            self.lock(|waiters| waiters.extract_if(|_, waiter| lost(waiter)).map(|(_, waiter)| waiter).collect());
        for waiter in gone {
            let _ = waiter.answer.send(Err(why));
        }
    }

    fn lock<R>(&self, work: impl FnOnce(&mut HashMap<FrameSeq, Waiter>) -> R) -> R {
        work(&mut self.waiters.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
