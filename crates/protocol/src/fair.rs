//! An allowance that many share, of which none can use up what the others need.

use std::{
    hash::BuildHasher,
    time::{Duration, Instant},
};

use nuncio_identity::NodeId;

use crate::{
    copies::start,
    gate::{Bucket, CastRate, Rate},
    hashed::{HashMap, RandomState},
};

/// Sources behind one neighbour that have a share each; further ones share so many others, and nobody can choose with whom: whoever
/// is behind the same neighbour cannot push another into the one that he floods.
const OWN_SHARES: usize = 8;
const SHARED: u64 = 24;

/// Most shares of one neighbour.
const MAX_SHARES: usize = OWN_SHARES + SHARED as usize;

/// Most of a neighbour's share that one source alone may have: so another finds some when it comes.
const LEAST_SOURCES: usize = 2;

/// While more than this part of it is left it is for whoever comes first, and what is below belongs to the shares.
pub(crate) const KEPT: f64 = 0.5;

/// All shares together are so much of it: however many use theirs up, what is left grows until there is some for one more.
pub(crate) const SHARED_OUT: f64 = 0.9;

/// How soon those are looked for that used nothing lately.
pub(crate) const PAUSE: Duration = Duration::from_secs(1);

/// Each neighbour that uses some has as much as any other, and with it each of the sources of what it brings; what nobody uses they
/// lend each other. On its way nobody has proved of whom a message is: whoever names many has no more for it.
///
/// Bound: one entry for each neighbour that used some lately, with [`MAX_SHARES`].
#[derive(Debug)]
pub(crate) struct Fair {
    all: Bucket,
    neighbours: HashMap<NodeId, Neighbour>,
    hasher: RandomState,
    tidied: Instant,
}

/// The same of messages that go to many, and of their bytes.
#[derive(Debug)]
pub(crate) struct FairCast {
    messages: Fair,
    bytes: Fair,
}

#[derive(Debug)]
struct Neighbour {
    all: Bucket,
    /// By where their ids begin, and those that are shared by their place: no id begins with so small a number.
    sources: HashMap<u64, Bucket>,
}

/// Of whom something is, as its neighbour says.
#[derive(Debug, Clone, Copy)]
struct Source {
    start: u64,
    /// Where it is counted when it has no share of its own.
    place: u64,
    /// The neighbour that brings it.
    is_itself: bool,
}

impl Fair {
    pub(crate) fn new(rate: Rate, now: Instant) -> Self {
        let (neighbours, hasher) = Default::default();
        Self { all: Bucket::new(rate, now), neighbours, hasher, tidied: now }
    }

    /// Most bytes that it takes beside itself, among so many neighbours.
    pub(crate) const fn most_bytes(neighbours: usize) -> usize {
        2 * neighbours * (size_of::<(NodeId, Neighbour)>() + MAX_SHARES * size_of::<(u64, Bucket)>())
    }

    /// What is left of it, whoever used the rest.
    pub(crate) fn rest(self) -> Self {
        Self { neighbours: HashMap::default(), ..self }
    }

    /// Takes an amount for what a neighbour brings of a source; `false`, and nothing taken, when that is more than their share and
    /// nothing is lent.
    pub(crate) fn take(&mut self, whose: (&NodeId, &NodeId), amount: f64, rate: Rate, now: Instant) -> bool {
        let has = self.has(whose, amount, rate, now);
        if has {
            self.charge(whose, amount, rate, now);
        }
        has
    }

