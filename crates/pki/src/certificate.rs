//! Reading certificates.

use std::fmt;

use der::{
    Decode, Encode, Sequence,
    asn1::{AnyRef, BitStringRef},
    referenced::OwnedToRef,
};
use nuncio_identity::NodeId;
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime, pem::PemObject};
use sha2::{Digest, Sha256};
use x509_cert::{Version, ext::pkix::BasicConstraints, name::Name};

use crate::instant;

const EC_PUBLIC_KEY: &str = "1.2.840.10045.2.1";
const SECP256K1: &str = "1.3.132.0.10";
const RSA: &str = "1.2.840.113549.1.1.1";
const COMMON_NAME: &str = "2.5.4.3";
const ORGANISATIONAL_UNIT: &str = "2.5.4.11";

/// A parsed X.509 certificate, version 1 or 3. It keeps its DER; nothing about it has been verified.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: CertificateDer<'static>,
    version: Version,
    subject: Named,
    issuer: Named,
    not_before: u64,
    not_after: u64,
    serial: Vec<u8>,
    key: PublicKey,
    ca: bool,
    signed: Signed,
}

/// What kind of key a certificate names.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyKind {
    /// A key on secp256k1, the curve of FISCO BCOS nodes.
    Secp256k1,
    /// An RSA key, as SDK certificates have by default since FISCO BCOS 2.9.
    Rsa {
        /// Bits of the modulus.
        bits: usize,
    },
    /// Anything else, by the object identifier of its algorithm or curve.
    Other(String),
}

impl Certificate {
    /// Most certificates that [`from_pem_bundle`](Self::from_pem_bundle) reads from one text.
    pub const MAX_BUNDLE: usize = 64;

    /// Reads one certificate.
    ///
    /// # Errors
    /// When the bytes are not an X.509 certificate.
    pub fn from_der(der: CertificateDer<'static>) -> Result<Self, CertificateError> {
        let outer = Outer::from_der(&der).map_err(CertificateError::malformed)?;
        let parsed = x509_cert::Certificate::from_der(&der).map_err(CertificateError::malformed)?;
        let tbs = parsed.tbs_certificate();
        // A v1 certificate has no extensions; a broken basicConstraints makes no CA.
        let ca = matches!(tbs.get_extension::<BasicConstraints>(), Ok(Some((_, constraints))) if constraints.ca);
        let spki = tbs.subject_public_key_info().to_der().map_err(CertificateError::malformed)?;
        Ok(Self {
            version: tbs.version(),
            subject: Named::new(tbs.subject())?,
            issuer: Named::new(tbs.issuer())?,
            not_before: instant::of(tbs.validity().not_before).as_secs(),
            not_after: instant::of(tbs.validity().not_after).as_secs(),
            serial: tbs.serial_number().as_bytes().to_vec(),
            key: PublicKey::new(spki, tbs.subject_public_key_info()),
            ca,
            signed: outer.signed()?,
            der,
        })
    }

    /// Reads every `CERTIFICATE` block of a PEM text: order is kept, repeated certificates are dropped, text around
    /// the blocks is ignored. At most [`MAX_BUNDLE`](Self::MAX_BUNDLE) blocks are read.
    ///
    /// # Errors
    /// When there is no such block, too many, or one is damaged; the error names its position.
    pub fn from_pem_bundle(pem: &str) -> Result<Vec<Self>, CertificateError> {
        let mut bundle: Vec<Self> = Vec::new();
        for (index, block) in CertificateDer::pem_slice_iter(pem.as_bytes()).enumerate() {
            let position = index + 1;
            if position > Self::MAX_BUNDLE {
                return Err(CertificateError::TooMany);
            }
            let der = block.map_err(|source| CertificateError::Pem { position, reason: source.to_string() })?;
            let certificate =
                Self::from_der(der).map_err(|source| CertificateError::Block { position, source: Box::new(source) })?;
            if !bundle.contains(&certificate) {
                bundle.push(certificate);
            }
        }
        if bundle.is_empty() { Err(CertificateError::Empty) } else { Ok(bundle) }
    }

    /// The certificate's bytes.
    pub const fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// One PEM block, ended by a newline.
    pub fn to_pem(&self) -> String {
        pem_block("CERTIFICATE", &self.der)
    }

    /// The node that the key names; `None` unless the key is on secp256k1.
    pub const fn node_id(&self) -> Option<NodeId> {
        self.key.node
    }

    /// The subject, as RFC 4514 writes it: most specific part first.
    pub fn subject(&self) -> String {
        self.subject.text.clone()
    }

