//! From a configuration to a running node: parsed, built (bound), run, drained. Each step is a type.

use std::{io, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use nuncio_admin::server as admin;
use nuncio_audit::{Actor, Event};
use nuncio_door::Limits;
use nuncio_metrics::Metrics;
use nuncio_node::{
    NodeHandle,
    service::{Calls, port as service_port},
};
use nuncio_pki::{
    Certificate, Credential, Identity, Policy,
    tls::{ChannelServerTls, channel_server_config},
};
use nuncio_protocol::amop::PublishLimits;
use nuncio_rights::{Party, Rights};
use rustls_pki_types::UnixTime;
use tokio::{sync::watch, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    ReloadError, RunError, Shutdown, StartError,
    audit::Keeper,
    config::{Config, ConfigError, Source},
    control::{Control, Parts, State, warn_of_roles},
    data_dir::DataDir,
    doors::{gateway_config, sdk_door, web, web_door},
    enrolment, expiry,
    files::{self, Files},
    issuer::{self, Issuing},
    kept_lists::{self, Kept},
    lifetimes, list_expiry,
    logging::LogControl,
    metrics::clients,
    node_info::SnapshotInfo,
    open_files,
    operators::{admin_config, admin_tls, keeper},
    peer_calls::PeerCalls,
    port, renewal, service,
    watch::Watched,
};

/// How long gateway and admin API may take to end what is in flight; the node works meanwhile.
const DRAIN: Duration = Duration::from_millis(3000);

/// How long the audit log may then take to be written to its end.
const AUDIT: Duration = Duration::from_millis(500);

/// How long the node may then take to close its links.
const CLOSE: Duration = Duration::from_millis(1500);

/// A node that is configured and has touched nothing yet.
#[derive(Debug)]
pub struct Daemon {
    source: Option<Source>,
    config: Config,
    log: Option<LogControl>,
}

impl Daemon {
    /// A node of this configuration, its paths resolved. It cannot be reloaded.
    pub const fn new(config: Config) -> Self {
        Self { source: None, config, log: None }
    }

    /// A node of the configuration there.
    ///
    /// # Errors
    /// See [`Source::load`].
    pub fn from_source(source: Source) -> Result<Self, ConfigError> {
        let config = source.load()?.config;
        Ok(Self { source: Some(source), config, log: None })
    }

    /// A node of a configuration that was read before, with the log that operators may change.
    pub(crate) const fn of_process(source: Source, config: Config, log: LogControl) -> Self {
        Self { source: Some(source), config, log: Some(log) }
    }

    /// Lets operators change the log filter.
    #[must_use]
    pub fn with_log(self, log: LogControl) -> Self {
        Self { log: Some(log), ..self }
    }

    /// The configuration.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Reads and verifies keys, certificates, authorities and revocation lists; opens and binds nothing.
    ///
    /// # Errors
    /// What [`Daemon::build`] would say about them.
    pub fn check(&self) -> Result<Credential, StartError> {
        Credentials::load(&self.config).map(|credentials| credentials.identity.certificate)
    }

    /// Takes the data directory and binds all ports; nothing is answered yet. Needs a tokio runtime.
    ///
    /// # Errors
    /// What is wrong, where, and what to do about it.
    pub async fn build(self) -> Result<Bound, StartError> {
        let Self { source, config, log } = self;
        let (watched, credentials) = (source.clone().map(Watched::new), Credentials::load(&config)?);
        let data = DataDir::hold(&config.data_dir)?;
        let keeper = keeper(&config, &credentials.identity).map_err(StartError::Audit)?;
        let (audit, state) = (keeper.audit(), State::load(config, &data)?);
        let config = &state.config;
        open_files::prepare(most_connections(config))?;
        require_free_ports(config)?;

        let lifetimes = lifetimes::of_own(&credentials.identity, credentials.channel.as_ref(), &credentials.policy);
        warn_of_roles(credentials.policy.roles());
        let (issuing, (mut port, calls)) = (issuer::open(&config.issuer, &credentials.identity)?, service_port());
        let files = files::open(config, &mut port).map_err(StartError::Files)?;
        let newcomers = enrolment_port(config, &credentials.identity, issuing.as_ref()).await?;
        let kept = Kept::load(&data)?;
        let own_certificate = Arc::new(ArcSwap::from_pointee(credentials.identity.certificate.clone()));
        let policy = kept.restore(state.restrict(credentials.policy), UnixTime::now(), &audit);
        let (rights, own, metrics) = (rights(config)?, own_party(&credentials.identity), Metrics::new());
        let (clients, admin_tls) = (clients(config, &metrics), admin_tls(config, &credentials.identity, &policy)?);
        let mut node_config = node_config(&state, credentials.identity, policy.clone());
        (node_config.rights, node_config.audit, node_config.metrics) = (rights.clone(), audit.clone(), metrics);
        node_config.clients = config.gateway.enabled.then(|| clients.clone() as _);
        let (adopter, adoptions) = watch::channel(Vec::new());
        (node_config.agencies, node_config.adoptions, node_config.service) = (kept.agencies, Some(adopter), Some(port));
        let node = nuncio_node::build(node_config)?;
        let handle = node.handle();
        let (peer_calls, control_place) = PeerCalls::new();
        let gateway = match credentials.channel {
            Some(tls) => {
                let mut config = gateway_config(config, tls, state.sdk_access(&policy.load()));
                config.rpc = Some(Arc::new(peer_calls));
                (config.rights, config.node, config.audit) = (rights, Some(own), audit.clone());
                let info = Arc::new(SnapshotInfo::new(handle.clone()));
                Some(nuncio_gateway::bind(config, clients.clone(), handle.client_inputs(), info).await?)
            }
            None => None,
        };
        let web = web(config, gateway.as_ref())?;
        let admin_config = admin_config(config, &own_certificate, admin_tls.clone(), &policy);
        let parts = Parts {
            source,
            node: handle.clone(),
            policy,
            gateway: gateway.as_ref().map(|gateway| (gateway.local_address(), gateway.renewal())),
            clients,
            log,
            data,
            audit,
            trail: keeper.health(),
            admin_tls,
            lifetimes,
            own: own_certificate,
            enrolment_tls: newcomers.as_ref().map(enrolment::Bound::tls),
            inbox: files.as_ref().map(Files::inbox),
        };
        let control = Arc::new(Control::new(parts, state));
        // Nobody else has the place.
        let _ = control_place.set(Arc::downgrade(&control));
        let (admin, service) = (admin::bind(admin_config, handle, control.clone()).await?, (calls, issuing, files));
        Ok(Bound { node, gateway, web, admin, control, keeper, adoptions, watched, service, newcomers })
    }
}

/// The port for newcomers, where there is an issuer and an address for it.
async fn enrolment_port(
    config: &Config,
    own: &Identity,
    issuing: Option<&issuer::Issuing>,
) -> Result<Option<enrolment::Bound>, StartError> {
    match (config.issuer.listen, issuing) {
        (Some(address), Some(issuing)) => Ok(Some(enrolment::bind(address, own, issuing.desk()).await?)),
        _ => Ok(None),
    }
}

fn rights(config: &Config) -> Result<Arc<Rights>, StartError> {
    let rights = config.rights.in_force();
    rights.map(Arc::new).map_err(|(table, reason)| StartError::Rights { table, reason })
}

/// A node that listens everywhere and does not work yet.
#[derive(Debug)]
pub struct Bound {
    node: nuncio_node::Bound,
    gateway: Option<nuncio_gateway::Bound>,
    web: Option<nuncio_web::Bound>,
    admin: admin::Bound,
    control: Arc<Control>,
    keeper: Keeper,
    adoptions: watch::Receiver<Vec<Certificate>>,
    watched: Option<Watched>,
    service: (Calls, Option<Issuing>, Option<Files>),
    newcomers: Option<enrolment::Bound>,
}

impl Bound {
    /// Where newcomers are answered, with its real port.
    pub fn enrolment_address(&self) -> Option<SocketAddr> {
        self.newcomers.as_ref().map(enrolment::Bound::address)
    }

    /// The way to talk to the node; it answers once [`Bound::run`] runs.
    pub fn handle(&self) -> NodeHandle {
        self.node.handle()
    }

    /// Where peers connect, real ports.
    pub fn p2p_addresses(&self) -> Vec<SocketAddr> {
        self.node.listen_addresses()
    }

    /// Where SDKs connect, with its real port.
    pub fn gateway_address(&self) -> Option<SocketAddr> {
        self.gateway.as_ref().map(nuncio_gateway::Bound::local_address)
    }

    /// Where WebSockets are served, with its real port.
    pub fn web_address(&self) -> Option<SocketAddr> {
        self.web.as_ref().map(nuncio_web::Bound::local_address)
    }

    /// The admin API's unix socket.
    pub fn admin_socket(&self) -> Option<&Path> {
        self.admin.socket()
    }

    /// Where metrics alone are answered.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.admin.metrics_address()
    }

    /// The admin API's TCP address.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.local_address()
    }

    /// A way to reload it while it runs.
    pub fn reloader(&self) -> Reloader {
        Reloader(self.control.clone())
    }

    /// Works until it is told to stop. Draining, gateway and admin API first end what is in flight while the node
    /// still works, then the node closes its links: four and a half seconds at the most.
    ///
    /// # Errors
    /// When a part stops by itself, or [`Shutdown::now`] ends it.
    pub async fn run(mut self, shutdown: Shutdown) -> Result<(), RunError> {
        let keeper = std::mem::replace(&mut self.keeper, Keeper::none());
        let audit = keeper.audit();
        audit.record(Event::Started { version: env!("CARGO_PKG_VERSION").into() });
        self.control.broken_access().into_iter().for_each(|broken| audit.record(broken));
        let outcome = self.work(shutdown).await;
        audit.record(Event::Stopped);
        keeper.finish(AUDIT).await;
        outcome
    }

    async fn work(self, shutdown: Shutdown) -> Result<(), RunError> {
        let (edges_stop, node_stop) = (CancellationToken::new(), CancellationToken::new());
        // However this ends, also when it is dropped: tasks that outlive it are told to stop.
        let _guards = (edges_stop.clone().drop_guard(), node_stop.clone().drop_guard());
        let mut edges = JoinSet::new();
        let mut node = JoinSet::new();
        let (admin, gateway, web, core) = (self.admin, self.gateway, self.web, self.node);
        let stop = edges_stop.clone();
        edges.spawn(async { name_at_end("admin API", admin.run(stop)).await });
        if let Some(gateway) = gateway {
            let stop = edges_stop.clone();
            edges.spawn(async { name_at_end("gateway", gateway.run(stop)).await });
        }
        if let Some(web) = web {
            let stop = edges_stop.clone();
            edges.spawn(async { name_at_end("web door", web.run(stop)).await });
        }
        let (merged, adoptions) = (watch::Sender::new(()), self.adoptions);
        let kept = kept_lists::keep(self.control.clone(), adoptions.clone(), merged.subscribe());
        node.spawn(async { name_at_end("revocation lists", kept).await });
        let helpers = helpers(self.control, (adoptions, merged), self.watched, (self.service, self.newcomers));
        let stop = node_stop.clone();
        node.spawn(async { name_at_end("node", core.run(stop)).await });

        tokio::select! {
            biased;
            () = shutdown.now.cancelled() => return Err(RunError::Aborted),
            () = shutdown.drain.cancelled() => {}
            Some(part) = edges.join_next() => return Err(part_stopped(part)),
            Some(part) = node.join_next() => return Err(part_stopped(part)),
        }
        drop(helpers);
        tracing::info!("stopping: letting what is in flight end");
        let drained = async {
            edges_stop.cancel();
            ended(&mut edges, DRAIN).await;
            node_stop.cancel();
            ended(&mut node, CLOSE).await;
        };
        tokio::select! {
            biased;
            () = shutdown.now.cancelled() => Err(RunError::Aborted),
            () = drained => {
                tracing::info!("stopped");
                Ok(())
            }
        }
    }
}

