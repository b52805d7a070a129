use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use nuncio_identity::NodeId;
use nuncio_protocol::{
    Config, Header, Input, Output, Overlay, PeeringInput, SealEnd, StatusInput, Topic,
    amop::{ClientId, ClientInput},
    gossip::{GossipId, GossipInput},
    peering::{ConnectionId, Direction},
    status_sync::{Answer, Query, Record, Status, Version},
};

use super::names::{address, node_id, sign, start};

/// One core, driven by hand: what goes in is said, what comes out is given back.
#[derive(Debug)]
pub struct Lone {
    /// The core.
    pub overlay: Overlay,
    /// The virtual time.
    pub now: Instant,
    /// Whether peers that are asked if they know the same say so at once, and the question is left out of the outputs.
    pub peers_agree: bool,
    connections: u64,
}

impl Lone {
    /// The `n`-th node, in its first epoch.
    pub fn new(n: usize, config: Config) -> Self {
        let now = Instant::now();
        let overlay = Overlay::new(config, start(n, 1, n as u64), now);
        let mut lone = Self { overlay, now, peers_agree: true, connections: 0 };
        lone.outputs();
        lone
    }

    /// The `n`-th node, in its first epoch; it dials nobody.
    pub fn passive(n: usize) -> Self {
        Self::new(n, Config { target_degree: 0, ..Config::default() })
    }

    /// Node 0 in a ring with node 3 opposite: 0 – 1 – 3 and 0 – 2 – 3.
    pub fn ring() -> Self {
        let mut lone = Self::passive(0);
        lone.link(1, &[0, 3], &[]);
        lone.link(2, &[0, 3], &[]);
        lone.answered(1, vec![record(3, 1, &[1, 2], &[])]);
        lone
    }

    /// Gives one input; takes all outputs, `Sign` answered and left out.
    pub fn input(&mut self, input: impl Into<Input>) -> Vec<Output> {
        self.overlay.handle_input(input, self.now);
        self.outputs()
    }

    /// Gives one input of a client.
    pub fn client(&mut self, input: ClientInput) -> Vec<Output> {
        self.input(input)
    }

    /// Connects a client that subscribes topics.
    ///
    /// # Panics
    /// When a topic is not valid.
    pub fn subscriber(&mut self, client: u64, topics: &[&str]) -> ClientId {
        let client = ClientId(client);
        let topics: BTreeSet<_> = topics.iter().map(|topic| Topic::new(topic).expect("a valid topic")).collect();
        self.client(ClientInput::Connected { client, tenant: None });
        self.client(ClientInput::Subscribe { client, topics });
        client
    }

    /// Lets time pass, timers served when they are due.
    pub fn advance(&mut self, by: Duration) -> Vec<Output> {
        let end = self.now + by;
        let mut outputs = Vec::new();
        while let Some(due) = self.overlay.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.overlay.handle_timeout(self.now);
            outputs.extend(self.outputs());
        }
        self.now = end;
        outputs
    }

    /// Opens a connection with the `n`-th node.
    pub fn connect(&mut self, n: usize, direction: Direction) -> (ConnectionId, Vec<Output>) {
        self.connections += 1;
        let connection = ConnectionId(self.connections);
        (connection, self.open(connection, n, direction, 1))
    }

    /// Opens a connection of this name with the `n`-th node, which says at once that it runs in `epoch`.
    pub fn open(&mut self, connection: ConnectionId, n: usize, direction: Direction, epoch: u64) -> Vec<Output> {
        let input = PeeringInput::ConnectionOpened { connection, peer: node_id(n), direction, address: address(n) };
        let mut outputs = self.input(input);
        outputs.extend(self.input(PeeringInput::Introduced { connection, epoch }));
        outputs
    }

    /// Links the `n`-th node, which names these neighbours and topics in its record.
    pub fn link(&mut self, n: usize, neighbours: &[usize], topics: &[(&str, u32)]) -> ConnectionId {
        let (connection, _) = self.connect(n, Direction::Outbound);
        self.answered(n, vec![record(n, 1, neighbours, topics)]);
        connection
    }

    /// Gives an answer of the `n`-th node.
    pub fn answered(&mut self, n: usize, records: Vec<Arc<Record>>) -> Vec<Output> {
        self.input(StatusInput::Answered { peer: node_id(n), answer: Answer::of(records) })
    }

    /// Takes all outputs, `Sign` answered and left out.
    pub fn outputs(&mut self) -> Vec<Output> {
        let mut outputs = Vec::new();
        while let Some(output) = self.overlay.poll_output() {
            match output {
                Output::Sign { status } => {
                    self.overlay.handle_input(StatusInput::Signed { record: sign(status) }, self.now)
                }
                Output::Query { peer, wanted: Query::Same { .. } } if self.peers_agree => {
                    let answer = Answer::of(Vec::new());
                    self.overlay.handle_input(StatusInput::Answered { peer, answer }, self.now);
                }
                other => outputs.push(other),
            }
        }
        outputs
    }
}

