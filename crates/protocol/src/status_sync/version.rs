use std::fmt;

/// How new a status is: the epoch grows at each start of the node, the seq at each change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Grows at each start, persisted.
    pub epoch: u64,
    /// Grows at each change within an epoch, from 1.
    pub seq: u64,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.seq)
    }
}
