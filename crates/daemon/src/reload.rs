//! SIGHUP: the configuration is read again. A bad one changes nothing.

use std::sync::Arc;

use nuncio_node::RenewalError;
use nuncio_pki::{Identity, Policy, tls::channel_server_config};
use rustls_pki_types::UnixTime;

use crate::{
    StartError,
    config::{Config, ConfigError, Peer},
    control::{Control, roles_warning},
    lifetimes,
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
            Self::OtherNode { .. } => "restart to run as another node, or put the former files back".to_owned(),
            Self::Renewal(_) => "restart the node to run under the new name, or put the former files back".to_owned(),
            Self::NoSource => "restart it with `nuncio run --config FILE`".to_owned(),
        }
    }
}

/// What was read and found good, before any of it is in force.
struct Fresh {
    config: Config,
    policy: Policy,
    identity: Identity,
    channel: Option<nuncio_pki::tls::ChannelServerTls>,
}

impl Control {
    /// Takes over peers, access lists, revocation lists, authorities, renewed certificates and the log filter.
    ///
    /// # Errors
    /// When something in the files is bad; then all stays as it was.
    pub(crate) async fn reload(&self) -> Result<(), ReloadError> {
        let _turn = self.turn.lock().await;
        let fresh = self.read_again()?;
        let before = self.state().clone();
        let mut after = before.clone();
        after.config = fresh.config;
        for table in tables_that_need_a_restart(&before.config, &after.config) {
            tracing::warn!(table, "a change there takes effect at the next start");
        }
        let lifetimes = lifetimes::of_own(&fresh.identity, fresh.channel.as_ref(), &fresh.policy);
        if let Some(warning) = roles_warning(fresh.policy.roles()) {
            tracing::warn!("{warning}");
        }
        self.node.renew(Arc::new(fresh.identity)).await?;
        self.lifetimes.store(Arc::new(lifetimes));
        *self.state() = after.clone();
        // Lists from the network stay in force until files bring newer ones.
        let fresh_policy = after.restrict(fresh.policy);
        self.enforce(|current| fresh_policy.clone().with_newest_of(current, UnixTime::now())).await;
        self.change_peers(&before.wanted_peers(), &after.wanted_peers()).await;
        self.change_rights(&before.config, &after.config).await;
        if let (Some((_, renewal)), Some(tls)) = (&self.gateway, &fresh.channel) {
            renewal.renew(tls);
        }
        if let Some(log) = self.log.as_ref().filter(|_| before.config.log.filter != after.config.log.filter)
            && let Err(error) = log.set_filter(&after.config.log.filter)
        {
            tracing::error!(%error, "the log filter stays");
        }
        tracing::info!("configuration reloaded");
        Ok(())
    }

    fn read_again(&self) -> Result<Fresh, ReloadError> {
        let config = self.source.as_ref().ok_or(ReloadError::NoSource)?.load()?.config;
        let (identity, policy) = Identity::load(&config.identity_paths()).map_err(StartError::Identity)?;
        let (running, found) = (self.node.node_id(), identity.key.node_id());
        if running != found {
            return Err(ReloadError::OtherNode { running: running.short(), found: found.short() });
        }
        let channel = if self.gateway.is_some() {
            Some(channel_server_config(&config.channel_paths()).map_err(StartError::ChannelTls)?)
        } else {
            None
        };
        Ok(Fresh { config, policy, identity, channel })
    }

    async fn change_rights(&self, before: &Config, after: &Config) {
        if before.rights == after.rights {
            return;
        }
        // The configuration was judged when it was read.
        let Ok(rights) = after.rights.in_force().map(Arc::new) else { return };
        if let Some((_, gateway)) = &self.gateway {
            gateway.set_rights(Arc::clone(&rights));
        }
        self.node.set_rights(rights).await;
        tracing::info!("other rights are in force");
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

/// The tables with changes that a reload does not take over.
fn tables_that_need_a_restart(before: &Config, after: &Config) -> Vec<&'static str> {
    let mut same = after.clone();
    same.p2p.peers.clone_from(&before.p2p.peers);
    let channel =
        |config: &Config| (config.gateway.key.clone(), config.gateway.cert.clone(), config.gateway.ca.clone());
    (same.gateway.key, same.gateway.cert, same.gateway.ca) = channel(before);
    same.gateway.allow.clone_from(&before.gateway.allow);
    same.gateway.deny.clone_from(&before.gateway.deny);
    let differs = [
        ("data_dir", same.data_dir != before.data_dir),
        ("[p2p]", same.p2p != before.p2p),
        ("[gateway]", same.gateway != before.gateway),
        ("[admin]", same.admin != before.admin),
        ("[log] format", same.log.format != before.log.format),
    ];
    differs.into_iter().filter(|(_, differs)| *differs).map(|(table, _)| table).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_be_swapped_needs_a_restart() {
        let before = Config::default();
        let mut after = before.clone();
        after.p2p.peers = vec!["a:1".parse().unwrap()];
        after.gateway.cert = Some("x".into());
        after.log.filter = "debug".into();
        after.identity.crl = vec!["y".into()];
        after.rights.default = nuncio_rights::Fallback::Deny;
        assert!(tables_that_need_a_restart(&before, &after).is_empty());
        after.p2p.max_links = 1;
        after.admin.allow_remote = true;
        assert_eq!(tables_that_need_a_restart(&before, &after), ["[p2p]", "[admin]"]);
    }
}
