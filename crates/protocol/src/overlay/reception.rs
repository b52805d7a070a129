//! What peers bring goes through the gate, and from there to its machine.

use std::time::{Duration, Instant};

use nuncio_identity::NodeId;

use super::Overlay;
use crate::{
    Output, Sealed, Strike,
    amop::{self, Amop},
    forwarding,
    gate::{Verdict, Waiting},
    gossip::{GossipId, GossipInput, Judgement, Numbered, Stamp},
    multicast::{Batch, Leg, MAX_NUMBER, Wanted},
    status_sync::Version,
    turn::{Directory, Turn},
    unicast,
};

impl Overlay {
    /// For how long this node is to make no more long gossip, since it made a message of so many bytes.
    pub fn rest_after_own_long_gossip(&mut self, length: usize, now: Instant) -> Duration {
        self.gate.rest_after_own_long(length, now)
    }

    /// For how long no more long gossip of a peer is to be read, since it brought a message of `origin` of so many bytes.
    pub fn rest_after_long_gossip(&mut self, via: &NodeId, origin: &NodeId, length: usize, now: Instant) -> Duration {
        self.gate.rest_after_long(via, origin, length, now)
    }

    pub(super) fn receive_unicast(&mut self, from: NodeId, message: unicast::Message, now: Instant) {
        let source = message.header.source;
        let Self { gate, peering, status_sync, life, .. } = self;
        match gate.admit(from, message, life, Directory { peering, status_sync }, now) {
            Verdict::Mine(admitted) if matches!(admitted.message().content, unicast::Content::Report(_)) => {
                let is_wanted = self.trace.handle_report(admitted, &mut self.outbox);
                self.judge_answer(from, source, is_wanted, now);
            }
            Verdict::Mine(admitted) => {
                let is_wanted = self.with_unicast(now, |unicast, turn| unicast.handle_received(admitted, turn));
                self.judge_answer(from, source, is_wanted, now);
            }
            Verdict::Passing(passing) => self.with_turn(now, |turn| forwarding::forward(passing, turn)),
            Verdict::Outlived(admitted) => {
                self.with_unicast(now, |unicast, turn| unicast.handle_outlived(admitted, turn));
            }
            Verdict::Sealed(message) => self.outbox.push(Output::Unseal(Sealed::Unicast { from, message })),
            Verdict::Held(message) => {
                let epoch = message.header.source_epoch;
                self.hold(from, Waiting::Unicast(message.into()), epoch, now);
            }
            Verdict::Struck(strike) => self.outbox.strike(from, strike),
            Verdict::Proved(strike) => self.outbox.strike(source, strike),
            Verdict::Refused => self.dropped.unicast += 1,
        }
    }

    /// Who answers itself what nobody asked, without end, does nothing else: whoever passes answers on cannot know.
    fn judge_answer(&mut self, from: NodeId, source: NodeId, is_wanted: bool, now: Instant) {
        let is_too_late = !is_wanted && from == source;
        if is_too_late && !self.gate.may_answer_too_late(&from, self.life.numbers(), now) {
            self.outbox.strike(from, Strike::Overspent);
        }
    }

    pub(super) fn receive_bridge(&mut self, from: NodeId, message: amop::Message, now: Instant) {
        let source = message.header.source;
        let Self { gate, peering, status_sync, life, .. } = self;
        match gate.admit(from, message, life, Directory { peering, status_sync }, now) {
            Verdict::Mine(admitted) => {
                let is_wanted = self.with_amop(now, |amop, turn| amop.handle_received(admitted, turn));
                self.judge_answer(from, source, is_wanted, now);
            }
            Verdict::Passing(passing) => self.with_turn(now, |turn| forwarding::forward(passing, turn)),
            Verdict::Outlived(admitted) => self.with_turn(now, |turn| Amop::handle_outlived(admitted, turn)),
            Verdict::Sealed(message) => self.outbox.push(Output::Unseal(Sealed::Bridge { from, message })),
            Verdict::Held(message) => {
                let epoch = message.header.source_epoch;
                self.hold(from, Waiting::Bridge(message.into()), epoch, now);
            }
            Verdict::Struck(strike) => self.outbox.strike(from, strike),
            Verdict::Proved(strike) => self.outbox.strike(source, strike),
            Verdict::Refused => self.dropped.amop += 1,
        }
    }

