//! What this node lets cross to each neighbour for others, or because others made it.
//!
//! A neighbour bans whoever brings too many copies of what it brought already, or too many questions, and a relay cannot
//! read what passes through it. So each node holds back what its neighbours would not put up with: whoever exceeds that does
//! so of its own will.

use std::time::{Duration, Instant};

use nuncio_bounds::Bound;
use nuncio_identity::NodeId;

use crate::{
    amop::Multicast,
    copies::{Copies, Mark},
    former::Former,
    gate::{Bucket, Cast, CastRate, Rate},
    hashed::HashMap,
    multicast::Leg,
    priority::Urgency,
};

/// Copies of what crossed a link lately that cross it once more: half of what the neighbour puts up with.
const AGAIN: Rate = Rate { per_second: 1_000.0, burst: 10_000.0 };

/// Batches of others, of which the neighbour checks the signature, and AMOP multicasts: with this node's own, less than it
/// puts up with.
const SIGNED: CastRate = CastRate::times(3.0);
const CAST: CastRate = SIGNED.of_amop();

/// The messages in them: half of what the neighbour puts up with, which has this node's own as well.
const PUSHED: Rate = Rate::of(2_000_000.0, Duration::from_secs(1));

/// Questions of others for missing multicasts, and of this node.
const ASKED_ON: Rate = Rate { per_second: 200.0, burst: 800.0 };
const ASKED: Rate = Rate { per_second: 200.0, burst: 800.0 };

/// Most messages of which copies are known on their way out. It is more than the neighbour remembers of those that came,
/// also where the streams of a link overtake each other: so a copy known there is known here.
const REMEMBERED: usize = 16_384;

/// Nodes that one frame, with one signature, is for at the least, where it is for many.
pub(crate) const IN_ONE: u32 = 256;

/// How many copies are known that were let cross: what one input makes, until it is known whether there was room for it.
const COPIED: usize = 1_024;

/// The neighbours, and what may still cross to each.
///
/// Bound: one entry for each link, and for those that ended lately.
#[derive(Debug, Default)]
pub(crate) struct Onward {
    hops: HashMap<NodeId, Hop>,
    former: Former<Hop>,
    pub(crate) urgency: Urgency,
}

#[derive(Debug)]
struct Hop {
    passed: Copies,
    copied: Copies,
    again: Bucket,
    signed: Cast,
    cast: Cast,
    pushed: Bucket,
    asked_on: Bucket,
    asked: Bucket,
}

impl Onward {
    pub(crate) fn bounds(links: usize) -> [Bound; 4] {
        let heap = Copies::most_bytes(REMEMBERED) + Copies::most_bytes(COPIED);
        let passed = Bound::of_entries::<(NodeId, Hop)>(
            "messages that were passed on over a link",
            1,
            heap,
            "the oldest are forgotten",
        )
        .per("link", links);
        let former = Former::<Hop>::bound("what crossed to those that were neighbours a minute ago");
        let [urgent, brought] = Urgency::bounds(links);
        [passed, former, urgent, brought]
    }

    pub(crate) fn handle_link_up(&mut self, peer: NodeId, now: Instant) {
        let hop = self.former.take(&peer).unwrap_or_else(|| Hop::new(now));
        self.hops.insert(peer, hop);
    }

    pub(crate) fn handle_link_down(&mut self, peer: &NodeId, now: Instant) {
        self.urgency.handle_link_down(peer);
        if let Some(hop) = self.hops.remove(peer) {
            self.former.keep(*peer, hop.rest(now), now);
        }
    }

    /// Whether a message of another node for so many may cross to a neighbour: for the first time, or as one of a few
    /// copies.
    pub(crate) fn may_pass(&mut self, to: &NodeId, mark: Mark, destinations: usize, now: Instant) -> bool {
        let Some(hop) = self.hops.get_mut(to) else { return true };
        !hop.passed.note(mark) || hop.may_copy(mark, destinations, now)
    }

