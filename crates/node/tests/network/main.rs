//! Whole nodes on loopback.

mod cluster;
mod membership;
mod rig;