    /// Takes an amount for what a neighbour brings of nodes that have one share together, such as those of an agency. As long as
    /// nobody needs a share it is not looked who they are.
    pub(crate) fn take_together<'a>(
        &mut self,
        by: &NodeId,
        of: impl FnOnce() -> &'a str,
        amount: f64,
        rate: Rate,
        now: Instant,
    ) -> bool {
        if self.all.take_leaving(KEPT * rate.burst, amount, rate, now) {
            return true;
        }
        // No share of its own has a number as small as those that are shared.
        let start = self.hasher.hash_one(of()).max(SHARED);
        let source = Source { start, place: start % SHARED, is_itself: false };
        let has = self.has_of(by, source, amount, rate, now);
        if has {
            self.charge_of(by, source, amount, rate, now);
        }
        has
    }

    /// Whether there is as much for it.
    pub(crate) fn has(&mut self, (by, of): (&NodeId, &NodeId), amount: f64, rate: Rate, now: Instant) -> bool {
        let source = self.source(by, of);
        self.has_of(by, source, amount, rate, now)
    }

    fn has_of(&mut self, by: &NodeId, source: Source, amount: f64, rate: Rate, now: Instant) -> bool {
        if now.saturating_duration_since(self.tidied) >= PAUSE {
            self.tidy(rate, now);
        }
        let share = self.share(by, rate);
        let has_share = || match self.neighbours.get(by) {
            Some(neighbour) => neighbour.has(source, amount, share, now),
            None => Neighbour::new(share, now).has(source, amount, share, now),
        };
        self.lends(amount, rate, now) || (self.all.has(amount, rate, now) && has_share())
    }

    /// Takes what is there of it.
    pub(crate) fn charge(&mut self, (by, of): (&NodeId, &NodeId), amount: f64, rate: Rate, now: Instant) {
        let source = self.source(by, of);
        self.charge_of(by, source, amount, rate, now);
    }

    fn charge_of(&mut self, by: &NodeId, source: Source, amount: f64, rate: Rate, now: Instant) {
        let share = self.share(by, rate);
        // What one source is lent leaves others behind the same neighbour some of its share.
        let kept = if self.lends(amount, rate, now) { KEPT * share.burst } else { 0.0 };
        let neighbour = self.neighbours.entry(*by).or_insert_with(|| Neighbour::new(share, now));
        let (known_by, of_source) = neighbour.share_of(source, share);
        let used = neighbour.sources.entry(known_by).or_insert_with(|| Bucket::new(of_source, now));
        used.take_above(0.0, amount, of_source, now);
        neighbour.all.take_above(kept, amount, share, now);
        self.all.take_above(0.0, amount, rate, now);
    }

    /// Whether so much is left that nobody needs a share.
    fn lends(&self, amount: f64, rate: Rate, now: Instant) -> bool {
        self.all.has(amount + KEPT * rate.burst, rate, now)
    }

    /// What a neighbour has of it.
    fn share(&self, by: &NodeId, rate: Rate) -> Rate {
        let known = self.neighbours.len() + usize::from(!self.neighbours.contains_key(by));
        rate.shared_by(known).parted(SHARED_OUT)
    }

    fn source(&self, by: &NodeId, of: &NodeId) -> Source {
        let start = start(of);
        Source { start, place: self.hasher.hash_one(start) % SHARED, is_itself: by == of }
    }

    /// Forgets those that used nothing lately: others have more.
    fn tidy(&mut self, rate: Rate, now: Instant) {
        self.tidied = now;
        let share = rate.shared_by(self.neighbours.len()).parted(SHARED_OUT);
        self.neighbours.retain(|_, neighbour| {
            let of_source = share.shared_by(neighbour.sources.len().max(LEAST_SOURCES)).parted(SHARED_OUT);
            neighbour.sources.retain(|_, source| !source.is_full(of_source, now));
            !neighbour.sources.is_empty() || !neighbour.all.is_full(share, now)
        });
    }
}

impl FairCast {
    pub(crate) fn new(rate: CastRate, now: Instant) -> Self {
        Self { messages: Fair::new(rate.messages, now), bytes: Fair::new(rate.bytes, now) }
    }

    /// What is left of it, whoever used the rest.
    pub(crate) fn rest(self) -> Self {
        Self { messages: self.messages.rest(), bytes: self.bytes.rest() }
    }

