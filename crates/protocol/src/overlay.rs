mod dispatch;
mod publishing;
mod reception;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use nuncio_bounds::Holding;
use nuncio_identity::NodeId;

use crate::{
    Config, Dropped, Output, Strike, Topic,
    amop::{self, Amop},
    gate::{Check, Checked, Gate, Waiting},
    gossip::Stamp,
    life::Life,
    multicast::Multicast,
    onward::Onward,
    outbox::Outbox,
    peering::{BanView, Event, LinkView, Peering, PendingPeerView},
    relay::Relay,
    routing::Routing,
    status_sync::{Facts, Record, Status, StatusSync, Version, empty_status},
    timers::earliest,
    trace::{self, Tracing},
    turn::{Directory, Turn},
    unicast::Unicast,
};

/// The core of one node.
#[derive(Debug)]
pub struct Overlay {
    life: Life,
    gate: Gate,
    peering: Peering,
    status_sync: StatusSync,
    routing: Routing,
    onward: Onward,
    /// When the paths were computed last.
    routed: Instant,
    relay: Relay,
    unicast: Unicast,
    multicast: Multicast,
    amop: Amop,
    trace: Tracing,
    outbox: Outbox,
    dropped: Dropped,
}

/// What a node is when it starts.
#[derive(Debug, Clone)]
pub struct Start {
    /// Who.
    pub node: NodeId,
    /// The common name in its certificate.
    pub name: String,
    /// The common name of the certificate's issuer.
    pub agency: String,
    /// Name and version of its software.
    pub software: String,
    /// Greater than at every earlier start.
    pub epoch: u64,
    /// By which others seal messages for it; at most [`crate::MAX_SEALING_KEY`] bytes.
    pub sealing_key: Bytes,
    /// Whether it renews certificates of its agency.
    pub issues: bool,
    /// Feeds jitter and choice.
    pub seed: u64,
}

/// A node of the network, as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeView {
    /// Its record; `None` for a peer whose record has not come yet.
    pub record: Option<Arc<Record>>,
    /// Who.
    pub node: NodeId,
    /// Whether a path exists.
    pub reachable: bool,
    /// Links to cross; 0 for this node itself.
    pub hops: Option<u8>,
    /// The peer over which it is reached.
    pub next_hop: Option<NodeId>,
    /// It is proven to have signed two statuses with one version.
    pub equivocates: bool,
}

/// An AMOP topic, as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicView {
    /// Its name.
    pub topic: Topic,
    /// Subscribers at each reachable node, this one included.
    pub nodes: BTreeMap<NodeId, u32>,
}

impl Overlay {
    /// A node without links.
    pub fn new(config: Config, start: Start, now: Instant) -> Self {
        let Start { node, epoch, seed, .. } = start;
        let Config { takes_batches, traces, takes_priorities, number_sets, .. } = config;
        let mut overlay = Self {
            life: Life::new(node, epoch, now),
            gate: Gate::default(),
            peering: Peering::new(&config, node, seed ^ 1, now),
            status_sync: StatusSync::new(
                &config,
                Status { takes_batches, traces, takes_priorities, ..empty_status(start) },
                seed ^ 2,
                now,
            ),
            routing: Routing::new(node),
            onward: Onward::default(),
            routed: now,
            relay: Relay::default(),
            unicast: Unicast::new(&config),
            multicast: Multicast::new(number_sets),
            amop: Amop::new(&config, seed ^ 3),
            trace: Tracing::new(),
            outbox: Outbox::default(),
            dropped: Dropped::default(),
        };
        overlay.settle(now);
        overlay
    }

