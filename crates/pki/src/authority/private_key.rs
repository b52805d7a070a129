use std::{fmt, time::Duration};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rand::SystemRandom,
    rsa::KeySize,
    signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use der::{
    Decode,
    asn1::{Any, ObjectIdentifier},
};
use nuncio_identity::NodeKey;
use rustls_pki_types::PrivateKeyDer;
use x509_cert::{AlgorithmIdentifier, SubjectPublicKeyInfo};
use zeroize::Zeroizing;

use crate::{AuthorityError, KeyError, KeyFile, TokenKey, certificate::pem_block, tls};

const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const SHA256_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");

/// A private key that certificates are issued for, or with.
pub enum PrivateKey {
    /// For nodes, SDKs, agencies and roots.
    Secp256k1(NodeKey),
    /// The same in a PKCS#11 token.
    Token(TokenKey),
    /// For the channel port's RSA certificates.
    #[non_exhaustive]
    Rsa(RsaKeyPair),
}

impl PrivateKey {
    /// A new key on secp256k1.
    pub fn secp256k1() -> Self {
        Self::Secp256k1(NodeKey::generate())
    }

    /// A new RSA key of 2048 bits.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn rsa() -> Result<Self, AuthorityError> {
        RsaKeyPair::generate(KeySize::Rsa2048).map(Self::Rsa).map_err(|_| rsa_error("no key could be generated"))
    }

    /// Takes what a file holds.
    ///
    /// # Errors
    /// When it is neither on secp256k1 nor RSA.
    pub fn from_file(file: KeyFile) -> Result<Self, KeyError> {
        let der = match &file {
            KeyFile::Secp256k1(key) => return Ok(Self::Secp256k1(key.clone())),
            KeyFile::Token(key) => return Ok(Self::Token(key.clone())),
            KeyFile::Other(der) => der,
        };
        let key = match &**der {
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).ok(),
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()).ok(),
            _ => None,
        };
        match key {
            Some(key) => Ok(Self::Rsa(key)),
            None => file.into_node_key().map(Self::Secp256k1),
        }
    }

    pub(super) fn with_patience(self, patience: Duration) -> Self {
        match self {
            Self::Token(key) => Self::Token(key.with_patience(patience)),
            held => held,
        }
    }

    /// The key as PKCS#8 PEM.
    ///
    /// # Errors
    /// When an RSA key cannot be written out, or a token holds the key.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, AuthorityError> {
        match self {
            Self::Secp256k1(key) => Ok(key.to_pem()),
            Self::Token(_) => Err(AuthorityError::Token {
                source: KeyError::Token { reason: "it does not give the key away".into() },
            }),
            Self::Rsa(key) => {
                let der = AsDer::<Pkcs8V1Der<'_>>::as_der(key).map_err(|_| rsa_error("the key cannot be written"))?;
                Ok(Zeroizing::new(pem_block("PRIVATE KEY", der.as_ref())))
            }
        }
    }

    /// The node's key inside, if it is one.
    pub const fn node_key(&self) -> Option<&NodeKey> {
        match self {
            Self::Secp256k1(key) => Some(key),
            Self::Token(_) | Self::Rsa(_) => None,
        }
    }

    pub(crate) const fn is_rsa(&self) -> bool {
        matches!(self, Self::Rsa(_))
    }

    pub(crate) fn spki(&self) -> Result<SubjectPublicKeyInfo, AuthorityError> {
        Ok(SubjectPublicKeyInfo::from_der(&self.spki_der()?)?)
    }

    pub(crate) fn spki_der(&self) -> Result<Vec<u8>, AuthorityError> {
        match self {
            Self::Secp256k1(key) => Ok(tls::spki(key)),
            Self::Token(key) => Ok(tls::spki_of(key.node_id())),
            Self::Rsa(key) => AsDer::<PublicKeyX509Der<'_>>::as_der(key.public_key())
                .map(|der| der.as_ref().to_vec())
                .map_err(|_| rsa_error("the public key cannot be written")),
        }
    }

    pub(crate) fn signature_algorithm(&self) -> AlgorithmIdentifier {
        match self {
            Self::Secp256k1(_) | Self::Token(_) => AlgorithmIdentifier { oid: ECDSA_WITH_SHA256, parameters: None },
            Self::Rsa(_) => AlgorithmIdentifier { oid: SHA256_WITH_RSA, parameters: Some(Any::null()) },
        }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, AuthorityError> {
        match self {
            Self::Secp256k1(key) => Ok(tls::sign(key, message)),
            Self::Token(key) => key.sign_der(message).map_err(|source| AuthorityError::Token { source }),
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
                    .map_err(|_| rsa_error("the key does not sign"))?;
                Ok(signature)
            }
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secp256k1(key) => f.debug_tuple("Secp256k1").field(key).finish(),
            Self::Token(key) => key.fmt(f),
            Self::Rsa(_) => f.write_str("Rsa(..)"),
        }
    }
}

fn rsa_error(reason: &str) -> AuthorityError {
    AuthorityError::Rsa { reason: reason.into() }
}
