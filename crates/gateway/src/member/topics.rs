use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use nuncio_protocol::Topic;

use crate::tenants::{OverBudget, TopicShare};

/// How often the core hears of a client's topics: the first list at once, then the newest one of each interval.
const INTERVAL: Duration = Duration::from_millis(100);

/// The topics that a client has said last, and those of them that the core has yet to hear of.
///
/// Bound: one list, within its share of bytes; names are in memory once.
#[derive(Debug)]
pub(super) struct Topics {
    share: TopicShare,
    listed: Option<BTreeSet<Topic>>,
    told: Option<Instant>,
    newest: Option<BTreeSet<Topic>>,
}

impl Topics {
    pub(super) const fn new(share: TopicShare) -> Self {
        Self { share, listed: None, told: None, newest: None }
    }

    /// Takes a list in place of the former one.
    ///
    /// # Errors
    /// When it is over a budget; the former one stays.
    pub(super) fn set(&mut self, topics: BTreeSet<Topic>) -> Result<(), OverBudget> {
        self.share.set(&topics)?;
        self.listed = Some(topics);
        Ok(())
    }

    /// The newest list.
    pub(super) const fn listed(&self) -> Option<&BTreeSet<Topic>> {
        self.listed.as_ref()
    }

    /// Has the core hear of these.
    pub(super) fn tell(&mut self, topics: BTreeSet<Topic>) {
        self.newest = Some(topics);
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
