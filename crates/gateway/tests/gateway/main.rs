//! The gateway over real TLS on loopback, with a core that the tests play.

mod amop;
mod bounds;
mod client;
mod records;
mod refusals;
mod rig;
mod rpc;
mod sessions;
