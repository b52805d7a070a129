//! Bytes to core messages and back, one module per protocol of the network.
//!
//! Definitions are in `proto/nuncio/v1`. Every decoder bounds what it reads: no length, count or name from
//! the network reaches the core unchecked, and none sizes an allocation.

// The values that the conformance test shares with the tests outside.
#[cfg(test)]
extern crate self as nuncio_wire;

pub mod amop;
pub mod announcement;
mod error;
mod field;
mod header;
mod keyring;
pub mod length_prefixed;
pub mod multicast;
mod proto;
pub mod service;
mod signing;
pub mod status;
#[cfg(test)]
mod tests;
pub mod trace;
pub mod unicast;
pub mod verdict;

pub use error::DecodeError;
pub use keyring::Keyring;
pub use signing::SigningContext;
