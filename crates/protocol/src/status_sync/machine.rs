use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use nuncio_bounds::{Bound, Holding};
use nuncio_identity::NodeId;
use rand::{RngExt, SeedableRng, rngs::SmallRng};

use super::{
    Answer, IssuerId, Query, QueryId, Record, Status, TableDigest, Version,
    askers::Askers,
    change::Change,
    comparing::Comparing,
    equivocation::{Equivocation, Proofs},
    inquiry::{End, Held, Inquiry},
    own_status::OwnStatus,
    page::{LEAST, MAX_ANSWER, NEARLY_FULL, Page, offered},
    table::{Applied, Arrival, Table},
};
use crate::{
    Config, Output, Start, Strike, Topic, outbox::Outbox, peering::Address, status_sync::Facts, timers::earliest,
};

/// For how long after its start a node takes a record of its own with a higher epoch for one of its own past.
const OUTRUN: Duration = Duration::from_secs(30);

/// Announcements of all nodes together come no closer than this: the larger the network, the seldomer each node
/// repeats itself. Changes are announced at once all the same.
const ANNOUNCE_SPACING: Duration = Duration::from_millis(20);

/// So often the same is announced after equal pauses; from then on the pause doubles each time, so many times: whoever missed a
/// change hears of it soon, from a neighbour when they compare at the latest, and a network in which nothing happens is nearly silent.
const EVEN: u32 = 3;
const DOUBLINGS: u32 = 7;

/// Announces the own status, learns those of others, answers for all.
#[derive(Debug)]
pub(crate) struct StatusSync {
    own: OwnStatus,
    table: Table,
    inquiry: Inquiry,
    askers: Askers,
    proofs: Proofs,
    comparing: Comparing,
    rng: SmallRng,
    announce_interval: Duration,
    forget_after: Duration,
    next_announcement: Option<Instant>,
    /// How often the same was announced.
    repeated: u32,
    /// When queries that failed are put again.
    next_retry: Option<Instant>,
    next_forgetting: Instant,
    /// The epoch of another host with our key.
    foreign_epoch: Option<u64>,
    started: Instant,
}

impl StatusSync {
    pub(crate) fn new(config: &Config, draft: Status, seed: u64, now: Instant) -> Self {
        Self {
            own: OwnStatus::new(draft, config.coalesce, now),
            table: Table::default(),
            inquiry: Inquiry::default(),
            askers: Askers::default(),
            proofs: Proofs::default(),
            comparing: Comparing::new(now),
            rng: SmallRng::seed_from_u64(seed),
            announce_interval: config.announce_interval,
            forget_after: config.forget_after,
            next_announcement: None,
            repeated: 0,
            next_retry: None,
            next_forgetting: now + config.forget_after / 8,
            foreign_epoch: None,
            started: now,
        }
    }

    /// What peers can make it hold.
    pub(crate) fn bounds(links: usize) -> Vec<Bound> {
        let [nodes, offers] = Inquiry::bounds(links);
        [&[Table::BOUND, OwnStatus::BOUND][..], &Proofs::BOUNDS, &[nodes, offers, Askers::BOUND]].concat()
    }

    /// What it holds now of what peers can make it hold.
    pub(crate) fn holdings(&self) -> [Holding; 2] {
        [self.table.holding(), self.proofs.holding()]
    }

    pub(crate) fn version(&self) -> Version {
        self.own.version()
    }

    /// The record of a node, this one included.
    pub(crate) fn record(&self, node: &NodeId) -> Option<&Arc<Record>> {
        if *node == self.own.node() { self.own.record() } else { self.table.get(node) }
    }

    /// The version of another node's record.
    pub(crate) fn version_of(&self, node: &NodeId) -> Option<Version> {
        self.table.version(node)
    }

    /// The records of all other nodes.
    pub(crate) fn records(&self) -> impl Iterator<Item = &Arc<Record>> {
        self.table.records()
    }

    /// Whether every other node names every node but itself as its neighbour.
    pub(crate) fn is_full_mesh(&self) -> bool {
        self.table.records().all(|record| record.status.neighbours.len() >= self.table.len())
    }

    /// A fact of the own status may have changed: see [`StatusSync::flush`].
    pub(crate) const fn touch(&mut self) {
        self.own.touch();
    }

    pub(crate) fn handle_local_addresses(&mut self, addresses: Vec<Address>) {
        self.own.set_addresses(addresses);
    }

    pub(crate) fn handle_revocation_lists(&mut self, numbers: BTreeMap<IssuerId, u64>) {
        self.own.set_revocations(numbers);
        self.inquiry.lists_count_anew();
    }

