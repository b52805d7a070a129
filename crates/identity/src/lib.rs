//! Who a node is.
//!
//! A node is named by the public key of its CA-issued secp256k1 certificate. [`NodeId`] is that key
//! as FISCO BCOS writes it: 64 bytes, X then Y, 128 hexadecimal digits. A libp2p `PeerId` inlines the
//! same key, so the two convert into each other without a table.
//!
//! ```
//! use nuncio_identity::{NodeId, NodeKey};
//!
//! let key = NodeKey::generate();
//! let id = key.node_id();
//! assert_eq!(id.to_string().len(), 128);
//! assert_eq!(id.to_string().parse::<NodeId>().unwrap(), id);
//! assert!(id.verify(b"hello", &key.sign(b"hello")));
//! ```

mod node_id;
mod node_key;
mod peer_id;
mod signer;

pub use node_id::{NodeId, ParseNodeIdError};
pub use node_key::{NodeKey, Signature};
pub use peer_id::NotANodeError;
pub use signer::{RemoteKey, SignError, Signer};
