//! Nodes for the tests: each swarm runs on its own task; tests call into it and await its events.

use std::{
    fmt::Debug,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::StreamExt;
use libp2p::{
    PeerId, Swarm, Transport,
    core::{muxing::StreamMuxerBox, transport::Boxed},
    swarm,
    swarm::SwarmEvent,
};
use nuncio_behaviour::{Behaviour, Certifier, Config, Event, Member};
use nuncio_identity::NodeId;
use nuncio_metrics::Metrics;
use nuncio_pki::{Identity, SharedPolicy};
use nuncio_testkit::TestAuthority;
use nuncio_transport::Admissions;
use rustls_pki_types::{CertificateDer, UnixTime};
use tokio::sync::{mpsc, oneshot};

use crate::deaf::Ears;

/// How long any single event may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

static PORTS: AtomicU64 = AtomicU64::new(1);

type Call = Box<dyn FnOnce(&mut Swarm<Behaviour>) + Send>;

pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) address: String,
    calls: mpsc::Sender<Call>,
    events: mpsc::Receiver<Event>,
}

struct PolicyCertifier {
    policy: SharedPolicy,
    admissions: Admissions,
}

impl Certifier for PolicyCertifier {
    fn certify(&self, node: NodeId, chain: &[Bytes]) -> Result<Member, String> {
        let chain: Vec<_> = chain.iter().map(|der| CertificateDer::from(der.as_ref())).collect();
        let judged = self.policy.load().judge(&chain, UnixTime::now()).map_err(|error| error.to_string())?;
        if judged.node_id == Some(node) {
            let agency_path = judged.agency_path();
            Ok(Member { name: judged.name, agency: judged.agency, agency_path })
        } else {
            Err("another node's certificate".into())
        }
    }

    fn is_proved_anew(&self, node: &NodeId) -> bool {
        self.admissions.get(node).is_some()
    }
}

/// Waits with what it has judged until it is let go on; may be told to refuse all from then on.
pub(crate) struct SecondThought {
    first: OnceLock<Arc<dyn Certifier>>,
    refuses: AtomicBool,
    judged: mpsc::Sender<()>,
    goes_on: Mutex<std::sync::mpsc::Receiver<()>>,
}

impl SecondThought {
    /// With it, what says that it has judged, and what lets it go on.
    pub(crate) fn new() -> (Arc<Self>, mpsc::Receiver<()>, std::sync::mpsc::Sender<()>) {
        let (judged, has_judged) = mpsc::channel(1024);
        let (go_on, goes_on) = std::sync::mpsc::channel();
        let (first, refuses) = (OnceLock::new(), AtomicBool::new(false));
        (Arc::new(Self { first, refuses, judged, goes_on: Mutex::new(goes_on) }), has_judged, go_on)
    }

    pub(crate) fn refuse_from_now(&self) {
        self.refuses.store(true, Ordering::SeqCst);
    }
}

impl Certifier for SecondThought {
    fn certify(&self, node: NodeId, chain: &[Bytes]) -> Result<Member, String> {
        let refused = self.refuses.load(Ordering::SeqCst).then(|| "nobody is a member now".to_owned());
        let verdict = refused.map_or_else(|| self.first.get().expect("set at the start").certify(node, chain), Err);
        self.judged.try_send(()).expect("seldom asked");
        // Let go for good when the test ends.
        let _ = self.goes_on.lock().expect("not poisoned").recv();
        verdict
    }
}

/// What a node's swarm is made of.
pub(crate) struct Parts {
    pub(crate) config: Config,
    pub(crate) transport: Boxed<(PeerId, StreamMuxerBox)>,
    pub(crate) identity: Identity,
    pub(crate) address: String,
}

