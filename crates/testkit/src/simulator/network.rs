use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use nuncio_identity::NodeId;
use nuncio_protocol::{
    Input,
    peering::{Address, ConnectionId, Direction},
    status_sync::QueryId,
};
use rand::RngExt;

use super::{Simulator, What, names};

/// What is to happen.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "most events are arrivals")]
pub(super) enum Event {
    /// A core's timer.
    Wake { node: usize },
    /// Something arrives, unless the node has stopped since.
    Arrive { node: usize, generation: u64, input: Input },
    /// A dial arrives at its target.
    Knock { from: usize, generation: u64, address: Address },
    /// A silent connection is given up, if it still is silent.
    Dead { connection: ConnectionId },
    /// A query was not answered.
    Unanswered { query: QueryId },
}

/// Machines and wires.
#[derive(Debug, Default)]
pub(super) struct Network {
    queue: BTreeMap<(Duration, u64), Event>,
    sequence: u64,
    /// Grows when a node stops: what was on its way to it is lost.
    pub(super) generations: Vec<u64>,
    /// Node IDs, by number and back: making one costs a point multiplication.
    pub(super) ids: Vec<NodeId>,
    pub(super) numbers: BTreeMap<NodeId, usize>,
    pub(super) connections: BTreeMap<ConnectionId, (usize, usize)>,
    /// Connections between two nodes.
    adjacent: Vec<BTreeMap<usize, usize>>,
    blocked: BTreeSet<(usize, usize)>,
    /// When the last message from one node to another arrives.
    last_arrival: BTreeMap<(usize, usize), Duration>,
    /// Who waits for an answer from whom.
    pub(super) queries: BTreeMap<QueryId, (usize, u64, usize)>,
}

impl Network {
    pub(super) fn add_node(&mut self) {
        let number = self.generations.len();
        let id = names::node_id(number);
        self.ids.push(id);
        self.numbers.insert(id, number);
        self.generations.push(0);
        self.adjacent.push(BTreeMap::new());
    }

    pub(super) fn schedule(&mut self, at: Duration, event: Event) {
        self.sequence += 1;
        self.queue.insert((at, self.sequence), event);
    }

    pub(super) fn next_at(&self) -> Option<Duration> {
        self.queue.first_key_value().map(|((at, _), _)| *at)
    }

    pub(super) fn next_event(&mut self) -> Option<(Duration, Event)> {
        self.queue.pop_first().map(|((at, _), event)| (at, event))
    }

    pub(super) fn is_open(&self, a: usize, b: usize) -> bool {
        !self.blocked.contains(&(a.min(b), a.max(b)))
    }

    pub(super) fn block(&mut self, a: usize, b: usize) {
        self.blocked.insert((a.min(b), a.max(b)));
    }

    pub(super) fn unblock_all(&mut self) {
        self.blocked.clear();
    }

    pub(super) fn is_connected(&self, a: usize, b: usize) -> bool {
        self.adjacent[a].contains_key(&b)
    }

    /// How many nodes a node has connections with.
    pub(super) fn degree(&self, node: usize) -> usize {
        self.adjacent[node].len()
    }

    /// Links of all nodes.
    pub(super) fn link_count(&self) -> usize {
        self.adjacent.iter().map(BTreeMap::len).sum::<usize>() / 2
    }

    pub(super) fn connections_of(&self, node: usize) -> Vec<ConnectionId> {
        self.connections.iter().filter(|(_, (a, b))| *a == node || *b == node).map(|(id, _)| *id).collect()
    }

    pub(super) fn connections_between(&self, a: usize, b: usize) -> Vec<ConnectionId> {
        let ends = [(a, b), (b, a)];
        self.connections.iter().filter(|(_, pair)| ends.contains(pair)).map(|(id, _)| *id).collect()
    }

    fn open(&mut self, connection: ConnectionId, a: usize, b: usize) {
        self.connections.insert(connection, (a, b));
        *self.adjacent[a].entry(b).or_insert(0) += 1;
        *self.adjacent[b].entry(a).or_insert(0) += 1;
    }

    pub(super) fn close(&mut self, connection: ConnectionId) -> Option<(usize, usize)> {
        let (a, b) = self.connections.remove(&connection)?;
        for (from, to) in [(a, b), (b, a)] {
            if let Some(count) = self.adjacent[from].get_mut(&to) {
                *count -= 1;
                if *count == 0 {
                    self.adjacent[from].remove(&to);
                }
            }
        }
        Some((a, b))
    }

    /// Every node that gossip from `origin` reaches: whence it came last, and over how many links.
    pub(super) fn gossip_tree(&self, origin: usize) -> Vec<(usize, usize, u32)> {
        let mut seen = vec![false; self.adjacent.len()];
        seen[origin] = true;
        let (mut tree, mut queue) = (Vec::new(), VecDeque::from([(origin, 0)]));
        while let Some((node, hops)) = queue.pop_front() {
            for &next in self.adjacent[node].keys() {
                if !seen[next] && self.is_open(node, next) {
                    seen[next] = true;
                    tree.push((next, node, hops + 1));
                    queue.push_back((next, hops + 1));
                }
            }
        }
        tree
    }
}

