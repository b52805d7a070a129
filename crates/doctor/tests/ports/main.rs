//! The doctor against real ports on this machine, one per thing that can be wrong.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

mod channel;
mod nodes;
mod others;
mod rig;
mod tls;
