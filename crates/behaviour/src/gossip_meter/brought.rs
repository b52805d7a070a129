use std::{
    collections::{HashSet, VecDeque},
    hash::BuildHasher,
};

use foldhash::fast::RandomState;
use libp2p::gossipsub::TopicHash;

/// Messages remembered of one peer.
const REMEMBERED: usize = 4096;

/// What a peer has brought lately.
///
/// A message is known again by all of it: who makes one writes it as it likes, and could make many that differ nowhere else than
/// where nobody looks, for which each that passes them on would be taken for one that brings them again.
///
/// Bound: [`REMEMBERED`] messages of 40 bytes or so; the oldest is forgotten first.
#[derive(Debug, Default)]
pub(super) struct Brought {
    hasher: RandomState,
    known: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Brought {
    /// Whether a message was brought before; from now on it was.
    pub(super) fn has_brought(&mut self, topic: &TopicHash, data: &[u8]) -> bool {
        let name = self.hasher.hash_one((topic.as_str(), data));
        if !self.known.insert(name) {
            return true;
        }
        self.order.push_back(name);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_known_again_until_many_others_have_come() {
        let (mut brought, topic) = (Brought::default(), TopicHash::from_raw("a"));
        assert!(!brought.has_brought(&topic, b"one"));
        assert!(brought.has_brought(&topic, b"one"));
        assert!(!brought.has_brought(&TopicHash::from_raw("b"), b"one"));
        for number in 0..REMEMBERED as u64 {
            assert!(!brought.has_brought(&topic, &number.to_be_bytes()));
        }
        assert!(!brought.has_brought(&topic, b"one"), "forgotten");
        assert_eq!((brought.known.len(), brought.order.len()), (REMEMBERED, REMEMBERED));
    }

    #[test]
    fn messages_that_differ_in_one_byte_wherever_it_is_are_not_the_same_again() {
        let (mut brought, topic, mut data) = (Brought::default(), TopicHash::from_raw("a"), vec![0; 2_000]);
        assert!(!brought.has_brought(&topic, &data));
        for at in 0..data.len() {
            data[at] = 1;
            assert!(!brought.has_brought(&topic, &data), "{at}");
            assert!(brought.has_brought(&topic, &data), "{at}");
        }
    }
}
