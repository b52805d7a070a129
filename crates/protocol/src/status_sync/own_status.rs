use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use nuncio_identity::NodeId;

use super::{IssuerId, Record, Status, Version, fault::MAX_ADDRESSES};
use crate::{
    MAX_APPLICATION_FIELD, MAX_ISSUERS, MAX_NEIGHBOURS, MAX_TOPICS_PER_NODE, Output, Topic, outbox::Outbox,
    peering::Address,
};

/// At a thousand nodes, changes of a second are taken together.
const COALESCE_PER_NODE: Duration = Duration::from_millis(1);

/// What the other machines know of this node when its status is written.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) neighbours: BTreeSet<NodeId>,
    pub(crate) topics: BTreeMap<Topic, u32>,
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
    /// When the draft changed, until the change is signed.
    touched: bool,
    chain_changed: bool,
    signing: Option<Status>,
    last_signed: Option<Instant>,
}

impl OwnStatus {
    pub(super) const fn new(draft: Status, coalesce: Duration, now: Instant) -> Self {
        Self {
            draft,
            started: now,
            record: None,
            shortest: coalesce,
            coalesce,
            touched: true,
            chain_changed: false,
            signing: None,
            last_signed: None,
        }
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
        self.draft.multicast_topics = topics.into_iter().take(MAX_TOPICS_PER_NODE).collect();
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
        match self.last_signed {
            Some(at) if self.touched && self.signing.is_none() => Some(at + self.coalesce),
            _ => None,
        }
    }

    /// Has the status signed under the next seq if it says something new.
    pub(super) fn flush(&mut self, facts: impl FnOnce() -> Facts, outbox: &mut Outbox, now: Instant) {
        let waits = self.last_signed.is_some_and(|at| now < at + self.coalesce);
        if !self.touched || self.signing.is_some() || waits {
            return;
        }
        self.touched = false;
        let Facts { neighbours, topics } = facts();
        if neighbours.len() > MAX_NEIGHBOURS || topics.len() > MAX_TOPICS_PER_NODE {
            tracing::warn!(neighbours = neighbours.len(), topics = topics.len(), "own status is cut to the limits");
        }
        self.draft.neighbours = neighbours.into_iter().take(MAX_NEIGHBOURS).collect();
        self.draft.topics = topics.into_iter().take(MAX_TOPICS_PER_NODE).collect();
        let says_the_same = self.record.as_ref().is_some_and(|record| record.status == self.draft);
        if says_the_same && !std::mem::take(&mut self.chain_changed) {
            return;
        }
        self.draft.version.seq += 1;
        self.draft.clock = Duration::from_millis((now - self.started).as_millis() as u64);
        self.last_signed = Some(now);
        self.signing = Some(self.draft.clone());
        outbox.push(Output::Sign { status: self.draft.clone() });
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
