//! The operator's hand on a running node: access lists, peers, log filter. Changes are kept before they take force.

use std::{
    collections::HashSet,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arc_swap::ArcSwap;
use futures::future::{BoxFuture, FutureExt};
use nuncio_admin::{
    Lifetime, Operator,
    api::{
        AccessEntry, AuditStatus, Check, ConfigurationKey, DeniedTopic, ErrorCode, Failure, HeldList, Info,
        ReceivedFile, Rule, SdkCertificate, SdksAt,
    },
};
use nuncio_audit::{Audit, Event};
use nuncio_files::Inbox;
use nuncio_gateway::{Clients, DeniedTopics, Renewal, SessionCertificate};
use nuncio_identity::NodeId;
use nuncio_node::{NodeHandle, NodeSnapshot, Snapshot};
use nuncio_pki::{Certificate, Credential, Policy, RoleRule, SharedPolicy, tls::OperatorServerTls};
use rustls_pki_types::UnixTime;

use crate::{
    audit::Health,
    changes::{AccessChanges, ChangesError, PeerChanges},
    config::{Access, Config, Difference, Effect, Peer, Source},
    data_dir::DataDir,
    enrolment::EnrolmentTls,
    files, lifetimes, list_expiry,
    logging::LogControl,
    reading::{self, Readings},
    service::NetworkSdks,
};

/// What can be changed about a running node.
pub(crate) struct Control {
    pub(crate) source: Option<Source>,
    pub(crate) node: NodeHandle,
    pub(crate) policy: SharedPolicy,
    pub(crate) gateway: Option<(SocketAddr, Renewal)>,
    pub(crate) clients: Arc<Clients>,
    pub(crate) log: Option<LogControl>,
    pub(crate) data: DataDir,
    pub(crate) audit: Audit,
    pub(crate) trail: Arc<Health>,
    pub(crate) admin_tls: Option<Arc<ArcSwap<OperatorServerTls>>>,
    /// Of the certificates that this node shows.
    pub(crate) lifetimes: ArcSwap<Vec<Lifetime>>,
    /// What its own says.
    pub(crate) own: Arc<ArcSwap<Credential>>,
    pub(crate) enrolment_tls: Option<Arc<EnrolmentTls>>,
    /// Where files of other nodes come.
    inbox: Option<Arc<Inbox>>,
    /// Why it was not renewed though it is due.
    overdue: Mutex<Option<String>>,
    /// Of keys and certificates, while the node runs.
    pub(crate) readings: Readings,
    network_sdks: NetworkSdks,
    /// One change at a time, a reload included.
    pub(crate) turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

/// The configuration in force and what was changed beside it.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) config: Config,
    /// What the file says and waits for the next start.
    pub(crate) waiting: Vec<Difference>,
    pub(crate) peers: PeerChanges,
    pub(crate) access: AccessChanges,
}

/// What a control is made of besides its state.
pub(crate) struct Parts {
    pub(crate) source: Option<Source>,
    pub(crate) node: NodeHandle,
    pub(crate) policy: SharedPolicy,
    pub(crate) gateway: Option<(SocketAddr, Renewal)>,
    pub(crate) clients: Arc<Clients>,
    pub(crate) log: Option<LogControl>,
    pub(crate) data: DataDir,
    pub(crate) audit: Audit,
    pub(crate) trail: Arc<Health>,
    pub(crate) admin_tls: Option<Arc<ArcSwap<OperatorServerTls>>>,
    pub(crate) lifetimes: Vec<Lifetime>,
    pub(crate) own: Arc<ArcSwap<Credential>>,
    pub(crate) enrolment_tls: Option<Arc<EnrolmentTls>>,
    pub(crate) inbox: Option<Arc<Inbox>>,
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").field("node", &self.node).field("source", &self.source).finish_non_exhaustive()
    }
}

impl State {
    /// What operators changed in former runs.
    pub(crate) fn load(config: Config, data: &DataDir) -> Result<Self, ChangesError> {
        Ok(Self { config, waiting: Vec::new(), peers: PeerChanges::load(data)?, access: AccessChanges::load(data)? })
    }

    /// The peers to keep linked.
    pub(crate) fn wanted_peers(&self) -> Vec<Peer> {
        self.peers.apply_to(&self.config.p2p.peers)
    }

    /// Which SDKs may use the gateway.
    pub(crate) fn sdk_access(&self, policy: &Policy) -> nuncio_gateway::Access {
        let named = |list: &[crate::config::Sdk]| list.iter().map(|sdk| sdk.0.clone()).collect();
        nuncio_gateway::Access {
            allow: named(&self.config.gateway.allow),
            deny: named(&self.config.gateway.deny),
            lists: policy.lists().clone(),
            roles: policy.roles(),
        }
    }

