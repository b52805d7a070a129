//! The consortium's authority: a root, agencies below it, and what they issue.
//!
//! [`Issuer`] works in memory. [`Authority`] keeps one in a directory, with the file names of FISCO BCOS's
//! `build_chain.sh`, and writes directories that nodes and SDKs use as they are. Everything is plain X.509: the
//! `openssl` command reads, verifies and continues it.

mod error;
mod issuer;
mod layout;
mod private_key;
mod revoking;
mod store;
mod template;

pub use error::AuthorityError;
pub(crate) use issuer::subject_of;
pub use issuer::{Issued, Issuer, Kind, RevocationDates};
pub use private_key::PrivateKey;
pub use store::Authority;
pub use template::Validity;
pub(crate) use template::sign as sign_structure;

/// Days a root is valid by default, as `build_chain.sh` has it: to the year 2126.
pub const AUTHORITY_DAYS: u32 = 36_500;

/// Days a node's or SDK's certificate is valid by default.
pub const CERTIFICATE_DAYS: u32 = 3_650;

/// Days until a revocation list asks for its successor.
pub const REVOCATION_DAYS: u32 = 365;
