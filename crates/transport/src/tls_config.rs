//! How TLS is spoken between nodes: 1.3 only, without resumption, key log, early data or server name.

use std::sync::Arc;

use nuncio_pki::{Identity, tls::HYBRID_GROUPS};
use rustls::{
    ClientConfig, ServerConfig,
    client::Resumption,
    crypto::{
        CryptoProvider,
        aws_lc_rs::{self, cipher_suite, sign::any_ecdsa_type},
    },
    server::NoServerSessionStorage,
    sign::{CertifiedKey, SigningKey, SingleCertAndKey},
    version::TLS13,
};
use rustls_pki_types::CertificateDer;

use crate::{error::SetupError, leaf, verifier::PeerVerifier};

/// The protocol inside TLS, so that nothing else that speaks TLS gets to a certificate.
pub(crate) const ALPN: &[u8] = b"nuncio/1";

/// What this process shows in every handshake: an ephemeral leaf that the node's key has signed, and behind it the
/// node's CA-issued chain. The node's key is not needed again while the process runs.
#[derive(Debug, Clone)]
pub(crate) struct LocalCertificate {
    leaf: CertificateDer<'static>,
    key: Arc<dyn SigningKey>,
    resolver: Arc<SingleCertAndKey>,
    provider: Arc<CryptoProvider>,
}

impl LocalCertificate {
    pub(crate) fn new(identity: &Identity) -> Result<Self, SetupError> {
        let (leaf, key) = leaf::generate(&identity.key)?;
        let key = any_ecdsa_type(&key).map_err(SetupError::LeafKey)?;
        Ok(Self::of(leaf, key, identity, Arc::new(provider())))
    }

    /// The same leaf before another chain of the node's.
    pub(crate) fn with_chain_of(&self, identity: &Identity) -> Self {
        Self::of(self.leaf.clone(), Arc::clone(&self.key), identity, Arc::clone(&self.provider))
    }

    fn of(
        leaf: CertificateDer<'static>,
        key: Arc<dyn SigningKey>,
        identity: &Identity,
        provider: Arc<CryptoProvider>,
    ) -> Self {
        let chain = std::iter::once(leaf.clone()).chain(identity.chain.iter().cloned()).collect();
        let resolver = Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, Arc::clone(&key))));
        Self { leaf, key, resolver, provider }
    }

    /// For one accepted connection. No session is stored and no ticket sent: a resumed session skips the verifier, and
    /// a node denied meanwhile would be let in.
    pub(crate) fn server(&self, verifier: Arc<PeerVerifier>) -> Result<ServerConfig, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::clone(&self.resolver) as _);
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(config)
    }

    /// For one opened connection.
    pub(crate) fn client(&self, verifier: Arc<PeerVerifier>) -> Result<ClientConfig, rustls::Error> {
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(Arc::clone(&self.resolver) as _);
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(config)
    }
}

/// AES-GCM first, since every machine this runs on has AES instructions, and AES-128 before 256 as the faster.
fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![cipher_suite::TLS13_AES_128_GCM_SHA256, cipher_suite::TLS13_AES_256_GCM_SHA384],
        kx_groups: HYBRID_GROUPS.to_vec(),
        ..aws_lc_rs::default_provider()
    }
}
