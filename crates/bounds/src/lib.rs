//! What others can make a node hold: each bound as data, stated beside the constants that enforce it.
//!
//! ```
//! use nuncio_bounds::Bound;
//!
//! const MAX_BYTES: usize = 8 << 20;
//! const BOUND: Bound = Bound::of_bytes("messages that wait", MAX_BYTES, "further ones are dropped");
//! assert_eq!(BOUND.per("link", 128).sum(), 1 << 30);
//! ```

mod fair_queue;
mod ledger;
mod portions;
mod shared;

pub use fair_queue::{FairQueue, Rank};
pub use ledger::{Account, Ledger};
pub use portions::Portions;
pub use shared::SharedBytes;

/// One bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// What is held, in words for operators.
    pub what: &'static str,
    /// Of what there is one such bound each: `node`, `link`, `SDK`, …
    pub per: &'static str,
    /// How many of those there may be.
    pub count: usize,
    /// Most entries of one; `None` where bytes alone are counted.
    pub entries: Option<usize>,
    /// Most bytes of one.
    pub bytes: usize,
    /// What happens beyond.
    pub when_full: &'static str,
}

/// What is held at a moment of what a [`Bound`] allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    /// What it allows.
    pub bound: Bound,
    /// Entries held now; 0 where bytes alone are counted.
    pub entries: usize,
    /// Bytes held now, as whoever keeps the bound counts them.
    pub bytes: usize,
}

/// The bounds of one part of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Its name.
    pub name: &'static str,
    /// What can be held there.
    pub bounds: Vec<Bound>,
}

/// Bytes that an entry takes for each of its own: a map or queue that grows holds its old half besides, and is at most
/// half empty.
const GROWTH: usize = 3;

impl Bound {
    /// So many bytes, once in a node.
    pub const fn of_bytes(what: &'static str, bytes: usize, when_full: &'static str) -> Self {
        Self { what, per: "node", count: 1, entries: None, bytes, when_full }
    }

    /// So many entries of `T` in a map or queue, once in a node, each with so many bytes elsewhere.
    pub const fn of_entries<T>(what: &'static str, entries: usize, elsewhere: usize, when_full: &'static str) -> Self {
        let bytes = entries.saturating_mul(GROWTH * size_of::<T>() + elsewhere);
        Self { entries: Some(entries), ..Self::of_bytes(what, bytes, when_full) }
    }

    /// Counted in entries, too.
    #[must_use]
    pub const fn in_entries(self, entries: usize) -> Self {
        Self { entries: Some(entries), ..self }
    }

    /// The same for each of so many.
    #[must_use]
    pub const fn per(self, per: &'static str, count: usize) -> Self {
        Self { per, count, ..self }
    }

    /// Bytes of all together.
    pub const fn sum(&self) -> usize {
        self.count.saturating_mul(self.bytes)
    }
}

impl Holding {
    /// Whether it is no more than is allowed.
    pub fn is_within(&self) -> bool {
        self.bytes <= self.bound.sum() && self.bound.entries.is_none_or(|most| self.entries <= most)
    }
}

/// Bytes as people read them, rounded up: `64 MiB`, `1.5 GiB`.
pub fn written(bytes: usize) -> String {
    let units = [(1usize << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let Some((unit, name)) = units.into_iter().find(|(unit, _)| bytes >= *unit) else { return format!("{bytes} B") };
    let tenths = (bytes as u128 * 10).div_ceil(unit as u128);
    if tenths >= 100 || tenths.is_multiple_of(10) {
        format!("{} {name}", tenths.div_ceil(10))
    } else {
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    }
}

impl Room {
    /// Bytes of all its bounds together.
    pub fn sum(&self) -> usize {
        self.bounds.iter().map(Bound::sum).fold(0, usize::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_as_people_read_them_and_never_less_than_they_are() {
        let all = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1025, "1.1 KiB"),
            (64 << 20, "64 MiB"),
            (3 << 29, "1.5 GiB"),
        ];
        for (bytes, text) in all {
            assert_eq!(written(bytes), text);
        }
        assert_eq!(written((10 << 20) + 1), "11 MiB");
    }

    #[test]
    fn a_holding_is_within_its_bound_by_entries_and_by_bytes() {
        let bound = Bound::of_bytes("messages", 100, "none").in_entries(2);
        let is_within = |entries, bytes| Holding { bound, entries, bytes }.is_within();
        assert!(is_within(2, 100) && !is_within(3, 1) && !is_within(1, 101));
        assert!(Holding { bound: Bound { entries: None, ..bound }, entries: 3, bytes: 1 }.is_within());
    }

    #[test]
    fn sums_count_everybody_and_never_wrap() {
        let one = Bound::of_entries::<u64>("numbers", 10, 6, "none").per("link", 4);
        assert_eq!((one.entries, one.bytes, one.sum()), (Some(10), 300, 1200));
        let endless = Bound::of_bytes("all", usize::MAX, "none").per("link", 2);
        assert_eq!(Room { name: "room", bounds: vec![one, endless] }.sum(), usize::MAX);
    }
}
