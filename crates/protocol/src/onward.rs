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
    fair::{Fair, FairCast},
    former::Former,
    gate::{Bucket, CastRate, Rate},
    hashed::HashMap,
    multicast::Leg,
    priority::Urgency,
};

/// Copies of what crossed a link lately that cross it once more, and those of them that the neighbour asked for: less than it puts
/// up with.
const AGAIN: Rate = Rate { per_second: 1_000.0, burst: 10_000.0 };
const REPAIRED: Rate = Rate { per_second: 500.0, burst: 5_000.0 };

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

/// Who brought something, and of whom it says that it is.
type Whose<'a> = (&'a NodeId, &'a NodeId);

#[derive(Debug)]
struct Hop {
    passed: Copies,
    copied: Copies,
    again: Fair,
    repaired: Bucket,
    signed: FairCast,
    cast: FairCast,
    pushed: Fair,
    asked_on: Fair,
    asked: Fair,
}

impl Onward {
    pub(crate) fn bounds(links: usize) -> [Bound; 4] {
        let heap = Copies::most_bytes(REMEMBERED)
            + Copies::most_bytes(COPIED)
            + 7 * Fair::most_bytes(links)
            + Fair::most_bytes(1);
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
    pub(crate) fn may_pass(
        &mut self,
        to: &NodeId,
        whose: Whose<'_>,
        (mark, destinations): (Mark, usize),
        now: Instant,
    ) -> bool {
        self.hops.get_mut(to).is_none_or(|hop| hop.may_pass(whose, (mark, destinations), now))
    }

    /// Whether another node's batch may cross to a neighbour, which will check its signature. What may not takes nothing.
    pub(crate) fn may_push(&mut self, to: &NodeId, from: &NodeId, leg: &Leg, now: Instant) -> bool {
        let Some(hop) = self.hops.get_mut(to) else { return true };
        let (whose, work) = ((from, &leg.batch.origin), Work::of_batch(leg, to));
        let may = hop.can_take(whose, &work, now) && hop.may_pass(whose, (leg.mark(), leg.destinations.len()), now);
        if may {
            hop.charge(whose, &work, now);
        }
        may
    }

    /// Whether another node's AMOP multicast may cross to a neighbour, which will check its signature, too. What may not takes
    /// nothing.
    pub(crate) fn may_cast(&mut self, to: &NodeId, from: &NodeId, multicast: &Multicast, now: Instant) -> bool {
        let Some(hop) = self.hops.get_mut(to) else { return true };
        let (whose, destinations) = ((from, &multicast.source), multicast.destinations.len());
        let carried = (frames(destinations), multicast.length());
        let may = hop.cast.has(whose, carried, CAST, now) && hop.may_pass(whose, (multicast.mark(), destinations), now);
        if may {
            hop.cast.charge(whose, carried, CAST, now);
        }
        may
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
        let (whose, work) = ((to, &leg.batch.origin), Work::of_batch(leg, to));
        let may = hop.can_take(whose, &work, now) && hop.repaired.take(frames(leg.destinations.len()), REPAIRED, now);
        if may {
            hop.charge(whose, &work, now);
            hop.passed.note(leg.mark());
            hop.copied.note(leg.mark());
        }
        may
    }

    /// Whether a neighbour may be asked for what another node misses.
    pub(crate) fn may_ask_on(&mut self, to: &NodeId, whose: Whose<'_>, now: Instant) -> bool {
        self.hops.get_mut(to).is_none_or(|hop| hop.asked_on.take(whose, 1.0, ASKED_ON, now))
    }

    /// Whether a neighbour may be asked for what this node misses of an origin: others miss something, too.
    pub(crate) fn may_ask(&mut self, to: &NodeId, origin: &NodeId, now: Instant) -> bool {
        self.hops.get_mut(to).is_none_or(|hop| hop.asked.take((to, origin), 1.0, ASKED, now))
    }
}

/// At least as many frames as the edge makes of a message for so many.
fn frames(destinations: usize) -> f64 {
    f64::from(1 + u32::try_from(destinations).unwrap_or(u32::MAX) / IN_ONE)
}

/// What a batch costs a neighbour.
struct Work {
    messages: f64,
    /// Frames whose signature it checks, each with so many bytes.
    signed: Option<(f64, usize)>,
}

impl Work {
    fn of_batch(leg: &Leg, to: &NodeId) -> Self {
        let is_for_it_alone = leg.destinations.iter().all(|destination| destination.node == *to);
        let is_checked = !is_for_it_alone || leg.batch.is_proved();
        let frames = frames(leg.destinations.len());
        #[expect(clippy::cast_precision_loss, reason = "a batch has few messages")]
        let messages = frames * leg.batch.cost() as f64;
        Self { messages, signed: is_checked.then(|| (frames, leg.batch.length())) }
    }
}

impl Hop {
    fn may_pass(&mut self, whose: Whose<'_>, (mark, destinations): (Mark, usize), now: Instant) -> bool {
        if !self.passed.note(mark) {
            return true;
        }
        let may = self.again.take(whose, frames(destinations), AGAIN, now);
        if may {
            self.copied.note(mark);
        }
        may
    }

