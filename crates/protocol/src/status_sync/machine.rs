use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use nuncio_identity::NodeId;
use rand::{RngExt, SeedableRng, rngs::SmallRng};

use super::{Query, QueryId, Record, Status, Version, inquiry::Inquiry, own_status::OwnStatus, table::Table};
use crate::{Config, MAX_NODES, Output, outbox::Outbox, peering::Address, status_sync::Facts, timers::earliest};

/// Most record bytes in one answer.
const MAX_ANSWER: usize = 4 << 20;

/// Announces the own status, learns those of others, answers for all.
#[derive(Debug)]
pub(crate) struct StatusSync {
    own: OwnStatus,
    table: Table,
    inquiry: Inquiry,
    rng: SmallRng,
    announce_interval: Duration,
    forget_after: Duration,
    next_announcement: Option<Instant>,
    next_forgetting: Instant,
}

impl StatusSync {
    pub(crate) fn new(config: &Config, draft: Status, seed: u64, now: Instant) -> Self {
        Self {
            own: OwnStatus::new(draft, config.coalesce),
            table: Table::default(),
            inquiry: Inquiry::default(),
            rng: SmallRng::seed_from_u64(seed),
            announce_interval: config.announce_interval,
            forget_after: config.forget_after,
            next_announcement: None,
            next_forgetting: now + config.forget_after / 8,
        }
    }

    pub(crate) fn version(&self) -> Version {
        self.own.version()
    }

    /// The record of a node, this one included.
    pub(crate) fn record(&self, node: &NodeId) -> Option<&Arc<Record>> {
        if *node == self.own.node() { self.own.record() } else { self.table.get(node) }
    }

    /// The records of all other nodes.
    pub(crate) fn records(&self) -> impl Iterator<Item = &Arc<Record>> {
        self.table.records()
    }

    /// A fact of the own status may have changed: see [`StatusSync::flush`].
    pub(crate) const fn touch(&mut self) {
        self.own.touch();
    }

    pub(crate) fn handle_local_addresses(&mut self, addresses: Vec<Address>) {
        self.own.set_addresses(addresses);
    }

    pub(crate) const fn handle_crl_number(&mut self, number: u64) {
        self.own.set_crl_number(number);
    }

    pub(crate) fn handle_application_field(&mut self, bytes: &Bytes) {
        self.own.set_application(bytes);
    }

    pub(crate) fn handle_link_up(&mut self, peer: NodeId) {
        self.own.touch();
        self.inquiry.link_up(peer);
    }

    pub(crate) fn handle_link_down(&mut self, peer: &NodeId) {
        self.own.touch();
        self.inquiry.link_down(peer);
    }

    pub(crate) fn handle_signed(&mut self, record: Arc<Record>, outbox: &mut Outbox, now: Instant) {
        if self.own.signed(record) {
            self.announce(outbox, now);
        }
    }

    pub(crate) fn handle_announced(&mut self, via: NodeId, node: NodeId, version: Version, outbox: &mut Outbox) {
        let known = self.table.version(&node);
        if node != self.own.node() && known.is_none_or(|known| known < version) {
            self.inquiry.offer(via, node, version);
            self.ask(outbox);
        }
    }

    pub(crate) fn handle_queried(&self, query: QueryId, wanted: Query, outbox: &mut Outbox) {
        let (mut records, mut bytes, mut more) = (Vec::new(), 0, false);
        for record in self.answer(wanted) {
            if bytes + record.bytes.len() > MAX_ANSWER {
                more = true;
                break;
            }
            bytes += record.bytes.len();
            records.push(record);
        }
        outbox.push(Output::Answer { query, records, more });
    }

