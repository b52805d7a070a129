//! SIGHUP: the configuration is read again. A bad one changes nothing.

use std::sync::{Arc, Mutex, PoisonError};

use nuncio_audit::{Actor, Change, Event, Text};
use nuncio_identity::NodeId;
use nuncio_node::{RenewalError, tell_gone};
use nuncio_pki::{
    Identity, Policy, RevocationList,
    tls::{ChannelServerTls, OperatorServerTls, channel_server_config, operator_server_config},
};
use rustls_pki_types::UnixTime;

use crate::{
    StartError,
    config::{Config, ConfigError, Difference, Effect, Peer, Source},
    control::{Control, warn_of_roles},
    lifetimes,
    reading::ReadingError,
};

/// Why a reload changed nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The certificates.
    #[error(transparent)]
    Start(#[from] StartError),
    /// They were not read in time.
    #[error(transparent)]
    Reading(#[from] ReadingError),
    /// The files are another node's now.
    #[error("[identity]: the certificate is of node {found} now, and this is node {running}")]
    OtherNode {
        /// The node that runs, first digits.
        running: String,
        /// The node in the files, first digits.
        found: String,
    },
    /// The certificate names the node otherwise than it runs.
    #[error("[identity]: {0}")]
    Renewal(#[from] RenewalError),
    /// What can be swapped and what stays do not go together.
    #[error("the file and what stays in force until the next start do not go together: {reason}")]
    Together {
        /// Why.
        reason: String,
    },
    /// The node was not started from a file.
    #[error("there is no file to reload")]
    NoSource,
}

impl ReloadError {
    /// What the operator can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Config(error) => error.hint(),
            Self::Start(error) => error.hint(),
            Self::Reading(error) => error.hint(),
            Self::OtherNode { .. } => "restart to run as another node, or put the former files back".to_owned(),
            Self::Renewal(_) => "restart the node to run under the new name, or put the former files back".to_owned(),
            Self::Together { .. } => "restart the node, or put the former values back".to_owned(),
            Self::NoSource => "restart it with `nuncio run --config FILE`".to_owned(),
        }
    }
}

/// Authorities named in one event at the most.
const MAX_NAMED: usize = 16;

/// What was read and found good, before any of it is in force.
struct Fresh {
    /// What holds from then on: the file, but for what cannot be swapped.
    config: Config,
    differences: Vec<Difference>,
    policy: Policy,
    identity: Identity,
    channel: Option<ChannelServerTls>,
    admin: Option<OperatorServerTls>,
}

impl Control {
    /// Takes over what can be swapped while the node runs, as the table of keys says, and the files that the configuration
    /// names.
    ///
    /// # Errors
    /// When something in the files is bad; then all stays as it was.
    pub(crate) async fn reload(&self, actor: Actor) -> Result<(), ReloadError> {
        let _turn = self.turn.lock().await;
        let outcome = self.take_over(&actor).await;
        if let Err(error) = &outcome {
            let cause = format!("{error} (hint: {})", error.hint()).into();
            self.audit.record(Event::ConfigurationRefused { actor, cause });
        }
        outcome
    }

    async fn take_over(&self, actor: &Actor) -> Result<(), ReloadError> {
        let fresh = self.read_again().await?;
        let before = self.state().clone();
        let mut after = before.clone();
        after.config = fresh.config;
        let changes = fresh.differences.iter().map(change).collect();
        after.waiting = fresh.differences.into_iter().filter(|one| one.effect == Effect::NextStart).collect();
        warn_of_roles(fresh.policy.roles());
        self.show(fresh.identity, fresh.channel.as_ref(), &fresh.policy).await?;
        *self.state() = after.clone();
        let former = self.policy.load_full();
        self.enforce_fresh(&after.restrict(fresh.policy)).await;
        self.tell_policy(&former, &self.policy.load_full());
        self.change_peers(&before.wanted_peers(), &after.wanted_peers()).await;
        self.change_rights(actor, &before.config, &after.config).await;
        self.change_priorities(&after.config);
        self.renew_ports(fresh.channel.as_ref(), fresh.admin);
        if let Some(log) = self.log.as_ref().filter(|_| before.config.log.filter != after.config.log.filter)
            && let Err(error) = log.set_filter(&after.config.log.filter)
        {
            tracing::error!(%error, "the log filter stays");
        }
        self.audit.record(Event::ConfigurationChanged { actor: actor.clone(), changes });
        Ok(())
    }

    /// Lists from the network stay in force until files bring newer ones.
    async fn enforce_fresh(&self, fresh: &Policy) {
        let gone = Mutex::new(Vec::new());
        self.enforce(|current| {
            let (policy, lost) = fresh.clone().with_former_of(current, UnixTime::now());
            *gone.lock().unwrap_or_else(PoisonError::into_inner) = lost;
            policy
        })
        .await;
        tell_gone(&self.audit, &gone.into_inner().unwrap_or_else(PoisonError::into_inner));
    }

    /// Shows a certificate that this node has got for itself, at all its ports.
    ///
    /// # Errors
    /// When it is not this node's, or the files of the SDK port beside it do not serve; then that port shows the former one.
    pub(crate) async fn show_renewed(&self, identity: Identity) -> Result<(), ReloadError> {
        let config = self.state().config.clone();
        let admin = self.admin_tls_of(&identity)?;
        let channel = match &self.gateway {
            Some(_) => Some(self.readings.run(move || channel_server_config(&config.channel_paths())).await?),
            None => None,
        };
        let tls = channel.as_ref().and_then(|channel| channel.as_ref().ok());
        self.show(identity, tls, &self.policy.load_full()).await?;
        self.renew_ports(tls, admin);
        match channel {
            Some(Err(error)) => Err(StartError::ChannelTls(error).into()),
            _ => Ok(()),
        }
    }

