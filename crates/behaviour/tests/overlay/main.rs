//! The behaviour between real swarms: memory transport, real TLS with CA admission.

mod amop;
mod links;
mod multicast;
mod network;
mod status;
mod unicast;
