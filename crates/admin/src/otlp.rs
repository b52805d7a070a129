//! Traced messages for a collector of OpenTelemetry: OTLP as protobuf over HTTP, where a build has the feature `otlp`.
//!
//! Whereto is said by the environment, as in every program that exports traces: `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, a whole URL, else
//! `OTEL_EXPORTER_OTLP_ENDPOINT`, to which `/v1/traces` is added. What cannot be sent is dropped: traces are for looking.

mod spans;

use std::{env, io, sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{Request, Uri, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use prost::Message as _;
use tokio::{net::TcpStream, sync::Semaphore, time::timeout};
use tracing::warn;

use crate::api::Trace;
pub(crate) use spans::Told;

/// Traces on their way to the collector at a time; further ones are dropped.
const MAX_EXPORTS: usize = 16;

/// How long a collector may take for one.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends traces to one collector.
#[derive(Debug, Clone)]
pub(crate) struct Exporter {
    authority: Arc<str>,
    path: Arc<str>,
    places: Arc<Semaphore>,
}

/// Why a trace is not at the collector.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error(transparent)]
    Connection(#[from] io::Error),
    #[error(transparent)]
    Http(#[from] hyper::Error),
    #[error("it answered {0}")]
    Refused(hyper::StatusCode),
    #[error("it did not answer within {PATIENCE:?}")]
    Slow,
}

impl Exporter {
    /// To the collector that the environment names, if it names one.
    pub(crate) fn from_environment() -> Option<Self> {
        let named = |name| env::var(name).ok().filter(|url| !url.is_empty());
        let whole = named("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        let below = || Some(format!("{}/v1/traces", named("OTEL_EXPORTER_OTLP_ENDPOINT")?.trim_end_matches('/')));
        let url = whole.or_else(below)?;
        let exporter = Self::to(&url);
        if exporter.is_none() {
            warn!(url = %nuncio_plain::line(&url), "traces are not exported: write http://HOST:PORT");
        }
        exporter
    }

    fn to(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok().filter(|uri: &Uri| uri.scheme_str() == Some("http"))?;
        let host = uri.authority()?;
        let authority = if host.port().is_some() { host.to_string() } else { format!("{host}:80") };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Some(Self { authority: authority.into(), path: path.into(), places: Arc::new(Semaphore::new(MAX_EXPORTS)) })
    }

    /// Sends a trace when there is a place for it; nobody waits for that.
    pub(crate) fn export(&self, trace: &Trace, told: Told) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return };
        let body = spans::request(trace, told).encode_to_vec();
        let exporter = self.clone();
        tokio::spawn(async move {
            let sent = timeout(PATIENCE, exporter.send(body.into())).await.unwrap_or(Err(ExportError::Slow));
            if let Err(error) = sent {
                warn!(collector = %exporter.authority, %error, "a trace was not exported");
            }
            drop(place);
        });
    }

    async fn send(&self, body: Bytes) -> Result<(), ExportError> {
        let stream = TcpStream::connect(&*self.authority).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the answer.
        tokio::spawn(connection);
        let request = Request::post(&*self.path)
            .header(header::HOST, &*self.authority)
            .header(header::CONNECTION, "close")
            .header(header::CONTENT_TYPE, "application/x-protobuf")
            .body(Full::new(body))
            .map_err(io::Error::other)?;
        let status = sender.send_request(request).await?.status();
        if status.is_success() { Ok(()) } else { Err(ExportError::Refused(status)) }
    }
}

#[cfg(test)]
mod tests;
