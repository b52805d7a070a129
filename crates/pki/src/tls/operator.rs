//! Both ends of the admin API over TLS. As at the channel port, TLS 1.2: 1.3 has no code point for keys on secp256k1.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, ServerConfig,
    client::Resumption,
    server::NoServerSessionStorage,
    sign::{CertifiedKey, SingleCertAndKey},
    version::TLS12,
};

use super::{
    Secp256k1SigningKey, TlsConfigError,
    chain_verifier::{ChainVerifier, OperatorVerifier},
    channel::load_identity,
    channel_provider,
};
use crate::{Identity, SharedPolicy, directory::read_certificates, path::Anchors};

/// The node's end: it shows its own certificate. A client may show an operator's, judged by the policy in force; one that
/// shows none passes, and has to prove otherwise who it is. Nothing is resumed.
///
/// # Errors
/// When rustls refuses the combination.
pub fn operator_server_config(identity: &Identity, policy: SharedPolicy) -> Result<ServerConfig, rustls::Error> {
    let key = Arc::new(Secp256k1SigningKey::new(identity.key.clone()));
    let own = CertifiedKey::new(identity.chain.clone(), key);
    let mut config = ServerConfig::builder_with_provider(channel_provider())
        .with_protocol_versions(&[&TLS12])?
        .with_client_cert_verifier(Arc::new(OperatorVerifier::new(policy)))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(own)));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

/// The operator's end, from a directory with `ca.crt` and, for who has one, `operator.crt` and `operator.key`, as
/// `nuncio cert issue --kind operator` writes it. The other end must be a node under `ca.crt`; host names are not compared.
///
/// # Errors
/// When a file cannot be used; the text names it.
pub fn operator_client_config(directory: &Path) -> Result<ClientConfig, TlsConfigError> {
    let anchors = Anchors::new(read_certificates(&directory.join("ca.crt"))?);
    let builder = ClientConfig::builder_with_provider(channel_provider())
        .with_protocol_versions(&[&TLS12])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(ChainVerifier::new(anchors)));
    let (key, certificate) = (directory.join("operator.key"), directory.join("operator.crt"));
    let mut config = if key.exists() || certificate.exists() {
        let (own, _) = load_identity(&key, &certificate)?;
        builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own)))
    } else {
        builder.with_no_client_auth()
    };
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    Ok(config)
}
