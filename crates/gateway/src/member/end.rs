use crate::counters::Counters;

/// What the end of a session is counted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// It went, or its door closed.
    Ordinary,
    /// It could not be read on.
    Malformed,
    /// A frame did not come on while others waited for its room.
    Unfinished,
    /// Nothing was read for too long.
    Idle,
    /// It did not take its data in time.
    NotDraining,
    /// Its seat was needed.
    MadeRoom,
}

impl End {
    pub(super) fn count(self, counters: &Counters) {
        match self {
            Self::Ordinary => {}
            Self::Malformed => counters.sessions_malformed.increment(),
            Self::Unfinished => counters.sessions_unfinished.increment(),
            Self::Idle => counters.sessions_idle.increment(),
            Self::NotDraining => counters.sessions_not_draining.increment(),
            Self::MadeRoom => counters.sessions_made_room.increment(),
        }
    }
}
