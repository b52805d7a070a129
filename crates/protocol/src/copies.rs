//! Which messages crossed a link lately.

use nuncio_identity::{NodeId, Signature};

use crate::{Header, hashed::HashSet};

/// What tells a message from others that cross the same link. Nobody can make one with the mark of another node's next
/// message: that has bytes of its seal or signature in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Mark(u32);

/// The marks of the last so many messages that are different, and of up to twice as many.
///
/// Bound: twice the number it was made for; the older half is forgotten at once. Nothing is kept until a first one comes.
#[derive(Debug)]
pub(crate) struct Copies {
    most: usize,
    young: HashSet<Mark>,
    old: HashSet<Mark>,
    /// Messages since the older half was forgotten, as far as they are counted.
    passed: usize,
}

impl Mark {
    /// Of a message with a header.
    pub(crate) fn of(header: &Header, asks: bool) -> Self {
        Self::mixed(&header.source, header.number, u64::from(header.seal.0) << 1 | u64::from(asks))
    }

    /// Of a message to many, as it goes to these: a long list travels in parts.
    pub(crate) fn of_signed(
        source: &NodeId,
        number: u64,
        signature: Option<&Signature>,
        first: Option<&NodeId>,
    ) -> Self {
        let end = signature.and_then(|signature| signature.as_bytes().last_chunk().copied());
        let part = first.map_or(0, start);
        Self::mixed(source, number, end.map_or(0, u64::from_be_bytes) ^ part)
    }

    /// Spread evenly, so that 32 bits are enough: two that are alike by chance cost one copy of an allowance of thousands.
    fn mixed(source: &NodeId, number: u64, seal: u64) -> Self {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        let mixed = ((start(source) ^ number.wrapping_mul(ODD)).rotate_left(29) ^ seal).wrapping_mul(ODD);
        Self((mixed >> 32) as u32)
    }
}

impl Copies {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, young: HashSet::default(), old: HashSet::default(), passed: 0 }
    }

    /// Remembers a message; says whether it is known.
    pub(crate) fn note(&mut self, mark: Mark) -> bool {
        if self.young.contains(&mark) {
            return true;
        }
        let is_known = self.old.contains(&mark);
        self.age();
        self.young.insert(mark);
        is_known
    }

    /// So many messages passed, noted or not: what is remembered grows old with them. Whoever passed them on remembers them,
    /// and has forgotten others for it; nobody is to know those for longer.
    pub(crate) fn pass_by(&mut self, messages: usize) {
        self.passed = self.passed.saturating_add(messages);
        self.age();
    }

    /// Whether a message is among the last.
    pub(crate) fn knows(&self, mark: Mark) -> bool {
        self.young.contains(&mark) || self.old.contains(&mark)
    }

    /// A message that was noted did not cross: it is as if it had not come.
    pub(crate) fn take_back(&mut self, mark: Mark) {
        self.young.remove(&mark);
    }

    fn age(&mut self) {
        if self.young.len().max(self.passed) >= self.most {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
            self.passed = 0;
        }
    }

    /// Bytes that it takes when it is full: tables grow by doubling, and are filled to seven eighths at the most.
    pub(crate) const fn most_bytes(most: usize) -> usize {
        2 * (most * 8 / 7).next_power_of_two() * (size_of::<Mark>() + 1)
    }
}

/// Its first bytes; nobody makes a node whose are another's.
pub(crate) fn start(node: &NodeId) -> u64 {
    node.as_bytes().first_chunk().copied().map_or(0, u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_so_many_are_known_and_no_more_than_twice_as_many() {
        let mut copies = Copies::new(4);
        assert!((0..100).all(|n| !copies.note(Mark(n))), "none came before");
        assert!((97..100).all(|n| copies.note(Mark(n))));
        let mut others = Copies::new(4);
        for n in 0..12 {
            others.note(Mark(n));
        }
        assert!((8..12).all(|n| others.note(Mark(n))), "the last four");
        assert!(!others.note(Mark(0)) && !others.note(Mark(3)), "older than eight");
        assert!(others.young.len() + others.old.len() <= 8);
    }

    #[test]
    fn messages_that_are_not_looked_at_make_others_old_and_those_that_did_not_cross_do_not() {
        let mut copies = Copies::new(4);
        assert!(!copies.note(Mark(1)));
        copies.pass_by(3);
        assert!(copies.note(Mark(1)), "the last four");
        copies.pass_by(4);
        copies.pass_by(4);
        assert!(!copies.note(Mark(1)), "older than eight");
        for n in 10..100 {
            assert!(!copies.note(Mark(n)));
            copies.take_back(Mark(n));
        }
        assert!(copies.note(Mark(1)) && !copies.note(Mark(10)));
    }
}
