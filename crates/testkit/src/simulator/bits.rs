/// A bit for each node.
#[derive(Debug, Default)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    /// Whether it was not there before.
    pub(super) fn insert(&mut self, node: usize) -> bool {
        let is_new = !self.has(node);
        if node / 64 >= self.0.len() {
            self.0.resize(node / 64 + 1, 0);
        }
        self.0[node / 64] |= 1 << (node % 64);
        is_new
    }

    pub(super) fn remove(&mut self, node: usize) {
        if let Some(word) = self.0.get_mut(node / 64) {
            *word &= !(1 << (node % 64));
        }
    }

    pub(super) fn has(&self, node: usize) -> bool {
        self.0.get(node / 64).is_some_and(|word| word & (1 << (node % 64)) != 0)
    }
}
