//! Networks on this machine: written to a directory, run as processes, and shown at work.

mod condition;
pub(crate) mod create;
pub(crate) mod demo;
pub(crate) mod processes;
pub(crate) mod topology;
pub(crate) mod up;