/// Reloads a running node. Cheap to clone.
#[derive(Clone)]
pub struct Reloader(Arc<Control>);

impl Reloader {
    /// Reads the configuration and its files again and takes over what can change while the node runs: peers, access
    /// lists, authorities, revocation lists, the gateway's certificates, the log filter.
    ///
    /// # Errors
    /// When something in them is bad; then all stays as it was.
    pub async fn reload(&self) -> Result<(), ReloadError> {
        self.reload_for(Actor::Program).await
    }

    pub(crate) async fn reload_for(&self, actor: Actor) -> Result<(), ReloadError> {
        self.0.reload(actor).await
    }
}

impl std::fmt::Debug for Reloader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Reloader").field(&self.0.node).finish()
    }
}

/// Everything secret or signed that a node needs.
struct Credentials {
    identity: Identity,
    policy: Policy,
    channel: Option<ChannelServerTls>,
}

impl Credentials {
    fn load(config: &Config) -> Result<Self, StartError> {
        let (identity, policy) = Identity::load(&config.identity_paths()).map_err(StartError::Identity)?;
        let channel = if config.gateway.enabled {
            Some(channel_server_config(&config.channel_paths()).map_err(StartError::ChannelTls)?)
        } else {
            None
        };
        Ok(Self { identity, policy, channel })
    }
}