pub(crate) fn parts(authority: &TestAuthority, identity: Identity) -> Parts {
    let (policy, admissions) = (authority.shared_policy(), Admissions::default());
    let certifier = PolicyCertifier { policy: policy.clone(), admissions: admissions.clone() };
    let chain = identity.chain.iter().map(|der| Bytes::copy_from_slice(der)).collect();
    let config = Config {
        name: identity.certificate.name.clone(),
        agency: identity.certificate.agency.clone(),
        describe_dial_error: Arc::new(|error| nuncio_transport::describe(error)),
        ..Config::new(identity.key.clone(), chain, "test", Arc::new(certifier), 1)
    };
    let transport = nuncio_transport::memory(
        nuncio_transport::Config {
            identity: Arc::new(Arc::new(identity.clone()).into()),
            policy,
            network: "test".into(),
            max_body: nuncio_protocol::MAX_BODY as u32,
            handshake_timeout: Duration::from_secs(5),
        },
        admissions,
    )
    .expect("a transport");
    let address = format!("/memory/{}", PORTS.fetch_add(1, Ordering::Relaxed));
    Parts { config, transport, identity, address }
}

impl Node {
    /// A node of the authority's network that listens and has no peers.
    pub(crate) fn start(authority: &TestAuthority, name: &str) -> Self {
        Self::start_as(authority, authority.node(name), 1)
    }

    pub(crate) fn start_as(authority: &TestAuthority, identity: Identity, epoch: u64) -> Self {
        Self::start_with(authority, identity, |config| config.epoch = epoch, |muxer| muxer)
    }

    /// A node that says alive, but reads only what its ears let through.
    pub(crate) fn start_deaf(authority: &TestAuthority, name: &str, ears: &Ears) -> Self {
        let ears = ears.clone();
        let patient = |config: &mut Config| config.silence = Duration::from_secs(600);
        Self::start_with(authority, authority.node(name), patient, move |muxer| ears.of(muxer))
    }

    /// A node whose signatures are for another network.
    pub(crate) fn start_in(authority: &TestAuthority, name: &str, network: &str) -> Self {
        let configure = |config: &mut Config| config.network = network.to_owned();
        Self::start_with(authority, authority.node(name), configure, |muxer| muxer)
    }

    /// A node that knows gossip alone, as releases before batches.
    pub(crate) fn start_old(authority: &TestAuthority, name: &str) -> Self {
        let configure = |config: &mut Config| config.overlay.takes_batches = false;
        Self::start_with(authority, authority.node(name), configure, |muxer| muxer)
    }

    /// A node that counts there.
    pub(crate) fn start_counted(authority: &TestAuthority, name: &str, metrics: &Metrics) -> Self {
        let configure = |config: &mut Config| config.metrics = metrics.clone();
        Self::start_with(authority, authority.node(name), configure, |muxer| muxer)
    }

    /// A node whose certifier asks `second` after it has judged.
    pub(crate) fn start_judged(authority: &TestAuthority, name: &str, second: &Arc<SecondThought>) -> Self {
        let second = second.clone();
        let configure = |config: &mut Config| {
            second.first.set(config.certifier.clone()).unwrap_or_else(|_| panic!("one node only"));
            config.certifier = second;
        };
        Self::start_with(authority, authority.node(name), configure, |muxer| muxer)
    }

    fn start_with(
        authority: &TestAuthority,
        identity: Identity,
        configure: impl FnOnce(&mut Config),
        wrap: impl Fn(StreamMuxerBox) -> StreamMuxerBox + Clone + Send + 'static,
    ) -> Self {
        let Parts { mut config, transport, identity, address } = parts(authority, identity);
        configure(&mut config);
        let transport = Transport::map(transport, move |(peer, muxer), _| (peer, wrap(muxer))).boxed();
        let id = identity.key.node_id();
        let swarm = swarm::Config::with_tokio_executor().with_idle_connection_timeout(DEADLINE);
        let mut swarm = Swarm::new(transport, Behaviour::new(config), PeerId::from(id), swarm);
        swarm.listen_on(address.parse().expect("a multiaddr")).expect("a free memory address");
        swarm.behaviour_mut().set_addresses([address.clone()]);
        let (calls, receiver) = mpsc::channel(64);
        let (sender, events) = mpsc::channel(8192);
        tokio::spawn(drive(swarm, receiver, sender));
        Self { id, address, calls, events }
    }