    /// Whether another node's batch may cross to a neighbour, which will check its signature.
    pub(crate) fn may_push(&mut self, to: &NodeId, leg: &Leg, now: Instant) -> bool {
        self.may_pass(to, leg.mark(), leg.destinations.len(), now) && self.may_sign(to, leg, now)
    }

    /// Whether another node's AMOP multicast may cross to a neighbour, which will check its signature, too.
    pub(crate) fn may_cast(&mut self, to: &NodeId, multicast: &Multicast, now: Instant) -> bool {
        self.may_pass(to, multicast.mark(), multicast.destinations.len(), now)
            && self.hops.get_mut(to).is_none_or(|hop| {
                (0..frames(multicast.destinations.len()) as u32).all(|_| hop.cast.take(multicast.length(), CAST, now))
            })
    }

    /// The link had no room for a message of another node: the neighbour has not seen it, unless this was a copy.
    pub(crate) fn handle_not_sent(&mut self, to: &NodeId, mark: Mark) {
        if let Some(hop) = self.hops.get_mut(to).filter(|hop| !hop.copied.knows(mark)) {
            hop.passed.take_back(mark);
        }
    }

    /// Whether a batch that may have crossed to a neighbour may do so once more, since somebody says that it is missing.
    pub(crate) fn may_repair(&mut self, to: &NodeId, leg: &Leg, now: Instant) -> bool {
        let Some(hop) = self.hops.get_mut(to) else { return true };
        hop.passed.note(leg.mark());
        hop.may_copy(leg.mark(), leg.destinations.len(), now) && self.may_sign(to, leg, now)
    }

    fn may_sign(&mut self, to: &NodeId, leg: &Leg, now: Instant) -> bool {
        let Some(hop) = self.hops.get_mut(to) else { return true };
        let is_for_it_alone = leg.destinations.iter().all(|destination| destination.node == *to);
        let is_checked = !is_for_it_alone || leg.batch.is_proved();
        let frames = frames(leg.destinations.len());
        #[expect(clippy::cast_precision_loss, reason = "a batch has few messages")]
        let messages = frames * leg.batch.cost() as f64;
        hop.pushed.take(messages, PUSHED, now)
            && (!is_checked || (0..frames as u32).all(|_| hop.signed.take(leg.batch.length(), SIGNED, now)))
    }

    /// Whether a neighbour may be asked for what another node misses.
    pub(crate) fn may_ask_on(&mut self, to: &NodeId, now: Instant) -> bool {
        self.hops.get_mut(to).is_none_or(|hop| hop.asked_on.take(1.0, ASKED_ON, now))
    }

    /// Whether a neighbour may be asked for what this node misses.
    pub(crate) fn may_ask(&mut self, to: &NodeId, now: Instant) -> bool {
        self.hops.get_mut(to).is_none_or(|hop| hop.asked.take(1.0, ASKED, now))
    }
}

/// At least as many frames as the edge makes of a message for so many.
fn frames(destinations: usize) -> f64 {
    f64::from(1 + u32::try_from(destinations).unwrap_or(u32::MAX) / IN_ONE)
}

impl Hop {
    /// Whether one more copy may cross.
    fn may_copy(&mut self, mark: Mark, destinations: usize, now: Instant) -> bool {
        let may = self.again.take(frames(destinations), AGAIN, now);
        if may {
            self.copied.note(mark);
        }
        may
    }

    /// What crossed to it, for the next link, over which no message has.
    fn rest(self, now: Instant) -> Self {
        let Self { passed, copied, .. } = Self::new(now);
        Self { passed, copied, ..self }
    }

    fn new(now: Instant) -> Self {
        Self {
            passed: Copies::new(REMEMBERED),
            copied: Copies::new(COPIED),
            again: Bucket::new(AGAIN, now),
            signed: Cast::new(SIGNED, now),
            cast: Cast::new(CAST, now),
            pushed: Bucket::new(PUSHED, now),
            asked_on: Bucket::new(ASKED_ON, now),
            asked: Bucket::new(ASKED, now),
        }
    }
}
