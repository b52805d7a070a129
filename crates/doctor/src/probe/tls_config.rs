//! A TLS client that shows what it has, lets every server pass, and keeps what it saw.

use std::sync::{Arc, Mutex, PoisonError};

use nuncio_pki::{
    Certificate,
    tls::{ECDSA_SECP256K1_SHA256, SECP256K1},
};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::{
        ResolvesClientCert, Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{
        CryptoProvider, WebPkiSupportedAlgorithms,
        aws_lc_rs::{self, kx_group},
    },
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::{Credentials, Offer};

/// What one handshake showed.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) chain: Vec<Certificate>,
    pub(super) asked: bool,
    pub(super) proved: Option<bool>,
}

/// Keeps what one handshake shows.
#[derive(Debug)]
pub(super) struct Witness {
    seen: Mutex<Seen>,
    own: Option<Arc<CertifiedKey>>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// Most certificates kept of a chain.
const MAX_CHAIN: usize = 8;

impl Witness {
    pub(super) fn new(own: Option<&Credentials>, offer: Offer) -> Arc<Self> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        let own = own.filter(|own| offer != Offer::Tls13 || own.is_good_for_tls13()).map(Credentials::certified_key);
        Arc::new(Self { seen: Mutex::default(), own, algorithms })
    }

    pub(super) fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The configuration for one handshake. No session is kept, no key logged; early data is not sent.
    pub(super) fn config(self: &Arc<Self>, offer: Offer) -> Result<ClientConfig, Error> {
        let version = if offer == Offer::Tls13 { &TLS13 } else { &TLS12 };
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider(offer)))
            .with_protocol_versions(&[version])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(self) as _)
            .with_client_cert_resolver(Arc::clone(self) as _);
        config.resumption = Resumption::disabled();
        Ok(config)
    }

    fn note(&self, note: impl FnOnce(&mut Seen)) {
        note(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Whether the handshake was signed by the certificate's key; `None` when that is for another tool to say.
    fn verify(&self, message: &[u8], cert: &CertificateDer<'_>, signed: &DigitallySignedStruct, tls12: bool) {
        let on_secp256k1 = Certificate::from_der(cert.clone().into_owned()).is_ok_and(|one| one.node_id().is_some());
        let algorithms = if on_secp256k1 && tls12 { OF_NODES } else { self.algorithms };
        let verified = if tls12 {
            rustls::crypto::verify_tls12_signature(message, cert, signed, &algorithms)
        } else {
            rustls::crypto::verify_tls13_signature(message, cert, signed, &algorithms)
        };
        let proved = match verified {
            Ok(_) => Some(true),
            Err(Error::InvalidCertificate(rustls::CertificateError::BadSignature)) => Some(false),
            // Such as X.509 version 1, which webpki does not read.
            Err(_) => None,
        };
        self.note(|seen| seen.proved = proved);
    }
}

/// TLS 1.2 names a hash and ECDSA, but no curve: the certificate's is meant.
const OF_NODES: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[ECDSA_SECP256K1_SHA256],
    mapping: &[(SignatureScheme::ECDSA_NISTP256_SHA256, &[ECDSA_SECP256K1_SHA256])],
};

fn provider(offer: Offer) -> CryptoProvider {
    let mut groups = vec![kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1];
    if offer == Offer::Tls12 {
        groups.push(SECP256K1);
    }
    CryptoProvider { kx_groups: groups, ..aws_lc_rs::default_provider() }
}

impl ResolvesClientCert for Witness {
    fn resolve(&self, _authorities: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.note(|seen| seen.asked = true);
        self.own.clone()
    }

    /// Asked for or not: whether there is one shows in [`resolve`](Self::resolve).
    fn has_certs(&self) -> bool {
        true
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let sent = std::iter::once(end_entity).chain(intermediates).take(MAX_CHAIN);
        let chain = sent.filter_map(|der| Certificate::from_der(der.clone().into_owned()).ok()).collect();
        self.note(|seen| seen.chain = chain);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify(message, cert, dss, true);
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify(message, cert, dss, false);
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
