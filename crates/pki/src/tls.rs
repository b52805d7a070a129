//! The rustls pieces that all TLS ports share, and the configurations of the channel port.
//!
//! FISCO BCOS clients speak TLS 1.2 with key exchange and certificates on secp256k1, or with RSA certificates of X.509
//! version 1. rustls does neither out of the box; this module adds what is missing:
//! - [`provider`]: aws-lc-rs plus key exchange on secp256k1;
//! - [`ECDSA_SECP256K1_SHA256`]: signatures by libsecp256k1, for chains and handshakes;
//! - [`Secp256k1SigningKey`]: a node's key for rustls;
//! - [`channel_server_config`], [`channel_client_config`]: both ends of the channel port;
//! - [`operator_server_config`], [`operator_client_config`]: both ends of the admin API;
//! - [`enrolment_server_config`], [`enrolment_client_config`]: both ends of an issuer's port for newcomers.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};

mod chain_verifier;
mod channel;
mod enrolment;
mod key_exchange;
mod operator;
mod refused;
mod secp256k1;
mod told;

pub use channel::{
    ChannelPaths, ChannelServerTls, OwnCertificate, RsaPaths, TlsConfigError, channel_client_config,
    channel_client_roles, channel_server_config,
};
pub use enrolment::{enrolment_client_config, enrolment_server_config};
pub use key_exchange::{HYBRID_GROUPS, SECP256K1, SECP256K1_GROUP};
pub use operator::{OperatorServerTls, operator_client_config, operator_client_roles, operator_server_config};
pub use refused::{Handshake, Refused};
pub(crate) use secp256k1::{
    ECDSA_SECP256K1_SHA1, ECDSA_SECP256K1_SHA384, ECDSA_SECP256K1_SHA512, sign, signature_der, spki, spki_of,
};
pub use secp256k1::{ECDSA_SECP256K1_SHA256, Secp256k1SigningKey};

/// aws-lc-rs with its usual suites (all AEAD, all ECDHE) and groups, and key exchange on secp256k1 after them. The
/// secp256k1 group is for TLS 1.2 only: TLS 1.3 has no such group.
pub fn provider() -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups.push(SECP256K1);
    Arc::new(provider)
}

/// The same with the groups of the channel port only: [`HYBRID_GROUPS`], P-256, secp256k1.
fn channel_provider() -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = [HYBRID_GROUPS, &[aws_lc_rs::kx_group::SECP256R1, SECP256K1]].concat();
    Arc::new(provider)
}
