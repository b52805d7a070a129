//! From a configuration to a node that listens.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use libp2p::{
    PeerId, Swarm, TransportError,
    multiaddr::{Multiaddr, Protocol},
    swarm,
};
use nuncio_audit::Told;
use nuncio_behaviour::{Behaviour, EpochError, EpochStore, from_multiaddr, is_place, to_multiaddr};
use nuncio_door::Door;
use nuncio_protocol::{MAX_BODY, Priority, trace::Probes};
use nuncio_transport::{Admissions, SetupError, SharedIdentity};
use rustls_pki_types::UnixTime;
use socket2::{Domain, Socket, Type};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    Config, NodeHandle, Snapshot,
    addresses::{MAX_EXTERNAL, OwnAddresses},
    admission::{Admission, Shared},
    agencies::Agencies,
    certifier::PolicyCertifier,
    command,
    event_loop::{self, EventLoop, Shown},
    listeners::Listeners,
    outrun::Outrun,
    publisher::Posts,
    replies::Replies,
    rights::{Hearing, SharedRights},
    swarm_metrics::SwarmMetrics,
    view::{self, Facts},
};

/// Inputs of the gateway that wait at the most; its sessions stop reading beyond that.
pub(crate) const CLIENT_QUEUE: usize = 1024;

/// Events of a connection that wait for the swarm's task, beside one; beyond, it is not read. One may hold a message of the
/// greatest length, or hundreds of short ones.
const EVENTS: usize = 0;

/// How long a connection may take from the first byte until it is admitted.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// A node that listens and has not begun to work.
pub struct Bound {
    event_loop: EventLoop,
    handle: NodeHandle,
    addresses: Vec<SocketAddr>,
}

/// Binds the listeners of a node. Call it inside a tokio runtime.
///
/// # Errors
/// What is wrong, where, and what to do about it.
pub fn build(config: Config) -> Result<Bound, BuildError> {
    let mut epochs = EpochStore::open(&config.data_dir)?;
    let epoch = epochs.begin()?;
    let (node, identity) = (config.identity.key.node_id(), SharedIdentity::new(config.identity.clone().into()));
    let (shared, door) = (shared(&config), door(&config));
    let admissions = shared.admissions.clone();
    let mut swarm = swarm(&config, epoch, identity.clone(), &shared, door)?;

    config.audit.count_in(&config.metrics.refused);
    let mut admission = Admission::new(node, shared, config.adoptions.clone(), config.audit.clone());
    admission.begin(swarm.behaviour_mut());
    let addresses = connect(&mut swarm, &config)?;
    let facts = facts(&config, &addresses);
    let (command_sender, commands) = command::channel();
    let (post_sender, posts) = Posts::new();
    let (client_sender, client_inputs) = mpsc::channel(CLIENT_QUEUE);
    let (replies, taken_replies) = Replies::new();
    let (shown, snapshots) = shown(&facts, &swarm, &admissions);
    let rights = SharedRights::new(config.rights, &config.identity.certificate, &node);
    let (command_room, metrics) = (command_sender.taken(), config.metrics.clone());
    let handle = NodeHandle {
        node,
        priority: Priority::default(),
        commands: command_sender,
        posts: post_sender,
        snapshots,
        client_inputs: client_sender,
        rights: rights.clone(),
        metrics: metrics.clone(),
    };
    let event_loop = EventLoop {
        swarm,
        tick: event_loop::ticks(),
        commands,
        posts,
        client_inputs,
        replies,
        taken_replies,
        shown,
        facts,
        admission,
        admissions,
        addresses: OwnAddresses::new(config.external),
        epochs: Outrun::new(epochs),
        exchanges: HashMap::new(),
        ways: HashMap::new(),
        probes: Probes::default(),
        listeners: Listeners::new(config.listener_queue),
        service: config.service,
        hearing: Hearing::new(rights, config.audit.clone()),
        round_trips: HashMap::new(),
        told: Told::default(),
        audit: config.audit.clone(),
        identity,
        lost: 0,
        duplicates: 0,
        swarm_metrics: SwarmMetrics::registered(&metrics),
        metrics,
        command_room,
        ticks: 0,
    };
    Ok(Bound { event_loop, handle, addresses })
}

fn shown(facts: &Facts, swarm: &Swarm<Behaviour>, admissions: &Admissions) -> (Shown, watch::Receiver<Arc<Snapshot>>) {
    let snapshot = view::snapshot(facts, swarm.behaviour().overlay(), admissions, &HashMap::new(), [0; 5]);
    let (sender, snapshots) = watch::channel(Arc::new(snapshot));
    (Shown::new(sender), snapshots)
}

