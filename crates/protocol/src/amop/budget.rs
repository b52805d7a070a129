use std::collections::BTreeMap;

/// Bytes that are kept for others: so many in all, and a quarter of them for any one.
#[derive(Debug)]
pub(super) struct Budget<K> {
    limit: usize,
    total: usize,
    shares: BTreeMap<K, usize>,
}

impl<K: Ord + Copy> Budget<K> {
    pub(super) const fn new(limit: usize) -> Self {
        Self { limit, total: 0, shares: BTreeMap::new() }
    }

    /// Takes bytes for one; `false`, and nothing taken, when that would be too much.
    pub(super) fn take(&mut self, who: K, bytes: usize) -> bool {
        let share = self.shares.get(&who).copied().unwrap_or_default();
        if self.total + bytes > self.limit || share + bytes > self.limit / 4 {
            return false;
        }
        self.total += bytes;
        self.shares.insert(who, share + bytes);
        true
    }

    pub(super) fn give_back(&mut self, who: K, bytes: usize) {
        let Some(share) = self.shares.get_mut(&who) else { return };
        *share = share.saturating_sub(bytes);
        self.total = self.total.saturating_sub(bytes);
        if *share == 0 {
            self.shares.remove(&who);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_gets_a_quarter_and_all_together_the_whole() {
        let mut budget = Budget::new(100);
        assert!(budget.take(1, 25) && !budget.take(1, 1));
        for who in 2..=4 {
            assert!(budget.take(who, 25));
        }
        assert!(!budget.take(5, 1));
        budget.give_back(1, 25);
        assert!(budget.take(5, 1) && budget.take(1, 24));
    }
}
