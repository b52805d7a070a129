use std::time::Instant;

/// An allowance of whole things: so many at once, and so many more in each second.
#[derive(Debug)]
pub(crate) struct Bucket {
    left: u64,
    since: Instant,
}

impl Bucket {
    /// A full one.
    pub(crate) const fn new(burst: u64, now: Instant) -> Self {
        Self { left: burst, since: now }
    }

    /// Takes one; `false` when there is none.
    pub(crate) fn take(&mut self, per_second: u64, burst: u64, now: Instant) -> bool {
        let seconds = now.saturating_duration_since(self.since).as_secs();
        if seconds > 0 {
            self.left = self.left.saturating_add(seconds.saturating_mul(per_second)).min(burst);
            self.since = now;
        }
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }
}
