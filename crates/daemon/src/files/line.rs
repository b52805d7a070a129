//! Which of the calls that wait is worked on next.

use std::collections::{BTreeSet, VecDeque};

use nuncio_identity::NodeId;
use nuncio_node::service::{Call, Request};

use super::AT_ONCE;

/// What is worked on by one at a time: a transfer, whose pieces wait for each other anyway, or all offers of a node.
pub(super) type Matter = (NodeId, Option<u64>);

/// Of which matter a call is.
pub(super) const fn matter(call: &Call) -> Matter {
    match &call.wanted {
        Request::FileChunk(chunk) => (call.from, Some(chunk.transfer)),
        _ => (call.from, None),
    }
}

/// The calls that wait, in the order in which they came.
///
/// Each waits for the one before it of its own matter, and for one of [`AT_ONCE`] workers: were they to wait for each other in
/// the workers, the pieces of one slow transfer would take all of these. Bound: the places of the port that they came by.
#[derive(Debug)]
pub(super) struct Line<C> {
    waiting: VecDeque<(Matter, C)>,
    at_work: BTreeSet<Matter>,
}

impl<C> Default for Line<C> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), at_work: BTreeSet::new() }
    }
}

impl<C> Line<C> {
    pub(super) fn push(&mut self, matter: Matter, call: C) {
        self.waiting.push_back((matter, call));
    }

    /// What is to be worked on now.
    pub(super) fn next(&mut self) -> Option<(Matter, C)> {
        if self.at_work.len() >= AT_ONCE {
            return None;
        }
        let index = self.waiting.iter().position(|(matter, _)| !self.at_work.contains(matter))?;
        let (matter, call) = self.waiting.remove(index)?;
        self.at_work.insert(matter);
        Some((matter, call))
    }

    /// A piece of work is done.
    pub(super) fn end(&mut self, matter: &Matter) {
        self.at_work.remove(matter);
    }
}

#[cfg(test)]
mod tests {
    use nuncio_identity::NodeKey;

    use super::*;

    #[test]
    fn the_pieces_of_a_transfer_and_the_offers_of_a_node_take_one_worker_and_keep_their_order() {
        let [one, other] = [(); 2].map(|()| NodeKey::generate().node_id());
        let mut line = Line::default();
        for number in 0..3 * AT_ONCE {
            line.push((one, Some(7)), number);
            line.push((one, None), 100 + number);
        }
        line.push((one, Some(8)), 200);
        line.push((other, Some(7)), 300);
        line.push((other, None), 400);
        let begun: Vec<_> = std::iter::from_fn(|| line.next()).map(|(_, number)| number).collect();
        assert_eq!(begun, [0, 100, 200, 300, 400]);
        line.end(&(one, Some(7)));
        assert_eq!(line.next(), Some(((one, Some(7)), 1)));
        assert_eq!(line.next(), None);
    }

    #[test]
    fn no_more_are_worked_on_at_once_than_there_are_workers() {
        let node = NodeKey::generate().node_id();
        let mut line = Line::default();
        (0..20).for_each(|transfer| line.push((node, Some(transfer)), transfer));
        assert_eq!(std::iter::from_fn(|| line.next()).count(), AT_ONCE);
        line.end(&(node, Some(3)));
        assert_eq!(std::iter::from_fn(|| line.next()).count(), 1);
    }
}
