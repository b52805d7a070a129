use std::time::Duration;

use nuncio_identity::NodeId;

use crate::{Priority, hashed::RandomState, trace::Trace};

/// What a message from one node to another says of itself. All of it but the hops is under the source's seal; between
/// neighbours the link vouches for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Who made it.
    pub source: NodeId,
    /// In which of its epochs.
    pub source_epoch: u64,
    /// Whom it is for.
    pub target: NodeId,
    /// For which of its epochs: a node that has started since does not take it.
    pub target_epoch: u64,
    /// Of what asks, the source's number, which grows with each message it makes and is the same when it is sent again; of
    /// an answer, the number of what asked.
    pub number: u64,
    /// The source's clock when it was sent: the time since its epoch began.
    pub sent: Duration,
    /// How long it counts after that; at most [`crate::MAX_LIFETIME`].
    pub lifetime: Duration,
    /// Links it may still cross after this one.
    pub hops_left: u8,
    /// Links it has crossed when it arrives; 1 from a neighbour.
    pub hops: u8,
    /// By what a copy of it is known, if it came sealed.
    pub seal: SealEnd,
    /// How it is followed. Only what asks is; a relay knows the trace's name and nothing else of it.
    pub trace: Trace,
    /// How urgent it is. A relay knows it, and may make it less so; the target believes what is under the seal.
    pub priority: Priority,
}

/// The end of the seal in which a message came, as good as random; 0 where it came in clear. It is no part of the header on
/// the wire, and headers that differ in nothing else are equal.
#[derive(Debug, Clone, Copy, Default)]
pub struct SealEnd(pub u32);

impl PartialEq for SealEnd {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for SealEnd {}

impl Header {
    /// The next node's header, of a message that is passed on; `None` where it has crossed links enough.
    pub(crate) fn passed_on(self) -> Option<Self> {
        let hops_left = self.hops_left.min(crate::MAX_HOPS).checked_sub(1)?;
        Some(Self { hops_left, hops: self.hops.saturating_add(1), ..self })
    }
}

/// A message with a header.
pub(crate) trait Letter {
    fn header(&self) -> &Header;
    fn header_mut(&mut self) -> &mut Header;
    /// Whether its source waits for an answer; an answer is no such message.
    fn asks(&self) -> bool;
    /// Whether its content is still sealed: only its target can open it.
    fn is_sealed(&self) -> bool;
    /// Bytes of its content.
    fn length(&self) -> usize;
    /// Says of an open message that asks which one it is: the same when it is sent again.
    fn digest(&self, hasher: &RandomState) -> u64;
}
