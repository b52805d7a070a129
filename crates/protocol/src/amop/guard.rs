use std::{sync::Arc, time::Instant};

use nuncio_bounds::Bound;
use nuncio_identity::NodeId;
use nuncio_rights::{Act, Key, Ledger, Rights, Role, Subject};

use super::{ResultCode, private::names};
use crate::{Output, Topic, outbox::Outbox, status_sync::Record, turn::Turn};

/// What other nodes may do with topics here: judged by their certificates, whatever they say of their SDKs.
#[derive(Debug)]
pub(super) struct Guard {
    rights: Arc<Rights>,
    ledger: Ledger,
    refused: Refused,
}

/// What other nodes were refused since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refused {
    /// Messages to topics that they may not publish to.
    pub denied: u64,
    /// Messages over their quota.
    pub over_quota: u64,
}

/// What publishing to a topic asks for.
pub fn publishing(topic: &Topic) -> (Act, &str) {
    (Act::Publish, names::judged(topic))
}

/// What subscribing a topic asks for: a publisher of a private topic lists a channel of its own. Nothing, where it is about
/// block notifications: they come from this node.
pub fn subscribing(topic: &Topic) -> Option<(Act, &str)> {
    let act = if names::is_publisher_channel(topic) { Act::Publish } else { Act::Subscribe };
    (!topic.is_block_notification()).then(|| (act, names::judged(topic)))
}

impl Guard {
    pub(super) const BOUND: Bound = Bound::of_entries::<[u8; Ledger::ENTRY]>(
        "quotas of other nodes and their agencies",
        Ledger::MAX,
        nuncio_rights::MAX_AGENCY,
        "one that owes nothing, else one that was silent longest, starts anew",
    );

    pub(super) fn new(rights: Arc<Rights>) -> Self {
        Self { rights, ledger: Ledger::default(), refused: Refused::default() }
    }

    pub(super) fn set(&mut self, rights: Arc<Rights>) {
        self.rights = rights;
    }

    pub(super) const fn refused(&self) -> Refused {
        self.refused
    }

    /// Whether messages to a topic may go to a node because of what its record says.
    pub(super) fn may_subscribe(&self, record: &Record, topic: &Topic) -> bool {
        self.rights.is_open()
            || subscribing(topic).is_none_or(|(act, name)| {
                with_subject(record, |subject| self.rights.judge(subject, act, name).is_allowed())
            })
    }

    /// Whether a message of another node is delivered here.
    ///
    /// # Errors
    /// With the result to answer.
    pub(super) fn admit(
        &mut self,
        source: &NodeId,
        topic: &Topic,
        bytes: usize,
        turn: &mut Turn<'_>,
    ) -> Result<(), ResultCode> {
        if self.rights.is_open() {
            return Ok(());
        }
        // Linked, and its record has not come: who it is of is not known yet.
        let Turn { directory, outbox, now, .. } = turn;
        let Some(record) = directory.status_sync.record(source) else {
            self.refused.denied += 1;
            return Err(ResultCode::SUBSCRIBER_GONE);
        };
        let Self { rights, ledger, refused } = self;
        let (act, name) = publishing(topic);
        with_subject(record, |subject| {
            let verdict = rights.judge(subject, act, name);
            if !verdict.is_allowed() {
                refused.denied += 1;
                let (source, topic, reason) = (*source, topic.clone(), verdict.to_string());
                outbox.push(Output::Denied { source, topic, reason });
                return Err(ResultCode::DENIED);
            }
            if !ledger.admit(rights, subject, source.as_bytes(), topic.as_str().len() + bytes, *now) {
                refused.over_quota += 1;
                outbox.push(Output::OverQuota { source: *source });
                return Err(ResultCode::OVER_LIMIT);
            }
            Ok(())
        })
    }

    /// Whether anybody is given less than he likes.
    pub(super) fn has_quotas(&self) -> bool {
        !self.rights.is_open()
    }

    /// Takes so many bytes from the quotas that messages of AMOP are taken from; false when one of them is used up.
    pub(super) fn take(&mut self, record: &Record, bytes: usize, outbox: &mut Outbox, now: Instant) -> bool {
        let Self { rights, ledger, refused } = self;
        let source = record.status.node;
        let is_taken = rights.is_open()
            || with_subject(record, |subject| ledger.admit(rights, subject, source.as_bytes(), bytes, now));
        if !is_taken {
            refused.over_quota += 1;
            outbox.push(Output::OverQuota { source });
        }
        is_taken
    }
}

fn with_subject<R>(record: &Record, ask: impl FnOnce(&Subject<'_>) -> R) -> R {
    let keys = Key::names_of(record.status.node.as_bytes());
    let (agency, name) = (record.agency_path(), record.status.name.as_str());
    ask(&Subject { role: Role::Node, agency, name, keys: &keys, node: None })
}
