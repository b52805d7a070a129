//! Both ends of the admin API over TLS. As at the channel port, TLS 1.2: 1.3 has no code point for keys on secp256k1.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, ServerConfig,
    client::Resumption,
    crypto::CryptoProvider,
    server::NoServerSessionStorage,
    sign::{CertifiedKey, SingleCertAndKey},
    version::TLS12,
};

use super::{
    Secp256k1SigningKey, TlsConfigError,
    chain_verifier::{ChainVerifier, OperatorVerifier},
    channel::load_identity,
    channel_provider,
    refused::{Handshake, Judgement},
};
use crate::{Identity, SharedPolicy, Stated, directory::read_certificates, path::Anchors};

/// The TLS side of the admin API. Cheap to clone; to renew it, make another and swap.
#[derive(Debug, Clone)]
pub struct OperatorServerTls {
    own: Arc<SingleCertAndKey>,
    provider: Arc<CryptoProvider>,
    policy: SharedPolicy,
}

impl OperatorServerTls {
    /// For one connection.
    ///
    /// # Errors
    /// When rustls refuses the combination.
    pub fn handshake(&self) -> Result<Handshake, rustls::Error> {
        let judgement = Judgement::default();
        let verifier = OperatorVerifier::new(Arc::clone(&self.policy), judgement.clone());
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&TLS12])?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_cert_resolver(Arc::clone(&self.own) as _);
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Handshake::new(Arc::new(config), judgement))
    }
}

/// The node's end: it shows its own certificate. A client may show an operator's, judged by the policy in force; one that
/// shows none passes, and has to prove otherwise who it is. Nothing is resumed.
///
/// # Errors
/// When rustls refuses the combination.
pub fn operator_server_config(identity: &Identity, policy: SharedPolicy) -> Result<OperatorServerTls, rustls::Error> {
    let key = Arc::new(Secp256k1SigningKey::new(identity.key.clone()));
    let own = Arc::new(SingleCertAndKey::from(CertifiedKey::new(identity.chain.clone(), key)));
    let tls = OperatorServerTls { own, provider: channel_provider(), policy };
    tls.handshake()?;
    Ok(tls)
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

/// The roles that the certificate states which [`operator_client_config`] shows; `None` where it shows none.
///
/// # Errors
/// When the certificate cannot be read.
pub fn operator_client_roles(directory: &Path) -> Result<Option<Stated>, TlsConfigError> {
    let certificate = directory.join("operator.crt");
    let shown = certificate.exists().then(|| read_certificates(&certificate)).transpose()?;
    Ok(shown.map(|bundle| bundle[0].stated_roles().clone()))
}
