use std::sync::Arc;

use nuncio_identity::{NodeId, SignError, Signature, Signer};
use sha2::{Digest, Sha256};

use crate::{DecodeError, keyring::Keyring};

/// Signs and checks what goes to many, and seals and opens what is relayed to one. Every signature is bound to the network
/// and to the kind of message, so that none can be used in another place.
#[derive(Debug, Clone)]
pub struct SigningContext {
    key: Signer,
    network: Arc<str>,
    keyring: Arc<Keyring>,
}

impl SigningContext {
    /// Signs as `key`'s node in `network`.
    pub fn new(key: impl Into<Signer>, network: &str) -> Self {
        let key = key.into();
        let keyring = Keyring::new(key.node_id(), network);
        Self::with_keyring(key, network, keyring)
    }

    pub(crate) fn with_keyring(key: impl Into<Signer>, network: &str, keyring: Keyring) -> Self {
        Self { key: key.into(), network: network.into(), keyring: Arc::new(keyring) }
    }

    /// The node that signs.
    pub fn node(&self) -> NodeId {
        self.key.node_id()
    }

    /// The keys shared with other nodes.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// Whether signing takes no longer than a computation does: the key is in this process.
    pub const fn signs_at_once(&self) -> bool {
        self.key.is_held()
    }

    pub(crate) fn sign(&self, statement: &Statement<'_>) -> Result<Signature, SignError> {
        self.key.sign(&statement.digest(&self.network))
    }

    pub(crate) fn verify(
        &self,
        node: NodeId,
        statement: &Statement<'_>,
        signature: &Signature,
    ) -> Result<(), DecodeError> {
        if node.verify(&statement.digest(&self.network), signature) {
            Ok(())
        } else {
            Err(DecodeError::Signature { node })
        }
    }
}

/// What is signed: the kind of message, its fields and its body.
#[derive(Debug)]
pub(crate) struct Statement<'a> {
    pub(crate) kind: &'static str,
    /// Fields of fixed width in a fixed order, at most one of variable width, last.
    pub(crate) fields: Vec<u8>,
    pub(crate) body: &'a [u8],
}

impl Statement<'_> {
    /// Each part goes in behind its length, so that no two statements have the same bytes.
    fn digest(&self, network: &str) -> [u8; 32] {
        let mut hash = Sha256::new();
        for part in [b"nuncio/2", network.as_bytes(), self.kind.as_bytes(), &self.fields, self.body] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }
}
