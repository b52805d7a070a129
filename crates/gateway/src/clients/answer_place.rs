use std::sync::Arc;

use bytes::Bytes;
use nuncio_channel_protocol::{FrameKind, FrameSeq, ResultCode};

use super::mailbox::Mailbox;

/// A place in the window for an answer that is being made; given back when dropped.
#[derive(Debug)]
pub(crate) struct AnswerPlace {
    mailbox: Arc<Mailbox>,
    bytes: usize,
}

impl AnswerPlace {
    pub(super) const fn new(mailbox: Arc<Mailbox>, bytes: usize) -> Self {
        Self { mailbox, bytes }
    }

    /// Queues the answer, and gives the place back.
    pub(crate) fn answer(self, kind: FrameKind, seq: FrameSeq, body: Bytes) {
        self.mailbox.answer(kind, seq, ResultCode::OK, body);
    }
}

impl Drop for AnswerPlace {
    fn drop(&mut self) {
        self.mailbox.release_answer(self.bytes);
    }
}
