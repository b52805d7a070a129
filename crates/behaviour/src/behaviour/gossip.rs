//! Gossip: what came is checked and judged before it is passed on; and whether it comes at all.

use std::{
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use libp2p::{
    gossipsub::{self, IdentTopic, MessageAcceptance, MessageId},
    swarm::ToSwarm,
};
use nuncio_identity::NodeId;
use nuncio_metrics::GossipOutcome;
use nuncio_protocol::{
    AccessInput, GossipInput, Strike, Topic, TraceInput,
    gossip::{GossipId, Judgement, Numbered, Stamp},
};
use nuncio_wire::{
    DecodeError,
    announcement::{self, Announcement},
    multicast as wire,
};

use super::{Behaviour, signed::NotCarried};
use crate::{
    Event,
    gossip::Lane,
    gossip_meter, gossip_pulse,
    meter::Link,
    multicast::{Pending, acceptance},
    notary::{Paper, Taken},
    prover::{Finding, Job},
};

impl Behaviour {
    pub(super) fn handle_metered(&mut self, lane: Lane, event: gossip_meter::Event) {
        match event {
            gossip_meter::Event::Gossip(event) => self.handle_gossip_event(lane, event),
            gossip_meter::Event::Counted { peer, what, count } => {
                self.count_gossip(what, count);
                if let Some(via) = self.names.of(peer) {
                    self.handle(GossipInput::Counted { via, what, count });
                }
            }
            gossip_meter::Event::Pulses { peer, count, are_its_own } => {
                if let Some(via) = self.names.of(peer) {
                    self.handle_pulses(lane, via, (count, are_its_own));
                }
            }
            gossip_meter::Event::Foreign { peer } | gossip_meter::Event::Reopened { peer } => {
                if let Some(peer) = self.names.of(peer) {
                    self.handle(AccessInput::Struck { peer, strike: Strike::Malformed });
                }
            }
        }
    }

    /// Sends a message by gossip, too.
    pub(super) fn gossip(
        &mut self,
        topic: Option<&Topic>,
        body: Bytes,
        place: u64,
        stamp: Stamp,
        now: Instant,
    ) -> Result<(), NotCarried> {
        let lane = Lane::of(body.len());
        let Stamp { origin, epoch, number, sent, lifetime } = stamp;
        let must_pause = lane == Lane::Long && self.long_gossip_from.is_some_and(|from| now < from);
        if must_pause || !self.recent.note(origin, body.len(), now) {
            return Err(NotCarried::Refused);
        }
        let gossip = wire::Gossip { origin, epoch, number, sent, lifetime, body, place: Some(place) };
        match self.notary.take(Paper::Gossip { lane, topic: wire::gossip_topic(topic), gossip }) {
            Taken::Signed(signed) => self.use_signed(signed, now),
            Taken::Later => Ok(()),
            Taken::Full => Err(NotCarried::Refused),
        }
    }

    /// Subscribers that take only gossip miss a multicast of this node, and nobody else would tell them.
    pub(super) fn note_missed(&mut self, topic: Option<&Topic>, now: Instant) {
        self.meter.metrics.gossip.missed.increment();
        if let Some(kept_back) = self.missed_gossip.line(now) {
            let topic = topic.map_or("all", Topic::as_str);
            tracing::warn!(
                topic,
                kept_back,
                "a multicast does not reach nodes of releases that take only gossip: it carries less than is sent; upgrade them"
            );
        }
    }

    fn handle_gossip_event(&mut self, lane: Lane, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message { propagation_source, message_id, message } => {
                let (length, is_pulse) = (message.data.len(), message.topic.as_str() == gossip_pulse::TOPIC);
                let acceptance = match (self.names.of(propagation_source), message.topic.as_str()) {
                    (None, _) => Some(MessageAcceptance::Ignore),
                    // It was taken before gossipsub had it, and is not passed on.
                    (Some(_), gossip_pulse::TOPIC) => Some(MessageAcceptance::Ignore),
                    (Some(via), _) if length > lane.longest() => {
                        let error = DecodeError::TooLarge { what: "gossip", bytes: length, limit: lane.longest() };
                        Some(self.refuse_gossip(via, Strike::Malformed, &error))
                    }
                    (Some(via), announcement::TOPIC) => self.handle_announcement(lane, via, &message_id, &message.data),
                    (Some(via), _) => self.handle_message(lane, via, &message_id, message),
                };
                if let Some(acceptance) = acceptance {
                    if !is_pulse {
                        self.count_gossip_seen(lane, &acceptance);
                    }
                    self.inner.lane(lane).report_message_validation_result(
                        &message_id,
                        &propagation_source,
                        acceptance,
                    );
                }
            }
            gossipsub::Event::SlowPeer { peer_id, .. } => {
                self.meter.metrics.gossip.slow_peers.increment();
                if let Some(peer) = self.names.of(peer_id) {
                    tracing::debug!(peer = %peer.short(), "a peer takes gossip slower than it comes; some was dropped");
                }
            }
            _ => {}
        }
    }

    /// They say only that the peer's gossip comes.
    fn handle_pulses(&mut self, lane: Lane, via: NodeId, (count, are_its_own): (usize, bool)) {
        let outcome = if are_its_own { GossipOutcome::Pulse } else { GossipOutcome::Refused };
        self.count_gossip_outcomes(lane, outcome, count);
        if !are_its_own {
            tracing::debug!(peer = %via.short(), "refused a pulse that is not the peer's own");
            return self.handle(AccessInput::Struck { peer: via, strike: Strike::Malformed });
        }
        let now = Instant::now();
        let within_budget = (0..count).filter(|_| self.overlay.may_pulse(via, now)).count();
        if within_budget > 0 {
            self.pulse.heard(&via, lane);
        }
        self.drain(now);
    }

    /// Whether a pulse was due. A link on which none has come for long is ended, and made anew by the core.
    pub(super) fn poll_pulse(&mut self, cx: &mut Context<'_>) -> bool {
        let Poll::Ready(beat) = self.pulse.poll(self.context.node(), cx) else { return false };
        for lane in [Lane::Short, Lane::Long] {
            // Nobody is linked, or the queues are full: then it is missed, which is what it is for.
            let _ = self.inner.lane(lane).publish(IdentTopic::new(gossip_pulse::TOPIC), beat.pulse.clone());
        }
        for peer in beat.dead {
            let Some(Link { connection, .. }) = self.links.get(&peer).copied() else { continue };
            if let Some(kept_back) = self.deaf_peers.line(Instant::now()) {
                tracing::warn!(peer = %peer.short(), kept_back, "a link is alive but its gossip is dead; it is made anew");
            }
            self.meter.metrics.gossip.dead.increment();
            self.give_up(connection, &"its gossip is dead".into());
        }
        true
    }

    /// `None` when it is being checked.
    fn handle_announcement(
        &mut self,
        lane: Lane,
        via: NodeId,
        message: &MessageId,
        data: &[u8],
    ) -> Option<MessageAcceptance> {
        let unchecked = match announcement::decode(data) {
            Ok(unchecked) => unchecked,
            Err(error) => return Some(self.refuse_gossip(via, Strike::Malformed, &error)),
        };
        let now = Instant::now();
        let Announcement { node, version, clock } = unchecked.says();
        if !self.overlay.may_check_announcement(via, (node, version, clock), now) {
            self.drain(now);
            return Some(MessageAcceptance::Ignore);
        }
        self.check_gossip(via, Job::Announcement { lane, message: message.clone(), unchecked })
    }

    /// `None` when it is being checked.
    fn handle_message(
        &mut self,
        lane: Lane,
        via: NodeId,
        message_id: &MessageId,
        message: gossipsub::Message,
    ) -> Option<MessageAcceptance> {
        let length = message.data.len();
        let topic = match wire::topic_of(message.topic.as_str()) {
            Ok(topic) => topic,
            Err(error) => return Some(self.refuse_gossip(via, Strike::Malformed, &error)),
        };
        let unchecked = match wire::decode(message.data.into()) {
            Ok(unchecked) => unchecked,
            Err(error) => return Some(self.refuse_gossip(via, Strike::Malformed, &error)),
        };
        let now = Instant::now();
        let stamp = unchecked.stamp();
        if lane == Lane::Long {
            let rest = self.overlay.rest_after_long_gossip(&via, &stamp.origin, length, now);
            self.inner.gossip_large.rest(&via, rest, now);
        }
        if !self.overlay.may_check_gossip(via, &stamp, length, now) {
            self.drain(now);
            return Some(MessageAcceptance::Ignore);
        }
        if !self.recent.note(stamp.origin, length, now) {
            return Some(MessageAcceptance::Ignore);
        }
        self.check_gossip(via, Job::Message { lane, message: message_id.clone(), topic, length, unchecked })
    }

    /// Too much of one peer is not checked; that is no strike, since its budget let it pass.
    fn check_gossip(&self, via: NodeId, job: Job) -> Option<MessageAcceptance> {
        (!self.prover.push(via, job)).then_some(MessageAcceptance::Ignore)
    }

    pub(super) fn handle_finding(&mut self, from: NodeId, finding: Finding) {
        match finding {
            Finding::Report { report, message } => self.handle(TraceInput::Signed { report, message }),
            Finding::Signature { id, hop, holds } => {
                self.handle(TraceInput::Checked { id, hop, holds: Some(holds) });
            }
            Finding::Lists { is_newer, .. } => self.handle_judged_lists(from, is_newer),
            Finding::Members { refused } => self.handle_judged_members(refused),
            Finding::Answer(proved) => self.handle_proved(from, *proved),
            Finding::Announcement { lane, message, checked: Ok(Announcement { node, version, clock }) } => {
                self.note_announced(node, version);
                let id = self.judging.add(Pending { lane, message, from: from.into(), post: None });
                self.handle(GossipInput::Announced { id, via: from, node, version, clock });
            }
            Finding::Message { lane, message, topic, length, checked: Ok(gossip) } => {
                let wire::Gossip { origin, epoch, number, sent, lifetime, .. } = gossip;
                let stamp = Stamp { origin, epoch, number, sent, lifetime };
                let numbered = gossip.place.map(|number| {
                    let (topic, body) = (topic.clone(), gossip.body.clone());
                    Numbered { topic, number, body }
                });
                // What has a number comes back in its turn.
                let post = numbered.is_none().then_some((topic, gossip));
                let id = self.judging.add(Pending { lane, message, from: from.into(), post });
                self.handle(GossipInput::Received { id, via: from, stamp, length, numbered });
            }
            Finding::Announcement { lane, message, checked: Err(error) }
            | Finding::Message { lane, message, checked: Err(error), .. } => {
                let acceptance = self.refuse_gossip(from, Strike::Forged, &error);
                self.count_gossip_outcome(lane, GossipOutcome::Refused);
                self.inner.lane(lane).report_message_validation_result(&message, &from.into(), acceptance);
            }
        }
    }

    fn refuse_gossip(&mut self, via: NodeId, strike: Strike, error: &dyn std::error::Error) -> MessageAcceptance {
        tracing::debug!(peer = %via.short(), %error, "refused gossip");
        self.handle(AccessInput::Struck { peer: via, strike });
        MessageAcceptance::Reject
    }

    /// The core has judged a message of gossip.
    pub(super) fn conclude_gossip(&mut self, id: GossipId, judgement: Judgement) {
        let Some(Pending { lane, message, from, post }) = self.judging.remove(id) else { return };
        let is_fresh = judgement == Judgement::Fresh;
        self.count_gossip_outcome(lane, if is_fresh { GossipOutcome::Fresh } else { GossipOutcome::Dropped });
        self.inner.lane(lane).report_message_validation_result(&message, &from, acceptance(judgement));
        let Some((topic, gossip)) = post.filter(|_| judgement == Judgement::Fresh) else { return };
        if topic.as_ref().is_none_or(|topic| self.takes_part.subscribed().contains(topic)) {
            let wire::Gossip { origin, epoch, number: first, body, .. } = gossip;
            let event = Event::Multicast { origin, topic, epoch, first, bodies: vec![body] };
            self.actions.push_back(ToSwarm::GenerateEvent(event));
        }
    }
}