/// What works beside the node as long as it runs.
fn helpers(
    control: Arc<Control>,
    (adoptions, merged): (watch::Receiver<Vec<Certificate>>, watch::Sender<()>),
    watched: Option<Watched>,
    ((calls, issuing, files), newcomers): ((Calls, Option<Issuing>, Option<Files>), Option<enrolment::Bound>),
) -> JoinSet<()> {
    let mut helpers = JoinSet::new();
    helpers.spawn(expiry::warn(control.clone()));
    helpers.spawn(list_expiry::warn(control.clone()));
    if let Some(watched) = watched {
        helpers.spawn(watched.reload_when_changed(Reloader(control.clone())));
    }
    if let Some(issuing) = &issuing {
        helpers.spawn(issuer::merge_lists(issuing.desk(), control.clone(), adoptions, merged));
    }
    helpers.spawn(service::serve(calls, issuing, control.clone()));
    if let Some(files) = files {
        helpers.spawn(files::serve(files, control.clone()));
    }
    if let Some(newcomers) = newcomers {
        helpers.spawn(enrolment::serve(newcomers, control.clone()));
    }
    if control.state().config.renewal.enabled {
        helpers.spawn(renewal::keep(control));
    }
    helpers
}

fn require_free_ports(config: &Config) -> Result<(), StartError> {
    for address in config.p2p.listen.addresses() {
        require_free("[p2p] listen", *address)?;
    }
    if config.gateway.enabled {
        require_free("[gateway] listen", config.gateway.listen)?;
    }
    if config.web.enabled {
        require_free("[web] listen", config.web.listen)?;
    }
    Ok(())
}

