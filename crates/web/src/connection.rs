//! HTTP, until a connection becomes a WebSocket.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
    server::conn::http1,
    service::service_fn,
    upgrade::OnUpgrade,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use nuncio_gateway::{Credential, Member, Refusal};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::{
    bounds::{REQUEST_FIELDS, REQUEST_HEAD},
    listener::Door,
    session,
};

/// Where WebSockets are.
const SOCKET: &str = "/v1/socket";

type Answer = Response<Full<Bytes>>;

/// A connection that is about to become a WebSocket, and whose.
type Upgrade = (Member, OnUpgrade);

/// Serves a client whose certificate has been judged.
pub(crate) async fn serve(
    door: &Door,
    (stream, client): (TlsStream<TcpStream>, Credential),
    remote: SocketAddr,
    shutdown: CancellationToken,
) {
    let upgrade: Mutex<Option<Upgrade>> = Mutex::default();
    let service = service_fn(async |request: Request<Incoming>| {
        let answer = match become_socket(door, &client, remote, request).await {
            Ok((answer, member_and_socket)) => {
                *upgrade.lock().unwrap_or_else(PoisonError::into_inner) = Some(member_and_socket);
                answer
            }
            Err(answer) => *answer,
        };
        Ok::<_, Infallible>(answer)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(door.entrance.timeouts().handshake)
        .max_buf_size(REQUEST_HEAD)
        .max_headers(REQUEST_FIELDS)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let ended = tokio::select! {
        () = shutdown.cancelled() => None,
        ended = connection => Some(ended),
    };
    if let Some(Err(error)) = ended {
        debug!(%remote, %error, "HTTP at the web door has ended");
    }
    let upgrade = upgrade.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some((member, socket)) = upgrade else { return };
    match socket.await {
        Ok(socket) => session::run(member, TokioIo::new(socket), shutdown).await,
        Err(_) => member.leave().await,
    }
}

/// Gives a client its session, if it asks as it has to.
async fn become_socket(
    door: &Door,
    client: &Credential,
    remote: SocketAddr,
    mut request: Request<Incoming>,
) -> Result<(Answer, Upgrade), Box<Answer>> {
    judge_origin(door, &request)?;
    if request.uri().path() != SOCKET || request.method() != Method::GET {
        return Err(refusal(StatusCode::NOT_FOUND, "not_found", &format!("there is GET {SOCKET}, a WebSocket")));
    }
    // Its own body, which says nothing, is not read.
    let answer = create_response_with_body(&request, Full::default)
        .map_err(|error| refusal(StatusCode::BAD_REQUEST, "no_websocket", &error.to_string()))?;
    let member = match door.entrance.enter(client.clone(), remote).await {
        Ok(Some(member)) => member,
        Ok(None) => return Err(refusal(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the node stops")),
        Err(over) => {
            door.entrance.refuse(remote, &over);
            return Err(over_quota(&over));
        }
    };
    Ok((answer, (member, hyper::upgrade::on(&mut request))))
}

/// Pages of other sites come in by a browser that has a certificate without its user's will.
fn judge_origin(door: &Door, request: &Request<Incoming>) -> Result<(), Box<Answer>> {
    let mut origins = request.headers().get_all(header::ORIGIN).iter();
    let is_known = |origin: &HeaderValue| door.origins.iter().any(|known| known.as_bytes() == origin.as_bytes());
    if origins.all(is_known) {
        return Ok(());
    }
    Err(refusal(StatusCode::FORBIDDEN, "origin", "this page's origin is not in [web] origins of the node"))
}

fn over_quota(over: &Refusal) -> Box<Answer> {
    refusal(StatusCode::TOO_MANY_REQUESTS, "over_quota", &over.to_string())
}

fn refusal(status: StatusCode, error: &str, message: &str) -> Box<Answer> {
    let body = json!({ "error": error, "message": message }).to_string();
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Box::new(answer)
}
