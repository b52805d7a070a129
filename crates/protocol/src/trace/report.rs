use std::time::{Duration, Instant};

use bytes::Bytes;
use nuncio_identity::{NodeId, Signature};

use super::TraceId;

/// Longest report as it travels, in bytes, with its signature.
pub const MAX_REPORT: usize = 512;

/// What a hop tells the source of a traced message. Its times are its own clock's, its names its own words.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Report {
    /// Which trace.
    pub id: TraceId,
    /// Who asked for it.
    pub origin: NodeId,
    /// Who reports.
    pub hop: NodeId,
    /// The peer that brought the message.
    pub from: NodeId,
    /// When it was read from its link, since the beginning of 1970, by the hop's clock.
    pub took: Duration,
    /// From then until it was queued for the next link, or handed over, or refused.
    pub queued: Duration,
    /// From when it was read until it left for the next link; where it went no further, as [`Report::queued`].
    pub done: Duration,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a traced message at a hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It left for a peer.
    Sent {
        /// Which.
        to: NodeId,
    },
    /// The hop is its target: the application, or the node itself, has it.
    Delivered,
    /// It went no further: no way on, no room, or another reason that is not told.
    Refused,
}

/// A report as it travels.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Signed {
    /// What it says.
    pub report: Report,
    /// What is signed.
    pub bytes: Bytes,
    /// By its hop; whether it holds shows at verification.
    pub signature: Signature,
}

/// What a hop noted of a traced message: a report that is neither dated nor signed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// Which trace.
    pub id: TraceId,
    /// Who asked for it, in which of its epochs, and the message's number.
    pub message: (NodeId, u64, u64),
    /// The peer that brought the message.
    pub from: NodeId,
    /// When it was read, when it was queued or handed over, and when it left.
    pub times: [Instant; 3],
    /// What became of it.
    pub fate: Fate,
}

impl Passage {
    /// The report of `hop`, whose clock shows `clock`, since the beginning of 1970, at `now`.
    pub fn report(&self, hop: NodeId, (clock, now): (Duration, Instant)) -> Report {
        let [taken, queued, done] = self.times;
        Report {
            id: self.id,
            origin: self.message.0,
            hop,
            from: self.from,
            took: clock.saturating_sub(now.saturating_duration_since(taken)),
            queued: queued.saturating_duration_since(taken),
            done: done.saturating_duration_since(taken),
            fate: self.fate,
        }
    }
}

impl Signed {
    /// What it takes in memory besides itself, in bytes, at the most.
    pub(super) const MOST_BYTES: usize = MAX_REPORT;
}
