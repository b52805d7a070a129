//! Binds the socket (and perhaps a TCP port) and serves the API there.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use axum::{Router, extract::connect_info::Connected, middleware, serve::IncomingStream};
use nuncio_node::NodeHandle;
use nuncio_pki::tls::OperatorServerTls;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    Operator, TokenFile,
    routes::{self, refused::Refused},
};

mod authority;
mod browser_guard;
mod callers;
mod doorway;
mod guard;
mod limited;
mod lookers;
mod nearby;
mod peer;
mod rejection;
mod socket;

use authority::Authority;
pub use authority::{Certificates, named};
use callers::Callers;
pub(crate) use callers::MAX_CALLERS;
use doorway::Doorway;
pub(crate) use doorway::MAX_STRANGERS;
pub(crate) use guard::needed;
use guard::{Guard, guard};
use limited::Limited;
pub(crate) use limited::MAX_CONNECTIONS;
use lookers::Lookers;
pub(crate) use lookers::MAX_LOOKERS;
use nearby::Nearby;
#[cfg(test)]
pub(crate) use peer::Guest;
pub(crate) use peer::Peer;
use socket::Socket;

/// Where the API listens, and who may ask there.
#[derive(Debug, Default)]
pub struct Config {
    /// The unix socket's path; `None` for no socket.
    pub socket: Option<PathBuf>,
    /// The socket's mode; 0600 unless given.
    pub socket_mode: Option<u32>,
    /// Users who may change anything over the socket; empty for everybody who can open it. Others may look.
    pub full_users: Vec<u32>,
    /// A TCP address besides; `None` (the default) for none. Nobody is answered there who does not prove who he is.
    pub listen: Option<SocketAddr>,
    /// TLS there, and how operators' certificates are judged; `None` for plain HTTP, in which only tokens count.
    pub tls: Option<Tls>,
    /// The file of the tokens; `None` for none.
    pub tokens: Option<PathBuf>,
    /// Take `listen` without TLS though it is not a loopback address. False by default.
    pub allow_remote: bool,
    /// A TCP address that answers `GET /metrics` to anybody, and nothing else.
    pub metrics_listen: Option<SocketAddr>,
}

/// TLS at the API's TCP address.
#[derive(Debug, Clone)]
pub struct Tls {
    /// See [`nuncio_pki::tls::operator_server_config`]; may be swapped while the API runs.
    pub config: Arc<ArcSwap<OperatorServerTls>>,
    /// How operators' certificates are judged.
    pub certificates: Certificates,
}

/// Binds; nothing is answered before [`Bound::run`].
///
/// A socket file that nobody listens on any more is replaced; one that somebody does is left alone.
///
/// # Errors
/// [`BindError`], with what to do in [`BindError::hint`].
pub async fn bind(config: Config, node: NodeHandle, operator: Arc<dyn Operator>) -> Result<Bound, BindError> {
    let is_secret = config.tls.is_some() || config.allow_remote;
    if let Some(address) = config.listen.filter(|address| !address.ip().is_loopback() && !is_secret) {
        return Err(BindError::NotLoopback { address });
    }
    let tcp = listen(config.listen, "listen").await?;
    let metrics = listen(config.metrics_listen, "metrics_listen").await?;
    let mode = config.socket_mode.unwrap_or(0o600);
    let unix = config.socket.map(|path| Socket::bind(&path, mode)).transpose()?;
    let (tls, certificates) = config.tls.map(|tls| (tls.config, tls.certificates)).unzip();
    let tokens = config.tokens.map(TokenFile::new);
    let authority = Arc::new(Authority { full_users: config.full_users, certificates, tokens });
    Ok(Bound { unix, tcp, metrics, tls, authority, node, operator })
}

async fn listen(address: Option<SocketAddr>, key: &'static str) -> Result<Option<TcpListener>, BindError> {
    let Some(address) = address else { return Ok(None) };
    let bound = TcpListener::bind(address).await;
    bound.map(Some).map_err(|source| BindError::Tcp { key, address, source })
}

