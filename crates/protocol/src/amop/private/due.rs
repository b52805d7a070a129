use std::collections::BTreeSet;

use crate::Topic;

/// More than so many topics, and all are reviewed.
const MAX_TOPICS: usize = 4096;

/// The private topics to whose publishers or subscribers somebody has come, or from whom somebody has gone: they are reviewed,
/// and no others, so that a client that lists thousands costs nobody anything but when it lists them.
///
/// Bound: [`MAX_TOPICS`].
#[derive(Debug)]
pub(super) enum Due {
    Of(BTreeSet<Topic>),
    All,
}

impl Due {
    pub(super) fn is_nothing(&self) -> bool {
        matches!(self, Self::Of(topics) if topics.is_empty())
    }

    pub(super) fn add(&mut self, topics: impl IntoIterator<Item = Topic>) {
        if let Self::Of(known) = self {
            known.extend(topics);
            if known.len() > MAX_TOPICS {
                *self = Self::All;
            }
        }
    }
}

impl Default for Due {
    fn default() -> Self {
        Self::Of(BTreeSet::new())
    }
}
