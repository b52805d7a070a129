//! Networks on this machine: written to a directory, run as processes, and shown at work.

pub(crate) mod claim;
pub(crate) mod condition;
pub(crate) mod create;
pub(crate) mod demo;
pub(crate) mod ports;
pub(crate) mod processes;
pub(crate) mod topology;
pub(crate) mod up;
