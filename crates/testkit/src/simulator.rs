//! A whole network in one thread: real cores, a virtual clock, and links that are slow, lossy, cut or
//! crashed as a seed decides. The same seed gives the same run.
//!
//! Nothing here judges: [`Observed`] collects what an outsider would see, tests judge it.

mod bits;
mod casts;
mod gossip;
mod lone;
mod names;
mod narrow;
mod network;
mod observed;
mod outputs;
mod queue;
mod scenario;
mod shrink;
mod trial;
mod vice;
mod wire_size;

pub use casts::{batch, multicast};
pub use lone::{Lone, announced, header, listening, queried, record};
pub use names::{address, node_id, sign};
pub use observed::{Entry, Heard, Listening, Observed, Passed, PublishTrace, Published, RequestTrace, Traffic, What};
pub use scenario::{Action, Scenario, ScenarioKind, Step};
pub use shrink::shrink;
pub use trial::{Report, Violation, follow, run, watch};
pub use vice::Vice;
pub use wire_size::{MOST_OUT, brought, sent};

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use bytes::Bytes;
use nuncio_identity::NodeId;
use nuncio_protocol::{
    Config, Input, Overlay, PeeringInput, Priority, StatusInput, Topic, UnicastInput,
    amop::{ClientId, ClientInput, Kind, PublishSeq, TenantId},
    gossip::{Numbered, TakesPart, Unjudged},
    status_sync::Version,
    unicast::ExchangeId,
};
use rand::{SeedableRng, rngs::SmallRng};

use gossip::Wave;
use narrow::Narrows;
use network::{Event, Network};
use observed::Journal;
use vice::Hostile;

/// How the simulated links behave.
#[derive(Debug, Clone)]
pub struct Weather {
    /// Time for one message over one link; drawn for each, order on a link is kept.
    pub latency: RangeInclusive<Duration>,
    /// Share of unicast messages, bridge messages, queries, answers and announcements that get lost, 0 to 1.
    pub loss: f64,
    /// Share of unicast and bridge messages for which the queue of the link is full, 0 to 1.
    pub full: f64,
    /// How long a link that carries nothing is taken for alive.
    pub dead_after: Duration,
    /// Time an application takes for a request, and a client for a delivery.
    pub thinking: RangeInclusive<Duration>,
}

/// The simulated network.
#[derive(Debug)]
pub struct Simulator {
    base: Instant,
    now: Duration,
    weather: Weather,
    rng: SmallRng,
    nodes: Vec<Node>,
    clients: BTreeMap<ClientId, Client>,
    network: Network,
    narrows: Narrows,
    next_id: u64,
    observed: Observed,
    journal: Journal,
    /// Whose core was at work last.
    touched: Option<usize>,
    /// Everything that was ever signed: the bytes of each version of each node, of which an honest one has one.
    signed: HashMap<(NodeId, Version), Vec<Bytes>>,
}

#[derive(Debug)]
struct Node {
    config: Config,
    overlay: Option<Overlay>,
    epoch: u64,
    /// Peers configured by [`Simulator::connect`]; kept over a restart.
    peers: BTreeSet<usize>,
    wake: Option<Duration>,
    /// Seconds by which its clock was set back.
    clock_behind: u64,
    hostile: Option<Hostile>,
    judging: Unjudged<Wave>,
    takes_part: TakesPart,
}

#[derive(Debug)]
struct Client {
    node: usize,
    deaf: bool,
}

impl Default for Weather {
    fn default() -> Self {
        let ms = Duration::from_millis;
        Self { latency: ms(1)..=ms(5), loss: 0.0, full: 0.0, dead_after: ms(8000), thinking: ms(0)..=ms(2) }
    }
}

impl Simulator {
    /// An empty network.
    pub fn new(seed: u64, weather: Weather) -> Self {
        Self {
            base: Instant::now(),
            now: Duration::ZERO,
            weather,
            rng: SmallRng::seed_from_u64(seed),
            nodes: Vec::new(),
            clients: BTreeMap::new(),
            network: Network::default(),
            narrows: Narrows::default(),
            next_id: 0,
            observed: Observed::default(),
            journal: Journal::default(),
            touched: None,
            signed: HashMap::new(),
        }
    }