    async fn show(
        &self,
        identity: Identity,
        channel: Option<&ChannelServerTls>,
        policy: &Policy,
    ) -> Result<(), RenewalError> {
        let lifetimes = lifetimes::of_own(&identity, channel, policy);
        let own = Arc::new(identity.certificate.clone());
        if let Some(tls) = &self.enrolment_tls {
            tls.renew(&identity);
        }
        self.node.renew(Arc::new(identity)).await?;
        self.lifetimes.store(Arc::new(lifetimes));
        // An agency above it may be another one, or the root, as when that is rotated: then it is renewed with that.
        if *own != **self.own.load() {
            self.own.store(own);
        }
        Ok(())
    }

    fn renew_ports(&self, channel: Option<&ChannelServerTls>, admin: Option<OperatorServerTls>) {
        if let (Some((_, renewal)), Some(tls)) = (&self.gateway, channel) {
            renewal.renew(tls);
        }
        if let (Some(shared), Some(tls)) = (&self.admin_tls, admin) {
            shared.store(Arc::new(tls));
        }
    }

    fn admin_tls_of(&self, identity: &Identity) -> Result<Option<OperatorServerTls>, StartError> {
        let admin = self.admin_tls.as_ref().map(|_| operator_server_config(identity, Arc::clone(&self.policy)));
        admin.transpose().map_err(StartError::AdminTls)
    }

    async fn read_again(&self) -> Result<Fresh, ReloadError> {
        let source = self.source.clone().ok_or(ReloadError::NoSource)?;
        let (running, node, has_gateway) = (self.state().config.clone(), self.node.node_id(), self.gateway.is_some());
        let read = move || read(&source, &running, node, has_gateway);
        let mut fresh = self.readings.run(read).await??;
        fresh.admin = self.admin_tls_of(&fresh.identity)?;
        Ok(fresh)
    }

    /// Which authorities and revocation lists are others than before.
    pub(crate) fn tell_policy(&self, before: &Policy, after: &Policy) {
        let beyond = |one: &Policy, other: &Policy| {
            let only = one.anchors().iter().filter(|anchor| !other.anchors().contains(anchor));
            let mut names: Vec<Text> = only.map(|one| format!("{} ({})", one.subject(), one.serial()).into()).collect();
            let further = names.len().saturating_sub(MAX_NAMED);
            names.truncate(MAX_NAMED);
            names.extend((further > 0).then(|| format!("and {further} more").into()));
            names
        };
        let (added, removed) = (beyond(after, before), beyond(before, after));
        if !added.is_empty() || !removed.is_empty() {
            self.audit.record(Event::AuthoritiesChanged { added, removed });
        }
        let former: Vec<_> = before.lists().iter().map(RevocationList::der).collect();
        for list in after.lists().iter().filter(|list| !former.contains(&list.der())) {
            self.audit.record(Event::ListTaken {
                peer: None,
                issuer: list.issuer().into(),
                edition: list.edition().to_string().into(),
                revoked: list.len(),
            });
        }
    }

    /// The configuration was judged when it was read.
    fn change_priorities(&self, after: &Config) {
        if let (Some((_, gateway)), Ok(priorities)) = (&self.gateway, after.priorities.in_force()) {
            gateway.set_priorities(priorities);
        }
    }

    async fn change_rights(&self, actor: &Actor, before: &Config, after: &Config) {
        let fresh = &after.rights;
        if before.rights == *fresh {
            return;
        }
        // The configuration was judged when it was read.
        let Ok(rights) = fresh.in_force().map(Arc::new) else { return };
        if let Some((_, gateway)) = &self.gateway {
            gateway.set_rights(Arc::clone(&rights));
        }
        self.node.set_rights(rights).await;
        self.audit.record(Event::RightsChanged {
            actor: actor.clone(),
            default: fresh.default.as_str(),
            allow: fresh.allow.len(),
            deny: fresh.deny.len(),
            namespaces: fresh.namespace.len(),
            quotas: fresh.quota.len(),
        });
    }

    async fn change_peers(&self, before: &[Peer], after: &[Peer]) {
        for peer in before.iter().filter(|peer| !after.contains(peer)) {
            self.node.remove_peer(peer.as_str().to_owned()).await;
        }
        for peer in after.iter().filter(|peer| !before.contains(peer)) {
            if let Err(error) = self.node.add_peer(peer.as_str().to_owned()).await {
                tracing::error!(%peer, %error, "the peer is left out");
            }
        }
    }
}

/// What the files say now, for the node that runs.
fn read(source: &Source, running: &Config, node: NodeId, has_gateway: bool) -> Result<Fresh, ReloadError> {
    let file = source.load()?.config;
    let (config, differences) = running.take_over(&file).map_err(|reason| ReloadError::Together { reason })?;
    let (identity, policy) = Identity::load(&config.identity_paths()).map_err(StartError::Identity)?;
    let found = identity.key.node_id();
    if node != found {
        return Err(ReloadError::OtherNode { running: node.short(), found: found.short() });
    }
    let channel = has_gateway.then(|| channel_server_config(&config.channel_paths()));
    let channel = channel.transpose().map_err(StartError::ChannelTls)?;
    Ok(Fresh { config, differences, policy, identity, channel, admin: None })
}

fn change(difference: &Difference) -> Change {
    Change { key: (&difference.key).into(), active: difference.effect == Effect::Live }
}