    /// Whether there is an allowance for so many messages of so many bytes each that a neighbour brings of a source.
    #[expect(clippy::cast_precision_loss, reason = "a message is shorter than 2^53 bytes")]
    pub(crate) fn has(
        &mut self,
        whose: (&NodeId, &NodeId),
        (count, length): (f64, usize),
        rate: CastRate,
        now: Instant,
    ) -> bool {
        self.messages.has(whose, count, rate.messages, now)
            && self.bytes.has(whose, count * length as f64, rate.bytes, now)
    }

    /// Takes what is there of it.
    #[expect(clippy::cast_precision_loss, reason = "a message is shorter than 2^53 bytes")]
    pub(crate) fn charge(
        &mut self,
        whose: (&NodeId, &NodeId),
        (count, length): (f64, usize),
        rate: CastRate,
        now: Instant,
    ) {
        self.messages.charge(whose, count, rate.messages, now);
        self.bytes.charge(whose, count * length as f64, rate.bytes, now);
    }
}

impl Neighbour {
    fn new(share: Rate, now: Instant) -> Self {
        Self { all: Bucket::new(share, now), sources: HashMap::default() }
    }

    fn has(&self, source: Source, amount: f64, share: Rate, now: Instant) -> bool {
        let (known_by, of_source) = self.share_of(source, share);
        let used = self.sources.get(&known_by);
        self.all.has(amount, share, now)
            && used.map_or(amount <= of_source.burst, |used| used.has(amount, of_source, now))
    }

    /// By what a source is known here, and its share; of the neighbour itself nobody else is to be left any.
    fn share_of(&self, source: Source, share: Rate) -> (u64, Rate) {
        let has_own = self.sources.len() < OWN_SHARES || self.sources.contains_key(&source.start);
        let known_by = if has_own { source.start } else { source.place };
        let known = self.sources.len() + usize::from(!self.sources.contains_key(&known_by));
        let rate = share.shared_by(known.max(if source.is_itself { 1 } else { LEAST_SOURCES }));
        (known_by, rate.parted(SHARED_OUT))
    }
}

#[cfg(test)]
mod tests {
    use nuncio_testkit::simulator::node_id;

    use super::*;

    const RATE: Rate = Rate { per_second: 1000.0, burst: 1000.0 };

    fn taken(fair: &mut Fair, way: (usize, usize), tries: usize, now: Instant) -> usize {
        (0..tries).filter(|_| fair.take((&node_id(way.0), &node_id(way.1)), 1.0, RATE, now)).count()
    }

    #[test]
    fn one_source_leaves_half_to_those_behind_the_same_neighbour_and_each_has_as_much_as_another() {
        let (start, mut totals) = (Instant::now(), [0; 3]);
        let mut fair = Fair::new(RATE, start);
        assert_eq!(taken(&mut fair, (1, 2), 2000, start), 500, "as much as is lent");
        assert!((400..=500).contains(&taken(&mut fair, (1, 3), 2000, start)));
        for millisecond in 1..10_000 {
            let now = start + Duration::from_millis(millisecond);
            for (total, source) in totals.iter_mut().zip([2, 3, 4]) {
                *total += taken(&mut fair, (1, source), if source == 4 { 1 } else { 100 }, now);
            }
        }
        assert!(totals.iter().all(|total| (2500..4000).contains(total)), "{totals:?}");
        assert_eq!(taken(&mut fair, (1, 2), 2000, start + Duration::from_secs(60)), 500, "the others are forgotten");
    }

    #[test]
    fn whoever_names_many_sources_has_no_more_for_it_and_takes_a_bounded_room() {
        let (start, mut totals) = (Instant::now(), [0; 2]);
        let mut fair = Fair::new(RATE, start);
        for millisecond in 0..10_000 {
            let now = start + Duration::from_millis(millisecond);
            for source in 0..100 {
                totals[0] += taken(&mut fair, (1, 10 + source), 10, now);
            }
            totals[1] += taken(&mut fair, (2, 3), 1, now);
            assert!(fair.neighbours.values().all(|neighbour| neighbour.sources.len() <= MAX_SHARES));
        }
        assert!(totals[0] <= 8500 && totals[1] >= 2000, "{totals:?}: what the other may not have is lent");
        assert!(totals.iter().sum::<usize>() <= 11_000, "no more than there is");
    }

