mod dispatch;

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use nuncio_identity::NodeId;

use crate::{
    Config, Output, Topic,
    amop::Amop,
    outbox::Outbox,
    peering::{Event, LinkView, Peering, PendingPeerView},
    relay::Relay,
    routing::Routing,
    status_sync::{Facts, Record, StatusSync, Version, empty_status},
    timers::earliest,
    turn::Turn,
    unicast::Unicast,
};

/// The core of one node.
#[derive(Debug)]
pub struct Overlay {
    node: NodeId,
    peering: Peering,
    status_sync: StatusSync,
    routing: Routing,
    /// When the paths were computed last.
    routed: Instant,
    relay: Relay,
    unicast: Unicast,
    amop: Amop,
    outbox: Outbox,
    /// When a machine wants to be called next; found out whenever one of them was at work.
    due: Option<Instant>,
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
        let mut overlay = Self {
            node,
            peering: Peering::new(&config, node, seed ^ 1, now),
            status_sync: StatusSync::new(&config, empty_status(start), seed ^ 2, now),
            routing: Routing::new(node),
            routed: now,
            relay: Relay::default(),
            unicast: Unicast::new(&config, node, epoch, now),
            amop: Amop::new(&config, node, epoch, seed ^ 3),
            outbox: Outbox::default(),
            due: None,
        };
        overlay.settle(now);
        overlay.due = overlay.earliest_due();
        overlay
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.peering.handle_timeout(&mut self.outbox, now);
        for node in self.status_sync.handle_timeout(&mut self.outbox, now) {
            self.forget(&node);
        }
        let Self { unicast, amop, routing, outbox, .. } = self;
        let turn = &mut Turn { routing, outbox, now };
        unicast.handle_timeout(turn);
        amop.handle_timeout(turn);
        self.settle(now);
        self.due = self.earliest_due();
    }

    /// The record of a node has gone.
    fn forget(&mut self, node: &NodeId) {
        self.peering.handle_forgotten(node);
        self.amop.handle_forgotten(node);
        self.routing.forget(node);
        self.relay.forget(node);
    }

    /// When [`Overlay::handle_timeout`] wants to be called next.
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    fn earliest_due(&self) -> Option<Instant> {
        let keeping = earliest(self.peering.poll_timeout(), self.status_sync.poll_timeout());
        let keeping = earliest(keeping, self.routing.due(self.routed));
        earliest(keeping, earliest(self.unicast.poll_timeout(), self.amop.poll_timeout()))
    }

    /// The next thing to do, if any.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outbox.pop()
    }

    /// This node.
    pub const fn node(&self) -> NodeId {
        self.node
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
        self.record(&self.node).into_iter().chain(self.status_sync.records())
    }

    /// Whether the node is refused since [`Input::Expelled`].
    pub fn is_expelled(&self, node: &NodeId) -> bool {
        self.peering.is_expelled(node)
    }

    /// Whether the node is linked, or its record is known: its certificate has been seen, and it is not expelled.
    pub fn is_certified(&self, node: &NodeId) -> bool {
        !self.peering.is_expelled(node) && (self.peering.is_linked(node) || self.record(node).is_some())
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
        nodes.insert(self.node);
        nodes.into_iter().map(|node| self.view(node)).collect()
    }

    /// Every AMOP topic of reachable nodes (block notifications left out).
    pub fn topics(&self) -> Vec<TopicView> {
        let mut topics: BTreeMap<Topic, BTreeMap<NodeId, u32>> = BTreeMap::new();
        for (topic, count) in self.amop.topics() {
            topics.entry(topic).or_default().insert(self.node, count);
        }
        for record in self.status_sync.records().filter(|record| self.routing.is_reachable(&record.status.node)) {
            for (topic, count) in &record.status.topics {
                topics.entry(topic.clone()).or_default().insert(record.status.node, *count);
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

    /// How often the paths were computed: they are the same as long as this is.
    pub const fn routings(&self) -> u64 {
        self.routing.searches()
    }

    /// Lets every machine know what the others found out, until there is nothing new.
    fn settle(&mut self, now: Instant) {
        let Self { peering, status_sync, unicast, amop, routing, routed, relay, outbox, .. } = self;
        let mut lost = Vec::new();
        while let Some(event) = peering.poll_event() {
            match event {
                Event::Up(peer) => {
                    routing.link_up(peer);
                    status_sync.handle_link_up(peer, now);
                }
                Event::Down(peer) => {
                    routing.link_down(&peer);
                    status_sync.handle_link_down(&peer, now);
                    lost.push(peer);
                }
            }
        }
        let changes = if routing.due(*routed).is_some_and(|at| at <= now) {
            *routed = now;
            routing.settle()
        } else {
            Vec::new()
        };
        for &(node, reachable) in &changes {
            outbox.push(Output::ReachabilityChanged { node, reachable });
            status_sync.handle_reachability(&node, reachable, now);
            peering.handle_reachability(&node, reachable, now);
        }
        let turn = &mut Turn { routing, outbox, now };
        for peer in &lost {
            unicast.handle_link_down(peer, turn);
            amop.handle_link_down(peer, turn);
        }
        if !changes.is_empty() {
            unicast.handle_routes_changed(turn);
            amop.handle_routes_changed(turn);
        }
        amop.review_private(turn);
        status_sync.ask(outbox, now);
        relay.flush(|| status_sync.is_full_mesh(), outbox);
        let facts = || Facts { neighbours: peering.neighbours(), topics: amop.topics() };
        status_sync.flush(facts, outbox, now);
    }

    fn view(&self, node: NodeId) -> NodeView {
        let is_me = node == self.node;
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
