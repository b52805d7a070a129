use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use nuncio_protocol::Topic;

use crate::tenants::{OverBudget, TopicShare};

/// How often the core hears of a client's topics: the first list at once, then the newest one of each interval.
const INTERVAL: Duration = Duration::from_millis(100);

/// Names that the core hears in an interval: after a longer list the next one waits for so many intervals more.
const NAMES: usize = 5000;

/// The topics that a client has said last, and whether the core has yet to hear of them: also of what it has said again.
///
/// Bound: one list, within its share of bytes; names are in memory once.
#[derive(Debug)]
pub(super) struct Topics {
    share: TopicShare,
    listed: Option<BTreeSet<Topic>>,
    /// Those of them that the client may not have.
    denied: BTreeSet<Topic>,
    /// Before when the core hears of no further list.
    not_before: Option<Instant>,
    is_news: bool,
}

impl Topics {
    pub(super) const fn new(share: TopicShare) -> Self {
        Self { share, listed: None, denied: BTreeSet::new(), not_before: None, is_news: false }
    }

    /// Takes a list in place of the former one, of which is to be [said](Self::deny) what is denied.
    ///
    /// # Errors
    /// When it is over a budget; the former one stays.
    pub(super) fn set(&mut self, topics: BTreeSet<Topic>) -> Result<(), OverBudget> {
        self.share.set(&topics)?;
        self.listed = Some(topics);
        Ok(())
    }

    /// Adds topics, with work for these and not for those that are listed already.
    ///
    /// # Errors
    /// When they are over a budget; then none is added.
    pub(super) fn add(&mut self, topics: &BTreeSet<Topic>) -> Result<(), OverBudget> {
        let listed = self.listed.get_or_insert_default();
        let new: Vec<_> = topics.iter().filter(|topic| !listed.contains(*topic)).collect();
        self.share.add(new.iter().copied())?;
        self.is_news = true;
        listed.extend(new.into_iter().cloned());
        Ok(())
    }

    /// Takes topics away, likewise.
    pub(super) fn remove(&mut self, topics: &BTreeSet<Topic>) {
        let Some(listed) = &mut self.listed else { return };
        let old: Vec<_> = topics.iter().filter(|topic| listed.remove(*topic)).collect();
        self.share.remove(old.iter().copied());
        self.is_news = true;
        for topic in old {
            self.denied.remove(topic);
        }
    }

    /// The newest list.
    pub(super) const fn listed(&self) -> Option<&BTreeSet<Topic>> {
        self.listed.as_ref()
    }

    /// Those of it that the client may not have.
    pub(super) const fn denied(&self) -> &BTreeSet<Topic> {
        &self.denied
    }

    /// Of all that is listed the client may not have these, and the core hears of the others.
    pub(super) fn deny(&mut self, denied: BTreeSet<Topic>) {
        (self.denied, self.is_news) = (denied, true);
    }

    /// Nor these, which were added.
    pub(super) fn deny_also(&mut self, denied: BTreeSet<Topic>) {
        self.denied.extend(denied);
    }

    /// When the core is to hear of a list, if there is one that it does not know.
    pub(super) fn due(&self) -> Option<Instant> {
        self.is_news.then(|| self.not_before.unwrap_or_else(Instant::now))
    }

    /// The list that the core is to hear of now.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<BTreeSet<Topic>> {
        if !self.is_news || self.not_before.is_some_and(|at| now < at) {
            return None;
        }
        let listed = self.listed.as_ref()?;
        let allowed: BTreeSet<_> = match self.denied.is_empty() {
            true => listed.clone(),
            false => listed.difference(&self.denied).cloned().collect(),
        };
        let intervals = u32::try_from(listed.len() / NAMES).unwrap_or(u32::MAX).saturating_add(1);
        (self.is_news, self.not_before) = (false, Some(now + INTERVAL * intervals));
        Some(allowed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use nuncio_rights::Party;

    use super::*;
    use crate::{access::ClientName, config::Limits, tenants::Tenants};

    fn topics(limit: usize) -> Topics {
        let tenant = Tenants::default().join(
            ClientName::Fingerprint(String::new()),
            &Party::sdk("", ""),
            &Limits::DEFAULT,
            &Arc::default(),
        );
        Topics::new(TopicShare::new(tenant, limit))
    }

    fn set(names: impl IntoIterator<Item = impl AsRef<str>>) -> BTreeSet<Topic> {
        names.into_iter().map(|name| Topic::new(name.as_ref()).unwrap()).collect()
    }

    #[test]
    fn what_is_added_and_taken_away_leaves_the_share_that_the_whole_list_would_take() {
        // Each name counts 16 bytes besides its own.
        let mut topics = topics(3 * 17);
        topics.add(&set(["a", "b"])).unwrap();
        topics.add(&set(["a", "b"])).unwrap();
        assert!(topics.add(&set(["c", "d"])).is_err());
        assert_eq!(topics.listed(), Some(&set(["a", "b"])));
        topics.add(&set(["b", "c"])).unwrap();
        topics.remove(&set(["a", "nobody's"]));
        topics.remove(&set(["a"]));
        topics.add(&set(["d"])).unwrap();
        assert_eq!(topics.set(set(["a", "b", "c", "d"])).unwrap_err(), topics.add(&set(["a"])).unwrap_err());
        assert_eq!(topics.listed(), Some(&set(["b", "c", "d"])));
    }

    #[test]
    fn the_core_hears_of_what_is_new_and_allowed_and_the_longer_the_list_the_more_seldom() {
        let (mut topics, now) = (topics(usize::MAX), Instant::now());
        assert_eq!((topics.due(), topics.take_due(now)), (None, None));
        topics.add(&set(["a", "b", "c"])).unwrap();
        topics.deny_also(set(["b"]));
        assert_eq!(topics.take_due(now), Some(set(["a", "c"])));
        assert_eq!(topics.due(), None, "it knows that");
        topics.remove(&set(["a", "b"]));
        assert_eq!((topics.due(), topics.take_due(now)), (Some(now + INTERVAL), None));
        assert_eq!(topics.take_due(now + INTERVAL), Some(set(["c"])));

        let many = set((0..2 * NAMES).map(|number| number.to_string()));
        topics.set(many.clone()).unwrap();
        topics.deny(BTreeSet::new());
        let now = now + 2 * INTERVAL;
        assert_eq!(topics.take_due(now).map(|told| told.len()), Some(many.len()));
        topics.remove(&set(["1"]));
        assert_eq!(topics.due(), Some(now + 3 * INTERVAL));
    }
}
