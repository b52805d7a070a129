use std::time::{Duration, Instant};

use nuncio_identity::NodeId;

use super::{
    Bucket, Checked, Rate,
    cast::{Cast, CastRate},
    source,
};
use crate::{
    copies::{Copies, Mark},
    fair::Fair,
    gossip::Counted,
    hashed::HashMap,
    multicast::Batch,
};

/// Messages and bytes that a node passes on for one neighbour.
const PASSED_MESSAGES: Rate = Rate::of(100_000.0, Duration::from_secs(2));
const PASSED_BYTES: Rate = Rate::of(512.0 * MIB, Duration::from_secs(2));
const MIB: f64 = 1024.0 * 1024.0;

/// Bytes of copies made of the multicasts that one neighbour brings.
const COPIED_BYTES: Rate = Rate { per_second: 1024.0 * MIB, burst: 6144.0 * MIB };

/// Announcements of all nodes that one neighbour brings. A thousand nodes make fifty a second when nothing happens.
/// Nobody passes on more than three quarters as many of others.
pub(super) const ANNOUNCEMENTS: Rate = Rate { per_second: 1_000.0, burst: 10_000.0 };

/// Applications' messages of all nodes that one neighbour brings by gossip.
const GOSSIP: CastRate = CastRate::times(4.0);

/// Bytes of long messages that a neighbour makes itself and sends by gossip, of which every node makes many copies and keeps one
/// for a while; beyond, they are not read, and for how long at the most at a time.
pub(super) const LONG: Rate = Rate { per_second: 4.0 * MIB, burst: 4.0 * MIB };
pub(super) const LONGEST_REST: Duration = Duration::from_secs(4);

/// Messages in the batches that one neighbour brings, each batch counted for eight besides.
const PUSHED: Rate = Rate::of(4_000_000.0, Duration::from_secs(1));

/// Their bytes.
const PUSHED_BYTES: Rate = Rate::of(2048.0 * MIB, Duration::from_secs(1));

/// Batches whose signature is checked for one neighbour, and AMOP multicasts.
const CHECKED: CastRate = CastRate::times(4.0);
const CAST: CastRate = CHECKED.of_amop();

/// Questions for missing messages that one neighbour brings, and bytes of the answers that are sent for them.
const ASKED: Rate = Rate { per_second: 500.0, burst: 2_000.0 };
const REPAIRED: Rate = Rate { per_second: 16.0 * MIB, burst: 32.0 * MIB };

/// And how many: half of what may cross to whom they are for, who may not be the one that asks.
const REPAIRED_BATCHES: Rate = Rate { per_second: 500.0, burst: 5_000.0 };

/// Messages that one neighbour brings again. When a hop dies silently, all that it swallowed in two seconds comes again.
/// Nobody passes on more than half as many copies of what others made: see [`crate::onward`].
pub(super) const REPEATED: Rate = Rate { per_second: 2_000.0, burst: 20_000.0 };

/// Of how many messages that it brought for others, or of others, copies are known at the least.
const REMEMBERED: usize = 4_096;

/// Messages of gossip that one neighbour brings again: only one that was asked for comes twice.
const GOSSIP_REPEATED: Rate = Rate { per_second: 100.0, burst: 1_000.0 };

/// Answers of a neighbour itself to what nobody here asks any more, beside those that this node gave up: twice as many as it may wait
/// for at once, and so many a second.
const TOO_LATE: Rate = Rate { per_second: 5_000.0, burst: 131_072.0 };

/// Grafts, prunes, promises and wishes of one neighbour, of which there may be one for each message.
const CONTROL: Rate = Rate { per_second: 10_000.0, burst: 40_000.0 };

/// Subscriptions that one neighbour begins and ends. At first it tells all that it has, of which there are six thousand at
/// the most.
const SUBSCRIPTIONS: Rate = Rate { per_second: 200.0, burst: 8_000.0 };

/// How long a source is not asked for once more whose record was shown and is refused here; and of how many a neighbour may
/// show records in vain in an hour. Whose authority one node trusts and another does not is no offence of whoever stands
/// between, but there are no thousands of such nodes.
const IN_VAIN: Duration = Duration::from_secs(10);
const MAX_IN_VAIN: usize = 4096;
const HOUR: Duration = Duration::from_secs(3600);

/// What a linked peer may still have us do.
#[derive(Debug)]
pub(super) struct Peer {
    passed_messages: Bucket,
    passed_bytes: Bucket,
    copied_bytes: Bucket,
    pushed: Bucket,
    pushed_bytes: Bucket,
    checked: Cast,
    cast: Cast,
    asked: Bucket,
    repaired: Fair,
    repaired_batches: Fair,
    brought: Copies,
    /// Sources whose records it showed in vain, and when it did so last.
    in_vain: HashMap<NodeId, Instant>,
    repeated: Bucket,
    too_late: Bucket,
    /// The numbers of this node when it answered too late last.
    numbers: u64,
    announcements: Bucket,
    own_announcements: Bucket,
    gossip: Cast,
    own_gossip: Cast,
    own_long: Bucket,
    gossip_repeated: Bucket,
    control: Bucket,
    subscriptions: Bucket,
}

