//! Opening a stream to a node.

use std::{fmt, path::Path, sync::Arc};

use futures::future::BoxFuture;
use nuncio_pki::{
    Stated,
    tls::{TlsConfigError, channel_client_config, channel_client_roles},
};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite, BufWriter},
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;

use crate::{NodeError, Stage, options::Options};

/// A byte stream in both directions.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// How streams to nodes are opened: TLS, or memory in tests.
pub(crate) trait Dial: Send + Sync + 'static {
    /// Opens a stream before `deadline`.
    fn dial<'a>(
        &'a self,
        node: &'a str,
        deadline: Instant,
        options: &'a Options,
    ) -> BoxFuture<'a, Result<Box<dyn Stream>, NodeError>>;

    /// Says more about a refusal where the certificate shown explains it.
    fn explain(&self, error: NodeError) -> NodeError {
        error
    }
}

/// Bytes put together before they are written.
const WRITE_BUFFER: usize = 32 << 10;

/// TCP and TLS. The node proves itself by its chain, not by its host name.
#[derive(Clone)]
pub(crate) struct TlsDial {
    config: Arc<ClientConfig>,
    /// The roles that the certificate states.
    stated: Stated,
}

impl TlsDial {
    pub(crate) fn load(directory: &Path) -> Result<Self, TlsConfigError> {
        let stated = channel_client_roles(directory)?;
        Ok(Self { config: Arc::new(channel_client_config(directory)?), stated })
    }
}

impl Dial for TlsDial {
    fn dial<'a>(
        &'a self,
        node: &'a str,
        deadline: Instant,
        options: &'a Options,
    ) -> BoxFuture<'a, Result<Box<dyn Stream>, NodeError>> {
        Box::pin(async move {
            let timed_out = |stage| NodeError::TimedOut { stage, after: options.connect_timeout };
            let tcp = timeout_at(deadline, TcpStream::connect(node))
                .await
                .map_err(|_| timed_out(Stage::Tcp))?
                .map_err(|source| NodeError::Unreachable { source })?;
            tcp.set_nodelay(true).map_err(|source| NodeError::Unreachable { source })?;
            // Each frame begins a record of its own, and many records leave in one write.
            let tcp = BufWriter::with_capacity(WRITE_BUFFER, tcp);
            let connector = TlsConnector::from(Arc::clone(&self.config));
            let tls = timeout_at(deadline, connector.connect(server_name(node), tcp))
                .await
                .map_err(|_| timed_out(Stage::Tls))?
                .map_err(|source| NodeError::from_tls(source, Stage::Tls))?;
            Ok(Box::new(tls) as Box<dyn Stream>)
        })
    }

    fn explain(&self, error: NodeError) -> NodeError {
        error.beside(&self.stated)
    }
}

impl fmt::Debug for TlsDial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsDial")
    }
}

/// The name for SNI. Nobody checks it, so a host that is no DNS name gets a made-up one.
fn server_name(node: &str) -> ServerName<'static> {
    let host = node.rsplit_once(':').map_or(node, |(host, _)| host).trim_matches(['[', ']']);
    ServerName::try_from(host.to_owned())
        .or_else(|_| ServerName::try_from("node.invalid"))
        .expect("node.invalid is a DNS name")
}
