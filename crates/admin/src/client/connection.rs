use std::{io, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{HeaderMap, Method, Request, Response, StatusCode, body::Incoming, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use crate::api::{ErrorCode, Failure};

use super::{Address, ClientError};

/// Longest answer that is read, in bytes: the longest message body, or the JSON of a full network.
const MAX_ANSWER: usize = 64 << 20;

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
    address: &Address,
    method: Method,
    path: &str,
    body: Bytes,
    limit: Duration,
) -> Result<Answer, ClientError> {
    let whole = async {
        let response = send(address, method, path, body).await?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(|e| interrupted(address, e))?;
        Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes() })
    };
    timeout(limit, whole).await.unwrap_or_else(|_| Err(too_slow(address, limit)))
}

/// One POST whose answer has no end; `limit` is for its beginning.
pub(super) async fn stream(address: &Address, path: &str, limit: Duration) -> Result<Incoming, ClientError> {
    let beginning = async {
        let response = send(address, Method::POST, path, Bytes::new()).await?;
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

async fn send(address: &Address, method: Method, path: &str, body: Bytes) -> Result<Response<Incoming>, ClientError> {
    let unreachable = |source| ClientError::Unreachable { address: address.clone(), source };
    match address {
        Address::Unix(socket) => {
            let stream = UnixStream::connect(socket).await.map_err(unreachable)?;
            send_over(stream, address, "localhost", method, path, body).await
        }
        Address::Http(authority) => {
            let stream = TcpStream::connect(authority).await.map_err(unreachable)?;
            // Requests are small and answered at once; nothing is gained by waiting for more bytes.
            stream.set_nodelay(true).map_err(unreachable)?;
            send_over(stream, address, authority, method, path, body).await
        }
    }
}

async fn send_over(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    address: &Address,
    host: &str,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<Response<Incoming>, ClientError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| interrupted(address, e))?;
    // Ends by itself when the answer was read or its body dropped.
    tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, host)
        .header(header::CONNECTION, "close")
        .body(Full::new(body))
        .map_err(|e| interrupted(address, e))?;
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
