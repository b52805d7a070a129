use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use nuncio_bounds::Bound;
use nuncio_identity::NodeId;

use super::{
    IssuerId, Record, Status, Version,
    fault::MAX_ADDRESSES,
    pace::{Pace, Rate},
};
use crate::{
    MAX_APPLICATION_FIELD, MAX_ISSUERS, MAX_MULTICAST_TOPIC_BYTES, MAX_NEIGHBOURS, MAX_STATUS, MAX_TOPIC_BYTES, Output,
    Topic, outbox::Outbox, peering::Address,
};

/// At a thousand nodes, changes of a second are taken together.
const COALESCE_PER_NODE: Duration = Duration::from_millis(1);

/// How often the own record changes: at once after a silence, then less than twice a second, however a client toggles.
/// Other nodes take two changes a second and count more as an offence.
const CHANGES: Rate = Rate { every: Duration::from_millis(667), at_once: 4 };

/// How long a link to a node that was within reach already waits to be told with others: while a network grows, nodes make one
/// after the other, and each change is proved by all.
const ONE_MORE_LINK: Duration = Duration::from_secs(2);

/// What the other machines know of this node when its status is written.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) neighbours: BTreeSet<NodeId>,
    /// What does not fit is left out from the end.
    pub(crate) topics: Vec<(Topic, u32)>,
}

/// The own status: what it is to say, and what was signed last.
#[derive(Debug)]
pub(super) struct OwnStatus {
    /// Node, epoch, names, and what the edge sets; the rest is filled in when signing.
    draft: Status,
    /// When the epoch began.
    started: Instant,
    record: Option<Arc<Record>>,
    /// Between two changes, in a small network and now.
    shortest: Duration,
    coalesce: Duration,
    /// That the draft changed, until the change is signed.
    touched: bool,
    /// When a change that can wait is to be signed at the latest.
    waits_until: Option<Instant>,
    chain_changed: bool,
    signing: Option<Status>,
    last_signed: Option<Instant>,
    changes: Pace,
}

impl OwnStatus {
    /// As it is wanted, as it is signed, and as it was signed last; topics are named once.
    pub(super) const BOUND: Bound = Bound::of_bytes(
        "the own status",
        2 * MAX_STATUS
            + 3 * (MAX_TOPIC_BYTES + MAX_MULTICAST_TOPIC_BYTES)
            + 3 * 2 * size_of::<NodeId>() * MAX_NEIGHBOURS,
        "what comes last is left out, with a warning",
    );

    pub(super) const fn new(draft: Status, coalesce: Duration, now: Instant) -> Self {
        Self {
            draft,
            started: now,
            record: None,
            shortest: coalesce,
            coalesce,
            touched: true,
            waits_until: None,
            chain_changed: false,
            signing: None,
            last_signed: None,
            changes: Pace::new(now),
        }
    }

    /// Says the same in a higher epoch.
    pub(super) fn begin_epoch(&mut self, epoch: u64, now: Instant) {
        self.draft.version = Version { epoch, seq: 0 };
        self.started = now;
        self.touched = true;
        self.signing = None;
    }

    pub(super) const fn node(&self) -> NodeId {
        self.draft.node
    }

    pub(super) fn version(&self) -> Version {
        self.draft.version
    }

    pub(super) const fn record(&self) -> Option<&Arc<Record>> {
        self.record.as_ref()
    }

    /// The larger the network, the more a change costs all others: the longer changes are taken together.
    pub(super) fn fit_network(&mut self, nodes: usize) {
        self.coalesce = self.shortest.max(COALESCE_PER_NODE * nodes as u32);
    }

    /// Something the status says may have changed.
    pub(super) const fn touch(&mut self) {
        self.touched = true;
    }

    /// A link has come up to a node that was within reach before: nobody lacks it.
    pub(super) fn touch_for_one_more_link(&mut self, now: Instant) {
        self.waits_until.get_or_insert(now + ONE_MORE_LINK);
    }

    pub(super) fn set_addresses(&mut self, mut addresses: Vec<Address>) {
        addresses.truncate(MAX_ADDRESSES);
        self.draft.addresses = addresses;
        self.touched = true;
    }

    pub(super) fn set_revocations(&mut self, numbers: BTreeMap<IssuerId, u64>) {
        self.draft.revocations = numbers.into_iter().take(MAX_ISSUERS).collect();
        self.touched = true;
    }

