//! What clients of the API can make it hold.

use std::sync::Arc;

use nuncio_audit::{Recorded, Text};
use nuncio_bounds::Bound;
use nuncio_identity::NodeId;
use nuncio_node::Responder;
use nuncio_protocol::MAX_BODY;

use crate::{
    api::Encoding,
    routes::{MAX_LISTENERS, body::BUDGET_KIB, refused, requests::MAX_WAITING, watch},
    server::{MAX_CALLERS, MAX_CONNECTIONS, MAX_LOOKERS, MAX_STRANGERS},
};

/// What HTTP holds of a connection, in bytes.
const HTTP: usize = 512 << 10;

/// An event, in bytes.
const EVENT: usize = size_of::<Recorded>() + 5 * 4 * Text::MAX;

/// A line of it, in bytes: JSON makes what is harmless twice as long at the most.
const LINE: usize = 32 << 10;

const _: () = assert!(LINE >= 2 * EVENT);

/// Most listening streams at a time, each of which is one of the node's listeners.
pub const LISTENERS: usize = MAX_LISTENERS;

/// Every bound of the API.
pub fn bounds() -> Vec<Bound> {
    vec![
        Bound::of_bytes("connections", HTTP, "further ones wait in the system's queue")
            .per("operator", MAX_CONNECTIONS),
        Bound::of_bytes("what connections by TCP stand on", 256, "those that are gone make room")
            .per("operator", MAX_CALLERS),
        Bound::of_bytes(
            "connections of those who may only look, among them",
            64,
            "the oldest of whoever has most ends",
        )
        .per("operator", MAX_LOOKERS),
        // Twice: who lost a place may not have noticed.
        Bound::of_bytes(
            "whoever has not proved who asks",
            64 << 10,
            "the oldest makes room; after 10 s each is closed",
        )
        .per("stranger", 2 * MAX_STRANGERS),
        // A look, and an event of the one before that is written.
        Bound::of_bytes(
            "what a dashboard is told",
            watch::LOOK + watch::LONGEST,
            "the next one waits; who takes none for 10 s is cut off",
        )
        .per("dashboard", watch::MAX_WATCHERS),
        // A line waits, and one is written.
        Bound::of_bytes(
            "what a follower of the events is told",
            2 * LINE,
            "the next ones wait, and are missed when they are many; who takes none for 10 s is cut off",
        )
        .per("follower", MAX_LISTENERS),
        Bound::of_entries::<Arc<Recorded>>("the last refusals", refused::KEPT, EVENT, "the oldest makes room"),
        Bound::of_bytes("messages to send", BUDGET_KIB << 10, "further ones wait in their sockets"),
        Bound::of_entries::<(u64, NodeId, Responder)>(
            "requests that wait for answers",
            MAX_WAITING,
            0,
            "further ones, and of one source more than there is room for others, are refused",
        )
        .per("listener", LISTENERS),
        // The message, as text, and as a line.
        Bound::of_bytes(
            "a message that a listener reads",
            MAX_BODY + 2 * Encoding::longest(MAX_BODY),
            "the next one waits",
        )
        .per("listener", LISTENERS),
    ]
}
