//! From a socket to an admitted peer: TCP, TLS 1.3 with CA admission inside the handshake, the verdict, streams.
//!
//! The TLS Certificate message carries an ephemeral libp2p-tls leaf, then the node's CA-issued chain. The leaf proves
//! the host key, the chain proves that the consortium knows that key. Both ends judge; both ends then send one verdict,
//! and a connection is handed out only when both admit and agree on the network's constants. So no behaviour of the
//! network ever sees a peer that was not admitted, and either operator reads why not.
//!
//! Before any of it, the [`nuncio_door`] decides who may stand at the port while its handshake is not done.
//!
//! [`tcp`] is the transport of a node, [`memory`] the same for tests in one process, [`SecureChannel`] the upgrade
//! alone. [`diagnose`] turns whatever libp2p reports into one line an operator can act on.

mod admission;
mod bounds;
mod cork;
mod deadline;
mod diagnosis;
mod doorway;
mod error;
mod leaf;
mod multiplexer;
mod names;
mod progress;
mod secure_channel;
mod stack;
mod tls_config;
mod verdict;
mod verifier;

pub use admission::{Admission, Admissions};
pub use bounds::bounds;
pub use diagnosis::{Diagnosis, describe, diagnose, handshake_error};
pub use error::{HandshakeError, Refusal, Role, SetupError, Stage};
/// For the fuzz target of what comes over a link before it is a message.
#[doc(hidden)]
pub use multiplexer::hear;
pub use secure_channel::{Config, PROTOCOL, SecureChannel, SharedIdentity};
pub use stack::{memory, tcp};
