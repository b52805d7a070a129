//! What peers bring goes through the gate, and from there to its machine.

use std::time::Instant;

use nuncio_identity::NodeId;

use super::Overlay;
use crate::{
    Output, Sealed,
    amop::{self, Amop},
    forwarding,
    gate::{Verdict, Waiting},
    status_sync::Version,
    turn::Directory,
    unicast::{self, Taken},
};

impl Overlay {
    pub(super) fn receive_unicast(&mut self, from: NodeId, message: unicast::Message, now: Instant) {
        let Self { gate, peering, status_sync, life, .. } = self;
        match gate.admit(from, message, life, Directory { peering, status_sync }, now) {
            Verdict::Mine(admitted) => {
                let taken = self.with_unicast(now, |unicast, turn| unicast.handle_received(admitted, turn));
                if let Taken::NotSeen { source, number } = taken {
                    self.gate.unsee(&source, number);
                }
            }
            Verdict::Passing(passing) => self.with_turn(now, |turn| forwarding::forward(passing, turn)),
            Verdict::Outlived(admitted) => {
                self.with_unicast(now, |unicast, turn| unicast.handle_outlived(admitted, turn));
            }
            Verdict::Sealed(message) => self.outbox.push(Output::Unseal(Sealed::Unicast { from, message })),
            Verdict::Held(message) => {
                let epoch = message.header.source_epoch;
                self.hold(from, Waiting::Unicast(message), epoch, now);
            }
            Verdict::Refused => {}
        }
    }

    pub(super) fn receive_bridge(&mut self, from: NodeId, message: amop::Message, now: Instant) {
        let Self { gate, peering, status_sync, life, .. } = self;
        match gate.admit(from, message, life, Directory { peering, status_sync }, now) {
            Verdict::Mine(admitted) => self.with_amop(now, |amop, turn| amop.handle_received(admitted, turn)),
            Verdict::Passing(passing) => self.with_turn(now, |turn| forwarding::forward(passing, turn)),
            Verdict::Outlived(admitted) => self.with_turn(now, |turn| Amop::handle_outlived(admitted, turn)),
            Verdict::Sealed(message) => self.outbox.push(Output::Unseal(Sealed::Bridge { from, message })),
            Verdict::Held(message) => {
                let epoch = message.header.source_epoch;
                self.hold(from, Waiting::Bridge(message), epoch, now);
            }
            Verdict::Refused => {}
        }
    }

    pub(super) fn receive_multicast(&mut self, from: NodeId, multicast: amop::Multicast, now: Instant) {
        let Self { gate, peering, status_sync, life, .. } = self;
        match gate.admit_multicast(from, multicast, life, Directory { peering, status_sync }, now) {
            Verdict::Mine(admitted) => self.with_amop(now, |amop, turn| amop.handle_multicast(admitted, turn)),
            Verdict::Sealed(multicast) => self.outbox.push(Output::Unseal(Sealed::Multicast { from, multicast })),
            Verdict::Held(multicast) => {
                let epoch = multicast.epoch;
                self.hold(from, Waiting::Multicast(multicast), epoch, now);
            }
            Verdict::Passing(_) | Verdict::Outlived(_) | Verdict::Refused => {}
        }
    }

    /// Keeps a message until the record of its source is here, and asks for that.
    fn hold(&mut self, from: NodeId, waiting: Waiting, epoch: u64, now: Instant) {
        let source = waiting.source();
        if self.gate.hold(from, waiting, now)
            && self.status_sync.handle_announced(from, source, Version { epoch, seq: 1 })
        {
            self.settle(now);
        }
    }

    /// The record of a node is here: what waited for it comes in once more.
    pub(super) fn release(&mut self, source: &NodeId, now: Instant) {
        for (from, waiting) in self.gate.release(source) {
            match waiting {
                Waiting::Unicast(message) => self.receive_unicast(from, message, now),
                Waiting::Bridge(message) => self.receive_bridge(from, message, now),
                Waiting::Multicast(multicast) => self.receive_multicast(from, multicast, now),
            }
        }
    }
}