    pub(crate) fn handle_revocations_answered(&mut self, peer: &NodeId) {
        self.inquiry.lists_answered(peer);
    }

    /// The status is signed anew, though it says the same.
    pub(crate) const fn handle_certificate_renewed(&mut self) {
        self.own.sign_again();
    }

    pub(crate) fn handle_multicast_topics(&mut self, topics: BTreeSet<Topic>) {
        self.own.set_multicast_topics(topics);
    }

    /// Asks a linked peer for its revocation lists if its record says that it has newer ones, and for its proofs: as many as there are
    /// here may be other ones.
    fn compare(&mut self, peer: &NodeId) {
        let Some(record) = self.table.get(peer) else { return };
        let held = self.own.revocations();
        if record.status.revocations.iter().any(|(issuer, number)| held.get(issuer).is_none_or(|own| own < number)) {
            self.inquiry.want_lists(peer, &record.status.revocations, held);
        }
        if record.status.proofs > 0 {
            self.inquiry.want_proofs(peer, (record.status.proofs, self.proofs.len()));
        }
    }

    pub(crate) fn handle_application_field(&mut self, bytes: &Bytes) {
        self.own.set_application(bytes);
    }

    /// `was_reachable`: over other links.
    pub(crate) fn handle_link_up(&mut self, peer: NodeId, was_reachable: bool, now: Instant) {
        if was_reachable {
            self.own.touch_for_one_more_link(now);
        } else {
            self.own.touch();
        }
        self.inquiry.link_up(peer, now);
        self.compare(&peer);
    }

    pub(crate) fn handle_link_down(&mut self, peer: &NodeId, now: Instant) {
        self.own.touch();
        self.askers.link_down(peer);
        self.inquiry.link_down(peer, now);
    }

    pub(crate) fn handle_signed(&mut self, record: Arc<Record>, outbox: &mut Outbox, now: Instant) {
        if self.own.signed(record) {
            self.repeated = 0;
            self.announce(outbox, now);
        }
    }

    /// Takes an announcement; says whether it is news.
    pub(crate) fn handle_announced(
        &mut self,
        via: NodeId,
        node: NodeId,
        version: Version,
        outbox: &mut Outbox,
        now: Instant,
    ) -> bool {
        let known = self.table.version(&node);
        let is_newer = node != self.own.node() && known.is_none_or(|known| known < version);
        let is_news = is_newer && self.inquiry.offer(via, node, version, &self.table, now);
        // Who starts again and again is only left waiting: a crash is no offence.
        let same_life = known.is_some_and(|known| known.epoch == version.epoch);
        if is_news && via == node && same_life && self.table.restless_until(&node, now).is_some() {
            outbox.strike(via, Strike::Restless);
        }
        is_news
    }

    /// `pages`: how many the query names.
    pub(crate) fn handle_queried(
        &mut self,
        peer: NodeId,
        (query, wanted, pages): (QueryId, Query, usize),
        outbox: &mut Outbox,
        now: Instant,
    ) {
        let output = self.answer(peer, (query, wanted, pages), outbox, now);
        outbox.push(output.unwrap_or(Output::Ignore { query }));
    }

    /// What a peer is answered, unless it has asked too much: that is looked at before there is any work.
    fn answer(
        &mut self,
        peer: NodeId,
        (query, wanted, pages): (QueryId, Query, usize),
        outbox: &mut Outbox,
        now: Instant,
    ) -> Option<Output> {
        if !self.askers.admit(peer, &wanted, pages, outbox, now) {
            return None;
        }
        let (offered, askers) = (offered(&self.own, &self.table, &wanted), &mut self.askers);
        let is_all = matches!(wanted, Query::All { .. });
        let most = if is_all { askers.pages_of(peer, now).next(&offered, now) } else { MAX_ANSWER };
        let page = Page::of(&offered, most);
        let proofs = if let Query::Proofs { held } = &wanted { self.proofs.beside(held) } else { Vec::new() };
        let bytes = page.bytes + proofs.iter().map(Equivocation::bytes).sum::<usize>();
        if !askers.admit_answer(peer, bytes, outbox, now) {
            return None;
        }
        if is_all {
            askers.pages_of(peer, now).sent(&page, most, now);
        }
        let Page { records, mut more, .. } = page;
        if let Query::Same { digest } = wanted {
            more = digest != self.digest();
        }
        Some(match wanted {
            Query::Revocations { held } => Output::AnswerRevocations { query, held },
            Query::Proofs { .. } | Query::All { .. } | Query::Nodes(_) | Query::Same { .. } => {
                Output::Answer { query, records, proofs, more }
            }
        })
    }

