use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use nuncio_channel_protocol::Subscription;
use nuncio_protocol::Topic;

use super::Tenant;

/// Bytes of which there are so many; who wants more is refused.
#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    used: AtomicUsize,
}

/// Why a topic list is not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("it takes {wanted} bytes with {others} bytes of {whose} other sessions, over the limit of {limit}")]
pub(crate) struct TopicsRefused {
    whose: &'static str,
    wanted: usize,
    others: usize,
    limit: usize,
}

/// What one session's topics take of its certificate's budget and of the common one; given back when dropped.
///
/// A name counts with [`Subscription::ENTRY`] bytes more than it has.
#[derive(Debug)]
pub(crate) struct TopicShare {
    tenant: Arc<Tenant>,
    bytes: usize,
}

impl Budget {
    pub(super) const fn new(limit: usize) -> Self {
        Self { limit, used: AtomicUsize::new(0) }
    }

    /// Gives `old` bytes back and takes `new` ones; less than before is always taken.
    fn exchange(&self, old: usize, new: usize, whose: &'static str) -> Result<(), TopicsRefused> {
        let exchanged = |used: usize| {
            let after = used - old + new;
            (after <= self.limit || new <= old).then_some(after)
        };
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, exchanged) {
            Ok(_) => Ok(()),
            Err(used) => Err(TopicsRefused { whose, wanted: new, others: used - old, limit: self.limit }),
        }
    }
}

impl TopicShare {
    pub(crate) const fn new(tenant: Arc<Tenant>) -> Self {
        Self { tenant, bytes: 0 }
    }

    /// Takes what these topics need, in place of what the former ones did.
    ///
    /// # Errors
    /// When there is not so much; the former ones keep theirs.
    pub(crate) fn set<'a>(&mut self, topics: impl IntoIterator<Item = &'a Topic>) -> Result<(), TopicsRefused> {
        let bytes = topics.into_iter().map(|topic| topic.as_str().len() + Subscription::ENTRY).sum();
        self.exchange(bytes)
    }

    fn exchange(&mut self, bytes: usize) -> Result<(), TopicsRefused> {
        self.tenant.topics.exchange(self.bytes, bytes, "its certificate's")?;
        if let Err(refused) = self.tenant.common.topics.exchange(self.bytes, bytes, "all") {
            let _ = self.tenant.topics.exchange(bytes, self.bytes, "its certificate's");
            return Err(refused);
        }
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for TopicShare {
    fn drop(&mut self) {
        let _ = self.exchange(0);
    }
}
