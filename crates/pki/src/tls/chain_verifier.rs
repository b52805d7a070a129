use std::{sync::Arc, time::Instant};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerMisbehaved, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm, UnixTime};

use sha2::{Digest, Sha256};

use crate::{
    Certificate, Credential, Door, SharedPolicy,
    path::{Anchors, Leaf},
    pss,
    tls::{
        ECDSA_SECP256K1_SHA1, ECDSA_SECP256K1_SHA256, ECDSA_SECP256K1_SHA384, ECDSA_SECP256K1_SHA512,
        refused::Judgement, told::Told,
    },
};

type Algorithms = &'static [&'static dyn SignatureVerificationAlgorithm];

/// In order of preference; TLS 1.2 does not bind a code point to a curve, and OpenSSL takes the first of these for any.
static SCHEMES: &[(SignatureScheme, Algorithms)] = {
    use webpki::aws_lc_rs as aws;
    &[
        (
            SignatureScheme::ECDSA_NISTP256_SHA256,
            &[ECDSA_SECP256K1_SHA256, aws::ECDSA_P256_SHA256, aws::ECDSA_P384_SHA256, aws::ECDSA_P521_SHA256],
        ),
        (SignatureScheme::RSA_PSS_SHA256, &[aws::RSA_PSS_2048_8192_SHA256_LEGACY_KEY]),
        (SignatureScheme::RSA_PSS_SHA384, &[aws::RSA_PSS_2048_8192_SHA384_LEGACY_KEY]),
        (SignatureScheme::RSA_PSS_SHA512, &[aws::RSA_PSS_2048_8192_SHA512_LEGACY_KEY]),
        (SignatureScheme::RSA_PKCS1_SHA256, &[aws::RSA_PKCS1_2048_8192_SHA256]),
        (SignatureScheme::RSA_PKCS1_SHA384, &[aws::RSA_PKCS1_2048_8192_SHA384]),
        (SignatureScheme::RSA_PKCS1_SHA512, &[aws::RSA_PKCS1_2048_8192_SHA512]),
        (
            SignatureScheme::ECDSA_NISTP384_SHA384,
            &[ECDSA_SECP256K1_SHA384, aws::ECDSA_P256_SHA384, aws::ECDSA_P384_SHA384, aws::ECDSA_P521_SHA384],
        ),
        (
            SignatureScheme::ECDSA_NISTP521_SHA512,
            &[ECDSA_SECP256K1_SHA512, aws::ECDSA_P256_SHA512, aws::ECDSA_P384_SHA512, aws::ECDSA_P521_SHA512],
        ),
        (SignatureScheme::ED25519, &[aws::ED25519]),
    ]
};

/// By RSA keys that are good for PSS alone, in both versions of TLS. rustls has no names for them.
static PSS_KEYS: [(SignatureScheme, pss::Hash); 3] = [
    (SignatureScheme::Unknown(0x0809), pss::Hash::Sha256),
    (SignatureScheme::Unknown(0x080a), pss::Hash::Sha384),
    (SignatureScheme::Unknown(0x080b), pss::Hash::Sha512),
];