/// The API, listening and not yet answering.
pub struct Bound {
    unix: Option<Socket>,
    tcp: Option<TcpListener>,
    metrics: Option<TcpListener>,
    tls: Option<Arc<ArcSwap<OperatorServerTls>>>,
    authority: Arc<Authority>,
    node: NodeHandle,
    operator: Arc<dyn Operator>,
}

impl Bound {
    /// The unix socket's path.
    pub fn socket(&self) -> Option<&Path> {
        self.unix.as_ref().map(Socket::path)
    }

    /// The TCP address with its real port.
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.tcp.as_ref()?.local_addr().ok()
    }

    /// Where metrics alone are answered, with its real port.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref()?.local_addr().ok()
    }

    /// Serves until `shutdown`; then lets running operations end (listening streams are ended) and removes the
    /// socket. Dropping the future stops at once.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self { unix, tcp, metrics, tls, authority, node, operator } = self;
        let audit = operator.audit().clone();
        let (callers, lookers) = (Arc::new(Callers::default()), Arc::new(Lookers::default()));
        let before_all = Guard {
            authority: Arc::clone(&authority),
            audit: audit.clone(),
            lookers: Arc::clone(&lookers),
            callers: Arc::clone(&callers),
        };
        let only_metrics = routes::metrics_alone(node.clone(), operator.clone(), shutdown.clone());
        let refused = Refused::default();
        let keeping = refused.clone().follow(audit.clone(), shutdown.clone());
        let all = routes::router(node, operator, refused, shutdown.clone())
            .layer(middleware::from_fn_with_state(before_all, guard));
        let over_tcp = async {
            if let Some(listener) = tcp {
                let doorway = Doorway::new(listener, tls, audit.clone());
                serve(Limited::new(doorway), all.clone(), shutdown.clone()).await;
            }
        };
        let over_unix = async {
            if let Some(socket) = unix {
                let (listener, _removed_at_the_end) = socket.into_parts();
                let nearby = Nearby::new(listener, Arc::clone(&authority), lookers);
                serve(Limited::new(nearby), all.clone(), shutdown.clone()).await;
            }
        };
        let for_metrics = async {
            if let Some(listener) = metrics {
                let doorway = Doorway::new(listener, None, audit.clone());
                serve(Limited::new(doorway), only_metrics, shutdown.clone()).await;
            }
        };
        let reviewing = callers.review(&authority, shutdown.clone());
        tokio::join!(over_unix, over_tcp, for_metrics, keeping, reviewing);
        shutdown.cancelled().await;
    }
}

impl std::fmt::Debug for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bound")
            .field("unix", &self.socket())
            .field("tcp", &self.local_address())
            .finish_non_exhaustive()
    }
}

/// Why the API cannot listen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The TCP address is not a loopback address.
    #[error("the admin API will not listen on {address}: it is not a loopback address, and there is no TLS")]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// The TCP port cannot be had.
    #[error("[admin] {key}: cannot listen on {address}: {source}")]
    Tcp {
        /// The key of the configuration.
        key: &'static str,
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
                "listen on 127.0.0.1 or [::1], set [admin] tls = true, or allow_remote = true where something else keeps strangers out"
                    .to_owned()
            }
            Self::Tcp { key, address, .. } => {
                format!("choose another [admin] {key}, or see who holds it: ss -ltnp 'sport = :{}'", address.port())
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
    Peer: for<'a> Connected<IncomingStream<'a, Limited<L>>>,
{
    let service = router.into_make_service_with_connect_info::<Peer>();
    let served = axum::serve(listener, service).with_graceful_shutdown(shutdown.cancelled_owned()).await;
    if let Err(error) = served {
        tracing::error!(%error, "the admin API has stopped");
    }
}
