use std::time::{Duration, Instant};

use nuncio_identity::NodeId;

use crate::{
    Header, MAX_HOPS, MAX_LIFETIME, SealEnd,
    gate::{Cast, CastRate},
    gossip::Stamp,
    priority::Priority,
    trace::Trace,
};

/// How long a message to many counts after it was sent.
const GOSSIP_LIFETIME: Duration = Duration::from_secs(30);

/// What this node sends to many: less than what others put up with.
const GOSSIP: CastRate = CastRate::times(0.8);
pub(crate) const CAST: CastRate = GOSSIP.of_amop();

/// What goes by gossip besides being pushed, for members that take nothing else or may have no way: gossip costs all nodes a
/// hundred times what a push does, so one such member would make every publisher as slow as gossip.
const BESIDE: CastRate = CastRate::times(0.1);

/// This node in its present epoch: what it stamps on all it sends.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) node: NodeId,
    pub(crate) epoch: u64,
    began: Instant,
    last_number: u64,
    gossip: Cast,
    beside: Cast,
    relayed: Cast,
    cast: Cast,
}

impl Life {
    pub(crate) const fn new(node: NodeId, epoch: u64, now: Instant) -> Self {
        Self {
            node,
            epoch,
            began: now,
            last_number: 0,
            gossip: Cast::new(GOSSIP, now),
            beside: Cast::new(BESIDE, now),
            relayed: Cast::new(GOSSIP, now),
            cast: Cast::new(CAST, now),
        }
    }

    /// Goes on in a higher epoch; numbers do not begin again.
    pub(crate) const fn begin(&mut self, epoch: u64, now: Instant) {
        (self.epoch, self.began) = (epoch, now);
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

    /// How many numbers there were, of all epochs.
    pub(crate) const fn numbers(&self) -> u64 {
        self.last_number
    }

    /// What a message of so many bytes to all is stamped with; `None` when others would not check as many signatures.
    pub(crate) fn stamp(&mut self, length: usize, now: Instant) -> Option<Stamp> {
        if !self.gossip.take(length, GOSSIP, now) {
            return None;
        }
        let (origin, epoch, number) = (self.node, self.epoch, self.number());
        Some(Stamp { origin, epoch, number, sent: self.clock(now), lifetime: GOSSIP_LIFETIME })
    }

    /// The same for what is pushed as well; `None` for what gossip can be spared.
    pub(crate) fn stamp_beside(&mut self, length: usize, now: Instant) -> Option<Stamp> {
        if self.beside.take(length, BESIDE, now) { self.stamp(length, now) } else { None }
    }

    /// Whether relays would check the signature of one more batch.
    pub(crate) fn has_relay(&self, now: Instant) -> bool {
        self.relayed.has((1.0, 0.0), GOSSIP, now)
    }

    /// Whether relays check the signature of one more batch of so many bytes.
    pub(crate) fn may_relay(&mut self, length: usize, now: Instant) -> bool {
        self.relayed.take(length, GOSSIP, now)
    }

    /// Of how many AMOP multicasts others check the signature.
    pub(crate) const fn cast(&mut self) -> &mut Cast {
        &mut self.cast
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
            seal: SealEnd::default(),
            trace: Trace::default(),
            priority: Priority::default(),
        }
    }
}