    /// Takes an answer; gives back the records that were new.
    pub(crate) fn handle_answered(
        &mut self,
        peer: NodeId,
        records: Vec<Arc<Record>>,
        more: bool,
        outbox: &mut Outbox,
        now: Instant,
    ) -> Vec<Arc<Record>> {
        let mut applied = Vec::new();
        for record in records {
            if record.status.node == self.own.node() {
                if record.status.version > self.own.version() {
                    tracing::warn!(version = %record.status.version, "a record of ours is newer than we are: is our key in use elsewhere, or has our epoch gone back?");
                }
            } else if self.table.apply(Arc::clone(&record), now) {
                outbox.push(Output::NodeChanged { record: Arc::clone(&record) });
                applied.push(record);
            }
        }
        // An answer that brings nothing new cannot have more of it: do not ask a liar for ever.
        self.inquiry.closed(&peer, true, more && !applied.is_empty(), &self.table);
        self.ask(outbox);
        applied
    }

    pub(crate) fn handle_query_failed(&mut self, peer: &NodeId, outbox: &mut Outbox) {
        self.inquiry.closed(peer, false, false, &self.table);
        self.ask(outbox);
    }

    pub(crate) fn handle_reachability(&mut self, node: &NodeId, reachable: bool, now: Instant) {
        self.table.set_reachable(node, reachable, now);
    }

    /// Forgets an expelled node.
    pub(crate) fn handle_expelled(&mut self, node: &NodeId) {
        self.table.remove(node);
        self.inquiry.forget(node);
    }

    /// Signs what changed and asks what is wanted; called after every input.
    pub(crate) fn flush(&mut self, facts: impl FnOnce() -> Facts, outbox: &mut Outbox, now: Instant) {
        self.own.flush(facts, outbox, now);
    }

    pub(crate) fn ask(&mut self, outbox: &mut Outbox) {
        self.inquiry.ask((self.own.node(), self.own.version()), &self.table, outbox);
    }

    /// Announces when due; gives back the nodes that are forgotten.
    pub(crate) fn handle_timeout(&mut self, outbox: &mut Outbox, now: Instant) -> Vec<NodeId> {
        if self.next_announcement.is_some_and(|at| at <= now) {
            self.announce(outbox, now);
        }
        if self.next_forgetting > now {
            return Vec::new();
        }
        self.next_forgetting = now + self.forget_after / 8;
        let gone = self.table.forget_unreachable(self.forget_after, now);
        for node in &gone {
            self.inquiry.forget(node);
        }
        gone
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        earliest(earliest(self.next_announcement, self.own.due()), Some(self.next_forgetting))
    }

    fn announce(&mut self, outbox: &mut Outbox, now: Instant) {
        let Some(record) = self.own.record() else { return };
        outbox.push(Output::Announce { version: record.status.version });
        self.next_announcement = Some(now + self.announce_interval.mul_f64(self.rng.random_range(0.9..=1.1)));
    }

    /// The records a peer asked for, the own one first. Nodes that cannot be reached are left out of `All`:
    /// else two nodes would keep a dead one alive by telling each other.
    fn answer(&self, wanted: Query) -> Vec<Arc<Record>> {
        match wanted {
            Query::Nodes(nodes) => {
                let newer = |(node, known): (NodeId, Option<Version>)| {
                    self.record(&node).filter(|record| Some(record.status.version) > known).cloned()
                };
                let unique: BTreeMap<_, _> = nodes.into_iter().take(MAX_NODES).collect();
                unique.into_iter().filter_map(newer).collect()
            }
            Query::All { known } => {
                let known: BTreeMap<_, _> = known.into_iter().take(MAX_NODES).collect();
                let newer = |record: &&Arc<Record>| known.get(&record.status.node) < Some(&record.status.version);
                self.own.record().into_iter().chain(self.table.reachable()).filter(newer).cloned().collect()
            }
        }
    }
}

/// A status that says nothing yet.
pub(crate) fn empty_status(node: NodeId, names: [&str; 3], epoch: u64) -> Status {
    let [name, agency, software] = names.map(str::to_owned);
    Status {
        node,
        version: Version { epoch, seq: 0 },
        addresses: Vec::new(),
        neighbours: BTreeSet::new(),
        topics: BTreeMap::new(),
        name,
        agency,
        software,
        crl_number: 0,
        application: Bytes::new(),
    }
}