impl Peer {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            passed_messages: Bucket::new(PASSED_MESSAGES, now),
            passed_bytes: Bucket::new(PASSED_BYTES, now),
            copied_bytes: Bucket::new(COPIED_BYTES, now),
            pushed: Bucket::new(PUSHED, now),
            pushed_bytes: Bucket::new(PUSHED_BYTES, now),
            checked: Cast::new(CHECKED, now),
            cast: Cast::new(CAST, now),
            asked: Bucket::new(ASKED, now),
            repaired: Fair::new(REPAIRED, now),
            repaired_batches: Fair::new(REPAIRED_BATCHES, now),
            brought: Copies::new(REMEMBERED),
            in_vain: HashMap::default(),
            repeated: Bucket::new(REPEATED, now),
            too_late: Bucket::new(TOO_LATE, now),
            numbers: 0,
            announcements: Bucket::new(ANNOUNCEMENTS, now),
            own_announcements: Bucket::new(source::ANNOUNCEMENTS, now),
            gossip: Cast::new(GOSSIP, now),
            own_gossip: Cast::new(source::GOSSIP, now),
            own_long: Bucket::new(LONG, now),
            gossip_repeated: Bucket::new(GOSSIP_REPEATED, now),
            control: Bucket::new(CONTROL, now),
            subscriptions: Bucket::new(SUBSCRIPTIONS, now),
        }
    }

    /// What it has used, for its next link. What each link begins with is not counted for long: a peer tells all its topics.
    pub(super) fn rest(self, now: Instant) -> Self {
        let Self { brought, in_vain, gossip_repeated, control, subscriptions, .. } = Self::new(now);
        let (repaired, repaired_batches) = (self.repaired.rest(), self.repaired_batches.rest());
        Self { brought, in_vain, gossip_repeated, control, subscriptions, repaired, repaired_batches, ..self }
    }

    /// Most messages of gossip that it may bring in so long.
    pub(super) fn most_brought(time: Duration) -> usize {
        ANNOUNCEMENTS.most_in(time) + GOSSIP.messages_in(time)
    }

    /// Whether a message of so many bytes may be passed on for it.
    #[expect(clippy::cast_precision_loss, reason = "a message is shorter than 2^53 bytes")]
    pub(super) fn may_pass(&mut self, bytes: usize, now: Instant) -> bool {
        self.passed_messages.take(1.0, PASSED_MESSAGES, now) && self.passed_bytes.take(bytes as f64, PASSED_BYTES, now)
    }

    /// Whether so many copies, of so many bytes in all, may be made of a multicast that it brings.
    #[expect(clippy::cast_precision_loss, reason = "copies are shorter than 2^53 bytes")]
    pub(super) fn may_copy(&mut self, copies: usize, bytes: usize, now: Instant) -> bool {
        self.passed_messages.take(copies as f64, PASSED_MESSAGES, now)
            && self.copied_bytes.take(bytes as f64, COPIED_BYTES, now)
    }

    /// Whether it may bring a batch, of which the signature is checked or not.
    #[expect(clippy::cast_precision_loss, reason = "a batch is shorter than 2^53 bytes")]
    pub(super) fn may_push(&mut self, batch: &Batch, is_checked: bool, now: Instant) -> bool {
        self.pushed.take(batch.cost() as f64, PUSHED, now)
            && self.pushed_bytes.take(batch.length() as f64, PUSHED_BYTES, now)
            && (!is_checked || self.checked.take(batch.length(), CHECKED, now))
    }

    /// Whether it may bring one more AMOP multicast with a signature.
    pub(super) fn may_cast(&mut self, bytes: usize, now: Instant) -> bool {
        self.cast.take(bytes, CAST, now)
    }

    /// Whether it may ask for missing messages once more.
    pub(super) fn may_ask(&mut self, now: Instant) -> bool {
        self.asked.take(1.0, ASKED, now)
    }

    /// Whether so many bytes may be sent because it, `me`, asked for itself or on behalf of somebody else.
    #[expect(clippy::cast_precision_loss, reason = "a batch is shorter than 2^53 bytes")]
    pub(super) fn may_repair(&mut self, (me, asker): (&NodeId, &NodeId), bytes: usize, now: Instant) -> bool {
        self.repaired_batches.take((me, asker), 1.0, REPAIRED_BATCHES, now)
            && self.repaired.take((me, asker), bytes as f64, REPAIRED, now)
    }

    /// Whether it may have one more signature of gossip checked.
    pub(super) fn may_bring(&mut self, what: Checked, now: Instant) -> bool {
        match what {
            Checked::Announcement => self.announcements.take(1.0, ANNOUNCEMENTS, now),
            Checked::Message(length) => self.gossip.take(length, GOSSIP, now),
        }
    }

    /// The same of what it has made itself.
    pub(super) fn may_say(&mut self, what: Checked, now: Instant) -> bool {
        match what {
            Checked::Announcement => self.own_announcements.take(1.0, source::ANNOUNCEMENTS, now),
            Checked::Message(length) => self.own_gossip.take(length, source::GOSSIP, now),
        }
    }

    /// For how long no more long gossip of it is read, since it made a message of so many bytes.
    #[expect(clippy::cast_precision_loss, reason = "a message is shorter than 2^53 bytes")]
    pub(super) fn rests_after(&mut self, length: usize, now: Instant) -> Duration {
        self.own_long.lend(length as f64, LONG, LONGEST_REST, now)
    }

    /// Whether it may do so much more with gossip.
    #[expect(clippy::cast_precision_loss, reason = "so many do not fit in one message")]
    pub(super) fn may_do(&mut self, what: Counted, count: usize, now: Instant) -> bool {
        let (bucket, rate) = match what {
            Counted::Repeated => (&mut self.gossip_repeated, GOSSIP_REPEATED),
            Counted::Control => (&mut self.control, CONTROL),
            Counted::Subscriptions => (&mut self.subscriptions, SUBSCRIPTIONS),
        };
        bucket.take(count as f64, rate, now)
    }

    /// It passed on so many messages more, whatever becomes of them.
    pub(super) fn passes_on(&mut self, messages: usize) {
        self.brought.pass_by(messages);
    }

    /// Notes a message of another node, or for another one; says whether it brought the very same lately.
    pub(super) fn brings(&mut self, mark: Mark) -> bool {
        self.brought.note(mark)
    }

    /// It showed the record of a source, which is refused; says whether that is one of the few that may be.
    pub(super) fn shows_in_vain(&mut self, source: NodeId, now: Instant) -> bool {
        if self.in_vain.len() >= MAX_IN_VAIN && !self.in_vain.contains_key(&source) {
            self.in_vain.retain(|_, shown| now.saturating_duration_since(*shown) < HOUR);
            if self.in_vain.len() >= MAX_IN_VAIN {
                return false;
            }
        }
        self.in_vain.insert(source, now);
        true
    }

    /// Whether it showed the record of a source in vain not long ago.
    pub(super) fn has_shown_in_vain(&self, source: &NodeId, now: Instant) -> bool {
        self.in_vain.get(source).is_some_and(|shown| now.saturating_duration_since(*shown) < IN_VAIN)
    }

    /// The record of a source counts anew.
    pub(super) fn may_show_again(&mut self, source: &NodeId) {
        self.in_vain.remove(source);
    }

    /// Whether it may answer once more what nobody here asks any more; of this node there have been so many numbers. What was asked
    /// with each may be answered late, and once more on another way.
    #[expect(clippy::cast_precision_loss, reason = "a few more or less make no difference")]
    pub(super) fn may_answer_too_late(&mut self, numbers: u64, now: Instant) -> bool {
        let since = numbers.saturating_sub(std::mem::replace(&mut self.numbers, numbers));
        if since > 0 {
            self.too_late.give(2.0 * since as f64, TOO_LATE, now);
        }
        self.too_late.take(1.0, TOO_LATE, now)
    }

    /// Bytes of it that stand elsewhere, at the most.
    pub(super) const fn most_bytes() -> usize {
        Copies::most_bytes(REMEMBERED) + 2 * Fair::most_bytes(1) + 2 * MAX_IN_VAIN * size_of::<(NodeId, Instant)>()
    }

    /// Whether it may bring one more message that was here already.
    pub(super) fn may_repeat(&mut self, now: Instant) -> bool {
        self.repeated.take(1.0, REPEATED, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbour_may_answer_all_too_late_that_it_was_asked_and_little_else() {
        let (start, mut numbers) = (Instant::now(), 0);
        let mut peer = Peer::new(start);
        for second in 0..100 {
            let now = start + Duration::from_secs(second);
            numbers += 50_000;
            assert!((0..50_000).all(|_| peer.may_answer_too_late(numbers, now)), "{second}");
        }
        let now = start + Duration::from_secs(200);
        assert_eq!((0..200_000).filter(|_| peer.may_answer_too_late(numbers, now)).count(), 131_072);
    }

    #[test]
    fn a_neighbour_with_long_gossip_rests_as_long_as_its_pace_wants_and_a_new_link_gives_it_nothing() {
        const LENGTH: usize = 4 << 20;
        let (mut peer, start) = (Peer::new(Instant::now()), Instant::now());
        let second = |count| start + Duration::from_secs(count);
        assert_eq!(peer.rests_after(LENGTH, start), Duration::ZERO, "at once");
        assert_eq!(peer.rests_after(LENGTH, start), Duration::from_secs(1));
        let mut peer = peer.rest(second(1));
        assert_eq!(peer.rests_after(LENGTH, second(1)), Duration::from_secs(1), "it goes on as it was");
        let longest = (0..9).map(|_| peer.rests_after(LENGTH, second(1))).max();
        assert_eq!(longest, Some(LONGEST_REST));
        assert_eq!(peer.rests_after(LENGTH, second(60)), Duration::ZERO);
    }
}
