//! The applications' replies on their way to the event loop.

use std::sync::Arc;

use bytes::Bytes;
use nuncio_bounds::{Bound, SharedBytes};
use nuncio_protocol::unicast::InboundId;
use tokio::sync::mpsc;

/// Most bytes of replies that the event loop has not taken.
const MAX_BYTES: usize = 128 << 20;

pub(crate) const BOUND: Bound = Bound::of_bytes(
    "replies of applications",
    MAX_BYTES,
    "a request ends without an answer, as one that may have been seen",
);

/// Where replies go in, without waiting.
///
/// Bound: as many as requests are open, which the core bounds, and [`MAX_BYTES`]; beyond, the reply's body is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Replies {
    sender: mpsc::UnboundedSender<Reply>,
    room: Arc<SharedBytes>,
}

/// What an application says to a request; `None` if nothing.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) inbound: InboundId,
    pub(crate) body: Option<Bytes>,
}

impl Replies {
    /// And where they come out.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Reply>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self { sender, room: Arc::new(SharedBytes::new(MAX_BYTES)) }, receiver)
    }

    pub(crate) fn send(&self, inbound: InboundId, body: Option<Bytes>) {
        let body = body.filter(|body| self.room.take(0, body.len()));
        // A stopped node needs no reply.
        let _ = self.sender.send(Reply { inbound, body });
    }

    /// Bytes of replies that wait.
    pub(crate) fn held(&self) -> usize {
        self.room.used()
    }

    /// A reply was taken.
    pub(crate) fn taken(&self, reply: &Reply) {
        self.room.give_back(reply.body.as_ref().map_or(0, Bytes::len));
    }
}

#[cfg(test)]
mod tests {
    use nuncio_protocol::MAX_BODY;

    use super::*;

    #[test]
    fn replies_that_are_not_taken_are_bounded_in_bytes_and_every_request_ends() {
        let (replies, mut taken) = Replies::new();
        let body = Bytes::from(vec![0; MAX_BODY]);
        for n in 0..20 {
            replies.send(InboundId(n), Some(body.clone()));
        }
        let came: Vec<_> = std::iter::from_fn(|| taken.try_recv().ok()).collect();
        let whole = came.iter().filter(|reply| reply.body.is_some()).count();
        assert_eq!((came.len(), whole), (20, MAX_BYTES / 4 * 3 / MAX_BODY));
        came.iter().for_each(|reply| replies.taken(reply));
        replies.send(InboundId(20), Some(body));
        assert!(taken.try_recv().is_ok_and(|reply| reply.body.is_some()));
    }
}