    pub(super) fn receive_multicast(&mut self, from: NodeId, multicast: amop::Multicast, now: Instant) {
        let Self { gate, peering, status_sync, life, .. } = self;
        match gate.admit_multicast(from, multicast, life, Directory { peering, status_sync }, now) {
            Verdict::Mine(admitted) => self.with_amop(now, |amop, turn| amop.handle_multicast(admitted, turn)),
            Verdict::Sealed(multicast) => self.outbox.push(Output::Unseal(Sealed::Multicast { from, multicast })),
            Verdict::Held(multicast) => {
                let epoch = multicast.epoch;
                self.hold(from, Waiting::Multicast(multicast.into()), epoch, now);
            }
            Verdict::Struck(strike) => self.outbox.strike(from, strike),
            Verdict::Passing(_) | Verdict::Outlived(_) | Verdict::Proved(_) | Verdict::Refused => {
                self.dropped.amop_multicasts += 1;
            }
        }
    }

    pub(super) fn receive_batch(&mut self, from: NodeId, leg: Leg, now: Instant) {
        let Self { gate, peering, status_sync, life, multicast, .. } = self;
        let is_known = multicast.has_heard(&leg, &life.node);
        let has_passed = |batch: &Batch| multicast.has_passed(batch);
        match gate.admit_batch(from, (leg, is_known, has_passed), life, Directory { peering, status_sync }, now) {
            Verdict::Mine(admitted) => {
                self.with_multicast(now, |multicast, turn| multicast.handle_received(admitted, turn));
            }
            Verdict::Held(leg) => {
                let epoch = leg.batch.epoch;
                self.hold(from, Waiting::Batch(leg), epoch, now);
            }
            Verdict::Struck(strike) => self.outbox.strike(from, strike),
            Verdict::Sealed(_) | Verdict::Passing(_) | Verdict::Outlived(_) | Verdict::Proved(_) | Verdict::Refused => {
                self.dropped.batches += 1;
            }
        }
    }

    pub(super) fn receive_wanted(&mut self, from: NodeId, wanted: Wanted, now: Instant) {
        let Self { gate, peering, status_sync, life, .. } = self;
        let asker = wanted.asker;
        match gate.admit_wanted(from, wanted, life, Directory { peering, status_sync }, now) {
            Verdict::Mine(admitted) => {
                let Self { gate, peering, status_sync, routing, onward, trace, multicast, outbox, life, .. } = self;
                let mut turn =
                    Turn { routing, onward, trace, outbox, life, directory: Directory { peering, status_sync }, now };
                let mut may_send = |bytes| gate.may_repair(&from, &asker, bytes, now);
                multicast.handle_wanted(admitted, &mut may_send, &mut turn);
            }
            Verdict::Struck(strike) => self.outbox.strike(from, strike),
            _ => self.dropped.wanted += 1,
        }
    }

    pub(super) fn handle_gossip(&mut self, input: GossipInput, now: Instant) {
        match input {
            GossipInput::Announced { id, via, node, version, clock } => {
                self.announced(id, via, (node, version, clock), now);
            }
            // Without its number, which whoever passes it on may have taken off, it might be heard twice.
            GossipInput::Received { id, stamp, numbered: None, .. } if self.numbers_its_messages(&stamp) => {
                self.conclude(id, Judgement::Dropped);
            }
            GossipInput::Received { id, numbered: Some(Numbered { number: MAX_NUMBER.., .. }), .. } => {
                self.conclude(id, Judgement::Dropped);
            }
            GossipInput::Received { id, via, stamp, length, numbered } => {
                let directory = Directory { peering: &self.peering, status_sync: &self.status_sync };
                match self.gate.admit_gossip(&stamp, &self.life, directory, now) {
                    Some(judgement) => {
                        self.conclude(id, judgement);
                        if let Some(numbered) = numbered.filter(|_| judgement == Judgement::Fresh) {
                            let batch = batch_of(stamp, numbered);
                            self.with_multicast(now, |multicast, turn| multicast.handle_gossip(batch, via, turn));
                        }
                    }
                    None => self.hold(
                        via,
                        Waiting::Gossip { id, stamp: stamp.into(), length, numbered: numbered.map(Box::new) },
                        stamp.epoch,
                        now,
                    ),
                }
            }
            GossipInput::Counted { via, what, count } => {
                if let Err(strike) = self.gate.charge(&via, what, count, now) {
                    self.outbox.strike(via, strike);
                }
            }
        }
    }

    fn numbers_its_messages(&self, stamp: &Stamp) -> bool {
        let record = self.status_sync.record(&stamp.origin);
        record.is_some_and(|record| record.status.takes_batches && record.status.version.epoch == stamp.epoch)
    }

