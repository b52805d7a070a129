//! A receiver's words to its sender.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::message::{Receipt, TransferKeys};
use crate::{Delivery, Kind, Subscription};

/// How long a sender may still ask whether its file came whole.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// Opens chunks and seals receipts.
#[derive(Debug)]
pub(super) struct Desk {
    keys: TransferKeys,
    /// The number of the next receipt.
    number: u64,
    pub(super) ignored: u64,
}

/// A chunk of the transfer's sender.
pub(super) struct Opened {
    delivery: Delivery,
    number: u64,
    pub(super) message: Vec<u8>,
}

/// Tells a sender once more that its file came whole: the answer to its last chunk may be lost.
#[derive(Debug)]
pub(super) struct Farewell {
    chunks: Subscription,
    desk: Desk,
}

impl Desk {
    pub(super) fn new(keys: TransferKeys) -> Self {
        Self { keys, number: 0, ignored: 0 }
    }

    /// A chunk of the sender. Anything else is somebody else's: declined, so that the node may try another subscriber, and
    /// counted.
    pub(super) fn open(&mut self, delivery: Delivery) -> Option<Opened> {
        if delivery.kind == Kind::Unicast
            && let Ok((number, message)) = self.keys.chunks.open(b"", &delivery.data)
        {
            return Some(Opened { delivery, number, message });
        }
        self.ignored += 1;
        delivery.decline();
        None
    }

    pub(super) fn answer(&mut self, chunk: Opened, receipt: &Receipt) {
        let sealed = self.keys.receipts.seal(self.number, &chunk.number.to_be_bytes(), receipt.encode());
        self.number += 1;
        say(chunk.delivery, sealed);
    }
}

impl Farewell {
    pub(super) fn new(chunks: Subscription, desk: Desk) -> Self {
        Self { chunks, desk }
    }

    pub(super) async fn say(mut self) {
        let deadline = Instant::now() + LAST_WORDS;
        while let Ok(Some(delivery)) = timeout_at(deadline, self.chunks.next()).await {
            if let Some(chunk) = self.desk.open(delivery) {
                self.desk.answer(chunk, &Receipt::Complete);
            }
        }
    }
}

pub(super) fn say(delivery: Delivery, answer: Vec<u8>) {
    if let Err(error) = delivery.respond(answer) {
        tracing::debug!(%error, "an answer to a sender was lost");
    }
}
