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
//! assert_eq!(judged?.node_id, Some(identity.key.node_id()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod attribute_type;
pub mod authority;
mod blocks;
mod certificate;
mod chain;
mod chain_error;
mod credential;
mod curve;
mod directory;
mod encrypted;
mod extensions;
mod file;
mod fingerprint;
mod general_name;
mod heir;
mod inspect;
mod instant;
mod join_token;
mod key;
mod lists;
mod name;
mod passphrase;
mod path;
mod pss;
mod renewing;
mod request;
mod revocation;
mod signature;
mod signer;
pub mod tls;
mod token;

pub use attribute_type::attribute_type;
pub use authority::AuthorityError;
pub use certificate::{Certificate, CertificateError, KeyKind};
pub use chain::{Policy, PolicyError, SharedPolicy};
pub use chain_error::{ChainError, ChainFault, Who};
pub use credential::{Credential, Door, Role, RoleRule, Stated};
pub use directory::{DirectoryError, Identity, IdentityPaths};
#[cfg(unix)]
pub use file::is_exposed;
pub use file::{FileError, open_file, read_file};
pub use inspect::{ListSummary, Summary, inspect, inspect_lists};
pub use join_token::{InvitationId, JoinToken, JoinTokenError};
pub use key::{KeyError, KeyFile, KeyFileError, read_public_key};
pub use lists::{CrlPolicy, Lists};
pub use passphrase::{PASSPHRASE, PASSPHRASE_FILE};
pub use path::{Anchors, Leaf, MAX_CHAIN_BYTES};
pub use renewing::RenewalSchedule;
pub use request::{CertificateRequest, RequestError};
pub use revocation::{Edition, RevocationError, RevocationFile, RevocationList};
pub use signer::{SignerError, SignerId};
pub use token::{TokenKey, leave_tokens};