/// The header of a message between the `source`-th and the `target`-th node, both in their first epoch, sent at once.
pub fn header(source: usize, target: usize, number: u64) -> Header {
    Header {
        source: node_id(source),
        source_epoch: 1,
        target: node_id(target),
        target_epoch: 1,
        number,
        sent: Duration::ZERO,
        lifetime: Duration::from_secs(5),
        hops_left: 15,
        hops: 1,
        seal: SealEnd::default(),
        trace: Default::default(),
        priority: Default::default(),
    }
}

/// The `via`-th node passes on that the `node`-th one is at this version of its first epoch, which has just begun.
pub fn announced(via: usize, node: usize, seq: u64) -> GossipInput {
    GossipInput::Announced {
        id: GossipId(0),
        via: node_id(via),
        node: node_id(node),
        version: Version { epoch: 1, seq },
        clock: Duration::ZERO,
    }
}

/// Which nodes are asked for the records of which.
pub fn queried(outputs: &[Output]) -> Vec<(usize, Vec<usize>)> {
    let number = |node| (0..2000).find(|n| node_id(*n) == node).expect("a small number");
    let query = |output: &Output| match output {
        Output::Query { peer, wanted: Query::Nodes(nodes) } => {
            Some((number(*peer), nodes.iter().map(|(node, _)| number(*node)).collect()))
        }
        _ => None,
    };
    outputs.iter().filter_map(query).collect()
}

/// The record of the `n`-th node in its first epoch, which takes batches of multicasts to these topics, and of broadcasts.
///
/// # Panics
/// When a topic is not valid.
pub fn listening(n: usize, seq: u64, neighbours: &[usize], topics: &[&str]) -> Arc<Record> {
    let multicast_topics = topics.iter().map(|topic| Topic::new(topic).expect("a valid topic")).collect();
    let status = record(n, seq, neighbours, &[]).status.clone();
    sign(Status { multicast_topics, takes_batches: true, ..status })
}

/// A record of the `n`-th node in its first epoch.
///
/// # Panics
/// When a topic is not valid.
pub fn record(n: usize, seq: u64, neighbours: &[usize], topics: &[(&str, u32)]) -> Arc<Record> {
    let neighbours: BTreeSet<NodeId> = neighbours.iter().map(|n| node_id(*n)).collect();
    let topics: BTreeMap<_, _> =
        topics.iter().map(|(topic, count)| (Topic::new(topic).expect("a valid topic"), *count)).collect();
    sign(Status {
        node: node_id(n),
        version: Version { epoch: 1, seq },
        addresses: vec![address(n)],
        neighbours,
        topics,
        name: format!("node-{n}"),
        agency: "agency".into(),
        software: "nuncio/test".into(),
        multicast_topics: BTreeSet::new(),
        takes_batches: false,
        traces: false,
        takes_priorities: false,
        revocations: BTreeMap::new(),
        proofs: 0,
        application: Bytes::new(),
        sealing_key: Bytes::new(),
        issues: false,
        clock: Duration::ZERO,
    })
}
