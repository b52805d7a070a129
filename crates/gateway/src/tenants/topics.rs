use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use nuncio_channel_protocol::Subscription;
use nuncio_protocol::Topic;

use super::Tenant;

/// What budgets of topics are of, in words.
pub(super) const BYTES_OF_TOPICS: &str = "bytes of topics";

/// Something of which there is so much; who wants more is refused.
#[derive(Debug)]
pub(super) struct Budget {
    what: &'static str,
    limit: AtomicUsize,
    used: AtomicUsize,
}

/// Why a topic list, or a session, is not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{wanted} {what}{} are over the limit of {limit}", beside(*.others))]
pub struct OverBudget {
    what: &'static str,
    wanted: usize,
    /// How much other sessions have, and whose, where the limit is a common one.
    others: Option<(usize, &'static str)>,
    limit: usize,
}

fn beside(others: Option<(usize, &'static str)>) -> String {
    others.map_or_else(String::new, |(used, whose)| format!(" with {used} of {whose} other sessions"))
}

/// What one session's topics take of its certificate's budget and of the common one; given back when dropped.
///
/// A name counts with [`Subscription::ENTRY`] bytes more than it has.
#[derive(Debug)]
pub(crate) struct TopicShare {
    tenant: Arc<Tenant>,
    /// Most bytes of one session.
    limit: usize,
    bytes: usize,
    topics: usize,
}

impl Budget {
    pub(super) const fn new(what: &'static str, limit: usize) -> Self {
        Self { what, limit: AtomicUsize::new(limit), used: AtomicUsize::new(0) }
    }

    pub(super) fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Gives `old` back and takes `new`; less than before is always taken.
    pub(super) fn exchange(&self, old: usize, new: usize, whose: &'static str) -> Result<(), OverBudget> {
        let limit = self.limit.load(Ordering::Relaxed);
        let exchanged = |used: usize| {
            let after = used - old + new;
            (after <= limit || new <= old).then_some(after)
        };
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, exchanged) {
            Ok(_) => Ok(()),
            Err(used) => Err(OverBudget { what: self.what, wanted: new, others: Some((used - old, whose)), limit }),
        }
    }

    /// Undoes an exchange of `old` for `new`.
    fn give_back(&self, old: usize, new: usize) {
        if old > new {
            self.used.fetch_add(old - new, Ordering::Relaxed);
        } else {
            self.used.fetch_sub(new - old, Ordering::Relaxed);
        }
    }
}

/// Whose sessions share a budget, in words.
pub(super) const ITS_CERTIFICATE: &str = "its certificate's";
pub(super) const ITS_AGENCY: &str = "its agency's";

impl TopicShare {
    pub(crate) const fn new(tenant: Arc<Tenant>, limit: usize) -> Self {
        Self { tenant, limit, bytes: 0, topics: 0 }
    }

    /// Takes what these topics need, in place of what the former ones did.
    ///
    /// # Errors
    /// When there is not so much; the former ones keep theirs.
    pub(crate) fn set<'a>(&mut self, topics: impl IntoIterator<Item = &'a Topic>) -> Result<(), OverBudget> {
        let (bytes, count) = need(topics);
        self.take(bytes, count)
    }

    /// Takes what these topics need besides.
    ///
    /// # Errors
    /// When there is not so much; then they get nothing.
    pub(crate) fn add<'a>(&mut self, topics: impl IntoIterator<Item = &'a Topic>) -> Result<(), OverBudget> {
        let (bytes, count) = need(topics);
        self.take(self.bytes + bytes, self.topics + count)
    }

    /// Gives back what these topics of it needed.
    pub(crate) fn remove<'a>(&mut self, topics: impl IntoIterator<Item = &'a Topic>) {
        let (bytes, count) = need(topics);
        // Less than before is always taken.
        let _ = self.exchange(self.bytes - bytes, self.topics - count);
    }

    fn take(&mut self, bytes: usize, topics: usize) -> Result<(), OverBudget> {
        if bytes > self.limit && bytes > self.bytes {
            return Err(OverBudget { what: BYTES_OF_TOPICS, wanted: bytes, others: None, limit: self.limit });
        }
        self.exchange(bytes, topics)
    }

    fn exchange(&mut self, bytes: usize, topics: usize) -> Result<(), OverBudget> {
        let Tenant { topics: of_certificate, meter, agency, common, .. } = &*self.tenant;
        let budgets = [
            (of_certificate, self.bytes, bytes, ITS_CERTIFICATE),
            (&common.topics, self.bytes, bytes, "all"),
            (&meter.topics, self.topics, topics, ITS_CERTIFICATE),
            (&agency.topics, self.topics, topics, ITS_AGENCY),
        ];
        for (index, (budget, old, new, whose)) in budgets.iter().enumerate() {
            if let Err(refused) = budget.exchange(*old, *new, whose) {
                for (budget, old, new, _) in &budgets[..index] {
                    budget.give_back(*old, *new);
                }
                return Err(refused);
            }
        }
        (self.bytes, self.topics) = (bytes, topics);
        Ok(())
    }
}

/// How many bytes topics need, and how many they are.
fn need<'a>(topics: impl IntoIterator<Item = &'a Topic>) -> (usize, usize) {
    let bytes = topics.into_iter().map(|topic| topic.as_str().len() + Subscription::ENTRY);
    bytes.fold((0, 0), |(sum, count), bytes| (sum + bytes, count + 1))
}

impl Drop for TopicShare {
    fn drop(&mut self) {
        let _ = self.exchange(0, 0);
    }
}