    /// The issuer, as RFC 4514 writes it.
    pub fn issuer(&self) -> String {
        self.issuer.text.clone()
    }

    /// The subject's CN.
    pub fn common_name(&self) -> Option<String> {
        self.subject.common_name.clone()
    }

    /// The subject's OU: what the authority says that it is for.
    pub fn unit(&self) -> Option<String> {
        self.subject.unit.clone()
    }

    /// The issuer's CN: the agency, in a consortium's node certificate.
    pub fn issuer_common_name(&self) -> Option<String> {
        self.issuer.common_name.clone()
    }

    /// The first instant at which it is valid.
    pub fn not_before(&self) -> UnixTime {
        instant::at(self.not_before)
    }

    /// The last instant at which it is valid.
    pub fn not_after(&self) -> UnixTime {
        instant::at(self.not_after)
    }

    /// The serial number in lower-case hexadecimal.
    pub fn serial(&self) -> String {
        hex::encode(&self.serial)
    }

    /// Whether it is version 1, the form without extensions that FISCO BCOS's tool makes for roots and RSA
    /// certificates.
    pub fn is_v1(&self) -> bool {
        self.version == Version::V1
    }

    /// The version as people count: 1, 2 or 3.
    pub const fn version(&self) -> u8 {
        self.version as u8 + 1
    }

    /// Whether basicConstraints says CA:TRUE. A v1 root cannot say so.
    pub const fn is_ca(&self) -> bool {
        self.ca
    }

    /// Whether subject and issuer are one name, as in a root.
    pub fn is_self_issued(&self) -> bool {
        self.subject.der == self.issuer.der
    }

    /// What kind of key it names.
    pub fn key_kind(&self) -> KeyKind {
        self.key.kind.clone()
    }

    /// Whether `now` lies within its validity.
    pub fn is_valid_at(&self, now: UnixTime) -> bool {
        (self.not_before..=self.not_after).contains(&now.as_secs())
    }

    /// Whether `issuer`'s key made the signature on this certificate and `issuer`'s subject is its issuer. Nothing else
    /// is checked.
    pub fn is_signed_by(&self, issuer: &Self) -> bool {
        self.issuer.der == issuer.subject.der && self.signed.verify(issuer.public_key())
    }

    /// The SHA-256 of its public key, whatever certificate names it: of a node ID where there is one, else of the subject
    /// public key info.
    pub fn key_id(&self) -> [u8; 32] {
        let key = &self.key;
        key.node.as_ref().map_or_else(|| Sha256::digest(&key.der), |node| Sha256::digest(node.as_bytes())).into()
    }

    pub(crate) fn subject_der(&self) -> &[u8] {
        &self.subject.der
    }

    pub(crate) fn issuer_der(&self) -> &[u8] {
        &self.issuer.der
    }

    pub(crate) fn serial_bytes(&self) -> &[u8] {
        &self.serial
    }

    pub(crate) const fn public_key(&self) -> &SubjectPublicKeyInfoDer<'static> {
        &self.key.der
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &self.subject.text)
            .field("issuer", &self.issuer.text)
            .field("version", &self.version())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secp256k1 => f.write_str("secp256k1"),
            Self::Rsa { bits } => write!(f, "RSA-{bits}"),
            Self::Other(oid) => write!(f, "algorithm {oid}"),
        }
    }
}

/// Why bytes or text are not a certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// No `CERTIFICATE` block.
    #[error("no certificate in it: expected a PEM block BEGIN CERTIFICATE")]
    Empty,
    /// More blocks than a bundle may have.
    #[error("more than {} certificates in one file", Certificate::MAX_BUNDLE)]
    TooMany,
    /// A block is not base64, or does not end.
    #[error("PEM block {position} is damaged: {reason}")]
    Pem {
        /// Which block, counted from 1.
        position: usize,
        /// What the decoder says.
        reason: String,
    },
    /// A block holds no certificate.
    #[error("PEM block {position} holds no certificate")]
    Block {
        /// Which block, counted from 1.
        position: usize,
        /// Why.
        source: Box<CertificateError>,
    },
    /// The bytes do not follow X.509.
    #[error("not an X.509 certificate: {reason}")]
    Malformed {
        /// What the decoder says.
        reason: String,
    },
}

impl CertificateError {
    #[allow(clippy::needless_pass_by_value, reason = "so that map_err takes it")]
    fn malformed(source: der::Error) -> Self {
        Self::Malformed { reason: source.to_string() }
    }
}

