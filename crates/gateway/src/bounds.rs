//! What clients can make a gateway hold, in bytes: every bound, and what happens when it is full.

use nuncio_bounds::Bound;
use nuncio_channel_protocol::{MAX_FRAME, RECORD_LENGTH};
use nuncio_protocol::TOPIC_COST;

use crate::{clients::DeniedTopics, config::Limits, rpc::Rpc, tenants::OWING, visitors::Visitors};

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

/// What TLS and the handshake of a connection hold, in bytes.
pub const TLS: usize = 128 << 10;

/// What a session takes beside what it reads and writes: its task, its books and its certificate, in bytes.
pub const SESSION: usize = 32 << 10;

/// What a topic takes at the most where it counts a byte and [`TOPIC_COST`] more, in bytes.
const TOPIC: usize = 128;

/// What each session of another door can make a gateway hold beside what that door holds.
pub const fn of_sessions(sessions: usize) -> Bound {
    DeniedTopics::BOUND.per("client", sessions)
}

impl Limits {
    /// Every bound on what clients can make a gateway hold.
    pub fn bounds(&self) -> Vec<Bound> {
        let topics = self.topic_bytes / (TOPIC_COST + 1);
        let own = [
            Bound::of_bytes(
                "sessions, and what is read and written ahead for each",
                SESSION + TLS + READ_BATCH + RECORD_LENGTH + WRITE_BATCH,
                "one of whoever has most makes room, else further ones are closed",
            )
            .per("SDK", self.connections),
            Bound::of_bytes(
                "frames that are being received, and acknowledgements on their way",
                self.intake_bytes,
                "further ones wait unread, first come, first served; one that makes no progress meanwhile is cut",
            ),
            Bound::of_bytes(
                "publishes, calls and answers in flight, and the one that crosses the bound",
                self.in_flight_bytes.saturating_add(MAX_FRAME),
                "no session that adds to them is read",
            ),
            Bound::of_bytes(
                "messages queued for clients, and deliveries that they have not acknowledged",
                self.queue_bytes_of_all,
                "multicasts are dropped, unicasts go to other subscribers",
            ),
            Bound::of_bytes(
                "topics that clients have listed",
                topics * TOPIC,
                "a list over it is refused, the former one stays",
            )
            .in_entries(topics),
            DeniedTopics::BOUND.per("SDK", self.connections),
            OWING,
            Visitors::BOUND,
            Rpc::BOUND,
        ];
        own.into_iter().chain(self.door.bounds(TLS)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_bounds_are_less_than_two_and_a_quarter_gibibytes() {
        let sum: usize = Limits::DEFAULT.bounds().iter().map(Bound::sum).sum();
        assert!(sum < 9 << 28, "{sum}");
    }
}
