//! Every judgement of a node as one typed event, and the signed chain that keeps them.
//!
//! Whoever judges says so once, to an [`Audit`]: it writes the log line, counts for the metrics by the same [`Refused`] that the event has, tells whoever follows, and
//! hands the event to the writer of the audit log. The log is a [`Chain`] of lines, each with the hash of the one before,
//! signed by the node at intervals; a [`Verifier`] names the first line at which it is broken.
//!
//! ```
//! use nuncio_audit::{Chain, Entry, Event, Mark, Verifier};
//! use nuncio_identity::NodeKey;
//!
//! let (key, now) = (NodeKey::generate(), jiff::Timestamp::UNIX_EPOCH);
//! let mut chain = Chain::default();
//! let opened = Mark::Opened { node: key.node_id(), version: "0.1.0".into() };
//! let mut lines = chain.append(now, &Entry::Mark(opened));
//! lines += &chain.append(now, &Entry::Event(&Event::Stopped));
//! lines += &chain.seal(now, &key.clone().into()).unwrap();
//!
//! let mut verifier = Verifier::new(Some(key.node_id()));
//! verifier.file("audit-000000000000.jsonl", &mut lines.as_bytes()).unwrap();
//! assert_eq!(verifier.finish().unwrap().entries, 3);
//! ```

mod actor;
mod audit;
mod bucket;
mod chain;
mod entry;
mod event;
mod fault;
mod log;
mod missed;
mod over_quota;
mod owner;
mod pace;
mod refused;
mod text;
mod told;
mod verify;

pub use actor::{Act, Actor, NodeIdText, Scope};
pub use audit::{Audit, Next, Recorded, Records};
pub use chain::Chain;
pub use entry::{Entry, MAX_LINE, Mark};
pub use event::{Change, Event, Kind, Outcome};
pub use fault::{Break, Fault};
pub use missed::Missed;
pub use refused::Refused;
pub use text::Text;
pub use told::{News, Told};
pub use verify::{Position, PositionError, Report, Verifier, VerifyError};

use nuncio_bounds::Bound;

/// What others can make an audit hold.
pub fn bounds() -> Vec<Bound> {
    vec![audit::QUEUE, audit::FOLLOWED, Told::BOUND, over_quota::OverQuota::BOUND, pace::Paces::BOUND]
}