    /// Keeps the newest `capacity` lines of the journal; none by default.
    pub const fn keep_journal(&mut self, capacity: usize) {
        self.journal.capacity = capacity;
    }

    /// The journal, oldest line first.
    pub fn journal(&self) -> impl Iterator<Item = &Entry> {
        self.journal.entries()
    }

    /// The node whose core was at work last.
    pub const fn touched(&self) -> Option<usize> {
        self.touched
    }

    /// Starts one more node; gives back its number.
    pub fn add_node(&mut self, config: Config) -> usize {
        let number = self.nodes.len();
        let (peers, judging, takes_part) = Default::default();
        let (overlay, wake, hostile) = (None, None, None);
        let node = Node { config, overlay, epoch: 0, peers, wake, clock_behind: 0, hostile, judging, takes_part };
        self.nodes.push(node);
        self.network.add_node();
        self.restart(number);
        number
    }

    /// Starts `count` nodes with the same configuration.
    pub fn add_nodes(&mut self, count: usize, config: &Config) {
        for _ in 0..count {
            self.add_node(config.clone());
        }
    }

    /// Configures `to` as a peer of `from`.
    pub fn connect(&mut self, from: usize, to: usize) {
        self.nodes[from].peers.insert(to);
        self.input(from, PeeringInput::PeerAdded { address: address(to) });
    }

    /// Virtual time since the start.
    pub const fn now(&self) -> Duration {
        self.now
    }

    /// Virtual time as the cores see it.
    pub fn instant(&self) -> Instant {
        self.base + self.now
    }

    /// Nodes there ever were; numbers go from 0.
    pub const fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no node.
    pub const fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The core of a node; `None` while it is crashed.
    pub fn overlay(&self, node: usize) -> Option<&Overlay> {
        self.nodes[node].overlay.as_ref()
    }

    /// The nodes that run, with their cores.
    pub fn running(&self) -> impl Iterator<Item = (usize, &Overlay)> {
        self.nodes.iter().enumerate().filter_map(|(number, node)| Some((number, node.overlay.as_ref()?)))
    }

    /// What an outsider saw.
    pub const fn observed(&self) -> &Observed {
        &self.observed
    }

    /// Links there are now.
    pub fn link_count(&self) -> usize {
        self.network.link_count()
    }

    /// Whether messages pass between two running nodes' machines now.
    pub fn is_open(&self, a: usize, b: usize) -> bool {
        self.network.is_open(a, b)
    }

    /// When the next event happens.
    pub fn next_at(&self) -> Option<Duration> {
        self.network.next_at()
    }

    /// Lets the next event happen; `false` when nothing will ever happen again.
    pub fn step(&mut self) -> bool {
        if let Some((at, waiting)) = self.network.given_up() {
            self.now = self.now.max(at);
            self.give_up(waiting);
            return true;
        }
        let Some((at, event)) = self.network.next_event() else { return false };
        self.now = self.now.max(at);
        self.happen(event);
        true
    }

