//! Free ports on loopback.

use std::net::{Ipv4Addr, TcpListener};

use crate::failure::Failure;

/// Ports nobody listens on. All are held at once, so that none is given twice.
pub(crate) fn free_ports(count: usize) -> Result<Vec<u16>, Failure> {
    let held: Result<Vec<_>, _> = (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect();
    let ports = held.and_then(|held| held.iter().map(|listener| Ok(listener.local_addr()?.port())).collect());
    ports.map_err(|error| Failure::operation("ports", format_args!("cannot find free ports on loopback: {error}")))
}