    /// A policy with the access lists in force.
    pub(crate) fn restrict(&self, policy: Policy) -> Policy {
        restrict(policy, &self.access, &self.config.access).with_crl_policy(self.config.identity.crl_policy)
    }
}

impl Control {
    pub(crate) fn new(parts: Parts, state: State) -> Self {
        let Parts {
            source,
            node,
            policy,
            gateway,
            clients,
            log,
            data,
            audit,
            trail,
            admin_tls,
            lifetimes,
            own,
            enrolment_tls,
            inbox,
        } = parts;
        let (turn, state) = (tokio::sync::Mutex::new(()), Mutex::new(state));
        let lifetimes = ArcSwap::from_pointee(lifetimes);
        Self {
            source,
            node,
            policy,
            gateway,
            clients,
            log,
            data,
            audit,
            trail,
            admin_tls,
            lifetimes,
            own,
            enrolment_tls,
            inbox,
            overdue: Mutex::default(),
            readings: Readings::new(reading::LIMIT),
            network_sdks: NetworkSdks::default(),
            turn,
            state,
        }
    }

    /// Says why the certificate was not renewed though it is due, or that it was.
    pub(crate) fn set_overdue(&self, overdue: Option<String>) {
        *self.overdue.lock().unwrap_or_else(PoisonError::into_inner) = overdue;
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a policy into force; links and SDK sessions that it does not admit are closed.
    ///
    /// It is made from the one in force in one step: the node adopts lists from the network meanwhile.
    pub(crate) async fn enforce(&self, make: impl Fn(&Policy) -> Policy) {
        self.policy.rcu(|current| make(current));
        self.recheck_sdks();
        self.node.policy_changed().await;
    }

    /// Lets the gateway judge its sessions by the lists in force.
    pub(crate) fn recheck_sdks(&self) {
        if let Some((_, gateway)) = &self.gateway {
            gateway.set_access(self.state().sdk_access(&self.policy.load()));
        }
    }

    /// Whether somebody may be let in whom an operator had denied.
    fn doubt_about_access(&self) -> Option<String> {
        let copy = self.data.broken_copy::<AccessChanges>()?;
        Some(format!(
            "access.toml was broken: who was denied at run time, and could not be read in it, is denied no more; compare \
             `nuncio access` with {}, then take that file away",
            absolute(copy).display()
        ))
    }

    /// The same, for the audit log.
    pub(crate) fn broken_access(&self) -> Option<Event> {
        self.state().access.broken(&self.data)
    }

    async fn change_access(&self, node: NodeId, rule: Option<Rule>) -> Result<(), Failure> {
        if rule.is_some() && node == self.node.snapshot().node_id {
            return Err(bad_request(format!("{node} is this node, which its own lists do not judge"))
                .with_hint("name another node: see `nuncio nodes`"));
        }
        let _turn = self.turn.lock().await;
        let (mut access, configured) = {
            let state = self.state();
            (state.access.clone(), state.config.access.clone())
        };
        if !access.set(node, rule) && rule.is_none() {
            return Err(nothing_to_reset(node, &configured));
        }
        access.store(&self.data).map_err(|error| not_kept(&error))?;
        self.state().access = access.clone();
        self.enforce(|current| restrict(current.clone(), &access, &configured)).await;
        Ok(())
    }

    async fn add(&self, address: String) -> Result<(), Failure> {
        let _turn = self.turn.lock().await;
        let peer: Peer = address.parse().map_err(|error: crate::config::ValueError| bad_request(error.to_string()))?;
        let mut peers = self.state().peers.clone();
        peers.add(peer.clone(), &self.state().config.p2p.peers);
        peers.store(&self.data).map_err(|error| not_kept(&error))?;
        self.state().peers = peers;
        self.node.add_peer(peer.to_string()).await.map_err(|error| bad_request(error.to_string()))?;
        Ok(())
    }

    /// A peer named by its node ID is one or more addresses: those at which it was met, and that its link or its status say.
    async fn remove(&self, peer: String) -> Result<(), Failure> {
        let _turn = self.turn.lock().await;
        let wanted = self.state().wanted_peers();
        let named = match peer.parse::<NodeId>() {
            Ok(node) => addresses_of(node, &self.node.snapshot()),
            Err(_) => peer.parse().into_iter().collect(),
        };
        let removed: Vec<Peer> = wanted.into_iter().filter(|wanted| named.contains(wanted)).collect();
        if removed.is_empty() {
            return Err(Failure::new(ErrorCode::NotFound, format!("{peer} is not among the configured peers"))
                .with_hint("see `nuncio peers`"));
        }
        let mut peers = self.state().peers.clone();
        for peer in &removed {
            peers.remove(peer, &self.state().config.p2p.peers);
        }
        peers.store(&self.data).map_err(|error| not_kept(&error))?;
        self.state().peers = peers;
        for peer in removed {
            self.node.remove_peer(peer.as_str().to_owned()).await;
        }
        Ok(())
    }
}

impl Operator for Control {
    fn info(&self) -> Info {
        let snapshot = self.node.snapshot();
        let state = self.state();
        Info {
            version: snapshot.version.clone(),
            commit: crate::COMMIT.map(str::to_owned),
            commit_date: crate::COMMIT_DATE.map(str::to_owned),
            node_id: snapshot.node_id.to_string(),
            network: state.config.p2p.network.clone(),
            pid: std::process::id(),
            max_body: nuncio_protocol::MAX_BODY,
            listen: snapshot.listen.clone(),
            gateway: self.gateway.as_ref().map(|(address, _)| address.to_string()),
            data_dir: absolute(self.data.path().to_owned()).display().to_string(),
        }
    }

