//! The gateway over real TLS on loopback, with a core that the tests play.
#![allow(clippy::unwrap_used, reason = "clippy takes helpers of tests for production code")]

mod access;
mod amop;
mod bounds;
mod calls;
mod client;
mod crowded;
mod intake;
mod malformed;
mod priorities;
mod records;
mod refusals;
mod rig;
mod rights;
mod rpc;
mod scripts;
mod sessions;
mod slow;
mod topics;
