use std::{collections::BTreeMap, sync::Arc, time::Instant};

use nuncio_identity::NodeId;

use crate::{
    Config, Input, Output, Topic,
    amop::Amop,
    outbox::Outbox,
    peering::{Event, LinkView, Peering, PendingPeerView},
    relay::Relay,
    routing::Routing,
    status_sync::{Facts, First, Record, StatusSync, Version, empty_status},
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
    /// A node without links. `name` and `agency` come from its certificate; `epoch` is greater than at
    /// every earlier start; `seed` feeds jitter and choice.
    #[expect(clippy::too_many_arguments, reason = "a node is made in one place, from facts of different owners")]
    pub fn new(
        config: Config,
        node: NodeId,
        name: &str,
        agency: &str,
        software: &str,
        epoch: u64,
        seed: u64,
        now: Instant,
    ) -> Self {
        let draft = empty_status(node, [name, agency, software], epoch);
        let mut overlay = Self {
            node,
            peering: Peering::new(&config, node, seed ^ 1, now),
            status_sync: StatusSync::new(&config, draft, seed ^ 2, now),
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

    /// Takes one event.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        match input {
            // Also of an expelled node: it may have another certificate, which is seen when its record is asked for.
            Input::Announced { via, node, version } => {
                // Most are no news: then nothing has changed.
                if !self.status_sync.handle_announced(via, node, version) {
                    return;
                }
                self.settle(now);
            }
            Input::Queried { query, peer, wanted } => {
                if !self.peering.is_expelled(&peer) {
                    self.status_sync.handle_queried(query, wanted, &mut self.outbox);
                }
                return;
            }
            other => self.take(other, now),
        }
        self.due = self.earliest_due();
    }

    fn take(&mut self, input: Input, now: Instant) {
        let Self { peering, status_sync, unicast, amop, routing, outbox, .. } = self;
        match input {
            Input::Request { exchange, target, body, timeout } => {
                let turn = &mut Turn { routing, outbox, now };
                unicast.handle_request(exchange, target, body, timeout, turn);
                return;
            }
            Input::Respond { inbound, body } => {
                unicast.handle_respond(inbound, body, &mut Turn { routing, outbox, now });
                return;
            }
            Input::Decline { inbound, refusal } => {
                unicast.handle_decline(inbound, refusal, &mut Turn { routing, outbox, now });
                return;
            }
            Input::UnicastReceived { from, message } => {
                if peering.is_linked(&from) && !peering.is_expelled(&message.source) {
                    unicast.handle_received(from, message, &mut Turn { routing, outbox, now });
                }
                return;
            }
            Input::UnicastNotSent { to, message } => {
                unicast.handle_not_sent(to, message, &mut Turn { routing, outbox, now });
                return;
            }
            Input::BridgeReceived { from, message } => {
                if peering.is_linked(&from) && !peering.is_expelled(&message.source) {
                    amop.handle_received(from, message, &mut Turn { routing, outbox, now });
                }
                return;
            }
            Input::BridgeNotSent { to, message } => {
                amop.handle_not_sent(to, message, &mut Turn { routing, outbox, now });
                return;
            }
            Input::Client(input) => {
                amop.handle_client(input, &mut Turn { routing, outbox, now });
                if !amop.take_topics_changed() {
                    return;
                }
                status_sync.touch();
            }
            Input::Expelled { node } => self.expel(node, now),
            Input::Readmitted { node } => peering.handle_readmitted(&node, outbox, now),
            other => self.handle_membership(other, now),
        }
        self.settle(now);
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        let Self { peering, status_sync, unicast, amop, routing, outbox, .. } = self;
        peering.handle_timeout(outbox, now);
        for node in status_sync.handle_timeout(outbox, now) {
            peering.handle_forgotten(&node);
            amop.handle_forgotten(&node);
            routing.forget(&node);
            self.relay.forget(&node);
        }
        let turn = &mut Turn { routing, outbox, now };
        unicast.handle_timeout(turn);
        amop.handle_timeout(turn);
        self.settle(now);
        self.due = self.earliest_due();
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

    /// Every known node, this one included.
    pub fn nodes(&self) -> Vec<NodeView> {
        let recorded = self.status_sync.records().map(|record| record.status.node);
        let mut nodes = self.peering.neighbours();
        nodes.extend(recorded);
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

    /// Inputs that change who is there.
    fn handle_membership(&mut self, input: Input, now: Instant) {
        let Self { peering, status_sync, outbox, .. } = self;
        match input {
            Input::PeerAdded { address } => peering.handle_peer_added(address, outbox, now),
            Input::PeerRemoved { address } => peering.handle_peer_removed(&address, outbox, now),
            Input::ConnectionOpened { connection, peer, direction, address } => {
                peering.handle_connection_opened(connection, peer, direction, address, outbox, now);
            }
            Input::ConnectionClosed { connection, reason } => {
                peering.handle_connection_closed(connection, reason, outbox, now);
            }
            Input::DialFailed { address, reason } => peering.handle_dial_failed(&address, &reason, outbox, now),
            Input::LocalAddresses { addresses } => {
                peering.handle_local_addresses(&addresses);
                status_sync.handle_local_addresses(addresses);
            }
            Input::RevocationLists { numbers } => status_sync.handle_revocation_lists(numbers),
            Input::ApplicationField { bytes } => status_sync.handle_application_field(&bytes),
            Input::Signed { record } => status_sync.handle_signed(record, outbox, now),
            Input::Answered { peer, records, more } => self.apply(peer, records, more, now),
            Input::QueryFailed { peer } => status_sync.handle_query_failed(&peer, now),
            Input::Introduced { connection, epoch } => peering.handle_introduced(connection, epoch, outbox, now),
            Input::Alive { connection } => peering.handle_alive(connection, outbox),
            Input::Farewell { connection, parting } => peering.handle_farewell(connection, parting, outbox, now),
            Input::RevocationsAnswered { peer } => status_sync.handle_revocations_answered(&peer),
            Input::CertificateRenewed => {
                status_sync.handle_certificate_renewed();
                peering.handle_certificate_renewed(outbox, now);
            }
            Input::MulticastTopics { topics } => {
                self.relay.set_own(topics.clone());
                status_sync.handle_multicast_topics(topics);
            }
            Input::Leave => peering.handle_leave(outbox),
            other => debug_assert!(false, "{other:?} is taken elsewhere"),
        }
    }

    fn apply(&mut self, peer: NodeId, mut records: Vec<Arc<Record>>, more: bool, now: Instant) {
        records.retain(|record| !self.peering.is_expelled(&record.status.node));
        for (record, First(is_first)) in self.status_sync.handle_answered(peer, records, more, &mut self.outbox, now) {
            self.routing.apply(&record);
            self.amop.handle_record(&record);
            self.relay.apply(&record);
            self.peering.handle_record(&record, now);
            if is_first {
                let node = record.status.node;
                let reachable = self.routing.is_reachable(&node);
                self.status_sync.handle_reachability(&node, reachable, now);
                self.peering.handle_reachability(&node, reachable, now);
            }
        }
    }

    fn expel(&mut self, node: NodeId, now: Instant) {
        let Self { peering, status_sync, unicast, amop, routing, relay, outbox, .. } = self;
        relay.forget(&node);
        peering.handle_expelled(node, outbox);
        status_sync.handle_expelled(&node);
        routing.forget(&node);
        unicast.handle_expelled(&node, &mut Turn { routing, outbox, now });
        amop.handle_expelled(&node);
    }

    /// Lets every machine know what the others found out, until there is nothing new.
    fn settle(&mut self, now: Instant) {
        let Self { peering, status_sync, unicast, amop, routing, routed, relay, outbox, .. } = self;
        let mut lost = Vec::new();
        while let Some(event) = peering.poll_event() {
            match event {
                Event::Up(peer) => {
                    routing.link_up(peer);
                    status_sync.handle_link_up(peer);
                }
                Event::Down(peer) => {
                    routing.link_down(&peer);
                    status_sync.handle_link_down(&peer);
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
        status_sync.ask(outbox);
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
        }
    }
}
