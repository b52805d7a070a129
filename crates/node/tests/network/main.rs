//! Whole nodes on loopback.

mod access;
mod amop;
mod cluster;
mod crowded;
mod membership;
mod rig;
mod trace;
