use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use nuncio_protocol::Topic;

use crate::tenants::{TopicShare, TopicsRefused};

/// How often the core hears of a client's topics: the first list at once, then the newest one of each interval.
const INTERVAL: Duration = Duration::from_millis(100);

/// The topics that a client has said and the core has yet to hear of.
///
/// Bound: one list, within its share of bytes.
#[derive(Debug)]
pub(super) struct Topics {
    share: TopicShare,
    told: Option<Instant>,
    newest: Option<BTreeSet<Topic>>,
}

impl Topics {
    pub(super) const fn new(share: TopicShare) -> Self {
        Self { share, told: None, newest: None }
    }

    /// Takes a list in place of the former one.
    ///
    /// # Errors
    /// When it is over a budget; the former one stays.
    pub(super) fn set(&mut self, topics: BTreeSet<Topic>) -> Result<(), TopicsRefused> {
        self.share.set(&topics)?;
        self.newest = Some(topics);
        Ok(())
    }

    /// When the core is to hear of a list, if there is one that it does not know.
    pub(super) fn due(&self) -> Option<Instant> {
        self.newest.as_ref().and(Some(self.told.map_or_else(Instant::now, |told| told + INTERVAL)))
    }

    /// The list that the core is to hear of now.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<BTreeSet<Topic>> {
        if self.told.is_some_and(|told| now < told + INTERVAL) {
            return None;
        }
        let newest = self.newest.take()?;
        self.told = Some(now);
        Some(newest)
    }
}