    fn can_take(&mut self, whose: Whose<'_>, work: &Work, now: Instant) -> bool {
        self.pushed.has(whose, work.messages, PUSHED, now)
            && work.signed.is_none_or(|signed| self.signed.has(whose, signed, SIGNED, now))
    }

    fn charge(&mut self, whose: Whose<'_>, work: &Work, now: Instant) {
        self.pushed.charge(whose, work.messages, PUSHED, now);
        if let Some(signed) = work.signed {
            self.signed.charge(whose, signed, SIGNED, now);
        }
    }

    /// What crossed to it, for the next link, over which no message has.
    fn rest(self, now: Instant) -> Self {
        let Self { passed, copied, .. } = Self::new(now);
        let Self { again, pushed, asked_on, asked, .. } = self;
        let [again, pushed, asked_on, asked] = [again, pushed, asked_on, asked].map(Fair::rest);
        let [signed, cast] = [self.signed, self.cast].map(FairCast::rest);
        Self { passed, copied, again, signed, cast, pushed, asked_on, asked, ..self }
    }

    fn new(now: Instant) -> Self {
        Self {
            passed: Copies::new(REMEMBERED),
            copied: Copies::new(COPIED),
            again: Fair::new(AGAIN, now),
            repaired: Bucket::new(REPAIRED, now),
            signed: FairCast::new(SIGNED, now),
            cast: FairCast::new(CAST, now),
            pushed: Fair::new(PUSHED, now),
            asked_on: Fair::new(ASKED_ON, now),
            asked: Fair::new(ASKED, now),
        }
    }
}

#[cfg(test)]
mod tests {
    use nuncio_identity::Signature;
    use nuncio_testkit::simulator::node_id;

    use super::*;
    use crate::{
        Priority,
        amop::{self, SealedPost},
        multicast::{self, Batch, Proof},
    };

    const LENGTH: usize = 8 << 20;
    const LIFETIME: Duration = Duration::from_secs(60);

    fn cast(number: u64, destinations: usize) -> Multicast {
        let bytes = vec![0; LENGTH].into();
        Multicast {
            source: node_id(2),
            epoch: 1,
            number,
            sent: Duration::ZERO,
            lifetime: LIFETIME,
            hops_left: 4,
            priority: Priority::Normal,
            destinations: (0..destinations).map(|n| amop::Destination::open(node_id(10 + n))).collect(),
            post: None,
            sealed: Some(SealedPost {
                bytes,
                tenant: bytes::Bytes::new(),
                signature: Signature::from_bytes(&[1; 64]).expect("64 bytes"),
            }),
        }
    }

    fn leg(first: u64, destinations: usize) -> Leg {
        let batch = Batch {
            origin: node_id(2),
            epoch: 1,
            sent: Duration::ZERO,
            lifetime: LIFETIME,
            topic: None,
            first,
            bodies: vec![vec![0; LENGTH].into()],
            long: None,
            proof: Proof::default(),
        };
        let destination = |n| multicast::Destination { node: node_id(10 + n), since: 0 };
        let destinations = (0..destinations).map(destination).collect();
        Leg { batch: batch.into(), hops_left: 4, priority: Priority::Normal, destinations }
    }

    /// Long messages for one use up all that there is; says after how many milliseconds one crosses that takes two frames, and is
    /// tried in each.
    fn waits(mut may: impl FnMut(u64, usize, Instant) -> bool) -> Option<u64> {
        let start = Instant::now();
        assert!((0..1000).any(|number| !may(number, 1, start)), "it has an end");
        (1..1000).find(|millisecond| may(5000, 2 * IN_ONE as usize - 1, start + Duration::from_millis(*millisecond)))
    }

    #[test]
    fn what_may_not_cross_in_all_its_frames_takes_nothing_and_crosses_when_there_is_enough_for_all() {
        let (to, from, now) = (node_id(0), node_id(1), Instant::now());
        let mut onward = Onward::default();
        onward.handle_link_up(to, now);
        let sent = waits(|number, count, now| onward.may_cast(&to, &from, &cast(number, count), now));
        let pushed = waits(|number, count, now| onward.may_push(&to, &from, &leg(number, count), now));
        let repaired = waits(|number, count, now| onward.may_repair(&to, &leg(number, count), now));
        assert!([sent, pushed, repaired].iter().all(Option::is_some), "{sent:?} {pushed:?} {repaired:?}");
        assert!(!onward.hops[&to].copied.knows(cast(5000, 1).mark()), "it had not crossed before");
    }
}