    pub(super) const fn revocations(&self) -> &BTreeMap<IssuerId, u64> {
        &self.draft.revocations
    }

    pub(super) const fn set_proofs(&mut self, proofs: usize) {
        self.draft.proofs = proofs as u32;
        self.touched = true;
    }

    pub(super) fn set_multicast_topics(&mut self, topics: BTreeSet<Topic>) {
        let is_named = |topic: &Topic| self.draft.multicast_topics.contains(topic);
        let kept = within(MAX_MULTICAST_TOPIC_BYTES, topics, Topic::cost, is_named);
        self.draft.multicast_topics = kept.into_iter().collect();
        self.touched = true;
    }

    /// The certificate chain behind the record has changed.
    pub(super) const fn sign_again(&mut self) {
        self.touched = true;
        self.chain_changed = true;
    }

    pub(super) fn set_application(&mut self, bytes: &Bytes) {
        self.draft.application = bytes.slice(..bytes.len().min(MAX_APPLICATION_FIELD));
        self.touched = true;
    }

    /// When [`OwnStatus::flush`] has something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        let next = self.next_change().filter(|_| self.signing.is_none())?;
        if self.touched { Some(next) } else { self.waits_until.map(|until| until.max(next)) }
    }

    /// When the next change may be signed; `None` for the first.
    fn next_change(&self) -> Option<Instant> {
        self.last_signed.map(|at| self.changes.next(CHANGES).max(at + self.coalesce))
    }

    /// Has the status signed under the next seq if it says something new.
    pub(super) fn flush(&mut self, facts: impl FnOnce(&Status) -> Facts, outbox: &mut Outbox, now: Instant) {
        let is_wanted = self.touched || self.waits_until.is_some_and(|until| until <= now);
        let is_too_soon = self.next_change().is_some_and(|at| now < at);
        if !is_wanted || self.signing.is_some() || is_too_soon {
            return;
        }
        self.touched = false;
        self.waits_until = None;
        self.write(facts(&self.draft));
        let says_the_same = self.record.as_ref().is_some_and(|record| record.status == self.draft);
        if says_the_same && !std::mem::take(&mut self.chain_changed) {
            return;
        }
        self.draft.version.seq += 1;
        self.draft.clock = Duration::from_millis((now - self.started).as_millis() as u64);
        self.last_signed = Some(now);
        self.changes.count(CHANGES, now);
        self.signing = Some(self.draft.clone());
        outbox.push(Output::Sign { status: self.draft.clone() });
    }

    /// Writes into the draft what the other machines know, within the limits.
    fn write(&mut self, Facts { neighbours, topics }: Facts) {
        let before = &self.draft;
        let wanted = (neighbours.len(), topics.len());
        let neighbours = within(MAX_NEIGHBOURS, neighbours, |_| 1, |node| before.neighbours.contains(node));
        let topics = within(MAX_TOPIC_BYTES, topics, |(topic, _)| topic.cost(), |_| true);
        let left_out = (wanted.0 - neighbours.len(), wanted.1 - topics.len());
        if left_out != (0, 0) {
            let (neighbours, topics) = left_out;
            tracing::warn!(
                neighbours,
                topics,
                "own status is full: what came last is left out, nobody will know of it"
            );
        }
        self.draft.neighbours = neighbours.into_iter().collect();
        self.draft.topics = topics.into_iter().collect();
    }

    /// Takes the signed record; says whether it was the one waited for.
    pub(super) fn signed(&mut self, record: Arc<Record>) -> bool {
        let awaited = self.signing.as_ref().is_some_and(|status| *status == record.status);
        if awaited {
            self.signing = None;
            self.record = Some(record);
        } else {
            tracing::warn!(version = %record.status.version, "signed status was not asked for");
        }
        awaited
    }
}

/// What fits into a budget: what was named before has its place, so nobody is pushed out by who comes later.
fn within<T>(
    budget: usize,
    wanted: impl IntoIterator<Item = T>,
    cost: impl Fn(&T) -> usize,
    is_named: impl Fn(&T) -> bool,
) -> Vec<T> {
    let (named, new): (Vec<_>, Vec<_>) = wanted.into_iter().partition(is_named);
    let mut left = budget;
    let fits = |item: &T| {
        let rest = left.checked_sub(cost(item));
        left = rest.unwrap_or(left);
        rest.is_some()
    };
    named.into_iter().chain(new).filter(fits).collect()
}
