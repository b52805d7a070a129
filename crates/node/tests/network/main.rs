//! Whole nodes on loopback.

mod access;
mod amop;
mod cluster;
mod membership;
mod rig;
