use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use nuncio_bounds::Bound;
use nuncio_identity::NodeId;

use super::{
    Strike,
    bucket::{Bucket, Rate},
};
use crate::MAX_NODES;

/// What a peer may lose before it is banned, and how it gets that back.
const PATIENCE: Rate = Rate { per_second: 1.0, burst: 100.0 };

/// The first ban of a peer; each further one is four times as long.
const FIRST_BAN: Duration = Duration::from_secs(60);
const LONGEST_BAN: Duration = Duration::from_secs(3600);

/// For so long without a strike one ban is forgotten: in years, an accident a month would have a peer banned for an hour each time.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The strikes against peers.
///
/// Bound: [`MAX_NODES`] peers; when full, the one struck longest ago is forgotten.
#[derive(Debug, Default)]
pub(super) struct Scores {
    peers: BTreeMap<NodeId, Score>,
    strikes: BTreeMap<Strike, u64>,
}

#[derive(Debug)]
struct Score {
    patience: Bucket,
    banned_until: Instant,
    bans: u32,
    last: Instant,
}

impl Scores {
    pub(super) const BOUND: Bound = Bound::of_entries::<(NodeId, Score)>(
        "strikes of peers",
        MAX_NODES,
        0,
        "the one struck longest ago is forgotten",
    );

    /// Counts a strike; gives back until when the peer is banned for it. What was under way when it was banned does not make
    /// the ban longer.
    pub(super) fn count(&mut self, peer: NodeId, strike: Strike, now: Instant) -> Option<Instant> {
        *self.strikes.entry(strike).or_insert(0) += 1;
        if self.peers.len() >= MAX_NODES && !self.peers.contains_key(&peer) {
            let oldest = self.peers.iter().min_by_key(|(_, score)| score.last).map(|(peer, _)| *peer);
            oldest.and_then(|oldest| self.peers.remove(&oldest));
        }
        let fresh = || Score { patience: Bucket::new(PATIENCE, now), banned_until: now, bans: 0, last: now };
        let score = self.peers.entry(peer).or_insert_with(fresh);
        let days = now.saturating_duration_since(score.last).div_duration_f64(DAY) as u32;
        score.bans = score.bans.saturating_sub(days);
        score.last = now;
        if now < score.banned_until || score.patience.take(weight(strike), PATIENCE, now) {
            return None;
        }
        let ban = FIRST_BAN.saturating_mul(4u32.saturating_pow(score.bans)).min(LONGEST_BAN);
        score.bans += 1;
        score.banned_until = now + ban;
        score.patience = Bucket::new(PATIENCE, score.banned_until);
        Some(score.banned_until)
    }

    /// How many strikes there were, by kind.
    pub(super) const fn strikes(&self) -> &BTreeMap<Strike, u64> {
        &self.strikes
    }
}

/// What a strike costs: the less it can be an accident, the more.
const fn weight(strike: Strike) -> f64 {
    match strike {
        Strike::Equivocation | Strike::Renumbered => 101.0,
        Strike::Malformed => 51.0,
        Strike::Forged | Strike::Misdirected | Strike::EmptyPromise => 10.0,
        Strike::Uncertified | Strike::Restless | Strike::Overspent => 5.0,
        Strike::Replayed => 2.0,
    }
}

#[cfg(test)]
mod tests {
    use nuncio_identity::NodeKey;

    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn few_strikes_are_forgiven_and_many_end_in_longer_and_longer_bans() {
        let (mut scores, peer, start) = (Scores::default(), NodeKey::generate().node_id(), Instant::now());
        for second in 0..60 {
            assert_eq!(scores.count(peer, Strike::Replayed, start + second * S), None, "{second}");
        }
        let mut now = start + 200 * S;
        for ban in [60, 240, 960, 3600, 3600] {
            let until = (0..=20).find_map(|_| scores.count(peer, Strike::Overspent, now)).expect("it is banned");
            assert_eq!(until, now + ban * S);
            assert!((0..100).all(|_| scores.count(peer, Strike::Overspent, now).is_none()), "it is banned already");
            now = until + 200 * S;
        }
        assert_eq!(scores.strikes()[&Strike::Replayed], 60);
    }

    #[test]
    fn a_ban_is_forgotten_for_each_day_without_a_strike() {
        let (mut scores, peer, start) = (Scores::default(), NodeKey::generate().node_id(), Instant::now());
        let mut now = start;
        let mut banned_for = |now: Instant| {
            let until = (0..=20).find_map(|_| scores.count(peer, Strike::Overspent, now)).expect("it is banned");
            until - now
        };
        for seconds in [60, 240, 960, 3600] {
            assert_eq!(banned_for(now), seconds * S);
            now += 2 * 3600 * S;
        }
        now += DAY;
        assert_eq!(banned_for(now), 3600 * S, "three before it");
        now += 2 * DAY;
        assert_eq!(banned_for(now), 960 * S, "two");
        now += 30 * DAY;
        assert_eq!(banned_for(now), 60 * S, "the first one");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut scores, now) = (Scores::default(), Instant::now());
        for _ in 0..MAX_NODES + 10 {
            scores.count(NodeKey::generate().node_id(), Strike::Malformed, now);
        }
        assert_eq!(scores.peers.len(), MAX_NODES);
    }
}
