use nuncio_audit::News;
use tracing::{info, warn};

use super::Member;
use crate::{
    counters::Counters,
    ending::{Ending, Wrong},
};

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

impl Member {
    /// Counts why its session ends, and logs it, as far as the pace of lines of that kind allows: `who` is what it is, as `SDK`,
    /// and `door` what ends it when it does not go by itself.
    pub fn note_end<P: Wrong>(&self, (who, door): (&str, &str), ending: &Ending<P>) {
        ending.end().count(self.door.clients.counters());
        let (client, remote) = (self.client().0, self.remote);
        if let dropped @ 1.. = self.mailbox().dropped()
            && let Some(News { left_out }) = self.door.audit.news("multicasts were dropped")
        {
            warn!(%remote, client, dropped, left_out, "multicasts were dropped because the client was too slow");
        }
        let Some(News { left_out }) = self.door.audit.news(ending.kind()) else { return };
        if ending.is_ordinary() {
            info!(%remote, client, reason = %ending, left_out, "{who} disconnected");
        } else {
            warn!(%remote, client, reason = %ending, hint = ending.hint(), left_out, "{who} disconnected by the {door}");
        }
    }
}
