//! What clients can make a gateway hold, in bytes: every bound, and what happens when it is full.

use nuncio_channel_protocol::{MAX_FRAME, RECORD_LENGTH};

use crate::config::Limits;

/// Frames up to this length are read without asking for room, in bytes.
pub const SMALL_FRAME: usize = 16 << 10;

/// Plaintext read of one session before it is looked at, in bytes; a record more may come with it.
pub const READ_BATCH: usize = 64 << 10;

/// Plaintext encrypted for one session before it is handed to the socket, in bytes; under rustls's own bound of 64 KiB.
pub const WRITE_BATCH: usize = 48 << 10;

/// What the system takes of a session's bytes before it has sent them, in bytes. By default it takes megabytes, and takes
/// more only when a third of them is gone: a slow reader would look like one that reads nothing.
pub const UNSENT: u32 = 128 << 10;

/// What a queued message, or a delivery that is not acknowledged, counts besides its bytes: about what the books about it
/// take.
pub const QUEUE_ENTRY: usize = 256;

/// Messages from this length on count once for all queues that hold them, in bytes.
pub const SHARED_MESSAGE: usize = 4 << 10;

/// One bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// What is bounded.
    pub what: &'static str,
    /// The bound, for all sessions together, in bytes.
    pub bytes: usize,
    /// What happens when it is reached.
    pub when_full: &'static str,
}

impl Limits {
    /// Every bound on what clients can make a gateway hold.
    pub fn bounds(&self) -> [Bound; 5] {
        let bound = |what, bytes, when_full| Bound { what, bytes, when_full };
        [
            bound(
                "frames that are being received",
                self.intake_bytes,
                "further ones wait unread, first come, first served; one that makes no progress meanwhile is cut",
            ),
            bound(
                "what is read and written ahead for each connection",
                self.connections * (READ_BATCH + RECORD_LENGTH + WRITE_BATCH),
                "further connections are closed",
            ),
            bound(
                "publishes, calls and answers in flight, and the one that crosses the bound",
                self.in_flight_bytes.saturating_add(MAX_FRAME),
                "no session that adds to them is read",
            ),
            bound(
                "messages queued for clients, and deliveries that they have not acknowledged",
                self.queue_bytes_of_all,
                "multicasts are dropped, unicasts go to other subscribers",
            ),
            bound("topics", self.topic_bytes, "a list over it is refused, the former one stays"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_bounds_are_less_than_a_gibibyte_and_a_half() {
        let sum: usize = Limits::DEFAULT.bounds().iter().map(|bound| bound.bytes).sum();
        assert!(sum < 3 << 29, "{sum}");
    }
}
