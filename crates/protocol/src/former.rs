use std::time::{Duration, Instant};

use nuncio_bounds::Bound;
use nuncio_identity::NodeId;

use crate::{MAX_NEIGHBOURS, hashed::HashMap};

/// By then whatever a peer has used is there again.
const MEMORY: Duration = Duration::from_secs(60);

/// What peers have used whose link has ended lately: a new link goes on from there, or who links anew all the time would have
/// everything anew.
///
/// Bound: [`MAX_NEIGHBOURS`], as many as there can be at a time; when there are more, the one whose link ended longest ago begins anew.
#[derive(Debug)]
pub(crate) struct Former<T> {
    known: HashMap<NodeId, (Instant, T)>,
}

impl<T> Former<T> {
    pub(crate) const fn bound(what: &'static str) -> Bound {
        Bound::of_entries::<(NodeId, Instant, T)>(
            what,
            MAX_NEIGHBOURS,
            0,
            "the one whose link ended longest ago begins anew",
        )
    }

    pub(crate) fn keep(&mut self, peer: NodeId, used: T, now: Instant) {
        self.known.retain(|_, (ended, _)| now.saturating_duration_since(*ended) < MEMORY);
        if self.known.len() >= MAX_NEIGHBOURS {
            let oldest = self.known.iter().min_by_key(|(_, (ended, _))| *ended).map(|(peer, _)| *peer);
            oldest.and_then(|oldest| self.known.remove(&oldest));
        }
        self.known.insert(peer, (now, used));
    }

    pub(crate) fn take(&mut self, peer: &NodeId) -> Option<T> {
        self.known.remove(peer).map(|(_, used)| used)
    }
}

impl<T> Default for Former<T> {
    fn default() -> Self {
        Self { known: HashMap::default() }
    }
}

#[cfg(test)]
mod tests {
    use nuncio_testkit::simulator::node_id;

    use super::*;

    #[test]
    fn of_too_many_the_oldest_is_forgotten_and_after_a_minute_all() {
        let (now, mut former) = (Instant::now(), Former::default());
        for n in 0..=MAX_NEIGHBOURS {
            former.keep(node_id(n), n, now + Duration::from_millis(n as u64));
        }
        assert_eq!(former.known.len(), MAX_NEIGHBOURS);
        assert_eq!(
            (former.take(&node_id(0)), former.take(&node_id(7)), former.take(&node_id(7))),
            (None, Some(7), None)
        );
        former.keep(node_id(1), 1, now + 2 * MEMORY);
        assert_eq!(former.known.len(), 1);
    }
}