/// A distinguished name in the forms that are asked for.
#[derive(Clone, PartialEq, Eq)]
struct Named {
    der: Vec<u8>,
    text: String,
    common_name: Option<String>,
    unit: Option<String>,
}

impl Named {
    fn new(name: &Name) -> Result<Self, CertificateError> {
        Ok(Self {
            der: name.to_der().map_err(CertificateError::malformed)?,
            text: nuncio_plain::line(&name.to_string()).into_owned(),
            common_name: common_name(name),
            unit: attribute(name, ORGANISATIONAL_UNIT),
        })
    }
}

/// The first CN of a name, without control characters.
pub(crate) fn common_name(name: &Name) -> Option<String> {
    attribute(name, COMMON_NAME)
}

fn attribute(name: &Name, oid: &str) -> Option<String> {
    name.iter()
        .find(|attribute| attribute.oid.to_string() == oid)
        .map(|attribute| nuncio_plain::line(&String::from_utf8_lossy(attribute.value.value())).into_owned())
}

#[derive(Clone, PartialEq, Eq)]
struct PublicKey {
    der: SubjectPublicKeyInfoDer<'static>,
    kind: KeyKind,
    node: Option<NodeId>,
}

impl PublicKey {
    fn new(der: Vec<u8>, spki: &x509_cert::SubjectPublicKeyInfo) -> Self {
        let algorithm = spki.algorithm.oid.to_string();
        let curve = spki.algorithm.owned_to_ref().parameters_oid().ok().map(|oid| oid.to_string());
        let bits = spki.subject_public_key.raw_bytes();
        let kind = match (algorithm.as_str(), curve) {
            (EC_PUBLIC_KEY, Some(curve)) if curve == SECP256K1 => KeyKind::Secp256k1,
            (EC_PUBLIC_KEY, Some(curve)) => KeyKind::Other(curve),
            (RSA, _) => KeyKind::Rsa { bits: modulus_bits(bits) },
            _ => KeyKind::Other(algorithm),
        };
        let node = if kind == KeyKind::Secp256k1 { node_of(bits) } else { None };
        Self { der: der.into(), kind, node }
    }
}

pub(crate) fn node_of(point: &[u8]) -> Option<NodeId> {
    let key = secp256k1::PublicKey::from_slice(point).ok()?;
    NodeId::from_bytes(&key.serialize_uncompressed()[1..]).ok()
}

fn modulus_bits(public_key: &[u8]) -> usize {
    #[derive(Sequence)]
    struct RsaPublicKey<'a> {
        modulus: der::asn1::UintRef<'a>,
        public_exponent: der::asn1::UintRef<'a>,
    }
    RsaPublicKey::from_der(public_key).map_or(0, |key| {
        let modulus = key.modulus.as_bytes();
        let leading = modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
        modulus.len() * 8 - leading
    })
}

/// Certificates, requests and revocation lists share this frame.
#[derive(Sequence)]
pub(crate) struct Outer<'a> {
    tbs: AnyRef<'a>,
    algorithm: AnyRef<'a>,
    signature: BitStringRef<'a>,
}

impl Outer<'_> {
    pub(crate) fn signed(&self) -> Result<Signed, CertificateError> {
        Ok(Signed {
            tbs: self.tbs.to_der().map_err(CertificateError::malformed)?,
            algorithm: self.algorithm.value().to_vec(),
            signature: self.signature.raw_bytes().to_vec(),
        })
    }
}

/// The signed part of a certificate, request or revocation list, byte for byte, and its signature.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Signed {
    tbs: Vec<u8>,
    algorithm: Vec<u8>,
    signature: Vec<u8>,
}

impl Signed {
    /// What is signed.
    pub(crate) fn content(&self) -> &[u8] {
        &self.tbs
    }

    pub(crate) fn verify(&self, key: &SubjectPublicKeyInfoDer<'_>) -> bool {
        let Ok(key) = webpki::RawPublicKeyEntity::try_from(key) else { return false };
        crate::tls::CERTIFICATE_ALGORITHMS
            .iter()
            .filter(|algorithm| *algorithm.signature_alg_id() == *self.algorithm)
            .any(|algorithm| key.verify_signature(*algorithm, &self.tbs, &self.signature).is_ok())
    }
}

/// One PEM block, ended by a newline.
pub(crate) fn pem_block(label: &'static str, der: &[u8]) -> String {
    der::pem::encode_string(label, der::pem::LineEnding::LF, der).expect("the label is a constant without faults")
}