    fn access(&self) -> Vec<AccessEntry> {
        let state = self.state();
        let rules = state.access.apply_to(&state.config.access);
        rules
            .into_iter()
            .map(|(node, (rule, is_configured))| AccessEntry {
                node_id: node.to_string(),
                rule,
                origin: if is_configured { "config" } else { "runtime" }.to_owned(),
            })
            .collect()
    }

    fn set_access(&self, node: NodeId, rule: Option<Rule>) -> BoxFuture<'_, Result<(), Failure>> {
        self.change_access(node, rule).boxed()
    }

    fn add_peer(&self, address: String) -> BoxFuture<'_, Result<(), Failure>> {
        self.add(address).boxed()
    }

    fn remove_peer(&self, peer: String) -> BoxFuture<'_, Result<(), Failure>> {
        self.remove(peer).boxed()
    }

    fn sdk_certificates(&self) -> Vec<SdkCertificate> {
        let found = self.gateway.as_ref().map(|(_, renewal)| renewal.certificates()).unwrap_or_default();
        let told = |SessionCertificate { chain, sessions, .. }| SdkCertificate {
            subject: chain.first().map(Certificate::subject).unwrap_or_default(),
            sessions,
            chain: chain.iter().map(Certificate::to_pem).collect(),
        };
        found.into_iter().map(told).collect()
    }

    fn network_sdks(&self) -> BoxFuture<'_, Vec<SdksAt>> {
        self.network_sdks.ask(self).boxed()
    }

    fn denied_topics(&self) -> Vec<DeniedTopic> {
        let of_client = |denied: DeniedTopics| {
            let DeniedTopics { client, count, first } = denied;
            let more = Some(count - first.len()).filter(|more| *more > 0);
            let more = more.map(|more| (None, format!("{more} more of its list")));
            let named = first.into_iter().map(|(topic, reason)| (Some(topic), reason));
            let entries: Vec<_> = named.chain(more).collect();
            entries.into_iter().map(move |(topic, reason)| DeniedTopic { client: client.clone(), topic, reason })
        };
        self.clients.denied_topics().into_iter().flat_map(of_client).collect()
    }

    fn files(&self) -> Option<BoxFuture<'_, Result<Vec<ReceivedFile>, Failure>>> {
        Some(files::list(Arc::clone(self.inbox.as_ref()?)).boxed())
    }

    fn log_filter(&self) -> String {
        self.log.as_ref().map_or_else(|| self.state().config.log.filter.clone(), LogControl::filter)
    }

    fn set_log_filter(&self, filter: &str) -> Result<(), Failure> {
        let log = self
            .log
            .as_ref()
            .ok_or_else(|| Failure::new(ErrorCode::Refused, "this process does not let its node change the log"))?;
        log.set_filter(filter).map_err(|error| bad_request(error.to_string()))
    }

    fn configuration(&self) -> Vec<ConfigurationKey> {
        let state = self.state();
        let json = |value: Option<toml::Value>| value.and_then(|value| serde_json::to_value(value).ok());
        let all = state.config.values().into_iter().map(|value| {
            let waits = state.waiting.iter().find(|waiting| waiting.key == value.key);
            let takes_effect = match value.effect {
                Effect::Live => "live",
                Effect::NextStart => "next_start",
            };
            ConfigurationKey {
                value: json(value.value).unwrap_or_default(),
                takes_effect: takes_effect.to_owned(),
                is_waiting: waits.is_some(),
                waiting: waits.and_then(|waits| json(waits.in_file.clone())).unwrap_or_default(),
                key: value.key,
            }
        });
        all.collect()
    }

    fn audit(&self) -> &Audit {
        &self.audit
    }

    fn audit_status(&self) -> AuditStatus {
        let config = &self.state().config;
        let directory = config.audit.enabled.then(|| absolute(config.audit_directory()).display().to_string());
        AuditStatus {
            directory,
            written_to: self.trail.written_to().map(|position| position.to_string()),
            failing: self.trail.failing(),
            missed: self.audit.missed(),
        }
    }

    fn lifetimes(&self) -> Vec<Lifetime> {
        let shown = self.lifetimes.load();
        shown.iter().cloned().chain(lifetimes::of_policy(&self.policy.load())).collect()
    }

    fn lists(&self) -> Vec<HeldList> {
        let policy = self.policy.load();
        let lists = policy.lists().iter().filter_map(|list| Some((policy.lists().series_of(list)?, list.issuer())));
        lists.map(|(series, issuer)| HeldList { series: hex::encode(series), issuer }).collect()
    }

    fn warnings(&self) -> Vec<String> {
        let policy = self.policy.load();
        let about_roles = roles_warning(policy.roles()).map(str::to_owned);
        let about_audit = self.trail.failing();
        let waiting = self.state().waiting.iter().map(waiting_words).collect::<Vec<_>>();
        let about_lists = list_expiry::warnings(&policy, &self.own.load(), UnixTime::now());
        let overdue = self.overdue.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let about_access = self.doubt_about_access();
        about_access
            .into_iter()
            .chain(about_roles)
            .chain(overdue)
            .chain(about_audit)
            .chain(about_lists)
            .chain(waiting)
            .collect()
    }

    fn checks(&self) -> Vec<Check> {
        let gateway = self.gateway.iter().map(|(address, _)| ("gateway", true, address.to_string()));
        // It is told, and keeps no working node out of service: a file from long ago says nothing of what it does now.
        let access = self.doubt_about_access().map(|doubt| ("access", true, doubt));
        let all = gateway.chain(access);
        all.map(|(check, ok, detail)| Check { check: check.to_owned(), ok, detail }).collect()
    }
}