    fn announced(&mut self, id: GossipId, via: NodeId, announced: (NodeId, Version, Duration), now: Instant) {
        let (node, version, clock) = announced;
        self.gate.handle_clock(&node, version.epoch, clock, now);
        let known = self.status_sync.version_of(&node).filter(|_| !self.is_expelled(&node));
        let waiting = Waiting::Announcement { id, node, version, clock };
        match known {
            // It has been passed on, or one that is newer; and nobody need tell others of this node.
            _ if node == self.life.node || !self.gate.is_announced_anew(&node, version, clock) => {
                self.conclude(id, Judgement::Dropped);
            }
            // Whoever passes an announcement on can show the record when it is asked: so none is passed on before.
            // Also of an expelled node: it may have another certificate, which is seen when its record is asked for.
            None => self.hold(via, waiting, version.epoch, now),
            Some(known) if version > known => self.hold_news(via, waiting, (id, announced), now),
            Some(known) if version == known => self.pass_announcement(id, announced),
            // Who announced a newer version is heard everywhere soon.
            Some(_) => self.conclude(id, Judgement::Dropped),
        }
    }

    /// Each goes its way once, and none behind a newer one: else whoever kept some, or writes one in other bytes, would have all
    /// nodes pass it on again and again.
    pub(super) fn pass_announcement(&mut self, id: GossipId, (node, version, clock): (NodeId, Version, Duration)) {
        let is_news = self.gate.passes_announcement(&node, version, clock);
        self.conclude(id, if is_news { Judgement::Fresh } else { Judgement::Dropped });
    }

    fn hold_news(
        &mut self,
        via: NodeId,
        news: Waiting,
        (id, announced): (GossipId, (NodeId, Version, Duration)),
        now: Instant,
    ) {
        let (node, version, _) = announced;
        let is_news = self.status_sync.handle_announced(via, node, version, &mut self.outbox, now);
        if !self.gate.hold_news(via, news, now) {
            self.pass_announcement(id, announced);
        }
        if is_news {
            self.settle(now);
        }
    }

    pub(super) fn conclude(&mut self, id: GossipId, judgement: Judgement) {
        self.outbox.push(Output::Judged { id, judgement });
    }

    /// Keeps a message until the record of its source is here, and asks for that.
    fn hold(&mut self, from: NodeId, waiting: Waiting, epoch: u64, now: Instant) {
        let (source, gossip) = (waiting.source(), waiting.gossip());
        if self.gate.is_refused(&from, &source, now) {
            return self.drop_gossip(gossip);
        }
        let seq = if let Waiting::Announcement { version, .. } = &waiting { version.seq } else { 1 };
        // Of a crowd of unknown nodes only so many are asked for at once.
        let version = Version { epoch, seq };
        let is_asked = self.status_sync.handle_announced(from, source, version, &mut self.outbox, now);
        if !self.gate.hold(from, waiting, is_asked, now) {
            self.dropped.no_record += 1;
            self.drop_gossip(gossip);
        }
        if is_asked {
            self.settle(now);
        }
    }

    /// What was held is given up: gossip goes no further.
    pub(super) fn drop_gossip(&mut self, ids: impl IntoIterator<Item = GossipId>) {
        for id in ids {
            self.conclude(id, Judgement::Dropped);
        }
    }

    /// The record of a node is here: what waited for it comes in once more.
    pub(super) fn release(&mut self, source: &NodeId, now: Instant) {
        for (from, waiting) in self.gate.release(source) {
            match waiting {
                Waiting::Unicast(message) => self.receive_unicast(from, *message, now),
                Waiting::Bridge(message) => self.receive_bridge(from, *message, now),
                Waiting::Multicast(multicast) => self.receive_multicast(from, *multicast, now),
                Waiting::Batch(leg) => self.receive_batch(from, leg, now),
                Waiting::Gossip { id, stamp, length, numbered } => {
                    let (stamp, numbered) = (*stamp, numbered.map(|numbered| *numbered));
                    self.handle_gossip(GossipInput::Received { id, via: from, stamp, length, numbered }, now);
                }
                Waiting::Announcement { id, node, version, clock } => {
                    self.announced(id, from, (node, version, clock), now);
                }
            }
        }
    }
}

/// What gossip brought, as if it had been pushed.
fn batch_of(stamp: Stamp, Numbered { topic, number, body }: Numbered) -> Batch {
    let Stamp { origin, epoch, sent, lifetime, .. } = stamp;
    let bodies = vec![body];
    Batch { origin, epoch, sent, lifetime, topic, first: number, bodies, long: None, proof: Default::default() }
}
