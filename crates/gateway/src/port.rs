//! A port that lets connections in until it is told to stop: the gateway's, and those of doors beside it.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use nuncio_door::{BACKLOG, Throttle};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

/// How long a port rests when the system gives it no connection, for want of file descriptors most likely.
const REST: Duration = Duration::from_millis(200);

/// How long a session may take beyond the drain time to tell the core that its client is gone.
const GRACE: Duration = Duration::from_secs(1);

/// A port that is listened at, and lets nobody in yet.
#[derive(Debug)]
pub struct Port {
    what: &'static str,
    listener: TcpListener,
    address: SocketAddr,
    throttle: Throttle<IpAddr>,
}

/// Why a port cannot be listened at.
#[derive(Debug, thiserror::Error)]
#[error("{what} cannot listen on {address}: {hint}")]
#[non_exhaustive]
pub struct BindError {
    /// Which port.
    pub what: &'static str,
    /// Where.
    pub address: SocketAddr,
    /// What to do.
    pub hint: &'static str,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

impl Port {
    /// Listens; `what` says what does so, as `the gateway`.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub fn listen(what: &'static str, address: SocketAddr) -> Result<Self, BindError> {
        let listener = listen(address).and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) =
            listener.map_err(|source| BindError { what, address, hint: bind_hint(&source), source })?;
        Ok(Self { what, listener, address, throttle: Throttle::default() })
    }

    /// Where it listens, with its real port.
    pub const fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// Gives connections to `let_in` until `shutdown`, then the tasks that it has spawned `drain` to end.
    pub async fn run(
        self,
        drain: Duration,
        shutdown: &CancellationToken,
        let_in: impl Fn(TcpStream, SocketAddr, &TaskTracker),
    ) {
        let Self { what, listener, address, throttle } = self;
        info!(%address, "{what} listens");
        let tasks = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((socket, remote)) => let_in(socket, remote, &tasks),
                Err(error) => {
                    if throttle.allows(address.ip()) {
                        warn!(%error, "no connection can be accepted; raise the limit of open files if it says so");
                    }
                    sleep(REST).await;
                }
            }
        }
        drop(listener);
        tasks.close();
        if timeout(drain + GRACE, tasks.wait()).await.is_err() {
            warn!(%address, sessions = tasks.len(), "{what} closed before all its sessions had ended");
        } else {
            info!(%address, "{what} closed");
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restarted node must not wait for the last connections of the one before.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn bind_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another program has the port; stop it or choose another port",
        io::ErrorKind::AddrNotAvailable => "this machine does not have the address; use one of its own or 0.0.0.0",
        io::ErrorKind::PermissionDenied => "the system forbids it; use a port above 1023",
        _ => "see the cause",
    }
}
