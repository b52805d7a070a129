//! The API over real sockets, served from real nodes.

#![allow(clippy::unwrap_used, reason = "clippy knows #[test] functions only, not their helpers")]

mod acting;
mod authority;
mod operations;
mod operator;
mod tracing;
mod watching;