    /// Takes an answer; gives back what it changed, or could not change, in order.
    pub(crate) fn handle_answered(
        &mut self,
        peer: NodeId,
        answer: Answer,
        outbox: &mut Outbox,
        now: Instant,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        let Answer { records, proofs, refused, bytes, more } = answer;
        if self.inquiry.is_comparing(&peer) {
            self.inquiry.compared(&peer, more);
            return changes;
        }
        let mut brings_news = false;
        for record in records {
            let node = record.status.node;
            if node == self.own.node() {
                self.compare_own(record.status.version, outbox, now);
                continue;
            }
            let begins = self.table.version(&node).is_none_or(|known| known.epoch < record.status.version.epoch);
            let inquiry = &self.inquiry;
            let arrival = Arrival { record: Arc::clone(&record), via: peer, linked: inquiry.is_linked(&node) };
            let (applied, evicted) = self.table.apply(arrival, |node| inquiry.is_linked(node), now);
            changes.extend(evicted.into_iter().map(Change::Forgotten));
            match applied {
                Applied::Newer(first) => {
                    brings_news = true;
                    outbox.push(Output::NodeChanged { record: Arc::clone(&record) });
                    self.compare(&node);
                    if begins {
                        self.announce_soon(now);
                    }
                    changes.push(Change::Applied(record, first));
                }
                Applied::OverLimits if node == peer => outbox.strike(peer, Strike::Restless),
                // The newest one is asked for when it is time.
                Applied::TooSoon => {
                    self.inquiry.offer(peer, node, record.status.version, &self.table, now);
                }
                Applied::Contradicts(known) => self.convict(Equivocation::of(known, record), &mut changes, outbox),
                Applied::Full => changes.push(Change::Full(node)),
                Applied::OverLimits | Applied::Old => {}
            }
        }
        for proof in proofs {
            self.convict(Some(proof), &mut changes, outbox);
        }
        if more && bytes < NEARLY_FULL {
            outbox.strike(peer, Strike::EmptyPromise);
        }
        if self.inquiry.is_in_doubt(&peer) {
            self.inquiry.concluded(&peer, brings_news);
        }
        // An answer that brings nothing new cannot have more of it.
        let is_part = bytes >= NEARLY_FULL && more || bytes >= LEAST / 2 && self.inquiry.gets_parts(&peer);
        let more = is_part && brings_news;
        // That this node has no room is nobody's lie.
        let shown = refused.into_iter().chain(changes.iter().filter_map(Change::not_kept)).collect();
        self.inquiry.closed(&peer, End::Answered { more, shown: &shown }, &self.table, outbox, now);
        changes
    }

    /// Keeps a proof that is new and passes it on. The own node has a second host then; it cannot turn itself out.
    fn convict(&mut self, proof: Option<Equivocation>, changes: &mut Vec<Change>, outbox: &mut Outbox) {
        let Some(proof) = proof.filter(|proof| !self.proofs.contains(&proof.node())) else { return };
        let node = proof.node();
        outbox.push(Output::Equivocation { proof: proof.clone() });
        changes.extend(self.proofs.keep(proof).map(Change::Unproven));
        self.own.set_proofs(self.proofs.len());
        if node != self.own.node() {
            outbox.strike(node, Strike::Equivocation);
            changes.push(Change::Convicted(node));
        }
    }

    /// Whether a peer is still to be asked for a node of which it brought something, or may take its time to answer.
    pub(crate) fn is_patient_with(&self, peer: &NodeId, node: &NodeId, now: Instant) -> bool {
        self.inquiry.is_patient_with(peer, node, now)
    }

    /// Whether a node is proven to equivocate.
    pub(crate) fn is_convicted(&self, node: &NodeId) -> bool {
        self.proofs.contains(node)
    }

    /// The nodes that are.
    pub(crate) fn convicted(&self) -> impl Iterator<Item = NodeId> {
        self.proofs.nodes()
    }

    /// A record of ours that is newer than we are was signed by another host; each is told of once.
    ///
    /// Soon after the start it is our own, from before our data was lost: then a higher epoch is taken, once.
    fn compare_own(&mut self, version: Version, outbox: &mut Outbox, now: Instant) {
        let (epoch, own) = (version.epoch, self.own.version().epoch);
        if epoch <= own || self.foreign_epoch == Some(epoch) {
            return;
        }
        let is_first = self.foreign_epoch.replace(epoch).is_none();
        outbox.push(if is_first && now <= self.started + OUTRUN {
            Output::EpochOutrun { seen: epoch }
        } else {
            Output::DuplicateIdentity { node: self.own.node(), address: None, epoch }
        });
    }

    /// The node goes on in a higher epoch.
    pub(crate) fn begin_epoch(&mut self, epoch: u64, now: Instant) {
        self.own.begin_epoch(epoch, now);
    }

