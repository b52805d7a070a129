//! Certificates of a consortium.
//!
//! A node proves who it is with a secp256k1 certificate that a consortium's authority issued, the way
//! FISCO BCOS's tools make them. This crate reads such certificates ([`Certificate`]), judges them
//! ([`Policy`]), loads a node's own ([`Identity`]), makes them ([`authority`]), takes them back
//! ([`RevocationList`]), and holds the rustls pieces every TLS port shares ([`tls`]).
//!
//! ```no_run
//! use nuncio_pki::{Identity, IdentityPaths};
//!
//! let (identity, policy) = Identity::load(&IdentityPaths::in_directory("node0/conf"))?;
//! let judged = policy.judge(&identity.chain, rustls_pki_types::UnixTime::now());
//! assert_eq!(judged?.node, identity.key.node_id());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod authority;
mod certificate;
mod chain;
mod chain_error;
mod directory;
mod file;
mod fingerprint;
mod inspect;
mod instant;
mod lists;
mod path;
mod request;
mod revocation;
mod signer;
pub mod tls;

pub use authority::AuthorityError;
pub use certificate::{Certificate, CertificateError, KeyKind};
pub use chain::{NodeCertificate, Policy, PolicyError, SharedPolicy};
pub use chain_error::{ChainError, Who};
pub use directory::{DirectoryError, Identity, IdentityPaths};
pub use file::FileError;
pub use inspect::{ListSummary, Summary, inspect, inspect_lists};
pub use lists::{CrlPolicy, Lists};
pub use request::{CertificateRequest, RequestError};
pub use revocation::{Edition, RevocationError, RevocationFile, RevocationList};
pub use signer::{SignerError, SignerId};
