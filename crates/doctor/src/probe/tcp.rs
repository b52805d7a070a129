use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

use crate::{Connection, ConnectionOutcome, Resolution, Target};

/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 4;

pub(super) async fn resolve(target: &Target, patience: Duration) -> (Resolution, Vec<SocketAddr>) {
    if let Ok(address) = target.host.parse::<IpAddr>() {
        return (Resolution::Literal, vec![SocketAddr::new(address, target.port)]);
    }
    match timeout(patience, lookup_host((target.host.as_str(), target.port))).await {
        Ok(Ok(found)) => {
            let mut addresses: Vec<SocketAddr> = Vec::new();
            for address in found {
                if addresses.len() < MAX_ADDRESSES && !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
            (Resolution::Addresses(addresses.clone()), addresses)
        }
        Ok(Err(error)) => (Resolution::Failed(error.to_string()), Vec::new()),
        Err(_) => (Resolution::TimedOut, Vec::new()),
    }
}

/// Tries one address after the other until one is open.
pub(super) async fn connect_to_one(
    addresses: &[SocketAddr],
    patience: Duration,
) -> (Vec<Connection>, Option<SocketAddr>) {
    let mut tried = Vec::new();
    for &address in addresses {
        let started = Instant::now();
        let outcome = match timeout(patience, TcpStream::connect(address)).await {
            Ok(Ok(_)) => ConnectionOutcome::Open(started.elapsed()),
            Ok(Err(error)) => failed(&error),
            Err(_) => ConnectionOutcome::TimedOut,
        };
        let open = matches!(outcome, ConnectionOutcome::Open(_));
        tried.push(Connection { address, outcome });
        if open {
            return (tried, Some(address));
        }
    }
    (tried, None)
}

/// A connection for the next question; `None` when there is none in time.
pub(super) async fn connect(address: SocketAddr, patience: Duration) -> Option<TcpStream> {
    let stream = timeout(patience, TcpStream::connect(address)).await.ok()?.ok()?;
    // Small questions; a failure only makes them slower.
    let _ = stream.set_nodelay(true);
    Some(stream)
}

fn failed(error: &io::Error) -> ConnectionOutcome {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::ConnectionRefused => ConnectionOutcome::Refused,
        Kind::TimedOut => ConnectionOutcome::TimedOut,
        Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown | Kind::PermissionDenied => {
            ConnectionOutcome::NoRoute(error.to_string())
        }
        _ => ConnectionOutcome::Other(error.to_string()),
    }
}
