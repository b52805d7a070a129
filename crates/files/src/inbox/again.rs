//! What is offered once more goes on.

use std::{sync::Arc, time::Instant};

use super::{Answer, BUSY, Inbox, Phase, Table, Work};
use crate::{Refusal, open::Open};

/// What is offered and was offered before.
pub(super) enum Known {
    /// It goes on under this number.
    Open { transfer: u64, open: Arc<Open> },
    /// Nothing can be added to it.
    Ended(Answer),
}

impl Table {
    /// What is offered once more goes on, under another number: whoever offered it before has no part in it any more.
    pub(super) fn go_on(&mut self, key: &str, now: Instant) -> Option<Known> {
        let transfer = self.number();
        let entry = self.entries.get_mut(key)?;
        entry.heard = now;
        if let Phase::Receiving(open) = &entry.phase {
            let open = Arc::clone(open);
            entry.former = Some(std::mem::replace(&mut entry.transfer, transfer));
            return Some(Known::Open { transfer, open });
        }
        let answer = entry.stands();
        if matches!(entry.phase, Phase::Differs | Phase::Failed(_)) {
            self.entries.remove(key);
        }
        Some(Known::Ended(answer))
    }
}

impl Inbox {
    /// Goes on with a transfer from what is there. For a piece that its former run has under way nobody else waits: the table is
    /// not locked meanwhile. It may have been the last one, whose sender is told of it here.
    pub(super) fn take_over(self: &Arc<Self>, key: &str, transfer: u64, open: &Arc<Open>) -> (Answer, Option<Work>) {
        let received = open.begin_again();
        match self.table().entries.get_mut(key) {
            Some(entry) if entry.transfer == transfer => self.advance(key, entry, received, open),
            Some(_) => (Answer::Refused(Refusal::TakenOver), None),
            None => (BUSY, None),
        }
    }
}
