//! Connections between real nodes and to impostors, over memory and over TCP on loopback: who gets in, who does not,
//! and what either side reads about it.

#![allow(clippy::unwrap_used, missing_debug_implementations, reason = "helpers of tests may panic")]

mod admitted;
mod crowded;
mod deadline;
mod diagnosed;
mod impostor;
mod meeting;
mod outsiders;
mod refused;