    /// Goes on in a higher epoch, which is on disk: every link ends and is made anew.
    pub fn begin_epoch(&mut self, epoch: u64, now: Instant) {
        if epoch <= self.life.epoch {
            return;
        }
        self.life.begin(epoch, now);
        self.status_sync.begin_epoch(epoch, now);
        self.peering.handle_epoch_begun(&mut self.outbox, now);
        self.with_unicast(now, |unicast, turn| unicast.handle_epoch_begun(turn));
        self.multicast.handle_epoch_begun();
        self.settle(now);
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.peering.handle_timeout(&mut self.outbox, now);
        for node in self.status_sync.handle_timeout(&mut self.outbox, now) {
            self.forget(&node);
        }
        for (from, waiting) in self.gate.give_up(|by, node| self.status_sync.is_patient_with(by, node, now), now) {
            self.dropped.no_record += 1;
            let is_unknown = !self.is_certified(&waiting.source()) && !self.is_expelled(&waiting.source());
            // Whoever passes something on has the record of its source; it was asked for that.
            if let Some(from) = from.filter(|_| is_unknown) {
                self.outbox.strike(from, Strike::Uncertified);
            }
            self.drop_gossip(waiting.gossip());
        }
        // Its signature holds, and others may have the record.
        for waiting in self.gate.give_up_news(now).collect::<Vec<_>>() {
            if let Waiting::Announcement { id, node, version, clock } = waiting {
                self.pass_announcement(id, (node, version, clock));
            }
        }
        self.with_unicast(now, |unicast, turn| unicast.handle_timeout(turn));
        self.with_multicast(now, |multicast, turn| multicast.handle_timeout(turn));
        self.with_amop(now, |amop, turn| amop.handle_timeout(turn));
        self.trace.handle_timeout(&mut self.outbox, now);
        self.settle(now);
        self.judge(now);
    }

    /// The record of a node has gone.
    fn forget(&mut self, node: &NodeId) {
        self.peering.handle_forgotten(node);
        self.amop.handle_forgotten(node);
        self.multicast.handle_forgotten(node);
        self.routing.forget(node);
        self.relay.forget(node);
    }

