//! Certificate requests (PKCS#10): how a node asks for a certificate without showing its key.

use std::fmt;

use der::{Decode, Encode};
use nuncio_identity::NodeId;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use x509_cert::{
    name::Name,
    request::{CertReq, CertReqInfo},
};

use crate::{
    AuthorityError, Certificate, KeyKind,
    authority::{Kind, PrivateKey, sign_structure, subject_of},
    blocks::blocks,
    certificate::{PublicKey, pem_block},
    name::Named,
    signature::{Outer, Signed},
};

/// A request for a certificate: a name and a public key, signed by that key.
#[derive(Clone)]
pub struct CertificateRequest {
    der: Vec<u8>,
    subject: Named,
    has_attributes: bool,
    public_key: PublicKey,
    signed: Signed,
}

impl CertificateRequest {
    /// A request for a certificate of this kind. What it will be for is decided by who signs it.
    ///
    /// # Errors
    /// When the name cannot be a common name.
    pub fn create(key: &PrivateKey, kind: Kind, name: &str) -> Result<Self, AuthorityError> {
        Self::with_subject(key, subject_of(kind, name)?)
    }

    /// A request for another certificate for the same subject and key.
    ///
    /// # Errors
    /// When the key does not sign.
    pub fn renewing(key: &PrivateKey, certificate: &Certificate) -> Result<Self, AuthorityError> {
        Self::with_subject(key, Name::from_der(certificate.subject_der())?)
    }

    fn with_subject(key: &PrivateKey, subject: Name) -> Result<Self, AuthorityError> {
        let version = x509_cert::request::Version::V1;
        let info = CertReqInfo { version, subject, public_key: key.spki()?, attributes: Default::default() };
        Ok(Self::from_der(&sign_structure(&info.to_der()?, key)?)?)
    }

    /// Reads one request.
    ///
    /// # Errors
    /// When the bytes are none.
    pub fn from_der(bytes: &[u8]) -> Result<Self, RequestError> {
        let malformed = |source: der::Error| RequestError::Malformed { reason: source.to_string() };
        let outer = Outer::from_der(bytes).map_err(malformed)?;
        let info = CertReq::from_der(bytes).map_err(malformed)?.info;
        let subject = info.subject.to_der().and_then(|der| Named::from_der(&der)).map_err(malformed)?;
        Ok(Self {
            der: bytes.to_vec(),
            subject,
            has_attributes: !info.attributes.is_empty(),
            public_key: PublicKey::from_der(&info.public_key.to_der().map_err(malformed)?).map_err(malformed)?,
            signed: outer.signed().map_err(malformed)?,
        })
    }

    /// Reads the first `CERTIFICATE REQUEST` block of a PEM text, or a DER file.
    ///
    /// # Errors
    /// When there is none or it is damaged.
    pub fn from_pem(file: impl AsRef<[u8]>) -> Result<Self, RequestError> {
        let malformed = |reason: String| RequestError::Malformed { reason };
        let is_request = |label: &str| matches!(label, "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST");
        let block = blocks(file.as_ref(), is_request).next();
        let block = block.ok_or_else(|| malformed("there is no PEM block BEGIN CERTIFICATE REQUEST".into()))?;
        Self::from_der(&block.map_err(|damaged| malformed(damaged.reason))?.der)
    }

    /// One PEM block, ended by a newline.
    pub fn to_pem(&self) -> String {
        pem_block("CERTIFICATE REQUEST", &self.der)
    }

    /// The name asked for, RFC 4514.
    pub fn subject(&self) -> String {
        self.subject.text.clone()
    }

    /// The CN asked for, empty when there is none.
    pub fn common_name(&self) -> String {
        self.subject.common_name.clone().unwrap_or_default()
    }

    /// The request's bytes.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whether it asks for more than a name: extensions, a challenge.
    pub const fn has_attributes(&self) -> bool {
        self.has_attributes
    }

    /// Whether subject and key are those of a certificate.
    pub(crate) fn is_for(&self, certificate: &Certificate) -> bool {
        self.subject.is(certificate.subject_name()) && self.public_key.der() == certificate.public_key()
    }

    /// The node that the key names; `None` unless it is on secp256k1.
    pub const fn node_id(&self) -> Option<NodeId> {
        self.public_key.node()
    }

    /// Whether the key asked for fits the kind and signed the request.
    ///
    /// # Errors
    /// When it does not.
    pub fn verify(&self, kind: Kind) -> Result<(), RequestError> {
        let fits = match self.public_key.kind {
            KeyKind::Secp256k1 => !kind.is_rsa(),
            KeyKind::Rsa { .. } => kind.is_rsa(),
            KeyKind::Other(_) => false,
        };
        if !fits {
            return Err(RequestError::OtherKey { subject: self.subject() });
        }
        if self.signed.verify(&self.public_key).is_ok() {
            Ok(())
        } else {
            Err(RequestError::NotSigned { subject: self.subject() })
        }
    }

    pub(crate) const fn public_key(&self) -> &SubjectPublicKeyInfoDer<'static> {
        self.public_key.der()
    }
}

impl fmt::Debug for CertificateRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateRequest")
            .field("subject", &self.subject.text)
            .field("node", &self.node_id())
            .finish_non_exhaustive()
    }
}

/// Why a request is not granted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Not a request.
    #[error("not a certificate request: {reason}")]
    Malformed {
        /// What the decoder says.
        reason: String,
    },
    /// The key in it did not sign it.
    #[error("the request of {subject} is not signed by the key in it")]
    NotSigned {
        /// Whose.
        subject: String,
    },
    /// The key is of another kind than the certificate to be.
    #[error(
        "the key in the request of {subject} does not fit: nodes and SDKs have secp256k1 keys, the RSA kinds RSA keys"
    )]
    OtherKey {
        /// Whose.
        subject: String,
    },
}

impl RequestError {
    /// What mends it.
    pub fn hint(&self) -> String {
        match self {
            Self::Malformed { .. } => "openssl req -in FILE -noout -text shows what it is".into(),
            Self::NotSigned { .. } => "make a new request: openssl req -new -key node.key -subj /CN=NAME".into(),
            Self::OtherKey { .. } => "openssl ecparam -name secp256k1 -genkey -noout makes a node key".into(),
        }
    }
}
