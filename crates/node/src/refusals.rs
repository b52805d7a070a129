//! Log lines about connections that came to nothing: each told once, not at every attempt.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Sources remembered at most; when more appear, all are forgotten.
const MAX_SOURCES: usize = 1024;

/// The same words about the same source are told again after this.
const REPEAT: Duration = Duration::from_secs(300);

/// Different words about the same source are told at most this often.
const PACE: Duration = Duration::from_secs(1);

/// What was said last about each source.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    told: BTreeMap<String, (String, Instant)>,
}

impl Refusals {
    /// Whether this is worth a line now.
    pub(crate) fn is_news(&mut self, source: &str, words: &str, now: Instant) -> bool {
        if let Some((last, when)) = self.told.get(source) {
            let pause = if last == words { REPEAT } else { PACE };
            if now.saturating_duration_since(*when) < pause {
                return false;
            }
        }
        if self.told.len() >= MAX_SOURCES {
            self.told.clear();
        }
        self.told.insert(source.to_owned(), (words.to_owned(), now));
        true
    }
}
