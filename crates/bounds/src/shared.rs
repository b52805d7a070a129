use std::sync::atomic::{AtomicUsize, Ordering};

/// Of all bytes, the part that is kept for who has little, and for how many of those.
const KEPT: usize = 4;
const PLACES: usize = 512;

/// Bytes that many queues share.
///
/// A queue may take more as long as that leaves as much free as it holds: so one alone takes half, several take parts, and
/// those that are emptied get more than those that are not. A quarter is kept for five hundred queues that hold next to
/// nothing: whatever others do, a short message finds room.
#[derive(Debug)]
pub struct SharedBytes {
    limit: usize,
    used: AtomicUsize,
}

impl SharedBytes {
    /// So many for all.
    pub const fn new(limit: usize) -> Self {
        Self { limit, used: AtomicUsize::new(0) }
    }

    /// As many as let one queue alone have so many.
    pub const fn for_one(bytes: usize) -> Self {
        Self::new(2 * bytes * KEPT / (KEPT - 1))
    }

    /// Takes bytes for a queue that holds `own` already; `false`, and nothing taken, when that is too much.
    #[must_use]
    pub fn take(&self, own: usize, bytes: usize) -> bool {
        self.take_of(self.for_all(), (own, 0), bytes)
    }

    /// The same for a part of it that is to leave as much free besides as it holds itself, so that the others find room.
    #[must_use]
    pub(crate) fn take_part(&self, own: usize, part: usize, bytes: usize) -> bool {
        self.take_of(self.for_all(), (own, part), bytes)
    }

    /// The same for whom all this is: half of what is kept is for him, whatever others have.
    #[must_use]
    pub(crate) fn take_as_owner(&self, own: usize, bytes: usize) -> bool {
        self.take_of(self.limit - self.limit / (2 * KEPT), (own, 0), bytes)
    }

    fn take_of(&self, room: usize, (own, part): (usize, usize), bytes: usize) -> bool {
        let has_little = own.saturating_add(bytes) <= self.limit / (KEPT * PLACES);
        let taken = |used: usize| {
            let after = used.checked_add(bytes)?;
            let fits =
                if has_little { after <= self.limit } else { after.checked_add(own)?.checked_add(part)? <= room };
            fits.then_some(after)
        };
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok()
    }

    /// Whether more than half is taken.
    pub fn is_short(&self) -> bool {
        self.used.load(Ordering::Relaxed) > self.limit / 2
    }

    /// Bytes that are taken.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Gives back what was taken.
    pub fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    const fn for_all(&self) -> usize {
        self.limit - self.limit / KEPT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(shared: &SharedBytes, bytes: usize) -> usize {
        let mut own = 0;
        while shared.take(own, bytes) {
            own += bytes;
        }
        own
    }

    #[test]
    fn one_takes_half_others_take_parts_and_who_has_little_finds_room_whatever_they_hold() {
        let shared = SharedBytes::new(4 << 20);
        assert_eq!(fill(&shared, 1 << 10), 3 << 19);
        let held: Vec<_> = (0..40).map(|_| fill(&shared, 1 << 10)).collect();
        assert!(held[0] >= 1 << 19 && held[5] >= 1 << 13, "{held:?}");
        assert!((0..400).all(|_| fill(&shared, 100) >= 2000), "each has two kilobytes");
        shared.give_back(3 << 19);
        assert!(shared.take(0, 1 << 19) && shared.is_short());
    }

    #[test]
    fn one_alone_has_what_is_meant_for_it() {
        assert_eq!(fill(&SharedBytes::for_one(30 << 10), 1 << 10), 30 << 10);
    }
}
