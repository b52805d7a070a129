//! How much of what a peer asks for one answer brings.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use nuncio_identity::NodeId;

use super::{Record, Version};
use crate::MAX_STATUS;

/// Most record bytes in one answer.
const MAX_ANSWER: usize = 4 << 20;

/// An honest answer has more only when one more record, at the longest, would not have fitted.
pub(super) const NEARLY_FULL: usize = MAX_ANSWER - MAX_STATUS;

/// The shortest part of it that a peer gets to which longer ones did not come in time: a slow line takes it in five seconds.
pub(super) const LEAST: usize = 64 << 10;

/// Who asks for all again before that has not got what it was sent, or wants the next part.
const SOON: Duration = Duration::from_secs(30);

/// The records of one answer.
pub(super) struct Page {
    pub(super) records: Vec<Arc<Record>>,
    pub(super) bytes: usize,
    /// Whether there are more, and the asker may be told so: it does not believe that of a short answer.
    pub(super) more: bool,
}

/// How long the answers are that a peer gets which asks for all: half as long each time that one did not come.
#[derive(Debug)]
pub(super) struct PageSize {
    most: usize,
    /// When it was answered last, and the last record of that, if it was a long answer.
    answered: Option<(Instant, Option<(NodeId, Version)>)>,
}

impl Page {
    /// What fits a whole answer.
    pub(super) fn whole(wanted: &[&Arc<Record>]) -> Self {
        Self::of(wanted, MAX_ANSWER)
    }

    fn of(wanted: &[&Arc<Record>], most: usize) -> Self {
        let (mut records, mut bytes) = (Vec::new(), 0);
        for record in wanted {
            if bytes + record.bytes.len() > most && !records.is_empty() {
                break;
            }
            bytes += record.bytes.len();
            records.push(Arc::clone(record));
        }
        let more = records.len() < wanted.len() && bytes > NEARLY_FULL;
        Self { records, bytes, more }
    }
}

impl PageSize {
    pub(super) const fn new() -> Self {
        Self { most: MAX_ANSWER, answered: None }
    }

    /// The next part of what a peer wants that asks for all.
    pub(super) fn next(&mut self, wanted: &[&Arc<Record>], now: Instant) -> Page {
        match self.answered {
            Some((at, last)) if now < at + SOON => {
                if last.is_some_and(|last| wanted.iter().any(|record| name_of(record) == last)) {
                    self.most = (self.most / 2).max(LEAST);
                }
            }
            _ => self.most = MAX_ANSWER,
        }
        Page::of(wanted, self.most)
    }

    /// It was sent.
    pub(super) fn sent(&mut self, page: &Page, now: Instant) {
        let last = page.records.last().filter(|_| page.bytes > LEAST).map(name_of);
        self.answered = Some((now, last));
    }
}

fn name_of(record: &Arc<Record>) -> (NodeId, Version) {
    (record.status.node, record.status.version)
}