    /// When [`Overlay::handle_timeout`] wants to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let keeping = earliest(self.peering.poll_timeout(), self.status_sync.poll_timeout());
        let keeping = earliest(keeping, earliest(self.routing.due(self.routed), self.gate.poll_timeout()));
        let calls = earliest(self.unicast.poll_timeout(), self.amop.poll_timeout());
        let casts = earliest(self.multicast.poll_timeout(), self.relay.poll_timeout());
        earliest(earliest(keeping, self.trace.poll_timeout()), earliest(calls, casts))
    }

    /// The next thing to do, if any.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outbox.pop()
    }

    /// This node.
    pub const fn node(&self) -> NodeId {
        self.life.node
    }

    /// The version last signed; seq 0 before the first.
    pub fn version(&self) -> Version {
        self.status_sync.version()
    }

    /// The record of a node, this one included.
    pub fn record(&self, node: &NodeId) -> Option<&Arc<Record>> {
        self.status_sync.record(node)
    }

    /// The records of all known nodes, this one included, for reading: what they say is not cloned.
    pub fn records(&self) -> impl Iterator<Item = &Arc<Record>> {
        self.record(&self.life.node).into_iter().chain(self.status_sync.records())
    }

    /// Whether the node is refused since [`crate::AccessInput::Expelled`].
    pub fn is_expelled(&self, node: &NodeId) -> bool {
        self.peering.is_expelled(node)
    }

    /// Whether the node is linked, or its record is known: its certificate has been seen, and it is not expelled.
    pub fn is_certified(&self, node: &NodeId) -> bool {
        Directory { peering: &self.peering, status_sync: &self.status_sync }.is_certified(node)
    }

    /// Whether the signature of an announcement, of a node, its version and its clock, is worth checking: it says something new,
    /// within the budgets of the peer that brought it, of the node it names, and of all that is passed on. Beyond its own, a peer is
    /// struck.
    pub fn may_check_announcement(
        &mut self,
        via: NodeId,
        (node, version, clock): (NodeId, Version, Duration),
        now: Instant,
    ) -> bool {
        let is_news = node != self.life.node && self.gate.is_announced_anew(&node, version, clock);
        self.may_check(via, node, (Checked::Announcement, is_news), now) && {
            let agency = || self.status_sync.record(&node).map_or("", |record| record.agency());
            self.gate.takes_announcement(&via, agency, now)
        }
    }

    /// The same for an application's message of so many bytes.
    pub fn may_check_gossip(&mut self, via: NodeId, stamp: &Stamp, length: usize, now: Instant) -> bool {
        let is_news = self.gate.may_be_fresh(stamp, now);
        self.may_check(via, stamp.origin, (Checked::Message(length), is_news), now)
    }

    /// Whether a peer may say once more that its gossip comes, counted as an announcement of its own.
    pub fn may_pulse(&mut self, peer: NodeId, now: Instant) -> bool {
        self.may_check(peer, peer, (Checked::Announcement, true), now)
    }

    /// The time since this node's epoch began, as announcements carry it.
    pub fn clock(&self, now: Instant) -> Duration {
        self.life.clock(now)
    }

    fn may_check(&mut self, via: NodeId, origin: NodeId, what: (Checked, bool), now: Instant) -> bool {
        let check = self.gate.may_check(via, origin, what, now);
        if check == Check::Overspent {
            self.outbox.strike(via, Strike::Overspent);
            self.judge(now);
        }
        check == Check::Yes
    }

    /// Peers that are cut off for what they did.
    pub fn bans(&self) -> Vec<BanView> {
        self.peering.bans()
    }

    /// How many rules peers have broken, by kind.
    pub const fn strikes(&self) -> &BTreeMap<Strike, u64> {
        self.gate.strikes()
    }

    /// Whether there is a link with a node.
    pub fn is_linked(&self, node: &NodeId) -> bool {
        self.peering.is_linked(node)
    }

    /// The links.
    pub fn links(&self) -> Vec<LinkView> {
        self.peering.links()
    }

    /// Configured peers without a link.
    pub fn pending_peers(&self) -> Vec<PendingPeerView> {
        self.peering.pending_peers()
    }

    /// Every known node, this one included, and those that are proven to equivocate.
    pub fn nodes(&self) -> Vec<NodeView> {
        let recorded = self.status_sync.records().map(|record| record.status.node);
        let mut nodes = self.peering.neighbours();
        nodes.extend(recorded);
        nodes.extend(self.status_sync.convicted());
        nodes.insert(self.life.node);
        nodes.into_iter().map(|node| self.view(node)).collect()
    }

    /// Every AMOP topic of reachable nodes (block notifications left out).
    pub fn topics(&self) -> Vec<TopicView> {
        let mut topics: BTreeMap<Topic, BTreeMap<NodeId, u32>> = BTreeMap::new();
        for (topic, count) in self.amop.topics() {
            let subscribers = amop::subscribers(&topic, count);
            topics.entry(topic).or_default().insert(self.life.node, subscribers);
        }
        for record in self.status_sync.records().filter(|record| self.routing.is_reachable(&record.status.node)) {
            for (topic, count) in &record.status.topics {
                let subscribers = amop::subscribers(topic, *count);
                topics.entry(topic.clone()).or_default().insert(record.status.node, subscribers);
            }
        }
        topics.into_iter().map(|(topic, nodes)| TopicView { topic, nodes }).collect()
    }

    /// The peer over which `target` is reached; `None` without a path, and for this node itself.
    pub fn next_hop(&self, target: &NodeId) -> Option<NodeId> {
        self.routing.next_hop(target)
    }

    /// The nodes on the path to `target`, this node first; `None` without one.
    pub fn route(&self, target: &NodeId) -> Option<Vec<NodeId>> {
        self.routing.path(target)
    }

    /// Takes multicasts of another node, of so many bytes each, from the quotas of that node and its agency; says before which one
    /// one of these was used up, `None` if all were taken.
    pub fn take_multicasts(
        &mut self,
        origin: &NodeId,
        lengths: impl IntoIterator<Item = usize>,
        now: Instant,
    ) -> Option<usize> {
        let Self { status_sync, amop, outbox, .. } = self;
        let record = status_sync.record(origin);
        if record.is_some() && !amop.has_quotas() {
            return None;
        }
        let is_taken = |bytes| record.is_some_and(|record| amop.take_multicast(record, bytes, outbox, now));
        lengths.into_iter().map(is_taken).position(|is_taken| !is_taken)
    }

    /// What other nodes were refused by the rights in force since the start.
    pub const fn refused(&self) -> amop::Refused {
        self.amop.refused()
    }

    /// What of the messages that peers brought went no further.
    pub const fn dropped(&self) -> Dropped {
        self.dropped
    }

    /// Requests of this node that have not ended.
    pub fn open_requests(&self) -> usize {
        self.unicast.open()
    }

    /// What this node holds now of what others can make it hold, as the parts that keep these bounds count it: messages that
    /// wait, numbers seen, records, proofs, requests and answers.
    pub fn holdings(&self) -> impl Iterator<Item = Holding> {
        let (gate, status_sync, unicast) = (self.gate.holdings(), self.status_sync.holdings(), self.unicast.holdings());
        gate.into_iter().chain(status_sync).chain(unicast).chain(self.trace.holdings())
    }

    /// Reports of hops on traced messages, since the start.
    pub const fn reports(&self) -> trace::Counts {
        self.trace.counts()
    }

    /// How often the paths were computed: they are the same as long as this is.
    pub const fn routings(&self) -> u64 {
        self.routing.searches()
    }

    /// Lets every machine know what the others found out, until there is nothing new.
    fn settle(&mut self, now: Instant) {
        let mut lost = Vec::new();
        while let Some(event) = self.peering.poll_event() {
            match event {
                Event::Up(peer) => {
                    self.gate.handle_link_up(peer, now);
                    self.onward.handle_link_up(peer, now);
                    self.multicast.handle_links_changed();
                    let was_reachable = self.routing.is_reachable(&peer);
                    self.routing.link_up(peer);
                    self.status_sync.handle_link_up(peer, was_reachable, now);
                }
                Event::Down(peer) => {
                    let waiting = self.gate.handle_link_down(&peer, now);
                    self.drop_gossip(waiting.iter().filter_map(Waiting::gossip));
                    self.onward.handle_link_down(&peer, now);
                    self.multicast.handle_links_changed();
                    self.routing.link_down(&peer);
                    self.status_sync.handle_link_down(&peer, now);
                    lost.push(peer);
                }
            }
        }
        let is_due = self.routing.due(self.routed).is_some_and(|at| at <= now);
        if is_due {
            self.routed = now;
        }
        let changes = if is_due { self.routing.settle() } else { Vec::new() };
        for &(node, reachable) in &changes {
            self.outbox.push(Output::ReachabilityChanged { node, reachable });
            self.status_sync.handle_reachability(&node, reachable, now);
            self.peering.handle_reachability(&node, reachable, now);
            if reachable {
                self.multicast.handle_reachable(&node, now);
            }
        }
        for peer in &lost {
            self.with_unicast(now, |unicast, turn| unicast.handle_link_down(peer, turn));
            self.with_amop(now, |amop, turn| amop.handle_link_down(peer, turn));
        }
        if !changes.is_empty() {
            self.with_unicast(now, |unicast, turn| unicast.handle_routes_changed(turn));
            self.with_amop(now, |amop, turn| amop.handle_routes_changed(&changes, turn));
        }
        self.with_amop(now, |amop, turn| amop.review_private(turn));
        let Self { peering, status_sync, amop, relay, outbox, .. } = self;
        status_sync.ask(outbox, now);
        relay.flush(|| status_sync.is_full_mesh(), outbox, now);
        let facts = |own: &Status| Facts { neighbours: peering.neighbours(), topics: amop.topics_in_turn(&own.topics) };
        status_sync.flush(facts, outbox, now);
    }

    fn with_unicast<R>(&mut self, now: Instant, act: impl FnOnce(&mut Unicast, &mut Turn<'_>) -> R) -> R {
        let Self { peering, status_sync, routing, unicast, onward, trace, outbox, life, .. } = self;
        act(
            unicast,
            &mut Turn { routing, onward, trace, outbox, life, directory: Directory { peering, status_sync }, now },
        )
    }

    fn with_multicast<R>(&mut self, now: Instant, act: impl FnOnce(&mut Multicast, &mut Turn<'_>) -> R) -> R {
        let Self { peering, status_sync, routing, multicast, onward, trace, outbox, life, .. } = self;
        act(
            multicast,
            &mut Turn { routing, onward, trace, outbox, life, directory: Directory { peering, status_sync }, now },
        )
    }

    fn with_amop<R>(&mut self, now: Instant, act: impl FnOnce(&mut Amop, &mut Turn<'_>) -> R) -> R {
        let Self { peering, status_sync, routing, amop, onward, trace, outbox, life, .. } = self;
        act(
            amop,
            &mut Turn { routing, onward, trace, outbox, life, directory: Directory { peering, status_sync }, now },
        )
    }

    fn with_turn(&mut self, now: Instant, act: impl FnOnce(&mut Turn<'_>)) {
        let Self { peering, status_sync, routing, onward, trace, outbox, life, .. } = self;
        act(&mut Turn { routing, onward, trace, outbox, life, directory: Directory { peering, status_sync }, now });
    }

    fn view(&self, node: NodeId) -> NodeView {
        let is_me = node == self.life.node;
        let route = self.routing.route(&node);
        NodeView {
            record: self.record(&node).cloned(),
            node,
            reachable: self.routing.is_reachable(&node),
            hops: if is_me { Some(0) } else { route.map(|route| route.hops) },
            next_hop: route.map(|route| route.next_hop),
            equivocates: self.status_sync.is_convicted(&node),
        }
    }
}
