//! Who may publish, subscribe and see which topics, and how much: the one place that says "X may do Y".
//!
//! What an operator writes are [`Rules`]; [`Rights`] are the same, ready to be asked. Whoever asks says who it is about, a
//! [`Party`] or [`Subject`] by its certificate, and which [`Act`] on which topic; the [`Verdict`] names the rule that
//! decided. Nothing here opens, waits, or reads a clock: time is an argument.
//!
//! ```
//! use nuncio_rights::{Act, Party, Rights, Rule, Rules, Fallback, Who};
//!
//! let allow = vec![Rule {
//!     who: Who { agency: Some("agencyB".into()), ..Who::default() },
//!     publish: vec!["orders*".parse()?],
//!     ..Rule::default()
//! }];
//! let rights = Rights::new(Rules { default: Fallback::Deny, allow, ..Rules::default() })?;
//!
//! let sdk = Party::sdk("agencyB", "shop");
//! assert!(rights.judge(&sdk.subject(), Act::Publish, "orders/new").is_allowed());
//! let denied = rights.judge(&sdk.subject(), Act::Publish, "prices");
//! assert_eq!(denied.to_string(), r#"no rule allows it, and [rights] default is "deny""#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod allowance;
mod index;
mod judge;
mod pattern;
mod quota;
mod rules;
mod subject;
mod verdict;

pub use allowance::Allowance;
pub use index::ByTopic;
pub use judge::Rights;
pub use pattern::{Pattern, PatternError};
pub use quota::{Ledger, Quota, Quotas, Rates};
pub use rules::{Fallback, Fault, Limit, Namespace, Per, Rule, Rules};
pub use subject::{Key, KeyError, Party, Role, Subject, Who, agency_path};

/// Longest path of agencies that a node may have, in bytes: four names of 256, each `/` in them written longer.
pub const MAX_AGENCY: usize = 4 * (3 * 256 + 1);
pub use verdict::{Act, Ground, Verdict};
