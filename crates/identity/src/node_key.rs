use std::{fmt, sync::Arc};

use k256::pkcs8::{EncodePrivateKey, LineEnding};
use secp256k1::{Message, SecretKey, ecdsa};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use crate::NodeId;

/// A node's secp256k1 private key, as `node.key` holds it. What is cloned shares one place in memory, which is erased when
/// the last of them is dropped.
#[derive(Clone)]
pub struct NodeKey {
    secret: Arc<Secret>,
    id: NodeId,
}

struct Secret(SecretKey);

impl Secret {
    fn erase(&mut self) {
        self.0.non_secure_erase();
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.erase();
    }
}

impl NodeKey {
    /// A new key from the operating system's randomness. Its first byte is never zero: FISCO BCOS
    /// tools write keys as hexadecimal numbers and lose leading zeros.
    pub fn generate() -> Self {
        loop {
            let mut bytes: [u8; 32] = rand::random();
            let key = if bytes[0] == 0 { None } else { Self::from_secret_bytes(&bytes) };
            bytes.zeroize();
            if let Some(key) = key {
                return key;
            }
        }
    }

    /// Takes the 32 secret bytes; `None` when they are no scalar of the curve.
    pub fn from_secret_bytes(bytes: &[u8; 32]) -> Option<Self> {
        let secret = Secret(SecretKey::from_secret_bytes(*bytes).ok()?);
        let id = NodeId::from_public_key(&secret.0.public_key());
        Some(Self { secret: Arc::new(secret), id })
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
        let signature = ecdsa::sign(Message::from_digest(digest(message)), &self.secret.0);
        Signature(signature.serialize_compact())
    }

    /// The same key for libp2p.
    pub fn to_libp2p(&self) -> libp2p_identity::Keypair {
        let secret = libp2p_identity::secp256k1::SecretKey::try_from_bytes(self.secret_bytes().as_mut_slice())
            .expect("both libraries hold the same valid scalar");
        libp2p_identity::secp256k1::Keypair::from(secret).into()
    }

    /// The 32 secret bytes, for a signer that needs its own key type.
    pub fn secret_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.secret.0.to_secret_bytes())
    }

    fn to_k256(&self) -> k256::SecretKey {
        k256::SecretKey::from_slice(self.secret_bytes().as_slice()).expect("both libraries hold the same valid scalar")
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

    /// The same in DER, as X.509 and TLS have it; `None` when the numbers are out of range.
    pub fn to_der(self) -> Option<Vec<u8>> {
        self.to_ecdsa().ok().map(|signature| signature.serialize_der().to_vec())
    }

    pub(crate) fn to_ecdsa(self) -> Result<ecdsa::Signature, secp256k1::Error> {
        ecdsa::Signature::from_compact(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_erased_first_and_clones_share_one_place() {
        let key = NodeKey::generate();
        let clone = key.clone();
        assert!(Arc::ptr_eq(&key.secret, &clone.secret));
        let mut secret = Secret(SecretKey::from_secret_bytes(*key.secret_bytes()).unwrap());
        secret.erase();
        assert_ne!(secret.0.to_secret_bytes(), *key.secret_bytes());
    }
}