/// TLS 1.3 binds curves to code points, and has none for secp256k1.
static BOUND_SCHEMES: &[(SignatureScheme, Algorithms)] = {
    use webpki::aws_lc_rs as aws;
    &[
        (SignatureScheme::ECDSA_NISTP256_SHA256, &[aws::ECDSA_P256_SHA256]),
        (SignatureScheme::ECDSA_NISTP384_SHA384, &[aws::ECDSA_P384_SHA384]),
        (SignatureScheme::ECDSA_NISTP521_SHA512, &[aws::ECDSA_P521_SHA512]),
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
    anchors: Arc<Anchors>,
    listener: Listener,
    is_mandatory: bool,
}

/// Who hears what is against a certificate.
#[derive(Debug)]
enum Listener {
    /// The log, of a client.
    Log(Told),
    /// The door that the handshake is at.
    Door(Judgement),
}

impl ChainVerifier {
    /// A client's, for all its connections.
    pub(crate) fn new(anchors: Anchors) -> Self {
        Self { anchors: Arc::new(anchors), listener: Listener::Log(Told::default()), is_mandatory: true }
    }

    /// A door's, for one connection. Where `guests` may come, a client that shows no certificate passes, and has to prove
    /// otherwise who it is.
    pub(super) fn at_door(anchors: Arc<Anchors>, guests: bool, judgement: Judgement) -> Self {
        Self { anchors, listener: Listener::Door(judgement), is_mandatory: !guests }
    }

    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        purpose: Leaf,
    ) -> Result<(), Error> {
        let chain: Vec<CertificateDer<'_>> = std::iter::once(leaf).chain(intermediates).cloned().collect();
        self.anchors.verify(&chain, now, purpose).map(drop).map_err(|error| match &self.listener {
            Listener::Door(judgement) => judgement.keep(error),
            Listener::Log(told) => {
                if let Some(kept_back) = told.line(&error, Instant::now()) {
                    tracing::info!(hint = error.hint(), kept_back, "channel: refused {purpose:?}: {error}");
                }
                error.to_certificate_error().into()
            }
        })
    }

    fn verify_signature(
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
        allowed: impl Iterator<Item = &'static (SignatureScheme, Algorithms)>,
    ) -> Result<HandshakeSignatureValid, Error> {
        // The raw key: webpki would not even parse a version 1 certificate.
        let leaf = Certificate::from_der(leaf.clone().into_owned()).map_err(|_| CertificateError::BadEncoding)?;
        let bad_signature = || Error::from(CertificateError::BadSignature);
        if let Some((_, hash)) = PSS_KEYS.iter().find(|(scheme, _)| *scheme == signed.scheme) {
            return pss::verify_in_tls(*hash, leaf.key(), message, signed.signature())
                .then(HandshakeSignatureValid::assertion)
                .ok_or_else(bad_signature);
        }
        let algorithms =
            allowed.filter(|(scheme, _)| *scheme == signed.scheme).map(|(_, algorithms)| *algorithms).next();
        let Some(algorithms) = algorithms else {
            return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
        };
        let key = webpki::RawPublicKeyEntity::try_from(leaf.public_key()).map_err(|_| CertificateError::BadEncoding)?;
        algorithms
            .iter()
            .any(|algorithm| key.verify_signature(*algorithm, message, signed.signature()).is_ok())
            .then(HandshakeSignatureValid::assertion)
            .ok_or_else(bad_signature)
    }
}

fn from_clients() -> impl Iterator<Item = &'static (SignatureScheme, Algorithms)> {
    SCHEMES.iter().chain(CLIENT_SCHEMES)
}

fn from_servers() -> impl Iterator<Item = &'static (SignatureScheme, Algorithms)> {
    SCHEMES.iter()
}

/// Of RSA it has PSS alone.
fn in_tls13() -> impl Iterator<Item = &'static (SignatureScheme, Algorithms)> {
    use SignatureScheme as S;
    let is_of_both =
        |scheme: &S| matches!(scheme, S::RSA_PSS_SHA256 | S::RSA_PSS_SHA384 | S::RSA_PSS_SHA512 | S::ED25519);
    BOUND_SCHEMES.iter().chain(SCHEMES.iter().filter(move |(scheme, _)| is_of_both(scheme)))
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
            $schemes().map(|(scheme, _)| *scheme).chain(PSS_KEYS.iter().map(|(scheme, _)| *scheme)).collect()
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
    judgement: Judgement,
}

impl OperatorVerifier {
    pub(super) const fn new(policy: SharedPolicy, judgement: Judgement) -> Self {
        Self { policy, judgement }
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
        let judged = self.policy.load().admit_operator(&chain, now);
        judged.map(|_| ClientCertVerified::assertion()).map_err(|error| self.judgement.keep(error))
    }

    signature_checks!(from_servers);
}

/// Checks a node by the SHA-256 of its root, which it shows, and by its agency: all that a newcomer knows.
#[derive(Debug)]
pub(crate) struct PinnedVerifier {
    pub(crate) root: [u8; 32],
    pub(crate) agency: String,
}

impl ServerCertVerifier for PinnedVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let is_pinned = |one: &&CertificateDer<'_>| <[u8; 32]>::from(Sha256::digest(one)) == self.root;
        let root = intermediates.iter().find(is_pinned).ok_or(CertificateError::UnknownIssuer)?;
        let root = Certificate::from_der(root.clone().into_owned()).map_err(|_| CertificateError::BadEncoding)?;
        let chain: Vec<CertificateDer<'_>> = std::iter::once(end_entity).chain(intermediates).cloned().collect();
        let judged = Anchors::new(vec![root]).verify(&chain, now, Leaf::Node);
        let agency = Credential::new(judged.map_err(|error| error.to_certificate_error())?, Door::P2p).agency_path();
        if agency == self.agency {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::General(format!("a node of agency {agency:?} answers, and the token is agency {:?}'s", self.agency)))
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
