//! The names of streams.

/// The lowest numbers of streams that may be opened now; `None` when all are used.
#[derive(Debug)]
pub(super) struct Numbers {
    pub(super) own: Option<u32>,
    pub(super) theirs: Option<u32>,
    is_dialer: bool,
}

impl Numbers {
    pub(super) const fn new(is_dialer: bool) -> Self {
        let (own, theirs) = if is_dialer { (1, 2) } else { (2, 1) };
        Self { own: Some(own), theirs: Some(theirs), is_dialer }
    }

    pub(super) const fn is_theirs(&self, stream: u32) -> bool {
        stream.is_multiple_of(2) == self.is_dialer
    }

    /// Whether such a stream was opened before, by either side.
    pub(super) fn is_used(&self, stream: u32) -> bool {
        let lowest = if self.is_theirs(stream) { self.theirs } else { self.own };
        lowest.is_none_or(|lowest| stream < lowest)
    }
}