/// What links do.
impl Simulator {
    pub(super) fn happen(&mut self, event: Event) {
        match event {
            Event::Wake { node } => self.wake(node),
            Event::Arrive { node, generation, input } => {
                if self.network.generations[node] == generation {
                    self.input(node, input);
                }
            }
            Event::Knock { from, generation, address } => self.knock(from, generation, address),
            Event::Dead { connection } => {
                if let Some(&(a, b)) = self.network.connections.get(&connection)
                    && !self.network.is_open(a, b)
                {
                    self.break_connection(connection, "no sign of life", Duration::ZERO);
                }
            }
            Event::Unanswered { query } => {
                if let Some((asker, generation, asked)) = self.network.queries.remove(&query)
                    && self.network.generations[asker] == generation
                {
                    self.input(asker, Input::QueryFailed { peer: self.network.ids[asked] });
                }
            }
        }
    }

    pub(super) fn latency(&mut self) -> Duration {
        self.rng.random_range(self.weather.latency.clone())
    }

    pub(super) fn is_lost(&mut self) -> bool {
        self.weather.loss > 0.0 && self.rng.random_bool(self.weather.loss)
    }

    /// Carries something over the link between two nodes, in order; `false` when it is lost.
    pub(super) fn carry(&mut self, from: usize, to: usize, input: Input) -> bool {
        let passes = self.network.is_connected(from, to) && self.network.is_open(from, to);
        if !passes || self.is_lost() {
            return false;
        }
        self.carry_surely(from, to, input);
        true
    }

    /// As [`Simulator::carry`], for what TCP itself says.
    pub(super) fn carry_surely(&mut self, from: usize, to: usize, input: Input) {
        let at = self.now + self.latency();
        let last = self.network.last_arrival.entry((from, to)).or_default();
        *last = at.max(*last + Duration::from_nanos(1));
        let (at, generation) = (*last, self.network.generations[to]);
        self.network.schedule(at, Event::Arrive { node: to, generation, input });
    }

    pub(super) fn dial(&mut self, from: usize, address: Address) {
        let (at, generation) = (self.now + self.latency(), self.network.generations[from]);
        self.network.schedule(at, Event::Knock { from, generation, address });
    }

    fn knock(&mut self, from: usize, generation: u64, address: Address) {
        if self.network.generations[from] != generation {
            return;
        }
        let target = names::node_at(&address).filter(|to| *to < self.nodes.len());
        let open = target.filter(|to| self.nodes[*to].overlay.is_some() && self.network.is_open(from, *to));
        let Some(to) = open else {
            let at = self.now + self.latency();
            let input = Input::DialFailed { address, reason: "connection refused".into() };
            self.network.schedule(at, Event::Arrive { node: from, generation, input });
            return;
        };
        self.next_id += 1;
        let connection = ConnectionId(self.next_id);
        let opened = |peer, direction, address| Input::ConnectionOpened { connection, peer, direction, address };
        if from != to {
            self.network.open(connection, from, to);
        }
        self.carry_surely(to, from, opened(self.network.ids[to], Direction::Outbound, address));
        let ephemeral = Address::new(&format!("ephemeral-{}", connection.0));
        self.carry_surely(to, from, Input::Introduced { connection, epoch: self.nodes[to].epoch });
        self.carry_surely(from, to, Input::Introduced { connection, epoch: self.nodes[from].epoch });
        self.input(to, opened(self.network.ids[from], Direction::Inbound, ephemeral));
    }

    /// Ends a connection for both ends.
    pub(super) fn break_connection(&mut self, connection: ConnectionId, reason: &str, after: Duration) {
        let Some((a, b)) = self.network.close(connection) else { return };
        let reason: Arc<str> = reason.into();
        for (from, to) in [(a, b), (b, a)] {
            let input = Input::ConnectionClosed { connection, reason: Arc::clone(&reason) };
            if after.is_zero() {
                self.carry_surely(from, to, input);
            } else {
                let (at, generation) = (self.now + after, self.network.generations[to]);
                self.network.schedule(at, Event::Arrive { node: to, generation, input });
            }
        }
    }

    fn wake(&mut self, node: usize) {
        if self.nodes[node].wake.is_none_or(|at| at > self.now) {
            return;
        }
        self.nodes[node].wake = None;
        let instant = self.instant();
        if let Some(overlay) = &mut self.nodes[node].overlay {
            overlay.handle_timeout(instant);
            self.carry_out(node);
        }
    }

    pub(super) fn input(&mut self, node: usize, input: Input) {
        let instant = self.instant();
        let Some(overlay) = &mut self.nodes[node].overlay else { return };
        self.journal.push(self.now, node, || What::In(input.clone()));
        overlay.handle_input(input, instant);
        self.carry_out(node);
    }
}
