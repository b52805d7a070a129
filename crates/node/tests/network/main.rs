//! Whole nodes on loopback.

mod cluster;
mod crowded;
mod membership;
mod rig;
