//! What clients can make the door hold, beside what they share with SDKs at the gateway.

use nuncio_bounds::Bound;
use nuncio_gateway::bounds::{SESSION, SMALL_FRAME, TLS, of_sessions};
use nuncio_protocol::MAX_BODY;

use crate::{config::Limits, metered::READ, writing::UNWRITTEN};

/// Longest message, in bytes: a frame of JSON whose payload of [`MAX_BODY`] is base64.
pub const LONGEST_FRAME: usize = MAX_BODY.div_ceil(3) * 4 + (4 << 10);

/// What is read of a request before it is refused, in bytes: its head, and what came with it.
pub(crate) const REQUEST_HEAD: usize = 16 << 10;

/// Most fields of a request's head.
pub(crate) const REQUEST_FIELDS: usize = 64;

/// What is read and written ahead for one session, in bytes: two reads, a short message, what waits to be written.
const AHEAD: usize = 2 * READ + SMALL_FRAME + UNWRITTEN + REQUEST_HEAD;

impl Limits {
    /// Every bound of the door; messages that are long, in flight or queued are in the gateway's budgets. `in_flight` is
    /// that of publishes and answers.
    pub fn bounds(&self, in_flight: usize) -> Vec<Bound> {
        let own = [
            Bound::of_bytes(
                "connections, and what is read and written ahead for each",
                SESSION + TLS + AHEAD,
                "one of whoever has most makes room, else further ones are closed",
            )
            .per("client", self.connections),
            Bound::of_bytes(
                "long frames whose payload is in flight",
                in_flight.saturating_add(LONGEST_FRAME),
                "no session that adds to them is read",
            ),
            of_sessions(self.connections),
        ];
        own.into_iter().chain(self.door.bounds(TLS)).collect()
    }
}
