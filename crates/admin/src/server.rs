//! Binds the socket (and perhaps a TCP port) and serves the API there.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::{Router, middleware};
use nuncio_node::NodeHandle;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{Operator, routes};

mod browser_guard;
mod limited;
mod socket;

use limited::Limited;
pub(crate) use limited::MAX_CONNECTIONS;
use socket::Socket;

/// Where the API listens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// The unix socket's path; `None` for no socket. It is made with mode 0600.
    pub socket: Option<PathBuf>,
    /// A TCP address besides; `None` (the default) for none. Plain HTTP without any proof of who asks: every
    /// program of this machine that can open it has all authority over the node. It must be a loopback address.
    pub listen: Option<SocketAddr>,
    /// Take `listen` though it is not a loopback address: for a container whose port is published to the
    /// loopback of its host. False by default.
    pub allow_remote: bool,
}

/// Binds; nothing is answered before [`Bound::run`].
///
/// A socket file that nobody listens on any more is replaced; one that somebody does is left alone.
///
/// # Errors
/// [`BindError`], with what to do in [`BindError::hint`].
pub async fn bind(config: Config, node: NodeHandle, operator: Arc<dyn Operator>) -> Result<Bound, BindError> {
    let tcp = match config.listen {
        Some(address) if !address.ip().is_loopback() && !config.allow_remote => {
            return Err(BindError::NotLoopback { address });
        }
        Some(address) => Some(TcpListener::bind(address).await.map_err(|source| BindError::Tcp { address, source })?),
        None => None,
    };
    let local = tcp.as_ref().and_then(|listener| listener.local_addr().ok());
    let unix = config.socket.map(|path| Socket::bind(&path)).transpose()?;
    Ok(Bound { unix, tcp, local, node, operator })
}

/// The API, listening and not yet answering.
pub struct Bound {
    unix: Option<Socket>,
    tcp: Option<TcpListener>,
    local: Option<SocketAddr>,
    node: NodeHandle,
    operator: Arc<dyn Operator>,
}

impl Bound {
    /// The unix socket's path.
    pub fn socket(&self) -> Option<&Path> {
        self.unix.as_ref().map(Socket::path)
    }

    /// The TCP address with its real port.
    pub const fn local_address(&self) -> Option<SocketAddr> {
        self.local
    }

    /// Serves until `shutdown`; then lets running operations end (listening streams are ended) and removes the
    /// socket. Dropping the future stops at once.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self { unix, tcp, node, operator, .. } = self;
        let router = routes::router(node, operator, shutdown.clone());
        let guarded = router.clone().layer(middleware::from_fn(browser_guard::refuse_browsers));
        let over_tcp = async {
            if let Some(listener) = tcp {
                serve(Limited::new(listener), guarded, shutdown.clone()).await;
            }
        };
        let over_unix = async {
            if let Some(socket) = unix {
                let (listener, _removed_at_the_end) = socket.into_parts();
                serve(Limited::new(listener), router, shutdown.clone()).await;
            }
        };
        tokio::join!(over_unix, over_tcp);
        shutdown.cancelled().await;
    }
}

impl std::fmt::Debug for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bound").field("unix", &self.socket()).field("tcp", &self.local).finish_non_exhaustive()
    }
}

/// Why the API cannot listen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The TCP address is not a loopback address.
    #[error("the admin API will not listen on {address}: it is not a loopback address")]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// The TCP port cannot be had.
    #[error("the admin API cannot listen on {address}: {source}")]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A process listens on the socket already.
    #[error("the admin socket {} is in use by another process", path.display())]
    SocketInUse {
        /// The socket.
        path: PathBuf,
    },
    /// There is a file of another kind.
    #[error("the admin socket {} cannot be made: a file that is not a socket is there", path.display())]
    NotASocket {
        /// The file.
        path: PathBuf,
    },
    /// The path does not fit into a socket address.
    #[error("the admin socket's path {} is longer than a socket's path may be (about 100 bytes)", path.display())]
    PathTooLong {
        /// The path.
        path: PathBuf,
    },
    /// The socket cannot be made.
    #[error("the admin socket {} cannot be made: {source}", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl BindError {
    /// What the operator can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NotLoopback { .. } => {
                "listen on 127.0.0.1 or [::1], or set [admin] allow_remote = true where something else keeps strangers out"
                    .to_owned()
            }
            Self::Tcp { address, .. } => {
                format!("choose another [admin] listen, or see who holds it: ss -ltnp 'sport = :{}'", address.port())
            }
            Self::SocketInUse { .. } => "stop the node that runs from this directory, or set [admin] socket".to_owned(),
            Self::NotASocket { path } => format!("remove {} or set [admin] socket", path.display()),
            Self::PathTooLong { .. } => "set [admin] socket to a shorter absolute path".to_owned(),
            Self::Socket { path, .. } => {
                format!("make {} writable for the node, or set [admin] socket", path.parent().unwrap_or(path).display())
            }
        }
    }
}

async fn serve<L>(listener: Limited<L>, router: Router, shutdown: CancellationToken)
where
    L: axum::serve::Listener,
    L::Addr: std::fmt::Debug,
{
    let served = axum::serve(listener, router).with_graceful_shutdown(shutdown.cancelled_owned()).await;
    if let Err(error) = served {
        tracing::error!(%error, "the admin API has stopped");
    }
}
