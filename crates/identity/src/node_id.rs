use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
};

use secp256k1::{Message, PublicKey};

use crate::Signature;

/// The name of a node: the X and Y coordinates of its secp256k1 public key, 64 bytes, always a point
/// on the curve. Written as 128 lower-case hexadecimal digits, as FISCO BCOS writes `node.nodeid`.
#[derive(Clone, Copy)]
pub struct NodeId([u8; NodeId::LENGTH]);

impl NodeId {
    /// Bytes in a node ID.
    pub const LENGTH: usize = 64;

    /// Reads the 64 bytes of X then Y.
    ///
    /// # Errors
    /// When the length differs or the point is not on the curve.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ParseNodeIdError> {
        let bytes: [u8; Self::LENGTH] =
            bytes.try_into().map_err(|_| ParseNodeIdError::Length { bytes: bytes.len() })?;
        let id = Self(bytes);
        id.try_public_key().map_err(|_| ParseNodeIdError::NotOnCurve)?;
        Ok(id)
    }

    /// X then Y.
    pub const fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }

    /// The first eight hexadecimal digits: enough for a log line, never a key.
    pub fn short(&self) -> String {
        hex::encode(&self.0[..4])
    }

    /// Whether `signature` over the SHA-256 of `message` was made by this node's key.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> bool {
        let Ok(key) = self.try_public_key() else { return false };
        let Ok(signature) = signature.to_ecdsa() else { return false };
        secp256k1::ecdsa::verify(&signature, Message::from_digest(crate::node_key::digest(message)), &key).is_ok()
    }

    /// The first eight bytes, in their order.
    const fn first(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    pub(crate) fn from_public_key(key: &PublicKey) -> Self {
        let mut bytes = [0; Self::LENGTH];
        bytes.copy_from_slice(&key.serialize_uncompressed()[1..]);
        Self(bytes)
    }

    pub(crate) fn try_public_key(&self) -> Result<PublicKey, secp256k1::Error> {
        let mut sec1 = [4; Self::LENGTH + 1];
        sec1[1..].copy_from_slice(&self.0);
        PublicKey::from_byte_array_uncompressed(sec1)
    }
}

/// Maps by node ID are met at every message: keys almost never have their first eight bytes alike, so these are compared
/// as a number first.
impl Ord for NodeId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.first().cmp(&other.first()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for NodeId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for NodeId {
    fn eq(&self, other: &Self) -> bool {
        self.first() == other.first() && self.0 == other.0
    }
}

impl Eq for NodeId {}

/// For the same reason only those are hashed: nobody can make many keys that share them.
impl Hash for NodeId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.first());
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({})", self.short())
    }
}

impl FromStr for NodeId {
    type Err = ParseNodeIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let bytes = hex::decode(text).map_err(|_| ParseNodeIdError::NotHex { digits: text.len() })?;
        Self::from_bytes(&bytes)
    }
}

/// Why bytes or text are not a node ID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseNodeIdError {
    /// The text is not hexadecimal.
    #[error("a node ID is 128 hexadecimal digits; these {digits} characters are not")]
    NotHex {
        /// Characters given.
        digits: usize,
    },
    /// The length is wrong.
    #[error("a node ID is 64 bytes (128 hexadecimal digits), not {bytes}")]
    Length {
        /// Bytes given.
        bytes: usize,
    },
    /// The coordinates are no point of secp256k1.
    #[error("these 64 bytes are not a point on secp256k1, so no node can have this ID")]
    NotOnCurve,
}