    /// Lets time pass.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.network.next_at().is_some_and(|at| at <= end) {
            self.step();
        }
        self.now = end;
    }

    /// Runs until a condition holds, looked at after every event; `false` when time is over first.
    pub fn run_until(&mut self, limit: Duration, mut holds: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now + limit;
        while !holds(self) {
            if self.network.next_at().is_none_or(|at| at > end) {
                self.now = end;
                return holds(self);
            }
            self.step();
        }
        true
    }

    /// Stops a node at once; its peers see their connections end.
    pub fn crash(&mut self, node: usize) {
        if self.nodes[node].overlay.take().is_none() {
            return;
        }
        self.journal.push(self.now, node, || What::World("crash"));
        self.network.generations[node] += 1;
        self.nodes[node].wake = None;
        self.nodes[node].takes_part = TakesPart::default();
        self.judge_no_more(node);
        self.observed.links.remove(&node);
        self.network.forget_links(node);
        self.narrows.clear(|from, _| from == node);
        for connection in self.network.connections_of(node) {
            self.break_connection(connection, "reset by peer", Duration::ZERO);
        }
        self.orphan(node);
    }

    /// Starts a stopped node in a higher epoch, with its configured peers.
    pub fn restart(&mut self, number: usize) {
        let node = &mut self.nodes[number];
        if node.overlay.is_some() {
            return;
        }
        // As the edge keeps it: above the last one, also when the clock has gone back.
        node.epoch = (node.epoch + 1).max(self.now.as_secs().saturating_sub(node.clock_behind));
        let (config, epoch) = (node.config.clone(), node.epoch);
        let seed = (number as u64) << 32 | epoch;
        let now = self.base + self.now;
        let overlay = Overlay::new(config, names::start(number, epoch, seed), now);
        node.overlay = Some(overlay);
        let peers = node.peers.clone();
        self.journal.push(self.now, number, || What::World("start"));
        self.input(number, StatusInput::LocalAddresses { addresses: vec![address(number)] });
        for peer in peers {
            self.input(number, PeeringInput::PeerAdded { address: address(peer) });
        }
    }

    /// Sets a node's clock back; only its next epoch depends on it.
    pub fn set_clock_back(&mut self, node: usize, seconds: u64) {
        self.nodes[node].clock_behind += seconds;
    }

    /// A node stops in order: it says goodbye first.
    pub fn leave(&mut self, node: usize) {
        self.input(node, PeeringInput::Leave);
        self.crash(node);
    }

    /// Lets no more messages pass between two nodes; both notice later.
    pub fn cut(&mut self, a: usize, b: usize) {
        self.network.block(a, b);
        let dead_at = self.now + self.weather.dead_after;
        for connection in self.network.connections_between(a, b) {
            self.network.schedule(dead_at, Event::Dead { connection });
        }
    }

    /// Cuts every pair with one node among `part` and one outside.
    pub fn partition(&mut self, part: &BTreeSet<usize>) {
        let outside: Vec<_> = (0..self.nodes.len()).filter(|number| !part.contains(number)).collect();
        for a in part {
            for b in &outside {
                self.cut(*a, *b);
            }
        }
    }

    /// Undoes every cut.
    pub fn heal(&mut self) {
        self.network.unblock_all();
    }

    /// Loses nothing any more, and every queue has room.
    pub const fn calm(&mut self) {
        (self.weather.loss, self.weather.full) = (0.0, 0.0);
    }

    /// Gives a node an input of its operator or application.
    pub fn give(&mut self, node: usize, input: impl Into<Input>) {
        self.input(node, input);
    }

    /// Has `from` ask `to`; every node answers with the body it was asked with.
    pub fn request(&mut self, from: usize, to: usize, timeout: Duration) -> ExchangeId {
        self.request_long(from, to, timeout, 0)
    }

    /// The same with so many bytes more in the body.
    pub fn request_long(&mut self, from: usize, to: usize, timeout: Duration, more: usize) -> ExchangeId {
        self.next_id += 1;
        let exchange = ExchangeId(self.next_id);
        if self.overlay(from).is_some() {
            let deadline = self.now + timeout;
            let trace = RequestTrace { target: to, deadline, ended: None, ends: 0, handler_runs: 0, orphaned: false };
            self.observed.requests.insert((from, exchange), trace);
            let body = Bytes::from([&exchange.0.to_be_bytes()[..], &vec![0; more]].concat());
            let (target, trace) = (self.network.ids[to], Default::default());
            self.input(
                from,
                UnicastInput::Request { exchange, target, body, timeout, trace, priority: Default::default() },
            );
        }
        exchange
    }

    /// Connects a client to a running node. A deaf one never acknowledges.
    pub fn add_client(&mut self, node: usize, deaf: bool) -> ClientId {
        self.connect_client(node, deaf, None)
    }

    /// Adds a client that belongs to somebody, to whom others may belong, too.
    pub fn add_client_of(&mut self, tenant: u64, node: usize) -> ClientId {
        self.connect_client(node, false, Some(TenantId(tenant)))
    }

    fn connect_client(&mut self, node: usize, deaf: bool, tenant: Option<TenantId>) -> ClientId {
        self.next_id += 1;
        let client = ClientId(self.next_id);
        if self.overlay(node).is_some() {
            self.clients.insert(client, Client { node, deaf });
            self.client_input(client, ClientInput::Connected { client, tenant });
        }
        client
    }

    /// Sets all topics of a client.
    pub fn subscribe(&mut self, client: ClientId, topics: &[&Topic]) {
        let topics = topics.iter().copied().cloned().collect();
        self.client_input(client, ClientInput::Subscribe { client, topics });
    }

    /// Disconnects a client.
    pub fn remove_client(&mut self, client: ClientId) {
        self.client_input(client, ClientInput::Disconnected { client });
        self.clients.remove(&client);
        self.orphan_publishes(client);
    }

    /// Publishes; gives back the seq by which [`Observed::publishes`] knows it.
    pub fn publish(&mut self, client: ClientId, kind: Kind, topic: &Topic) -> PublishSeq {
        self.publish_long(client, kind, topic, 0)
    }

    /// The same with so many bytes more.
    pub fn publish_long(&mut self, client: ClientId, kind: Kind, topic: &Topic, more: usize) -> PublishSeq {
        self.next_id += 1;
        let mut seq = [0; 32];
        seq[..8].copy_from_slice(&client.0.to_be_bytes());
        seq[24..].copy_from_slice(&self.next_id.to_be_bytes());
        let seq = PublishSeq(seq);
        if let Some(node) = self.clients.get(&client).map(|client| client.node) {
            let deadline = self.now + self.nodes[node].config.amop_timeout;
            let deliveries = BTreeMap::new();
            let trace = PublishTrace { kind, deadline, ended: None, ends: 0, deliveries, orphaned: false };
            self.observed.publishes.insert((client, seq), trace);
            let (topic, data) = (topic.clone(), Bytes::from([&seq.0[..], &vec![0; more]].concat()));
            self.client_input(
                client,
                ClientInput::Publish { priority: Default::default(), client, seq, kind, topic, data },
            );
        }
        seq
    }

    /// Has the application of a node subscribe topics of multicasts; replaces what it subscribed before.
    pub fn listen(&mut self, node: usize, topics: &[&Topic]) {
        let topics: BTreeSet<_> = topics.iter().copied().cloned().collect();
        self.nodes[node].takes_part.set_subscribed(topics.clone());
        self.input(node, StatusInput::MulticastTopics { topics });
    }

    /// Has the application of a node publish a multicast, or, without a topic, a broadcast; its body says its number. Says
    /// whether it was taken.
    pub fn multicast(&mut self, node: usize, topic: Option<&Topic>) -> bool {
        self.multicast_long(node, topic, 0)
    }

    /// The same with so many bytes more behind the number.
    pub fn multicast_long(&mut self, node: usize, topic: Option<&Topic>, more: usize) -> bool {
        self.multicast_as(Priority::default(), node, topic, more)
    }

    /// The same with a priority.
    pub fn multicast_as(&mut self, priority: Priority, node: usize, topic: Option<&Topic>, more: usize) -> bool {
        let (instant, epoch) = (self.instant(), self.nodes[node].epoch);
        let Some(overlay) = self.nodes[node].overlay.as_mut() else { return false };
        self.next_id += 1;
        let body = Bytes::from([&self.next_id.to_be_bytes()[..], &vec![0; more]].concat());
        let Ok(publication) = overlay.publish_as(priority, topic, body.clone(), instant) else { return false };
        let published = self.observed.published.entry((node, epoch, topic.cloned())).or_default();
        published.push((publication.number, self.next_id));
        if let Some(stamp) = publication.gossip {
            self.gossip(node, stamp, Numbered { topic: topic.cloned(), number: publication.number, body });
        }
        self.carry_out(node);
        true
    }

    fn client_input(&mut self, client: ClientId, input: ClientInput) {
        if let Some(node) = self.clients.get(&client).map(|client| client.node) {
            self.input(node, input);
        }
    }

    /// Nobody waits any more for what a crashed node's application and clients had asked.
    fn orphan(&mut self, node: usize) {
        for ((_, _), trace) in self.observed.requests.range_mut((node, ExchangeId(0))..(node + 1, ExchangeId(0))) {
            trace.orphaned |= trace.ended.is_none();
        }
        let gone: Vec<_> = self.clients.iter().filter(|(_, client)| client.node == node).map(|(id, _)| *id).collect();
        for client in gone {
            self.clients.remove(&client);
            self.orphan_publishes(client);
        }
    }

    fn orphan_publishes(&mut self, client: ClientId) {
        let theirs = (client, PublishSeq([0; 32]))..(ClientId(client.0 + 1), PublishSeq([0; 32]));
        for (_, trace) in self.observed.publishes.range_mut(theirs) {
            trace.orphaned |= trace.ended.is_none();
        }
    }
}
