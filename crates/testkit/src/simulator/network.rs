use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use nuncio_identity::NodeId;
use nuncio_protocol::{
    BridgeInput, Input, LARGE_BODY, MulticastInput, PeeringInput, StatusInput, UnicastInput,
    peering::{Address, ConnectionId, Direction},
    status_sync::QueryId,
};
use rand::RngExt;

use super::{
    Simulator, What,
    bits::Bits,
    gossip::{Hop, Waves},
    names,
    narrow::{Parcel, Way},
    queue::Queue,
};

/// Messages keep their order with those on the same stream only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Stream {
    /// Short messages, and words about the link.
    Short,
    /// Messages with long bodies, which take their time.
    Long,
}

/// Bytes of long bodies that cross a link in a second.
const LONG_BYTES: u64 = 16 << 20;

/// What is to happen.
#[derive(Debug)]
pub(super) enum Event {
    /// A core's timer.
    Wake { node: usize },
    /// Something arrives, unless the node has stopped since.
    Arrive { node: usize, generation: u64, input: Box<Input> },
    /// An announcement arrives: most events are this one.
    Announced(Hop),
    /// A dial arrives at its target.
    Knock { from: usize, generation: u64, address: Address },
    /// A silent connection is given up, if it still is silent.
    Dead { connection: ConnectionId },
    /// A hostile node acts.
    Mischief { node: usize },
    /// Something has passed a narrow link.
    Leaves { way: Way, generation: u64, parcel: Box<Parcel> },
}

impl Event {
    /// At which node, where it matters: see [`tick`].
    const fn node(&self) -> usize {
        match self {
            Self::Wake { node } | Self::Arrive { node, .. } | Self::Mischief { node } => *node,
            Self::Announced(hop) => hop.to,
            Self::Knock { from, .. } => *from,
            Self::Leaves { way, .. } => way.0,
            Self::Dead { .. } => 0,
        }
    }
}

/// What arrives in one millisecond arrives at its end, node by node: a network of a thousand nodes does not fit into any
/// processor's cache, one node does.
fn tick(at: Duration) -> Duration {
    Duration::from_millis(at.as_nanos().div_ceil(1_000_000) as u64)
}

/// Machines and wires.
#[derive(Debug, Default)]
pub(super) struct Network {
    queue: Queue<Event>,
    /// Grows when a node stops: what was on its way to it is lost.
    pub(super) generations: Vec<u64>,
    /// Node IDs, by number and back: making one costs a point multiplication.
    pub(super) ids: Vec<NodeId>,
    pub(super) numbers: HashMap<NodeId, usize>,
    pub(super) connections: BTreeMap<ConnectionId, (usize, usize)>,
    /// Connections between two nodes.
    adjacent: Vec<BTreeMap<usize, usize>>,
    /// With whom each node has a link, as its core has said.
    linked: Vec<Bits>,
    /// Whose certificate each node has seen since it started, at a connection or in a record.
    shown: Vec<Bits>,
    blocked: BTreeSet<(usize, usize)>,
    /// When the last message from one node to another arrives, on each stream.
    last_arrival: HashMap<(usize, usize, Stream), Duration>,
    pub(super) waves: Waves,
    /// Who waits for an answer from whom.
    queries: HashMap<QueryId, Waiting>,
    /// When each query is given up, in that order: all wait for the same time. Answered ones may still be among them.
    patience: VecDeque<(Duration, QueryId)>,
}

/// A query that is not answered yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    pub(super) asker: usize,
    /// Of the asker, when it asked.
    pub(super) generation: u64,
    pub(super) asked: usize,
}

impl Network {
    pub(super) fn add_node(&mut self) {
        let number = self.generations.len();
        let id = names::node_id(number);
        self.ids.push(id);
        self.numbers.insert(id, number);
        self.generations.push(0);
        self.adjacent.push(BTreeMap::new());
        self.linked.push(Bits::default());
        self.shown.push(Bits::default());
    }

    pub(super) fn schedule(&mut self, at: Duration, event: Event) {
        let node = event.node() as u32;
        self.queue.push(at, node, event);
    }

    pub(super) fn next_at(&self) -> Option<Duration> {
        let given_up = self.patience.front().map(|(at, _)| *at);
        self.queue.next_at().into_iter().chain(given_up).min()
    }

    pub(super) fn next_event(&mut self) -> Option<(Duration, Event)> {
        self.queue.pop()
    }

    pub(super) fn expect_answer(&mut self, query: QueryId, waiting: Waiting, until: Duration) {
        self.queries.insert(query, waiting);
        self.patience.push_back((until, query));
    }

