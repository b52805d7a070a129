use std::{fmt, io, net::Ipv4Addr, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{HeaderMap, Method, Request, Response, StatusCode, body::Incoming, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use nuncio_pki::{Role, Stated};
use rustls::{AlertDescription, ClientConfig};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::{
    api::{ErrorCode, Failure, TRACE_PARENT_HEADER},
    openapi,
};

use super::{Address, ClientError};

/// Longest answer that is read, in bytes: the longest message body, or the JSON of a full network.
const MAX_ANSWER: usize = 64 << 20;

/// Where an API is, and by what it is asked.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) address: Address,
    pub(super) token: Option<Arc<str>>,
    pub(super) tls: Option<Arc<ClientConfig>>,
    /// The roles of the certificate that is shown in TLS.
    pub(super) stated: Option<Arc<Stated>>,
    /// In which trace it is asked.
    pub(super) trace_parent: Option<Arc<str>>,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Place").field(&self.address).finish()
    }
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The answer, unless it says that the operation failed.
    pub(super) fn successful(self, address: &Address) -> Result<Self, ClientError> {
        if self.status.is_success() {
            return Ok(self);
        }
        match serde_json::from_slice::<Failure>(&self.body) {
            Ok(failure) => Err(ClientError::Failed(failure)),
            Err(_) if self.status == StatusCode::NOT_FOUND => Err(ClientError::Failed(Failure::new(
                ErrorCode::NotFound,
                format!("{address} does not know this operation"),
            ))),
            Err(source) => Err(ClientError::Unreadable { address: address.clone(), source }),
        }
    }
}

/// One request and its whole answer within `limit`.
pub(super) async fn call(
    place: &Place,
    method: Method,
    path: &str,
    body: Bytes,
    limit: Duration,
) -> Result<Answer, ClientError> {
    let address = &place.address;
    let whole = async {
        let response = send(place, method, path, body).await?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(|e| interrupted(address, e))?;
        Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes() })
    };
    timeout(limit, whole).await.unwrap_or_else(|_| Err(too_slow(address, limit)))
}

/// One request whose answer has no end; `limit` is for its beginning.
pub(super) async fn stream(
    place: &Place,
    method: Method,
    path: &str,
    limit: Duration,
) -> Result<Incoming, ClientError> {
    let address = &place.address;
    let beginning = async {
        let response = send(place, method, path, Bytes::new()).await?;
        if response.status().is_success() {
            return Ok(response.into_body());
        }
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(|e| interrupted(address, e))?.to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
            .successful(address)
            .and_then(|_| Err(interrupted(address, "no answer")))
    };
    timeout(limit, beginning).await.unwrap_or_else(|_| Err(too_slow(address, limit)))
}

async fn send(place: &Place, method: Method, path: &str, body: Bytes) -> Result<Response<Incoming>, ClientError> {
    debug_assert!(openapi::knows(method.as_str(), path), "{method} {path} is not in the API's document");
    let address = &place.address;
    let unreachable = |source| ClientError::Unreachable { address: address.clone(), source };
    match address {
        Address::Unix(socket) => {
            let stream = UnixStream::connect(socket).await.map_err(unreachable)?;
            send_over(stream, place, "localhost", method, path, body).await
        }
        Address::Http(authority) => {
            let stream = connect(authority).await.map_err(unreachable)?;
            send_over(stream, place, authority, method, path, body).await
        }
        Address::Https(authority) => {
            let failed = |reason: String| ClientError::Tls { address: address.clone(), reason };
            let config = place.tls.clone().ok_or_else(|| failed("nothing says which nodes are trusted".to_owned()))?;
            let stream = connect(authority).await.map_err(unreachable)?;
            // The node's certificate has no host name, and none is compared.
            let name = ServerName::IpAddress(Ipv4Addr::UNSPECIFIED.into());
            let stream = TlsConnector::from(config).connect(name, stream).await;
            let stream = stream.map_err(|error| match &place.stated {
                Some(stated) if is_denied(&error) && !stated.roles().contains(&Role::Operator) => {
                    ClientError::OtherRole { address: address.clone(), stated: (**stated).clone() }
                }
                _ => failed(error.to_string()),
            })?;
            send_over(stream, place, authority, method, path, body).await
        }
    }
}

fn is_denied(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::AlertReceived(AlertDescription::AccessDenied)))
}

async fn connect(authority: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(authority).await?;
    // Requests are small and answered at once; nothing is gained by waiting for more bytes.
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn send_over(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    place: &Place,
    host: &str,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<Response<Incoming>, ClientError> {
    let address = &place.address;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| interrupted(address, e))?;
    // Ends by itself when the answer was read or its body dropped.
    tokio::spawn(connection);
    let mut request =
        Request::builder().method(method).uri(path).header(header::HOST, host).header(header::CONNECTION, "close");
    if let Some(token) = &place.token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    if let Some(parent) = &place.trace_parent {
        request = request.header(TRACE_PARENT_HEADER, &**parent);
    }
    let request = request.body(Full::new(body)).map_err(|e| interrupted(address, e))?;
    sender.send_request(request).await.map_err(|e| interrupted(address, e))
}

pub(super) fn interrupted(
    address: &Address,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> ClientError {
    ClientError::Interrupted { address: address.clone(), source: io::Error::other(source) }
}

fn too_slow(address: &Address, limit: Duration) -> ClientError {
    let source = io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {limit:?}"));
    ClientError::Interrupted { address: address.clone(), source }
}
