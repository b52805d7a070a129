//! Whole nodes on loopback.

mod access;
mod cluster;
mod membership;
mod rig;
