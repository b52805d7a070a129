use std::collections::hash_map::Entry;

use nuncio_bounds::{Bound, Holding};
use nuncio_identity::NodeId;

use super::{
    memory::Sight,
    source::{Era, InTime, Source},
};
use crate::{MAX_NODES, hashed::HashMap, turn::Directory};

/// Most sources; beyond, those that are certified no more are forgotten.
const MAX_SOURCES: usize = 2 * MAX_NODES;

/// Most bytes of what is remembered of all of them together: a thousand may each send 4,000 messages a second, or a few
/// as many as one may at all.
const MAX_BYTES: usize = 32 << 20;

/// The nodes that send messages.
///
/// Bound: [`MAX_SOURCES`] and [`MAX_BYTES`]. When the numbers seen take more, the source that takes the most forgets its
/// older half, and they are refused from then on: it cost the others that room, perhaps with one number far ahead.
#[derive(Debug, Default)]
pub(super) struct Sources {
    known: HashMap<NodeId, Source>,
    /// Of all numbers seen.
    bytes: usize,
}

impl Sources {
    pub(super) const BOUNDS: [Bound; 2] = [
        Bound::of_entries::<(NodeId, Source)>(
            "sources of messages",
            MAX_SOURCES,
            Source::SENT,
            "those that are certified no more are forgotten",
        ),
        // A queue that has grown is half empty.
        Bound::of_bytes(
            "numbers of messages seen",
            2 * MAX_BYTES,
            "the source with the most forgets its older half, which is refused from then on",
        ),
    ];

    pub(super) fn holdings(&self) -> [Holding; 2] {
        let [sources, numbers] = Self::BOUNDS;
        let each = size_of::<(NodeId, Source)>() + Source::SENT;
        [
            Holding { bound: sources, entries: self.known.len(), bytes: self.known.len() * each },
            Holding { bound: numbers, entries: 0, bytes: self.bytes },
        ]
    }

    /// What is known of a certified node, of which a message came with an epoch. Where it is linked, it said itself in which
    /// epoch it runs, a lower one than before if it lost count. `None` where it has not said so yet and somebody else brings
    /// the message: in a name, anybody can claim any epoch.
    pub(super) fn of(
        &mut self,
        node: NodeId,
        (from, epoch): (NodeId, u64),
        directory: Directory<'_>,
    ) -> Option<&mut Source> {
        let Self { known, bytes } = self;
        let source = match known.entry(node) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let said = directory.epoch_of(&node).or_else(|| (from == node).then_some(epoch))?;
                place.insert(Source::new(said))
            }
        };
        if let Some(epoch) = directory.peering.epoch_of(&node) {
            let before = source.bytes();
            source.says_epoch(epoch);
            *bytes -= before - source.bytes();
        }
        Some(source)
    }

    pub(super) fn get(&self, node: &NodeId) -> Option<&Source> {
        self.known.get(node)
    }

    pub(super) fn get_mut(&mut self, node: &NodeId) -> Option<&mut Source> {
        self.known.get_mut(node)
    }

    /// Looks up a number of a source that is known, and remembers it.
    pub(super) fn see(&mut self, node: &NodeId, number: u64, in_time: &InTime) -> Sight {
        self.note(node, |source| source.see(number, in_time))
    }

    /// The same of a multicast that others brought for some of those whom it is for.
    pub(super) fn see_brought(&mut self, node: &NodeId, number: u64, in_time: &InTime) -> Sight {
        self.note(node, |source| source.see_brought(number, in_time))
    }

    fn note(&mut self, node: &NodeId, see: impl FnOnce(&mut Source) -> Sight) -> Sight {
        let Some(source) = self.known.get_mut(node) else { return Sight::Forgotten };
        let before = source.bytes();
        let sight = see(source);
        self.bytes = self.bytes + source.bytes() - before;
        while self.bytes > MAX_BYTES
            && let Some(largest) = self.known.values_mut().max_by_key(|source| source.bytes())
        {
            self.bytes -= largest.forget_older_half();
        }
        sight
    }

    /// A record of the node names an epoch, which it is in if nothing newer is known.
    pub(super) fn recorded(&mut self, node: NodeId, epoch: u64) -> Option<&mut Source> {
        let source = self.known.entry(node).or_insert_with(|| Source::new(epoch));
        let before = source.bytes();
        source.recorded(epoch);
        self.bytes -= before - source.bytes();
        Some(source).filter(|source| source.era(epoch) == Era::Present)
    }

    /// Makes room for sources of whom nothing is known any more.
    pub(super) fn tidy(&mut self, directory: Directory<'_>) {
        if self.known.len() > MAX_SOURCES {
            self.known.retain(|node, _| directory.is_certified(node));
            self.bytes = self.known.values().map(Source::bytes).sum();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use nuncio_testkit::simulator::node_id;

    use super::*;

    #[test]
    fn numbers_far_ahead_cost_whoever_sends_them_and_not_who_sends_much() {
        let mut sources = Sources::default();
        let in_time = InTime { left: Duration::ZERO, clock: Duration::ZERO };
        sources.recorded(node_id(0), 1);
        for number in 1..=8000 * 58 {
            assert_eq!(sources.see(&node_id(0), number, &in_time), Sight::New);
        }
        for hostile in 1..=100 {
            sources.recorded(node_id(hostile), 1);
            // One in each page, and so all pages.
            for number in (1..=6_000_000).step_by(4096) {
                sources.see(&node_id(hostile), number, &in_time);
                assert!(sources.bytes <= MAX_BYTES, "{}", sources.bytes);
            }
        }
        assert_eq!(sources.bytes, sources.known.values().map(Source::bytes).sum::<usize>());
        assert_eq!(sources.see(&node_id(0), 1, &in_time), Sight::Seen, "it had less than its share");
        assert_eq!(sources.see(&node_id(1), 2, &in_time), Sight::Forgotten, "what cannot be judged is refused");
        let last = (1..=6_000_000).step_by(4096).last().expect("a number");
        assert_eq!(sources.see(&node_id(100), last, &in_time), Sight::Seen);
    }
}
