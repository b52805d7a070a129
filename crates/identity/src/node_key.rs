use std::fmt;

use k256::pkcs8::{DecodePrivateKey, EncodePrivateKey, LineEnding};
use secp256k1::{Message, SecretKey, ecdsa};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use crate::NodeId;

/// A node's secp256k1 private key, as `node.key` holds it.
#[derive(Clone)]
pub struct NodeKey {
    secret: SecretKey,
    id: NodeId,
}

impl NodeKey {
    /// A new key from the operating system's randomness. Its first byte is never zero: FISCO BCOS
    /// tools write keys as hexadecimal numbers and lose leading zeros.
    pub fn generate() -> Self {
        loop {
            let mut bytes: [u8; 32] = rand::random();
            let key = if bytes[0] == 0 { None } else { Self::from_secret(&bytes).ok() };
            bytes.zeroize();
            if let Some(key) = key {
                return key;
            }
        }
    }

    /// Reads a PEM file's text: PKCS#8 (`BEGIN PRIVATE KEY`) or SEC1 (`BEGIN EC PRIVATE KEY`, with or
    /// without the `BEGIN EC PARAMETERS` block that OpenSSL puts before it).
    ///
    /// # Errors
    /// When there is no such block, or its key is not on secp256k1.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let secret = match pem.find("-----BEGIN EC PRIVATE KEY-----") {
            Some(start) => k256::SecretKey::from_sec1_pem(&pem[start..])
                .map_err(|source| KeyError::NotSecp256k1 { reason: source.to_string() })?,
            None if pem.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") => return Err(KeyError::Encrypted),
            None => {
                let start = pem.find("-----BEGIN PRIVATE KEY-----").ok_or(KeyError::NoKey)?;
                k256::SecretKey::from_pkcs8_pem(&pem[start..])
                    .map_err(|source| KeyError::NotSecp256k1 { reason: source.to_string() })?
            }
        };
        Self::from_secret(&secret.to_bytes().into())
    }

    /// The key as PKCS#8 PEM, the form `build_chain.sh` writes.
    pub fn to_pem(&self) -> Zeroizing<String> {
        self.to_k256().to_pkcs8_pem(LineEnding::LF).expect("a secp256k1 scalar always encodes as PKCS#8")
    }

    /// The public name of this key.
    pub const fn node_id(&self) -> NodeId {
        self.id
    }

    /// Signs the SHA-256 of `message` (ECDSA, RFC 6979 nonce, low S).
    pub fn sign(&self, message: &[u8]) -> Signature {
        let signature = ecdsa::sign(Message::from_digest(digest(message)), &self.secret);
        Signature(signature.serialize_compact())
    }

    /// The same key for libp2p.
    pub fn to_libp2p(&self) -> libp2p_identity::Keypair {
        let secret = libp2p_identity::secp256k1::SecretKey::try_from_bytes(self.secret.to_secret_bytes())
            .expect("both libraries hold the same valid scalar");
        libp2p_identity::secp256k1::Keypair::from(secret).into()
    }

    /// The 32 secret bytes, for a signer that needs its own key type.
    pub fn secret_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.secret.to_secret_bytes())
    }

    fn to_k256(&self) -> k256::SecretKey {
        k256::SecretKey::from_slice(self.secret_bytes().as_slice()).expect("both libraries hold the same valid scalar")
    }

    fn from_secret(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let secret = SecretKey::from_secret_bytes(*bytes)
            .map_err(|source| KeyError::NotSecp256k1 { reason: source.to_string() })?;
        let id = NodeId::from_public_key(&secret.public_key());
        Ok(Self { secret, id })
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeKey({})", self.id.short())
    }
}

pub(crate) fn digest(message: &[u8]) -> [u8; 32] {
    Sha256::digest(message).into()
}

/// An ECDSA signature by a node's key: r then s, 32 bytes each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; Signature::LENGTH]);

impl Signature {
    /// Bytes in a signature.
    pub const LENGTH: usize = 64;

    /// Takes r then s; whether they are valid shows at verification.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// r then s.
    pub const fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }

    pub(crate) fn to_ecdsa(self) -> Result<ecdsa::Signature, secp256k1::Error> {
        ecdsa::Signature::from_compact(&self.0)
    }
}

/// Why a file is not a usable node key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// No private key block.
    #[error("no private key in it: expected a PEM block BEGIN PRIVATE KEY or BEGIN EC PRIVATE KEY")]
    NoKey,
    /// The key is under a passphrase.
    #[error("the private key is encrypted; nodes need it in clear (openssl pkcs8 -in KEY -out node.key -nocrypt)")]
    Encrypted,
    /// Another curve, another algorithm, or damaged.
    #[error("not a secp256k1 private key: {reason}")]
    NotSecp256k1 {
        /// What the decoder says.
        reason: String,
    },
}
