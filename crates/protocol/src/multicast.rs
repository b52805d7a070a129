//! Multicast and broadcast between nodes: pushed along shortest paths, numbered, repaired, and never lost in silence.
//!
//! The origin numbers its messages per topic (broadcast is a topic of its own) and sends each batch once over every edge
//! of its tree to the nodes that subscribe; relays split the list of destinations by next hop. Receivers hand messages on
//! in the origin's order. What does not come they ask for, of the neighbour that brought what came after it and from
//! there on towards the origin; what nobody has any more is told as a gap. After a quiet moment the origin says which
//! number comes next, so that a lost end is missed, too.

mod channel;
mod channels;
mod class;
mod history;
mod incoming;
mod machine;
mod members;
mod message;
mod outgoing;
mod returned;
mod room;
mod stream;

#[cfg(test)]
mod tests;

pub use class::priority_of;
pub use message::{
    Batch, Destination, Leg, Long, MulticastInput, Proof, Publication, PublishRefusal, Wanted, alone, joined,
};

pub(crate) use machine::Multicast;

/// Bits of a number that count the messages of one topic. Those above say which topic of its origin it is, so that numbers
/// are different in all of them, and those of one topic follow each other.
pub(crate) const COUNT_BITS: u32 = 36;

/// Numbers of messages are smaller: so there is always one that comes next.
pub const MAX_NUMBER: u64 = 1 << 63;

/// Most messages in one batch.
pub const MAX_BATCH: usize = 4096;
