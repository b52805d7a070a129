//! Whole nodes from configuration files.

#![allow(clippy::unwrap_used, reason = "clippy knows #[test] functions only, not their helpers")]

mod audit;
mod consortium;
mod enrolment;
mod files;
mod gateway;
mod life_cycle;
mod refusals;
mod reload;
mod renewal;
mod rig;
mod rights;
mod silent;
mod web;
