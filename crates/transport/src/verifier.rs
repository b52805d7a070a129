//! Judging a peer inside the TLS handshake.
//!
//! What no honest node can have, such as a leaf whose signature does not hold, fails the handshake. What an honest
//! operator can have wrong, such as an expired certificate, is kept until the handshake is over, so that the peer
//! hears the reason in words.

use std::sync::{Arc, Mutex, PoisonError};

use libp2p::PeerId;
use libp2p_tls::certificate::{self, ParseError};
use nuncio_identity::NodeId;
use nuncio_pki::{Certificate, Policy};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::{admission::Admission, error::Refusal};

/// Judges the peer of one connection and keeps the result.
#[derive(Debug)]
pub(crate) struct PeerVerifier {
    policy: Arc<Policy>,
    judgement: Mutex<Option<Judgement>>,
}

/// What came of the peer's certificates.
#[derive(Debug)]
pub(crate) enum Judgement {
    /// A node of the network.
    Admitted { node: NodeId, admission: Admission },
    /// It holds the key it claims, and is refused.
    Refused { peer: PeerId, refusal: Refusal },
    /// It has not proved any host key.
    NoHostKey(ParseError),
}

impl PeerVerifier {
    pub(crate) fn new(policy: Arc<Policy>) -> Self {
        Self { policy, judgement: Mutex::new(None) }
    }

    /// The result, once; `None` when no certificate was seen.
    pub(crate) fn take(&self) -> Option<Judgement> {
        self.judgement.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn verify(&self, leaf: &CertificateDer<'_>, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<(), Error> {
        let (judgement, outcome) = match certificate::parse(leaf) {
            Ok(leaf) => (judge(&self.policy, leaf.peer_id(), chain, now), Ok(())),
            Err(error) => (Judgement::NoHostKey(error), Err(Error::InvalidCertificate(CertificateError::BadEncoding))),
        };
        *self.judgement.lock().unwrap_or_else(PoisonError::into_inner) = Some(judgement);
        outcome
    }
}

impl ServerCertVerifier for PeerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify(end_entity, intermediates, now).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.to_vec()
    }
}

impl ClientCertVerifier for PeerVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.verify(end_entity, intermediates, now).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.to_vec()
    }
}

/// The one kind of key that libp2p-tls makes leaves with.
const SCHEMES: [SignatureScheme; 1] = [SignatureScheme::ECDSA_NISTP256_SHA256];

fn judge(policy: &Policy, peer: PeerId, chain: &[CertificateDer<'_>], now: UnixTime) -> Judgement {
    let Ok(host) = NodeId::try_from(peer) else {
        return Judgement::Refused { peer, refusal: Refusal::NotANode };
    };
    // Told apart from the other faults first: a certificate that is somebody else's is never just expired.
    if let Some(refusal) = key_mismatch(host, chain.first()) {
        return Judgement::Refused { peer, refusal };
    }
    match policy.judge(chain, now) {
        Ok(certificate) if certificate.node_id == Some(host) => {
            let chain = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
            Judgement::Admitted { node: host, admission: Admission { certificate, chain } }
        }
        // Every chain that holds names a node, and another one was refused above.
        Ok(_) => Judgement::Refused { peer, refusal: Refusal::NotANode },
        Err(source) => Judgement::Refused { peer, refusal: Refusal::Chain { source, judged_at: now } },
    }
}

fn key_mismatch(host: NodeId, certificate: Option<&CertificateDer<'_>>) -> Option<Refusal> {
    let certificate = Certificate::from_der(certificate?.clone().into_owned()).ok()?;
    let named = certificate.node_id()?;
    (named != host).then(|| Refusal::KeyMismatch { subject: certificate.subject(), certificate: named, host })
}

fn verify_signature(
    message: &[u8],
    cert: &CertificateDer<'_>,
    dss: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    let leaf = certificate::parse(cert).map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
    leaf.verify_signature(dss.scheme, message, dss.signature())
        .map(|()| HandshakeSignatureValid::assertion())
        .map_err(|_| Error::InvalidCertificate(CertificateError::BadSignature))
}