    #[test]
    fn what_others_leave_is_lent_to_one_that_is_busy_and_a_long_one_fits_beside_many() {
        let (start, mut total) = (Instant::now(), 0);
        let mut fair = Fair::new(RATE, start);
        for millisecond in 0..10_000 {
            let now = start + Duration::from_millis(millisecond);
            total += taken(&mut fair, (1, 2), 3, now);
            if millisecond % 500 == 0 {
                let trickle = (10..59).map(|one| taken(&mut fair, (one, one), 1, now)).sum::<usize>();
                assert_eq!(trickle, 49, "each has its share at {millisecond} ms");
            }
        }
        assert!(total >= 8_000, "{total}");
        let now = start + Duration::from_secs(11);
        assert!((10..60).all(|one| taken(&mut fair, (one, one), 1, now) == 1));
        assert!(fair.take((&node_id(1), &node_id(2)), 100.0, RATE, now), "five times its share");
        assert!(!fair.take((&node_id(1), &node_id(2)), 600.0, RATE, now), "the rest is for the others");
    }

    #[test]
    fn what_is_refused_for_its_bytes_takes_nothing_and_is_not_known() {
        let (now, rate) = (Instant::now(), CastRate { messages: RATE, bytes: RATE });
        let mut fair = FairCast::new(rate, now);
        let mut take = |(by, of), bytes| {
            let (by, of) = (node_id(by), node_id(of));
            let has = fair.has((&by, &of), (1.0, bytes), rate, now);
            if has {
                fair.charge((&by, &of), (1.0, bytes), rate, now);
            }
            has
        };
        assert!(!(0..2000).any(|_| take((1, 2), 1001)));
        let taken = (0..2000).filter(|_| take((1, 2), 0)).count();
        assert_eq!(taken, 500, "as many as if nothing had been refused");
        assert!(take((3, 4), 400));
        assert!(!take((5, 6), 1001));
        assert_eq!(fair.bytes.neighbours.len(), 2);
    }

    #[test]
    fn nodes_that_count_together_have_one_share_however_many_they_are() {
        let (start, mut fair, mut taken) = (Instant::now(), Fair::new(RATE, Instant::now()), [0; 2]);
        for millisecond in 0..10_000 {
            let now = start + Duration::from_millis(millisecond);
            taken[0] += (0..5).filter(|_| fair.take_together(&node_id(1), || "loud", 1.0, RATE, now)).count();
            if millisecond % 4 == 0 {
                taken[1] += usize::from(fair.take_together(&node_id(1), || "quiet", 1.0, RATE, now));
            }
        }
        assert_eq!(taken[1], 2_500, "whoever makes little has all of it");
        assert!((6_000..=8_500).contains(&taken[0]), "{taken:?}: the other has what is left");
    }

    #[test]
    fn nobody_pushes_another_behind_the_same_neighbour_into_the_share_that_he_floods() {
        let (start, mut passed) = (Instant::now(), 0);
        let mut fair = Fair::new(RATE, start);
        for millisecond in 0..6_400 {
            let now = start + Duration::from_millis(millisecond);
            for named in 0..OWN_SHARES {
                taken(&mut fair, (1, 10 + named), 1, now);
            }
            for flooding in 0..4 {
                taken(&mut fair, (1, 20 + flooding), 10, now);
            }
            if millisecond % 100 == 99 {
                passed += taken(&mut fair, (1, 100 + millisecond as usize / 100), 1, now);
            }
        }
        assert!(passed >= 32, "{passed} of 64: four of {SHARED} shares are flooded");
    }
}
