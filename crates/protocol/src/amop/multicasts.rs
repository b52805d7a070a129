//! Multicast: to every subscriber once, with explicit destinations that each node splits by next hop.

mod machine;
mod pending;
mod routes;
mod seen;
mod shares;

pub(super) use machine::Multicasts;