fn require_free(key: &'static str, address: SocketAddr) -> Result<(), StartError> {
    port::check_free(address).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => StartError::PortInUse { key, address, holder: port::holder(address) },
        _ => StartError::Listen { key, address, source },
    })
}

/// Links, SDKs, web clients, and whoever may stand at the doors, on kept places too.
fn most_connections(config: &Config) -> u64 {
    let (p2p, gateway) = (&config.p2p, &config.gateway);
    let at_the_door = |door: &Limits| door.places + door.kept_places;
    let nodes = p2p.max_links as usize + at_the_door(&p2p_door(config));
    let sdks = if gateway.enabled { gateway.max_clients + at_the_door(&sdk_door(config)) } else { 0 };
    let web = if config.web.enabled { config.web.max_clients + at_the_door(&web_door(config)) } else { 0 };
    (nodes + sdks + web) as u64
}

fn node_config(state: &State, identity: Identity, policy: nuncio_pki::SharedPolicy) -> nuncio_node::Config {
    let p2p = &state.config.p2p;
    let mut config = nuncio_node::Config::new(Arc::new(identity), policy, state.config.data_dir.clone());
    config.network.clone_from(&p2p.network);
    config.listen = p2p.listen.addresses().iter().map(ToString::to_string).collect();
    config.external = p2p.external.iter().map(ToString::to_string).collect();
    config.peers = state.wanted_peers().iter().map(ToString::to_string).collect();
    config.max_links = p2p.max_links;
    config.issues = state.config.issuer.ca.is_some();
    config.door = p2p_door(&state.config);
    config.overlay = overlay_config(&state.config);
    config
}

/// This node, as rules name it.
fn own_party(identity: &Identity) -> Party {
    let own = &identity.certificate;
    Party::node(own.agency_path(), own.name.clone(), identity.key.node_id().as_bytes())
}

/// The core's settings.
pub(crate) fn overlay_config(config: &Config) -> nuncio_protocol::Config {
    let (p2p, gateway, mut overlay) = (&config.p2p, &config.gateway, nuncio_protocol::Config::default());
    overlay.target_degree = p2p.target_degree;
    overlay.backoff = (p2p.redial_first.0, p2p.redial_longest.0);
    overlay.forget_after = p2p.forget_after.0;
    let [outgoing, per_client, per_topic] =
        [gateway.outgoing_limit, gateway.client_limit, gateway.topic_limit].map(|limit| limit.map(|size| size.0));
    overlay.amop_candidate_timeout = gateway.candidate_timeout.0;
    overlay.amop_timeout = gateway.publish_timeout.0;
    overlay.publish_limits = PublishLimits { outgoing, per_client, per_topic };
    overlay
}

/// One address may make up for eight seconds at once: all nodes behind it come back after a power failure.
pub(crate) fn p2p_door(config: &Config) -> Limits {
    let p2p = &config.p2p;
    Limits::new(p2p.max_pending_handshakes, p2p.connections_per_second, p2p.connections_per_second.saturating_mul(8))
}

async fn name_at_end(part: &'static str, work: impl Future<Output = ()>) -> &'static str {
    work.await;
    part
}

fn part_stopped(ended: Result<&'static str, tokio::task::JoinError>) -> RunError {
    match ended {
        Ok(part) => RunError::PartStopped { part },
        Err(error) => {
            tracing::error!(%error, "a part of the node has broken");
            RunError::PartStopped { part: "node" }
        }
    }
}

async fn ended(parts: &mut JoinSet<&'static str>, limit: Duration) {
    let all = async { while parts.join_next().await.is_some() {} };
    if timeout(limit, all).await.is_err() {
        tracing::warn!(?limit, "not all that was in flight has ended in time");
        parts.abort_all();
    }
}
