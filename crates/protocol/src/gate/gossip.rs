//! What peers bring by gossip.

use std::time::{Duration, Instant};

use nuncio_identity::NodeId;

use super::{
    Bucket, Cast, CastRate, Gate, Rate, Strike,
    memory::Sight,
    peer::{ANNOUNCEMENTS, LONG, LONGEST_REST},
    source::Era,
};
use crate::{
    fair::Fair,
    gossip::{Counted, Judgement, Stamp},
    life::Life,
    status_sync::Version,
    turn::Directory,
};

/// What is taken by gossip is passed on: together with this node's own it is less than a neighbour puts up with.
const GOSSIP: CastRate = CastRate::times(3.0);

/// Announcements that are passed on: the same.
const ANNOUNCED: Rate = ANNOUNCEMENTS.parted(0.75);

/// Long gossip of this node's own: less than a neighbour reads of it.
const OWN_LONG: Rate = Rate { per_second: 0.9 * LONG.per_second, burst: 0.9 * LONG.burst };

/// Gossip whose signature is to be checked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Checked {
    /// An announcement.
    Announcement,
    /// An application's message of so many bytes.
    Message(usize),
}

/// Whether it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    /// It is within the budgets of the peer that brought it and of who is said to have made it.
    Yes,
    /// It is beyond the budget of who is said to have made it, or nobody's.
    No,
    /// It is beyond the budget of the peer that brought it.
    Overspent,
}

impl Gate {
    /// Whether the signature of gossip that a peer brings is worth checking.
    ///
    /// What is no news is not, and costs its origin nothing: anybody may have kept it and bring it again.
    pub(crate) fn may_check(
        &mut self,
        via: NodeId,
        origin: NodeId,
        (what, is_news): (Checked, bool),
        now: Instant,
    ) -> Check {
        let Some(peer) = self.peers.get_mut(&via) else { return Check::No };
        let by_peer = peer.may_bring(what, now);
        if by_peer && !is_news {
            return Check::No;
        }
        // What others bring in its name leaves a neighbour what it says itself.
        let by_origin = if via == origin {
            peer.may_say(what, now)
        } else {
            self.sources.get_mut(&origin).is_none_or(|source| source.may_send(what, now))
        };
        if !by_peer || (!by_origin && via == origin) {
            Check::Overspent
        } else if by_origin && self.takes_gossip(what, now) {
            Check::Yes
        } else {
            Check::No
        }
    }

    /// For how long no more long gossip of a peer is read, since it brought a message of so many bytes. What it passes on for others
    /// was read at their own pace where they are linked.
    pub(crate) fn rest_after_long(&mut self, via: &NodeId, origin: &NodeId, length: usize, now: Instant) -> Duration {
        let peer = self.peers.get_mut(via).filter(|_| via == origin);
        peer.map_or(Duration::ZERO, |peer| peer.rests_after(length, now))
    }

    /// For how long this node makes no long gossip, since it made a message of so many bytes: a neighbour that rests is also sent
    /// nothing of that, so who is honest never has to.
    #[expect(clippy::cast_precision_loss, reason = "a message is shorter than 2^53 bytes")]
    pub(crate) fn rest_after_own_long(&mut self, length: usize, now: Instant) -> Duration {
        let own = self.own_long.get_or_insert_with(|| Bucket::new(OWN_LONG, now));
        own.lend(length as f64, OWN_LONG, LONGEST_REST, now)
    }

    /// Whether no announcement as new of a node has been passed on.
    pub(crate) fn is_announced_anew(&self, node: &NodeId, version: Version, clock: Duration) -> bool {
        self.sources.get(node).is_none_or(|source| source.is_announced_anew(version, clock))
    }

    /// An announcement is to be passed on; says whether none as new of the node has been.
    pub(crate) fn passes_announcement(&mut self, node: &NodeId, version: Version, clock: Duration) -> bool {
        self.sources.get_mut(node).is_none_or(|source| source.announces(version, clock))
    }

    /// Whether a message of gossip is in time, and its number has not been seen, as far as that is known before its signature
    /// is checked.
    pub(crate) fn may_be_fresh(&self, stamp: &Stamp, now: Instant) -> bool {
        self.sources.get(&stamp.origin).is_none_or(|source| source.may_be_fresh(stamp, now))
    }

    /// Whether one more announcement is taken that a peer brings, to be passed on. What is left each peer has as much of as another, and
    /// with it each agency: whoever issues certificates has nodes without number announced.
    pub(crate) fn takes_announcement<'a>(
        &mut self,
        via: &NodeId,
        agency: impl FnOnce() -> &'a str,
        now: Instant,
    ) -> bool {
        let announced = self.announced.get_or_insert_with(|| Fair::new(ANNOUNCED, now));
        announced.take_together(via, agency, 1.0, ANNOUNCED, now)
    }

    fn takes_gossip(&mut self, what: Checked, now: Instant) -> bool {
        match what {
            Checked::Announcement => true,
            Checked::Message(length) => self.gossip.get_or_insert(Cast::new(GOSSIP, now)).take(length, GOSSIP, now),
        }
    }

    /// Charges a peer for what it does with gossip; beyond its budget that is a strike.
    pub(crate) fn charge(&mut self, peer: &NodeId, what: Counted, count: usize, now: Instant) -> Result<(), Strike> {
        if self.peers.get_mut(peer).is_none_or(|peer| peer.may_do(what, count, now)) {
            return Ok(());
        }
        Err(if what == Counted::Repeated { Strike::Replayed } else { Strike::Overspent })
    }

    /// Judges a message of gossip whose signature holds.
    pub(crate) fn admit_gossip(
        &mut self,
        stamp: &Stamp,
        life: &Life,
        directory: Directory<'_>,
        now: Instant,
    ) -> Option<Judgement> {
        if stamp.origin == life.node || directory.peering.is_expelled(&stamp.origin) {
            return Some(Judgement::Dropped);
        }
        if directory.peering.is_banned(&stamp.origin, now) {
            return Some(Judgement::Dropped);
        }
        // What is fresh is passed on.
        if !directory.can_show(&stamp.origin) {
            return None;
        }
        let source = self.sources.of(stamp.origin, (stamp.origin, stamp.epoch), directory)?;
        match source.era(stamp.epoch) {
            Era::Present => {}
            Era::Past => return Some(Judgement::Dropped),
            Era::Future => return None,
        }
        let Some(in_time) = source.in_time(stamp.sent, stamp.lifetime, now) else { return Some(Judgement::Dropped) };
        let is_new = self.sources.see(&stamp.origin, stamp.number, &in_time) == Sight::New;
        Some(if is_new { Judgement::Fresh } else { Judgement::Dropped })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::peer::Peer;

    #[test]
    fn who_keeps_to_its_own_pace_with_long_gossip_is_never_made_to_wait_by_a_neighbour() {
        const TRAVEL: Duration = Duration::from_millis(300);
        let start = Instant::now();
        for mib in [1, 3, 10] {
            let (mut own, mut neighbour, mut sent) = (Gate::default(), Peer::new(start), start);
            let mut rests_until = start;
            for number in 0..100 {
                // Some take longer than the one before.
                let came = sent + TRAVEL / (1 + number % 2);
                assert!(rests_until <= came + TRAVEL / 2, "{mib} MiB, {number}");
                rests_until = came + neighbour.rests_after(mib << 20, came);
                sent += own.rest_after_own_long(mib << 20, sent);
            }
            assert!(sent > start + Duration::from_secs(15), "{mib} MiB: it is a pace");
        }
    }
}
