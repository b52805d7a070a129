//! Both ends of the enrolment port. As at the channel port, TLS 1.2: 1.3 has no code point for keys on secp256k1.

use std::sync::Arc;

use rustls::{
    ClientConfig, ServerConfig,
    client::Resumption,
    server::NoServerSessionStorage,
    sign::{CertifiedKey, SingleCertAndKey},
    version::TLS12,
};

use super::{Secp256k1SigningKey, chain_verifier::PinnedVerifier, channel_provider};
use crate::{Certificate, Identity};

/// The node's end: it shows its own certificate, what stands above it, and `agency`, the certificates of the agency that issues
/// with the root last, whose fingerprint newcomers know. While a root is rotated the node may show the agency's former one still.
///
/// # Errors
/// When rustls refuses the combination.
pub fn enrolment_server_config(identity: &Identity, agency: &[Certificate]) -> Result<ServerConfig, rustls::Error> {
    let key = Arc::new(Secp256k1SigningKey::new(identity.key.clone()));
    let further = agency.iter().map(Certificate::der).filter(|der| !identity.chain.contains(der));
    let chain = identity.chain.iter().chain(further).cloned().collect();
    let own = CertifiedKey::new(chain, key);
    let mut config = ServerConfig::builder_with_provider(channel_provider())
        .with_protocol_versions(&[&TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(own)));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

/// The newcomer's end: whoever answers must be a node of this agency ([`agency_path`](crate::Credential::agency_path)) below the
/// root with this SHA-256; host names are not compared. That he is another agency's is [`rustls::Error::General`], in words.
///
/// # Errors
/// When rustls refuses the combination.
pub fn enrolment_client_config(root: [u8; 32], agency: &str) -> Result<ClientConfig, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(channel_provider())
        .with_protocol_versions(&[&TLS12])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(PinnedVerifier { root, agency: agency.to_owned() }))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    Ok(config)
}