    pub(crate) fn handle_query_failed(&mut self, peer: &NodeId, outbox: &mut Outbox, now: Instant) {
        let again = now + self.pause();
        self.next_retry.get_or_insert(again);
        self.inquiry.closed(peer, End::Failed, &self.table, outbox, now);
    }

    pub(crate) fn handle_reachability(&mut self, node: &NodeId, reachable: bool, now: Instant) {
        self.table.set_reachable(node, reachable, now);
    }

    /// Forgets an expelled node.
    pub(crate) fn handle_expelled(&mut self, node: &NodeId, now: Instant) {
        self.table.remove(node);
        self.inquiry.forget(node, now);
    }

    /// Stands for all that is told to who asks for all.
    fn digest(&mut self) -> TableDigest {
        let own = self.own.record().map(|record| TableDigest::of(&record.status.node, record.status.version));
        self.table.digest().with(own.unwrap_or_default())
    }

    /// Signs what changed; called after every input that may have changed something, as [`StatusSync::ask`] is.
    pub(crate) fn flush(&mut self, facts: impl FnOnce(&Status) -> Facts, outbox: &mut Outbox, now: Instant) {
        self.own.fit_network(self.table.len());
        self.own.flush(facts, outbox, now);
    }

    /// Asks what is wanted.
    pub(crate) fn ask(&mut self, outbox: &mut Outbox, now: Instant) {
        let own = (self.own.node(), self.own.version());
        let digest = if self.inquiry.is_to_compare() { self.digest() } else { TableDigest::default() };
        let held = Held { revocations: self.own.revocations(), proofs: &self.proofs, digest };
        self.inquiry.ask(own, held, &self.table, outbox, now);
    }

    /// Announces when due; gives back the nodes that are forgotten.
    pub(crate) fn handle_timeout(&mut self, outbox: &mut Outbox, now: Instant) -> Vec<NodeId> {
        if self.next_announcement.is_some_and(|at| at <= now) {
            self.announce(outbox, now);
        }
        if self.next_retry.is_some_and(|at| at <= now) {
            self.next_retry = None;
            self.inquiry.retry();
        }
        self.inquiry.handle_timeout(now);
        if let Some(turn) = self.comparing.turn(&mut self.rng, now) {
            self.inquiry.compare(turn);
        }
        if self.next_forgetting > now {
            return Vec::new();
        }
        self.next_forgetting = now + self.forget_after / 8;
        let gone = self.table.forget_unreachable(self.forget_after, now);
        for node in &gone {
            self.inquiry.forget(node, now);
        }
        gone
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let own = earliest(earliest(self.next_announcement, self.next_retry), self.own.due());
        let comparison = Some(self.comparing.next).filter(|_| !self.inquiry.is_alone());
        earliest(earliest(own, comparison), earliest(self.inquiry.poll_timeout(), Some(self.next_forgetting)))
    }

    fn announce(&mut self, outbox: &mut Outbox, now: Instant) {
        let Some(record) = self.own.record() else { return };
        outbox.push(Output::Announce { version: record.status.version });
        let pause = self.pause();
        self.repeated = (self.repeated + 1).min(EVEN + DOUBLINGS);
        let pause = pause * 2_u32.pow(self.repeated.saturating_sub(EVEN));
        self.next_announcement = Some(now + pause.mul_f64(self.rng.random_range(0.9..=1.1)));
    }

    /// Who has just started knows nobody's clock, without which it may be shown what was sent long ago.
    fn announce_soon(&mut self, now: Instant) {
        // Else it is soon as it is, however many start.
        if self.repeated > EVEN {
            self.repeated = EVEN - 1;
            let soon = now + self.pause().mul_f64(self.rng.random_range(0.0..=1.0));
            self.next_announcement = self.next_announcement.map(|at| at.min(soon));
        }
    }

    /// Between a change and its first repetition.
    fn pause(&self) -> Duration {
        self.announce_interval.max(ANNOUNCE_SPACING * self.table.len() as u32)
    }
}

/// A status that says nothing yet.
pub(crate) fn empty_status(start: Start) -> Status {
    let Start { node, name, agency, software, epoch, sealing_key, issues, .. } = start;
    Status {
        node,
        version: Version { epoch, seq: 0 },
        addresses: Vec::new(),
        neighbours: BTreeSet::new(),
        topics: BTreeMap::new(),
        name,
        agency,
        software,
        multicast_topics: BTreeSet::new(),
        revocations: BTreeMap::new(),
        proofs: 0,
        application: Bytes::new(),
        sealing_key,
        issues,
        takes_batches: false,
        traces: false,
        takes_priorities: false,
        clock: Duration::ZERO,
    }
}
