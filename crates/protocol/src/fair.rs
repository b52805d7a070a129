//! An allowance that many share, of which none can use up what the others need.

use std::time::{Duration, Instant};

use nuncio_identity::NodeId;

use crate::{
    copies::start,
    gate::{Bucket, CastRate, Rate},
    hashed::HashMap,
};

/// Most sources behind one neighbour that have a share each; further ones have one together.
const MAX_SOURCES: usize = 8;

/// Most of a neighbour's share that one source alone may have: so another finds some when it comes.
const LEAST_SOURCES: usize = 2;

/// How soon those are looked for that used nothing lately.
const PAUSE: Duration = Duration::from_secs(1);

/// Each neighbour that uses some has as much as any other, and with it each of the sources of what it brings. On its way nobody has
/// proved of whom a message is: whoever names many has no more for it.
///
/// Bound: one entry for each neighbour that used some lately, with [`MAX_SOURCES`].
#[derive(Debug)]
pub(crate) struct Fair {
    all: Bucket,
    neighbours: HashMap<NodeId, Neighbour>,
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
    sources: HashMap<u64, Bucket>,
}

impl Fair {
    pub(crate) fn new(rate: Rate, now: Instant) -> Self {
        Self { all: Bucket::new(rate, now), neighbours: HashMap::default(), tidied: now }
    }

    /// Most bytes that it takes beside itself, among so many neighbours.
    pub(crate) const fn most_bytes(neighbours: usize) -> usize {
        2 * neighbours * (size_of::<(NodeId, Neighbour)>() + (MAX_SOURCES + 1) * size_of::<(u64, Bucket)>())
    }

    /// What is left of it, whoever used the rest.
    pub(crate) fn rest(self) -> Self {
        Self { neighbours: HashMap::default(), ..self }
    }

    /// Takes an amount for what a neighbour brings of a source; `false`, and nothing taken, when that is more than their share.
    pub(crate) fn take(&mut self, (by, of): (&NodeId, &NodeId), amount: f64, rate: Rate, now: Instant) -> bool {
        if now.saturating_duration_since(self.tidied) >= PAUSE {
            self.tidy(rate, now);
        }
        let Self { all, neighbours, .. } = self;
        let known = neighbours.len() + usize::from(!neighbours.contains_key(by));
        let share = rate.shared_by(known);
        let neighbour = neighbours.entry(*by).or_insert_with(|| Neighbour::new(share, now));
        let (source, of_source) = neighbour.source((start(of), by == of), share, now);
        let has_all =
            [(&*all, rate), (&neighbour.all, share)].into_iter().all(|(one, rate)| one.has(amount, rate, now));
        let Some(source) = neighbour.sources.get_mut(&source).filter(|_| has_all) else { return false };
        source.take(amount, of_source, now) && neighbour.all.take(amount, share, now) && all.take(amount, rate, now)
    }

    /// Forgets those that used nothing lately: others have more.
    fn tidy(&mut self, rate: Rate, now: Instant) {
        self.tidied = now;
        let share = rate.shared_by(self.neighbours.len());
        self.neighbours.retain(|_, neighbour| {
            let of_source = share.shared_by(neighbour.sources.len().max(LEAST_SOURCES));
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

    /// Takes a message of so many bytes that a neighbour brings of a source; `false` when that is more than their share.
    #[expect(clippy::cast_precision_loss, reason = "a message is shorter than 2^53 bytes")]
    pub(crate) fn take(&mut self, whose: (&NodeId, &NodeId), length: usize, rate: CastRate, now: Instant) -> bool {
        self.messages.take(whose, 1.0, rate.messages, now) && self.bytes.take(whose, length as f64, rate.bytes, now)
    }
}

impl Neighbour {
    fn new(share: Rate, now: Instant) -> Self {
        Self { all: Bucket::new(share, now), sources: HashMap::default() }
    }

    /// By what a source is known here, and its share; of the neighbour itself nobody else is to be left any.
    fn source(&mut self, (source, is_itself): (u64, bool), share: Rate, now: Instant) -> (u64, Rate) {
        let is_one_more = self.sources.len() >= MAX_SOURCES && !self.sources.contains_key(&source);
        let source = if is_one_more { 0 } else { source };
        let known = self.sources.len() + usize::from(!self.sources.contains_key(&source));
        let rate = share.shared_by(known.max(if is_itself { 1 } else { LEAST_SOURCES }));
        self.sources.entry(source).or_insert_with(|| Bucket::new(rate, now));
        (source, rate)
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
        assert_eq!(taken(&mut fair, (1, 2), 2000, start), 500);
        assert_eq!(taken(&mut fair, (1, 3), 2000, start), 500);
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
            assert!(fair.neighbours.values().all(|neighbour| neighbour.sources.len() <= MAX_SOURCES + 1));
        }
        assert!(totals[0] <= 6000 && totals[1] >= 2000, "{totals:?}");
        assert!(totals.iter().sum::<usize>() <= 11_000, "no more than there is");
    }
}
