//! What gossip brought of late: gossipsub keeps it for a while, for those who missed it, and counts neither bytes nor whose
//! they are.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use nuncio_bounds::{Bound, SharedBytes};
use nuncio_identity::NodeId;

/// Beats of gossipsub, of a second each, for which it keeps a message.
pub(crate) const KEPT_BEATS: usize = 2;

/// After that it is certainly gone.
const KEPT: Duration = Duration::from_secs(KEPT_BEATS as u64 + 1);

/// Most bytes of what is kept.
const MAX_BYTES: usize = 512 << 20;

/// What a message takes besides its content.
const OVERHEAD: usize = 1 << 10;

/// Messages of gossip that came of late, by their origin.
///
/// Bound: [`MAX_BYTES`]; an origin has at most as many as are free. What does not fit is not passed on.
#[derive(Debug)]
pub(crate) struct Recent {
    bytes: SharedBytes,
    of_origin: HashMap<NodeId, usize>,
    newest: VecDeque<(Instant, NodeId, usize)>,
}

impl Default for Recent {
    fn default() -> Self {
        Self { bytes: SharedBytes::new(MAX_BYTES), of_origin: HashMap::new(), newest: VecDeque::new() }
    }
}

impl Recent {
    pub(crate) const BOUND: Bound = Bound::of_bytes(
        "gossip kept for those who missed it",
        MAX_BYTES,
        "it is not passed on, of one origin from half of what is free on; the own applications are told to wait",
    );

    /// Notes a message; `false` when there is no room for it.
    pub(crate) fn note(&mut self, origin: NodeId, length: usize, now: Instant) -> bool {
        while let Some((_, origin, bytes)) = self.newest.pop_front_if(|(until, ..)| *until <= now) {
            self.bytes.give_back(bytes);
            if let Some(own) = self.of_origin.get_mut(&origin) {
                *own -= bytes;
                if *own == 0 {
                    self.of_origin.remove(&origin);
                }
            }
        }
        let (own, bytes) = (self.of_origin.get(&origin).copied().unwrap_or_default(), length + OVERHEAD);
        let has_room = self.bytes.take(own, bytes);
        if has_room {
            self.of_origin.insert(origin, own + bytes);
            self.newest.push_back((now + KEPT, origin, bytes));
        }
        has_room
    }
}

#[cfg(test)]
mod tests {
    use nuncio_identity::NodeKey;

    use super::*;

    #[test]
    fn who_floods_has_half_others_find_room_and_it_comes_back_with_time() {
        let (mut recent, start) = (Recent::default(), Instant::now());
        let [loud, other, quiet] = [(); 3].map(|()| NodeKey::generate().node_id());
        let mib = |recent: &mut Recent, origin| (0..).take_while(|_| recent.note(origin, 1 << 20, start)).count();
        assert_eq!(mib(&mut recent, loud), 192, "half of what is not kept for those with little");
        assert!(mib(&mut recent, other) > 90);
        assert!(recent.note(quiet, 10 << 20, start), "room for whoever has nothing");
        assert!(!recent.note(loud, 1, start + KEPT / 2));
        assert!(recent.note(loud, 1, start + KEPT));
        assert_eq!((recent.newest.len(), recent.of_origin.len()), (1, 1), "nothing is left of the rest");
    }
}
