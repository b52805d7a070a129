use std::time::Duration;

use nuncio_bounds::Bound;

use crate::{
    inbox::MAX_ENDED,
    transfer::{MAX_CHUNK, WINDOW},
};

/// How much is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in the directory: of files, of parts, and of what open transfers have still to bring.
    pub total: u64,
    /// The same of one sender.
    pub per_sender: u64,
    /// Files and parts in the directory.
    pub files: usize,
    /// Transfers that are open at a time; half of them for one sender.
    pub open: usize,
    /// How long a part waits to go on.
    pub kept: Duration,
}

impl Limits {
    /// Open transfers of one sender.
    pub(crate) const fn open_per_sender(&self) -> usize {
        self.open.div_ceil(2)
    }

    /// What others can make an inbox hold in memory.
    pub fn bounds(&self) -> Vec<Bound> {
        let early = Bound::of_bytes("pieces that came early", WINDOW as usize, "further ones are refused")
            .in_entries(WINDOW as usize / MAX_CHUNK)
            .per("open file", self.open);
        // A name of 255 bytes, a sender, a hash, a file.
        let open = Bound::of_entries::<[u64; 48]>(
            "files on their way, or just ended",
            self.open + MAX_ENDED,
            1 << 10,
            "further ones come later",
        );
        vec![early, open]
    }
}