    /// Calls into the swarm and waits for the result.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut Swarm<Behaviour>) -> T + Send + 'static,
    ) -> T {
        let (sender, result) = oneshot::channel();
        let call: Call = Box::new(move |swarm| drop(sender.send(call(swarm))));
        self.calls.send(call).await.unwrap_or_else(|_| panic!("the swarm's task ended"));
        result.await.expect("the swarm's task ended")
    }

    pub(crate) async fn behaviour<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut Behaviour) -> T + Send + 'static,
    ) -> T {
        self.call(|swarm| call(swarm.behaviour_mut())).await
    }

    pub(crate) async fn dial(&self, other: &Self) {
        let address = other.address.clone();
        self.behaviour(move |behaviour| behaviour.add_peer(&address)).await.expect("a good address");
    }

    /// The next event that `pick` takes; others are passed over.
    pub(crate) async fn wait<T: Debug>(&mut self, what: &str, mut pick: impl FnMut(Event) -> Option<T>) -> T {
        let found = async {
            loop {
                let event = self.events.recv().await.expect("the swarm's task ended");
                if let Some(found) = pick(event) {
                    return found;
                }
            }
        };
        tokio::time::timeout(DEADLINE, found).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
    }

    pub(crate) async fn linked(&mut self, peer: NodeId) {
        self.wait("a link", |event| matches!(event, Event::LinkUp { peer: up } if up == peer).then_some(())).await;
    }

    pub(crate) async fn reaches(&mut self, node: NodeId) {
        let reached = |event| match event {
            Event::ReachabilityChanged { node: changed, reachable: true } if changed == node => Some(()),
            _ => None,
        };
        if !self.behaviour(move |behaviour| behaviour.overlay().route(&node).is_some()).await {
            self.wait("a route", reached).await;
        }
    }

    /// Everything that has happened and was not waited for.
    pub(crate) fn passed(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }
}

/// Two linked nodes.
pub(crate) async fn pair(authority: &TestAuthority) -> (Node, Node) {
    pair_with(authority, &Ears::default()).await
}

/// Two linked nodes, of which the second reads what its ears let through.
pub(crate) async fn pair_with(authority: &TestAuthority, ears: &Ears) -> (Node, Node) {
    let (mut a, mut b) = (Node::start(authority, "a"), Node::start_deaf(authority, "b", ears));
    a.dial(&b).await;
    a.linked(b.id).await;
    b.linked(a.id).await;
    (a, b)
}

/// A line of nodes, each linked to the next, all of which reach all.
pub(crate) async fn line(authority: &TestAuthority, length: usize) -> Vec<Node> {
    let mut nodes: Vec<Node> = (0..length).map(|index| Node::start(authority, &format!("n{index}"))).collect();
    link_in_a_row(&mut nodes).await;
    nodes
}

/// The same of these nodes.
pub(crate) async fn links_in_a_row<const N: usize>(mut nodes: [Node; N]) -> [Node; N] {
    link_in_a_row(&mut nodes).await;
    nodes
}

async fn link_in_a_row(nodes: &mut [Node]) {
    for node in &*nodes {
        // Learnt addresses would turn the line into a mesh.
        node.behaviour(|behaviour| behaviour.set_addresses([])).await;
    }
    for index in 1..nodes.len() {
        nodes[index - 1].dial(&nodes[index]).await;
    }
    let ids: Vec<NodeId> = nodes.iter().map(|node| node.id).collect();
    for node in nodes {
        for id in ids.iter().filter(|id| **id != node.id).copied().collect::<Vec<_>>() {
            node.reaches(id).await;
        }
    }
}

async fn drive(mut swarm: Swarm<Behaviour>, mut calls: mpsc::Receiver<Call>, events: mpsc::Sender<Event>) {
    loop {
        tokio::select! {
            event = swarm.select_next_some() => {
                if let SwarmEvent::Behaviour(event) = event
                    && events.send(event).await.is_err()
                {
                    return;
                }
            }
            call = calls.recv() => match call {
                Some(call) => call(&mut swarm),
                None => return,
            }
        }
    }
}
