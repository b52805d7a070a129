//! The web door over real TLS on loopback, with a core that the tests play.
#![allow(clippy::unwrap_used, reason = "clippy takes helpers of tests for production code")]

mod abuse;
mod binary;
mod bounds;
mod crowded;
mod frames;
mod posted;
mod private;
mod rig;
mod tokens;
mod who;
