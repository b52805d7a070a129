//! Traces: every hop of a message tells its source when it took, queued and sent it, if the source asks for that.
//!
//! A node has two sides of it. As a *hop* it notes a traced message until that has left, and has a report signed for the message's
//! source (`hop.rs`). As the *origin* it knows what it asked for and takes reports of nothing else, of each hop one, if its
//! signature holds (`origin.rs`).
//!
//! A report is its hop's own word: nobody else can make it, and a hop that lies can lie about times and names. What is asked for
//! costs a hop a signature and a few hundred bytes, so both have budgets: by source, by neighbour and in all.

mod allowance;
mod context;
mod hop;
mod input;
mod machine;
mod origin;
mod report;
mod way;

pub use allowance::Probes;
pub use context::{NoTraceParent, Trace, TraceId, TraceParent};
pub use input::TraceInput;
pub use machine::Counts;
pub use origin::{Attempt, Traced};
pub use report::{Fate, MAX_REPORT, Passage, Report, Signed};
pub use way::Step;

pub(crate) use machine::Tracing;