    pub(super) fn waiting(&self, query: &QueryId) -> Option<Waiting> {
        self.queries.get(query).copied()
    }

    /// A query was answered: nobody waits any more.
    pub(super) fn answered(&mut self, query: &QueryId) {
        self.queries.remove(query);
        while self.patience.front().is_some_and(|(_, query)| !self.queries.contains_key(query)) {
            self.patience.pop_front();
        }
    }

    /// Takes a query that is given up before anything else happens.
    pub(super) fn given_up(&mut self) -> Option<(Duration, Waiting)> {
        let &(at, query) = self.patience.front()?;
        if self.queue.next_at().is_some_and(|next| next <= at) {
            return None;
        }
        let waiting = self.waiting(&query);
        self.patience.pop_front();
        self.answered(&query);
        waiting.map(|waiting| (at, waiting))
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

    /// Whether a core has a link with another node, and that a connection still.
    pub(super) fn is_linked(&self, node: usize, other: usize) -> bool {
        self.linked[node].has(other) && self.is_connected(node, other)
    }

    /// A core has begun or ended a link.
    pub(super) fn note_link(&mut self, node: usize, peer: &NodeId, is_linked: bool) {
        let Some(&peer) = self.numbers.get(peer) else { return };
        if is_linked {
            self.linked[node].insert(peer);
        } else {
            self.linked[node].remove(peer);
        }
    }

    /// A node has stopped.
    pub(super) fn forget_links(&mut self, node: usize) {
        (self.linked[node], self.shown[node]) = Default::default();
    }

    /// Whether a node has seen another one's certificate.
    pub(super) fn is_shown(&self, node: usize, other: &NodeId) -> bool {
        self.numbers.get(other).is_some_and(|other| *other == node || self.shown[node].has(*other))
    }

    fn note_shown(&mut self, node: usize, input: &Input) {
        let Self { numbers, shown, .. } = self;
        let mut note = |other: &NodeId| {
            if let Some(other) = numbers.get(other) {
                shown[node].insert(*other);
            }
        };
        match input {
            Input::Peering(PeeringInput::ConnectionOpened { peer, .. }) => note(peer),
            Input::Status(StatusInput::Answered { answer, .. }) => {
                answer.records.iter().for_each(|record| note(&record.status.node));
            }
            _ => {}
        }
    }

    /// How many nodes a node has connections with.
    pub(super) fn degree(&self, node: usize) -> usize {
        self.adjacent[node].len()
    }

    /// The nodes a node has connections with.
    pub(super) fn neighbours(&self, node: usize) -> Vec<usize> {
        self.adjacent[node].keys().copied().collect()
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
}

/// What links do.
impl Simulator {
    pub(super) fn happen(&mut self, event: Event) {
        match event {
            Event::Wake { node } => self.wake(node),
            Event::Arrive { node, generation, input } => {
                if self.network.generations[node] == generation
                    && let Some(input) = self.open(node, *input)
                {
                    self.note_brought(node, &input);
                    self.input(node, input);
                }
            }
            Event::Announced(hop) => self.hear(hop),
            Event::Knock { from, generation, address } => self.knock(from, generation, address),
            Event::Mischief { node } => self.mischief(node),
            Event::Leaves { way, generation, parcel } => {
                if self.network.generations[way.0] == generation {
                    self.leaves(way, *parcel);
                }
            }
            Event::Dead { connection } => {
                if let Some(&(a, b)) = self.network.connections.get(&connection)
                    && !self.network.is_open(a, b)
                {
                    self.break_connection(connection, "no sign of life", Duration::ZERO);
                }
            }
        }
    }

    pub(super) fn give_up(&mut self, Waiting { asker, generation, asked }: Waiting) {
        if self.network.generations[asker] == generation {
            self.input(asker, StatusInput::QueryFailed { peer: self.network.ids[asked] });
        }
    }

    /// When something sent now arrives.
    pub(super) fn arrival(&mut self) -> Duration {
        tick(self.now + self.rng.random_range(self.weather.latency.clone()))
    }

    pub(super) fn is_lost(&mut self) -> bool {
        self.weather.loss > 0.0 && self.rng.random_bool(self.weather.loss)
    }

    /// Carries something over the link between two nodes, in order; `false` when it is lost.
    pub(super) fn carry(&mut self, from: usize, to: usize, input: impl Into<Input>) -> bool {
        let passes = self.network.is_connected(from, to) && self.network.is_open(from, to);
        if !passes || self.is_lost() {
            return false;
        }
        self.carry_surely(from, to, input);
        true
    }

    /// As [`Simulator::carry`], for what TCP itself says.
    pub(super) fn carry_surely(&mut self, from: usize, to: usize, input: impl Into<Input>) {
        let input = input.into();
        let (length, is_word) = (body_of(&input), matches!(input, Input::Peering(_)));
        let (stream, travel) = if length > LARGE_BODY {
            (Stream::Long, Duration::from_micros(length as u64 * 1_000_000 / LONG_BYTES))
        } else {
            (Stream::Short, Duration::ZERO)
        };
        let at = tick(self.arrival() + travel);
        let mut arrives = |stream| {
            let last = self.network.last_arrival.entry((from, to, stream)).or_default();
            *last = at.max(*last);
            *last
        };
        // What is said of a link is said of both its streams.
        let at = if is_word { arrives(Stream::Long).max(arrives(Stream::Short)) } else { arrives(stream) };
        let generation = self.network.generations[to];
        self.network.schedule(at, Event::Arrive { node: to, generation, input: Box::new(input) });
    }

    pub(super) fn dial(&mut self, from: usize, address: Address) {
        let (at, generation) = (self.arrival(), self.network.generations[from]);
        self.network.schedule(at, Event::Knock { from, generation, address });
    }

    fn knock(&mut self, from: usize, generation: u64, address: Address) {
        if self.network.generations[from] != generation {
            return;
        }
        let target = names::node_at(&address).filter(|to| *to < self.nodes.len());
        let open = target.filter(|to| self.nodes[*to].overlay.is_some() && self.network.is_open(from, *to));
        let Some(to) = open else {
            let at = self.arrival();
            let input = PeeringInput::DialFailed { address, reason: "connection refused".into() };
            self.network.schedule(at, Event::Arrive { node: from, generation, input: Box::new(input.into()) });
            return;
        };
        self.next_id += 1;
        let connection = ConnectionId(self.next_id);
        let opened = |peer, direction, address| PeeringInput::ConnectionOpened { connection, peer, direction, address };
        if from != to {
            self.network.open(connection, from, to);
        }
        self.carry_surely(to, from, opened(self.network.ids[to], Direction::Outbound, address));
        let ephemeral = Address::new(&format!("ephemeral-{}", connection.0));
        self.carry_surely(to, from, PeeringInput::Introduced { connection, epoch: self.nodes[to].epoch });
        self.carry_surely(from, to, PeeringInput::Introduced { connection, epoch: self.nodes[from].epoch });
        self.input(to, opened(self.network.ids[from], Direction::Inbound, ephemeral));
    }

    /// Ends a connection for both ends.
    pub(super) fn break_connection(&mut self, connection: ConnectionId, reason: &str, after: Duration) {
        let Some((a, b)) = self.network.close(connection) else { return };
        self.narrows.clear(|from, to| (from.min(to), from.max(to)) == (a.min(b), a.max(b)));
        let reason: Arc<str> = reason.into();
        for (from, to) in [(a, b), (b, a)] {
            let input = PeeringInput::ConnectionClosed { connection, reason: Arc::clone(&reason) };
            if after.is_zero() {
                self.carry_surely(from, to, input);
            } else {
                let (at, generation) = (self.now + after, self.network.generations[to]);
                self.network.schedule(at, Event::Arrive { node: to, generation, input: Box::new(input.into()) });
            }
        }
    }

    fn wake(&mut self, node: usize) {
        if self.nodes[node].wake.is_none_or(|at| at > self.now) {
            return;
        }
        self.nodes[node].wake = None;
        let instant = self.instant();
        self.touched = Some(node);
        if let Some(overlay) = &mut self.nodes[node].overlay {
            overlay.handle_timeout(instant);
            self.carry_out(node);
        }
    }

    pub(super) fn input(&mut self, node: usize, input: impl Into<Input>) {
        let (input, instant) = (input.into(), self.instant());
        let Some(overlay) = &mut self.nodes[node].overlay else { return };
        self.touched = Some(node);
        self.journal.push(self.now, node, || What::In(input.clone()));
        self.network.note_shown(node, &input);
        overlay.handle_input(input, instant);
        self.carry_out(node);
    }
}

/// Bytes of a message's body.
fn body_of(input: &Input) -> usize {
    match input {
        Input::Unicast(UnicastInput::Received { message, .. }) => message.content.length(),
        Input::Bridge(BridgeInput::Received { message, .. }) => message.content.length(),
        Input::Bridge(BridgeInput::MulticastReceived { multicast, .. }) => multicast.length(),
        Input::Multicast(MulticastInput::Received { leg, .. }) => leg.batch.length(),
        _ => 0,
    }
}