fn waiting_words(waiting: &Difference) -> String {
    let words = |value: &Option<toml::Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string);
    let Difference { key, in_file, in_force, .. } = waiting;
    format!("{key}: {} in the file takes effect at the next start; {} is in force", words(in_file), words(in_force))
}

/// What is at risk while certificates need not state a role.
pub(crate) fn warn_of_roles(rule: RoleRule) {
    if let Some(warning) = roles_warning(rule) {
        tracing::warn!("{warning}");
    }
}

fn roles_warning(rule: RoleRule) -> Option<&'static str> {
    (rule == RoleRule::Any).then_some(
        "[identity] roles = \"any\": whoever has an SDK's certificate can run a node with it, and hears what nodes hear",
    )
}

fn restrict(policy: Policy, changes: &AccessChanges, configured: &Access) -> Policy {
    let rules = changes.apply_to(configured);
    let having = |wanted| rules.iter().filter(|(_, (rule, _))| *rule == wanted).map(|(node, _)| *node).collect();
    policy.with_access(having(Rule::Allow), having(Rule::Deny))
}

fn addresses_of(node: NodeId, snapshot: &Snapshot) -> HashSet<Peer> {
    let peers = snapshot.peers.iter().filter(|peer| peer.node_id == Some(node));
    let peers = peers.flat_map(|peer| peer.configured_at.iter().chain([&peer.address]).cloned());
    let told = snapshot.node(node).into_iter().flat_map(NodeSnapshot::addresses);
    peers.chain(told).filter_map(|address| address.parse().ok()).collect()
}

fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

fn nothing_to_reset(node: NodeId, configured: &Access) -> Failure {
    let is_configured = configured.allow.iter().chain(&configured.deny).any(|listed| listed.0 == node);
    let failure = Failure::new(ErrorCode::NotFound, format!("nothing was set at run time for node {}", node.short()));
    if is_configured { failure.with_hint("its rule is in [access] of nuncio.toml") } else { failure }
}

fn not_kept(error: &ChangesError) -> Failure {
    Failure::new(ErrorCode::Internal, format!("nothing was changed: it cannot be kept: {error}"))
        .with_hint(error.hint())
}

fn bad_request(message: String) -> Failure {
    Failure::new(ErrorCode::BadRequest, message)
}