fn shared(config: &Config) -> Shared {
    let agencies = known_agencies(config);
    Shared { agencies, ..Shared::of(config.policy.clone(), Admissions::default()) }
}

fn swarm(
    config: &Config,
    epoch: u64,
    identity: SharedIdentity,
    shared: &Shared,
    door: Door,
) -> Result<Swarm<Behaviour>, BuildError> {
    let secure = transport_config(config, identity);
    let transport = nuncio_transport::tcp(secure, shared.admissions.clone(), door, config.audit.clone())?;
    let behaviour =
        Behaviour::new(behaviour_config(config, epoch, PolicyCertifier::new(shared.clone(), config.audit.clone())));
    Ok(Swarm::new(transport, behaviour, PeerId::from(config.identity.key.node_id()), swarm_config()))
}

fn facts(config: &Config, addresses: &[SocketAddr]) -> Facts {
    Facts {
        certificate: config.identity.certificate.clone(),
        software: config.software.clone(),
        started: Instant::now(),
        listen: addresses.iter().map(ToString::to_string).collect(),
    }
}

/// Its own, and those that it knew when it ran last.
fn known_agencies(config: &Config) -> Agencies {
    let (agencies, policy, now) = (Agencies::default(), config.policy.load(), UnixTime::now());
    agencies.meet(&config.identity.chain, &policy, now);
    let kept: Vec<_> = config.agencies.iter().map(|agency| agency.der().clone()).collect();
    agencies.meet_all(&kept, &policy, now);
    agencies
}

fn swarm_config() -> swarm::Config {
    swarm::Config::with_tokio_executor()
        .with_idle_connection_timeout(Duration::from_secs(60))
        .with_max_negotiating_inbound_streams(16)
        .with_per_connection_event_buffer_size(EVENTS)
}

impl Bound {
    /// The way to talk to the node; it answers once [`Bound::run`] runs.
    pub fn handle(&self) -> NodeHandle {
        self.handle.clone()
    }

    /// Where it listens, free ports filled in.
    pub fn listen_addresses(&self) -> Vec<SocketAddr> {
        self.addresses.clone()
    }

    /// Works until `shutdown`, then closes all links and returns.
    pub async fn run(self, shutdown: CancellationToken) {
        // Only on a spawned task does a frame not cost a wake-up of the main thread.
        let event_loop = tokio::spawn(self.event_loop.run(shutdown));
        if let Err(error) = event_loop.await
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

impl std::fmt::Debug for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bound").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

fn transport_config(config: &Config, identity: SharedIdentity) -> nuncio_transport::Config {
    nuncio_transport::Config {
        identity,
        policy: config.policy.clone(),
        network: config.network.clone(),
        max_body: MAX_BODY as u32,
        handshake_timeout: HANDSHAKE_TIMEOUT,
    }
}

/// The door of the p2p port. Peers configured by address are expected; those configured by name are no strangers as soon
/// as this node has linked with them once.
fn door(config: &Config) -> Door {
    let door = Door::new(&config.door);
    for peer in config.peers.iter().filter_map(|peer| to_multiaddr(peer).ok()) {
        match peer.iter().next() {
            Some(Protocol::Ip4(address)) => door.expect(address.into()),
            Some(Protocol::Ip6(address)) => door.expect(address.into()),
            _ => {}
        }
    }
    door
}

/// Binds the listeners and names the peers; returns where the node listens.
fn connect(swarm: &mut Swarm<Behaviour>, config: &Config) -> Result<Vec<SocketAddr>, BuildError> {
    let wanted = config.listen.iter().map(|text| listen_address(text)).collect::<Result<Vec<_>, _>>()?;
    let mut addresses = Vec::new();
    for address in &wanted {
        let bound = listen_on(swarm, *address)?;
        addresses.push(bound);
        let v4 = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), bound.port());
        if bound.ip().is_unspecified() && bound.is_ipv6() && !wanted.contains(&v4) {
            addresses.push(listen_on(swarm, v4)?);
        }
    }
    refuse_untold(&config.external)?;
    for text in &config.peers {
        swarm.behaviour_mut().add_peer(text).map_err(|reason| BuildError::address(text, reason))?;
    }
    Ok(addresses)
}

/// Whatever a node says of itself others have to take, or it tells them nothing.
fn refuse_untold(external: &[String]) -> Result<(), BuildError> {
    if external.len() > MAX_EXTERNAL {
        return Err(BuildError::TooManyExternal { count: external.len() });
    }
    for text in external {
        let address = to_multiaddr(text).map_err(|reason| BuildError::address(text, reason))?;
        if !is_place(&address) {
            return Err(BuildError::address(text, "others dial a host and a TCP port only".to_owned()));
        }
    }
    Ok(())
}

