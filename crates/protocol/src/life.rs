use std::time::{Duration, Instant};

use nuncio_identity::NodeId;

use crate::{Header, MAX_HOPS, MAX_LIFETIME};

/// This node in its present epoch: what it stamps on all it sends.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) node: NodeId,
    pub(crate) epoch: u64,
    began: Instant,
    last_number: u64,
}

impl Life {
    pub(crate) const fn new(node: NodeId, epoch: u64, now: Instant) -> Self {
        Self { node, epoch, began: now, last_number: 0 }
    }

    /// The time since the epoch began, in whole milliseconds, as it travels.
    pub(crate) fn clock(&self, now: Instant) -> Duration {
        Duration::from_millis(now.saturating_duration_since(self.began).as_millis() as u64)
    }

    /// A number for one more message that asks, or goes to many.
    pub(crate) const fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// The header of a message of ours.
    pub(crate) fn header(
        &self,
        (target, target_epoch): (NodeId, u64),
        number: u64,
        lifetime: Duration,
        now: Instant,
    ) -> Header {
        Header {
            source: self.node,
            source_epoch: self.epoch,
            target,
            target_epoch,
            number,
            sent: self.clock(now),
            lifetime: Duration::from_millis(lifetime.min(MAX_LIFETIME).as_millis() as u64),
            hops_left: MAX_HOPS - 1,
            hops: 1,
        }
    }
}
