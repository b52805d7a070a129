//! The behaviour between real swarms: memory transport, real TLS with CA admission.

mod amop;
mod beside;
mod deaf;
mod hostile;
mod links;
mod multicast;
mod network;
mod priority;
mod remote_key;
mod slow;
mod status;
mod unicast;
