//! What operators have to do with: the admin API's settings, and the audit log's.

use std::{io, sync::Arc};

use arc_swap::ArcSwap;
use nuncio_admin::server as admin;
use nuncio_pki::{
    Credential, Identity, SharedPolicy,
    tls::{OperatorServerTls, operator_server_config},
};

use crate::{
    StartError,
    audit::{Keeper, Settings},
    config::Config,
};

/// The writer of the audit log.
pub(crate) fn keeper(config: &Config, identity: &Identity) -> io::Result<Keeper> {
    if !config.audit.enabled {
        return Ok(Keeper::none());
    }
    let settings = Settings {
        directory: config.audit_directory(),
        max_file: config.audit.max_file.0,
        keep_files: config.audit.keep_files,
    };
    Keeper::start(settings, identity.key.clone())
}

pub(crate) fn admin_tls(
    config: &Config,
    identity: &Identity,
    policy: &SharedPolicy,
) -> Result<Option<Arc<ArcSwap<OperatorServerTls>>>, StartError> {
    if !config.admin.tls {
        return Ok(None);
    }
    let tls = operator_server_config(identity, Arc::clone(policy)).map_err(StartError::AdminTls)?;
    Ok(Some(Arc::new(ArcSwap::from_pointee(tls))))
}

pub(crate) fn admin_config(
    config: &Config,
    own_certificate: &Arc<ArcSwap<Credential>>,
    tls: Option<Arc<ArcSwap<OperatorServerTls>>>,
    policy: &SharedPolicy,
) -> admin::Config {
    let own = &config.admin;
    let certificates = || admin::Certificates {
        policy: Arc::clone(policy),
        scope: own.certificate_scope,
        read_only: own.read_only.clone(),
        own: own.same_agency.then(|| Arc::clone(own_certificate)),
    };
    admin::Config {
        socket: Some(config.admin_socket()),
        socket_mode: Some(own.socket_mode.0),
        full_users: own.full_users.clone(),
        listen: own.listen,
        tls: tls.map(|config| admin::Tls { config, certificates: certificates() }),
        tokens: Some(config.admin_tokens()),
        allow_remote: own.allow_remote,
        metrics_listen: own.metrics_listen,
    }
}
