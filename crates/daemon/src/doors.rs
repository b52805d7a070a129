//! The settings of the doors for clients: SDKs, and all other languages.

use std::{sync::Arc, time::Duration};

use nuncio_admin::TokenFile;
use nuncio_audit::Scope;
use nuncio_door::Limits;
use nuncio_pki::tls::ChannelServerTls;
use nuncio_protocol::{MAX_CLIENT_TOPIC_BYTES, MAX_CLIENTS_TOPIC_BYTES};

use crate::{Config, StartError};

/// One address may make up for a minute at once: all SDKs of a host come back after their node's restart.
pub(crate) fn sdk_door(config: &Config) -> Limits {
    let own = &config.gateway;
    Limits::new(own.max_pending_handshakes, own.connections_per_second, own.connections_per_second.saturating_mul(64))
}

pub(crate) fn gateway_config(
    config: &Config,
    tls: ChannelServerTls,
    access: nuncio_gateway::Access,
) -> nuncio_gateway::Config {
    let own = &config.gateway;
    let mut gateway = nuncio_gateway::Config::new(own.listen, tls);
    gateway.same_agency = own.same_agency;
    gateway.access = access;
    gateway.version.chain_id.clone_from(&own.chain_id);
    gateway.version.supported.clone_from(&own.supported_version);
    gateway.version.fisco_bcos.clone_from(&own.supported_version);
    // The configuration was judged when it was read.
    gateway.priorities = config.priorities.in_force().unwrap_or_default();
    gateway.limits = gateway_limits(config);
    gateway.timeouts.idle = own.client_idle.0;
    // A delivery may be acknowledged as long as anybody waits for it.
    gateway.timeouts.acknowledge = own.publish_timeout.0 + Duration::from_secs(1);
    gateway
}

/// How much the gateway lets in.
pub(crate) fn gateway_limits(config: &Config) -> nuncio_gateway::Limits {
    let (own, mut limits) = (&config.gateway, nuncio_gateway::Limits::default());
    limits.connections = own.max_clients;
    // Three quarters, as the gateway's own default: no single host takes all places.
    limits.connections_per_address = (own.max_clients * 3 / 4).max(1);
    // All places, at both doors: a certificate makes room when others come.
    let of_web = if config.web.enabled { config.web.max_clients } else { 0 };
    limits.connections_per_certificate = own.max_clients.saturating_add(of_web);
    limits.door = sdk_door(config);
    limits.queue_bytes = own.client_queue.as_usize();
    limits.queue_bytes_per_certificate = own.certificate_queue.as_usize();
    limits.queue_bytes_of_all = own.total_queue.as_usize();
    limits.intake_bytes_per_certificate = own.certificate_intake.as_usize();
    limits.intake_bytes = own.total_intake.as_usize();
    limits.in_flight_bytes_per_certificate = own.certificate_in_flight.as_usize();
    limits.in_flight_bytes = own.total_in_flight.as_usize();
    // The core takes no longer lists.
    limits.topic_bytes_per_session = own.client_topics.as_usize().min(MAX_CLIENT_TOPIC_BYTES);
    limits.topic_bytes_per_certificate = own.certificate_topics.as_usize();
    limits.topic_bytes = own.total_topics.as_usize().min(MAX_CLIENTS_TOPIC_BYTES);
    limits.calls_per_second = own.calls_per_second;
    limits
}

/// As for SDKs.
pub(crate) fn web_door(config: &Config) -> Limits {
    let own = &config.web;
    Limits::new(own.max_pending_handshakes, own.connections_per_second, own.connections_per_second.saturating_mul(64))
}

pub(crate) fn web_limits(config: &Config) -> nuncio_web::Limits {
    nuncio_web::Limits::new(config.web.max_clients, web_door(config))
}

/// The web door of a gateway, where it is switched on.
pub(crate) fn web(
    config: &Config,
    gateway: Option<&nuncio_gateway::Bound>,
) -> Result<Option<nuncio_web::Bound>, StartError> {
    let gateway = gateway.filter(|_| config.web.enabled);
    let bound = gateway.map(|gateway| nuncio_web::bind(web_config(config), gateway.entrance()));
    bound.transpose().map_err(StartError::Web)
}

fn web_config(config: &Config) -> nuncio_web::Config {
    let mut web = nuncio_web::Config::new(config.web.listen);
    web.origins.clone_from(&config.web.origins);
    web.limits = web_limits(config);
    web.tls = config.web.tls;
    web.tokens = config.web.tokens.then(|| Arc::new(ClientTokens(TokenFile::new(config.admin_tokens()))) as _);
    web
}

/// The tokens of clients, in the file where those of operators are.
#[derive(Debug)]
struct ClientTokens(TokenFile);

impl nuncio_web::Tokens for ClientTokens {
    fn find(&self, shown: &str) -> Result<nuncio_web::Holder, String> {
        let token = self.0.judge(shown)?;
        if token.scope != Scope::Client {
            return Err(format!("the token {} is of scope {}, not of scope client", token.name, token.scope));
        }
        let hash = hex::decode(&token.hash).ok().and_then(|hash| hash.try_into().ok());
        let hash = hash.ok_or_else(|| format!("the hash of the token {} is none", token.name))?;
        Ok(nuncio_web::Holder { name: token.name, hash })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_may_have_all_places_of_both_doors_while_nobody_else_comes() {
        let mut config = Config::default();
        (config.gateway.max_clients, config.web.max_clients) = (10, 4);
        let limits = gateway_limits(&config);
        assert_eq!(
            (limits.connections, limits.connections_per_address, limits.connections_per_certificate),
            (10, 7, 10)
        );
        config.web.enabled = true;
        assert_eq!(gateway_limits(&config).connections_per_certificate, 14);
    }
}
