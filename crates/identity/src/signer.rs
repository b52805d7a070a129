use std::{fmt, sync::Arc};

use crate::{NodeId, NodeKey, Signature};

/// What signs in a node's name: a key in this process, or one that is kept elsewhere and is only asked for signatures.
#[derive(Debug, Clone)]
pub enum Signer {
    /// It signs at once and never fails.
    Held(NodeKey),
    /// Each signature takes a while, and may fail.
    Remote(Arc<dyn RemoteKey>),
}

/// A secp256k1 key that this process cannot read, such as one in a PKCS#11 token.
pub trait RemoteKey: fmt::Debug + Send + Sync {
    /// The public name of the key.
    fn node_id(&self) -> NodeId;

    /// ECDSA over the SHA-256 of `message`, with a low S. It waits for the key for a bounded time.
    ///
    /// # Errors
    /// When the key does not answer in time, or refuses.
    fn sign(&self, message: &[u8]) -> Result<Signature, SignError>;
}

/// Why there is no signature. It may be made when it is tried again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the node's key does not sign: {reason}")]
pub struct SignError {
    /// What its keeper says.
    pub reason: String,
}

impl Signer {
    /// The public name of the key.
    pub fn node_id(&self) -> NodeId {
        match self {
            Self::Held(key) => key.node_id(),
            Self::Remote(key) => key.node_id(),
        }
    }

    /// Signs the SHA-256 of `message`: ECDSA, low S.
    ///
    /// # Errors
    /// When the key is elsewhere and does not sign now.
    pub fn sign(&self, message: &[u8]) -> Result<Signature, SignError> {
        match self {
            Self::Held(key) => Ok(key.sign(message)),
            Self::Remote(key) => key.sign(message),
        }
    }

    /// Whether signing takes no longer than a computation does.
    pub const fn is_held(&self) -> bool {
        matches!(self, Self::Held(_))
    }
}

impl From<NodeKey> for Signer {
    fn from(key: NodeKey) -> Self {
        Self::Held(key)
    }
}
