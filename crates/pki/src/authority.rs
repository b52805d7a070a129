//! The consortium's authority: a root, agencies below it, and what they issue.
//!
//! [`Issuer`] works in memory. [`Authority`] keeps one in a directory, with the file names of FISCO BCOS's
//! `build_chain.sh`, and writes directories that nodes and SDKs use as they are. Everything is plain X.509: the
//! `openssl` command reads, verifies and continues it.

mod draft;
mod error;
mod issuer;
mod issuing;
mod joining;
mod last_list;
mod layout;
mod line;
mod private_key;
mod profile;
mod renewal;
mod renewed;
mod revoking;
mod rotation;
mod store;
mod template;

pub use error::AuthorityError;
pub(crate) use issuer::subject_of;
pub use issuer::{Issued, Issuer, Kind, RevocationDates};
pub use issuing::{Asked, IssueError, IssuingDesk, IssuingRules, Newcomer, issued_to};
pub use joining::{Invitation, Invitations, JoinRefusal};
pub use layout::{holder, refuse_replacing};
pub use private_key::PrivateKey;
pub use renewed::{RenewalFault, Renewed, refuse_renewing, renewal_request, take_first, take_renewed};
pub use rotation::{Chosen, Done, OldAgency, Plan, Rank, Rotation, RotationError, Sdks, SdksAt, Seen, Shown, Step};
pub use store::{Authority, request};
pub use template::Validity;
pub(crate) use template::sign as sign_structure;

/// Days a root is valid by default.
pub const ROOT_DAYS: u32 = 20 * 365;

/// Days an agency is valid by default.
pub const AGENCY_DAYS: u32 = 10 * 365;

/// Days a certificate of a node, an SDK or an operator is valid by default.
pub const CERTIFICATE_DAYS: u32 = 365;

/// Days until a revocation list asks for its successor.
pub const REVOCATION_DAYS: u32 = 365;
