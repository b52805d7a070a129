use std::time::Instant;

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerMisbehaved, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm, UnixTime};

use sha2::{Digest, Sha256};

use crate::{
    Certificate, SharedPolicy,
    path::{Anchors, Leaf},
    tls::{ECDSA_SECP256K1_SHA1, ECDSA_SECP256K1_SHA256, told::Told},
};

type Algorithms = &'static [&'static dyn SignatureVerificationAlgorithm];

/// In order of preference; TLS 1.2 does not bind a code point to a curve.
static SCHEMES: &[(SignatureScheme, Algorithms)] = {
    use webpki::aws_lc_rs as aws;
    &[
        (SignatureScheme::ECDSA_NISTP256_SHA256, &[ECDSA_SECP256K1_SHA256, aws::ECDSA_P256_SHA256]),
        (SignatureScheme::RSA_PSS_SHA256, &[aws::RSA_PSS_2048_8192_SHA256_LEGACY_KEY]),
        (SignatureScheme::RSA_PSS_SHA384, &[aws::RSA_PSS_2048_8192_SHA384_LEGACY_KEY]),
        (SignatureScheme::RSA_PSS_SHA512, &[aws::RSA_PSS_2048_8192_SHA512_LEGACY_KEY]),
        (SignatureScheme::RSA_PKCS1_SHA256, &[aws::RSA_PKCS1_2048_8192_SHA256]),
        (SignatureScheme::RSA_PKCS1_SHA384, &[aws::RSA_PKCS1_2048_8192_SHA384]),
        (SignatureScheme::RSA_PKCS1_SHA512, &[aws::RSA_PKCS1_2048_8192_SHA512]),
    ]
};

/// What a server accepts from clients besides, in TLS 1.2 and after everything else. JDK 11 binds ecdsa_sha256 to
/// P-256, so with a secp256k1 key it signs with SHA-224 or SHA-1 or not at all; rustls can name only SHA-1 in its
/// request.
static CLIENT_SCHEMES: &[(SignatureScheme, Algorithms)] =
    &[(SignatureScheme::ECDSA_SHA1_Legacy, &[ECDSA_SECP256K1_SHA1])];

/// Checks the other side of a channel connection: the chain, never a host name.
#[derive(Debug)]
pub(crate) struct ChainVerifier {
    anchors: Anchors,
    told: Told,
    is_mandatory: bool,
}

impl ChainVerifier {
    pub(crate) fn new(anchors: Anchors) -> Self {
        Self { anchors, told: Told::default(), is_mandatory: true }
    }

    /// A client that shows no certificate passes, and has to prove otherwise who it is.
    pub(crate) fn of_guests(anchors: Anchors) -> Self {
        Self { is_mandatory: false, ..Self::new(anchors) }
    }

    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        purpose: Leaf,
    ) -> Result<(), Error> {
        let chain: Vec<CertificateDer<'_>> = std::iter::once(leaf).chain(intermediates).cloned().collect();
        match self.anchors.verify(&chain, now, purpose) {
            Ok(_) => Ok(()),
            Err(error) => {
                if let Some(kept_back) = self.told.line(&error, Instant::now()) {
                    tracing::info!(hint = error.hint(), kept_back, "channel: refused {purpose:?}: {error}");
                }
                Err(error.to_certificate_error().into())
            }
        }
    }

    fn verify_signature(
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
        allowed: impl Iterator<Item = &'static (SignatureScheme, Algorithms)>,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms =
            allowed.filter(|(scheme, _)| *scheme == signed.scheme).map(|(_, algorithms)| *algorithms).next();
        let Some(algorithms) = algorithms else {
            return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
        };
        // The raw key: webpki would not even parse a version 1 certificate.
        let leaf = Certificate::from_der(leaf.clone().into_owned()).map_err(|_| CertificateError::BadEncoding)?;
        let key = webpki::RawPublicKeyEntity::try_from(leaf.public_key()).map_err(|_| CertificateError::BadEncoding)?;
        algorithms
            .iter()
            .any(|algorithm| key.verify_signature(*algorithm, message, signed.signature()).is_ok())
            .then(HandshakeSignatureValid::assertion)
            .ok_or_else(|| CertificateError::BadSignature.into())
    }
}

fn from_clients() -> impl Iterator<Item = &'static (SignatureScheme, Algorithms)> {
    SCHEMES.iter().chain(CLIENT_SCHEMES)
}

fn from_servers() -> impl Iterator<Item = &'static (SignatureScheme, Algorithms)> {
    SCHEMES.iter()
}

/// TLS 1.3 has RSA-PSS, and curves bound to their code points: no secp256k1.
fn in_tls13() -> impl Iterator<Item = &'static (SignatureScheme, Algorithms)> {
    use SignatureScheme as S;
    SCHEMES.iter().filter(|(scheme, _)| matches!(scheme, S::RSA_PSS_SHA256 | S::RSA_PSS_SHA384 | S::RSA_PSS_SHA512))
}

macro_rules! signature_checks {
    ($schemes:ident) => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            ChainVerifier::verify_signature(message, cert, dss, $schemes())
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            ChainVerifier::verify_signature(message, cert, dss, in_tls13())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            $schemes().map(|(scheme, _)| *scheme).collect()
        }
    };
}

impl ClientCertVerifier for ChainVerifier {
    /// None, as FISCO BCOS nodes send: a client has one certificate and should present it.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        self.is_mandatory
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.verify(end_entity, intermediates, now, Leaf::Client).map(|()| ClientCertVerified::assertion())
    }

    signature_checks!(from_clients);
}

/// Checks an operator at the admin API by the policy in force. Who shows no certificate may have a token.
#[derive(Debug)]
pub(crate) struct OperatorVerifier {
    policy: SharedPolicy,
    told: Told,
}

impl OperatorVerifier {
    pub(crate) fn new(policy: SharedPolicy) -> Self {
        Self { policy, told: Told::default() }
    }
}

impl ClientCertVerifier for OperatorVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let chain: Vec<CertificateDer<'_>> = std::iter::once(end_entity).chain(intermediates).cloned().collect();
        match self.policy.load().admit_operator(&chain, now) {
            Ok(_) => Ok(ClientCertVerified::assertion()),
            Err(error) => {
                if let Some(kept_back) = self.told.line(&error, Instant::now()) {
                    tracing::info!(hint = error.hint(), kept_back, "admin API: refused: {error}");
                }
                Err(error.to_certificate_error().into())
            }
        }
    }

    signature_checks!(from_servers);
}

/// Checks a node by the SHA-256 of its root alone, which it shows: all that a newcomer knows.
#[derive(Debug)]
pub(crate) struct PinnedVerifier(pub(crate) [u8; 32]);

impl ServerCertVerifier for PinnedVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let is_pinned = |one: &&CertificateDer<'_>| <[u8; 32]>::from(Sha256::digest(one)) == self.0;
        let root = intermediates.iter().find(is_pinned).ok_or(CertificateError::UnknownIssuer)?;
        let root = Certificate::from_der(root.clone().into_owned()).map_err(|_| CertificateError::BadEncoding)?;
        let verifier = ChainVerifier::new(Anchors::new(vec![root]));
        verifier.verify(end_entity, intermediates, now, Leaf::Node).map(|()| ServerCertVerified::assertion())
    }

    signature_checks!(from_servers);
}

impl ServerCertVerifier for ChainVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify(end_entity, intermediates, now, Leaf::Server).map(|()| ServerCertVerified::assertion())
    }

    signature_checks!(from_servers);
}