fn behaviour_config(config: &Config, epoch: u64, certifier: PolicyCertifier) -> nuncio_behaviour::Config {
    let identity = &config.identity;
    let chain = identity.chain.iter().map(|der| Bytes::copy_from_slice(der)).collect();
    nuncio_behaviour::Config {
        name: identity.certificate.name.clone(),
        agency: identity.certificate.agency.clone(),
        software: config.software.clone(),
        issues: config.issues,
        seed: rand::random(),
        overlay: nuncio_protocol::Config { rights: config.rights.clone(), ..config.overlay.clone() },
        describe_dial_error: Arc::new(|error| nuncio_transport::describe(error)),
        clients: config.clients.clone(),
        metrics: config.metrics.clone(),
        max_pending_dials: config.max_pending_dials,
        max_connections: config.max_links,
        ..nuncio_behaviour::Config::new(identity.key.clone(), chain, &config.network, Arc::new(certifier), epoch)
    }
}

fn listen_address(text: &str) -> Result<SocketAddr, BuildError> {
    let plain = match text.parse::<Multiaddr>() {
        Ok(multiaddr) => from_multiaddr(&multiaddr),
        Err(_) => text.to_owned(),
    };
    let address: SocketAddr =
        plain.parse().map_err(|_| BuildError::address(text, "listen at ip:port or [ipv6]:port".into()))?;
    // An IPv6 socket of libp2p takes IPv6 alone.
    Ok(match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::new(ip.into(), address.port()),
        IpAddr::V6(_) => address,
    })
}

/// Where it is bound, a free port filled in.
fn listen_on(swarm: &mut Swarm<Behaviour>, address: SocketAddr) -> Result<SocketAddr, BuildError> {
    let free = exclusive(address).map_err(|source| BuildError::Listen { address, source })?;
    let multiaddr = to_multiaddr(&free.to_string()).map_err(|reason| BuildError::address(&free.to_string(), reason))?;
    swarm.listen_on(multiaddr).map_err(|source| BuildError::listen_on(free, source))?;
    Ok(free)
}

/// Binds for a moment without sharing: libp2p's listeners share their port, so a second node on it would go unnoticed.
/// An IPv6 socket of libp2p takes IPv6 alone, and so does this one.
fn exclusive(address: SocketAddr) -> io::Result<SocketAddr> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(1)?;
    socket.local_addr()?.as_socket().ok_or_else(|| io::Error::other("bound to no address of TCP"))
}

/// Why a node cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A configured address is none.
    #[error("{text:?} is not an address: {reason}")]
    Address {
        /// The text.
        text: String,
        /// Why.
        reason: String,
    },
    /// More addresses under which others reach this node than they are told.
    #[error("{count} addresses in `external`: others are told {MAX_EXTERNAL} at the most")]
    TooManyExternal {
        /// How many.
        count: usize,
    },
    /// A listener cannot be bound.
    #[error("cannot listen at {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The epoch cannot be kept.
    #[error(transparent)]
    Epoch(#[from] EpochError),
    /// The transport cannot be set up.
    #[error("cannot set up the transport: {0}")]
    Transport(#[from] SetupError),
}

impl BuildError {
    /// What the operator can do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Address { .. } => "write ip:port, [ipv6]:port, or for peers also host:port or a multiaddr",
            Self::TooManyExternal { .. } => "leave those out that lead to the same place",
            Self::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                "another process listens there (ss -ltnp shows which): stop it, or change [p2p] listen"
            }
            Self::Listen { .. } => "change [p2p] listen to an address of this machine and a port you may use",
            Self::Epoch(_) => "make the data directory writable for this user, or change data_dir",
            Self::Transport(_) => "check [identity] in the configuration with: nuncio config check",
        }
    }

    fn address(text: &str, reason: String) -> Self {
        Self::Address { text: text.to_owned(), reason }
    }

    fn listen_on(address: SocketAddr, error: TransportError<io::Error>) -> Self {
        let source = match error {
            TransportError::Other(source) => source,
            TransportError::MultiaddrNotSupported(_) => io::Error::other("not a TCP address"),
        };
        Self::Listen { address, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_address_in_the_form_of_an_ipv6_one_is_listened_at() {
        for (text, address) in [
            ("[::ffff:127.0.0.1]:1", "127.0.0.1:1"),
            ("/ip6/::ffff:127.0.0.1/tcp/1", "127.0.0.1:1"),
            ("[::1]:1", "[::1]:1"),
        ] {
            assert_eq!(listen_address(text).unwrap(), address.parse().unwrap(), "{text}");
        }
        assert!(listen_address("localhost:1").is_err());
    }
}
