//! What a peer asks for, and how much of it one answer brings.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use nuncio_identity::NodeId;

use super::{Query, Record, Version, own_status::OwnStatus, table::Table};
use crate::{MAX_NODES, MAX_STATUS, hashed::HashMap};

/// Most record bytes in one answer.
pub(super) const MAX_ANSWER: usize = 4 << 20;

/// An honest answer has more only when one more record, at the longest, would not have fitted.
pub(super) const NEARLY_FULL: usize = MAX_ANSWER - MAX_STATUS;

/// The shortest part of it that a peer gets to which longer ones did not come in time: a slow line takes it in five seconds.
pub(super) const LEAST: usize = 64 << 10;

/// Who has got what it was sent and asks for all again before that wants the next part.
const SOON: Duration = Duration::from_secs(30);

/// The records of one answer.
pub(super) struct Page {
    pub(super) records: Vec<Arc<Record>>,
    pub(super) bytes: usize,
    /// Whether there are more, and the asker may be told so: it does not believe that of a short answer.
    pub(super) more: bool,
}

/// How long the answers are that a peer gets which asks for all: half as long each time that one did not come.
#[derive(Debug)]
pub(super) struct PageSize {
    most: usize,
    answered: Option<Answered>,
}

/// What a peer was sent last.
#[derive(Debug)]
struct Answered {
    at: Instant,
    last: Option<(NodeId, Version)>,
    is_long: bool,
}

impl Page {
    /// What fits so many bytes.
    pub(super) fn of(wanted: &[&Arc<Record>], most: usize) -> Self {
        let (mut records, mut bytes) = (Vec::new(), 0);
        for record in wanted {
            if bytes + record.bytes.len() > most && !records.is_empty() {
                break;
            }
            bytes += record.bytes.len();
            records.push(Arc::clone(record));
        }
        let more = records.len() < wanted.len() && bytes > NEARLY_FULL;
        Self { records, bytes, more }
    }
}

impl PageSize {
    pub(super) const fn new() -> Self {
        Self { most: MAX_ANSWER, answered: None }
    }

    /// Most bytes of the next part of what a peer wants that asks for all.
    pub(super) fn next(&self, wanted: &[&Arc<Record>], now: Instant) -> usize {
        let Some(Answered { at, last, is_long }) = &self.answered else { return MAX_ANSWER };
        let is_wanted = last.is_some_and(|last| wanted.iter().any(|record| name_of(record) == last));
        if is_wanted && *is_long {
            // However late it asks again: a slow line is no faster then.
            (self.most / 2).max(LEAST)
        } else if is_wanted || now < *at + SOON {
            self.most
        } else {
            MAX_ANSWER
        }
    }

    /// It was sent, of so many bytes at the most.
    pub(super) fn sent(&mut self, page: &Page, most: usize, now: Instant) {
        self.most = most;
        self.answered = Some(Answered { at: now, last: page.records.last().map(name_of), is_long: page.bytes > LEAST });
    }
}

fn name_of(record: &Arc<Record>) -> (NodeId, Version) {
    (record.status.node, record.status.version)
}

/// The records a peer asked for, the own one first. Nodes that cannot be reached are left out of `All`:
/// else two nodes would keep a dead one alive by telling each other.
pub(super) fn offered<'a>(own: &'a OwnStatus, table: &'a Table, wanted: &Query) -> Vec<&'a Arc<Record>> {
    match wanted {
        Query::Nodes(nodes) => {
            let newer = |(node, known): (&NodeId, &Option<Version>)| {
                let record = if *node == own.node() { own.record() } else { table.get(node) };
                record.filter(|record| Some(record.status.version) > *known)
            };
            let unique: BTreeMap<_, _> = nodes.iter().take(MAX_NODES).map(|(node, known)| (node, known)).collect();
            unique.into_iter().filter_map(newer).collect()
        }
        // Lists are held by the edge; proofs are no records of nodes; a comparison brings none.
        Query::Revocations { .. } | Query::Proofs { .. } | Query::Same { .. } => Vec::new(),
        Query::All { known } => {
            let known: HashMap<_, _> = known.iter().take(MAX_NODES).map(|(node, version)| (node, version)).collect();
            let newer = |record: &&Arc<Record>| known.get(&record.status.node) < Some(&&record.status.version);
            own.record().into_iter().chain(table.reachable()).filter(newer).collect()
        }
    }
}
