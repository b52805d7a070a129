//! HTTP: what is posted, until a connection becomes a WebSocket.

use std::{
    convert::Infallible,
    future::pending,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
    server::conn::http1::{self, UpgradeableConnection},
    service::{Service, service_fn},
    upgrade::OnUpgrade,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use nuncio_door::Place;
use nuncio_gateway::{Credential, Member, Refusal, Seat, Sitter, Stay};
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, timeout, timeout_at},
};
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::{
    bounds::{REQUEST_FIELDS, REQUEST_HEAD},
    listener::Door,
    posted::{self, Line, Wanted},
    session::{self, Shown, Socket},
};

/// Where WebSockets are.
const SOCKET: &str = "/v1/socket";

pub(crate) type Answer = Response<Full<Bytes>>;

/// A connection that is about to become a WebSocket, and whose: nobody's, while no token was shown.
type Upgrade = (Option<Entry>, OnUpgrade);

/// A session, and the token that it stands on.
pub(crate) type Entry = (Member, Option<Shown>);

/// Somebody who has shown no certificate: he keeps his place at the door until he has shown a token, for so long.
pub(crate) struct Stranger {
    place: Place,
    until: Instant,
    limit: Duration,
}

impl Stranger {
    pub(crate) fn new(place: Place, limit: Duration) -> Self {
        Self { place, until: Instant::now() + limit, limit }
    }

    /// Ends with the reason when he has to go.
    async fn patience(&mut self) -> Refusal {
        match timeout_at(self.until, self.place.given_away()).await {
            Ok(()) => Refusal::GaveWay,
            Err(_) => Refusal::TooSlow { limit: self.limit },
        }
    }
}

/// The same of who may be none.
async fn patience(stranger: &mut Option<Stranger>) -> Refusal {
    match stranger {
        Some(stranger) => stranger.patience().await,
        None => pending().await,
    }
}

/// Serves a client whose certificate has been judged, or who has shown none.
pub(crate) async fn serve<S>(
    door: &Door,
    (stream, client): (S, Option<Credential>),
    mut stranger: Option<Stranger>,
    (remote, seat): (SocketAddr, &Seat),
    shutdown: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let upgrade: Mutex<Option<Upgrade>> = Mutex::default();
    let (line, sitter) = (Arc::new(Line::new()), seat.sitter());
    let service = service_fn(async |request: Request<Incoming>| {
        sitter.speaks();
        if let Some(wanted) = Wanted::of(&request) {
            let posted = publish(door, client.as_ref(), (remote, seat), (wanted, request), &line).await;
            return Ok(posted.unwrap_or_else(|answer| *answer));
        }
        let answer = match become_socket(door, client.as_ref(), (remote, seat), request).await {
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
    let has_ended = carry(door, pin!(connection), &mut stranger, &line, (remote, &sitter, &shutdown)).await;
    let upgrade = upgrade.lock().unwrap_or_else(PoisonError::into_inner).take();
    match upgrade {
        Some(upgrade) if has_ended => begin(door, upgrade, stranger, (remote, seat), shutdown).await,
        // Its answer was never taken: there is no WebSocket.
        Some((Some((member, _)), _)) => member.leave().await,
        _ => {}
    }
}

/// Carries HTTP until it ends well, which is said, or does not: whoever is there has to go as a stranger, when it is to be
/// closed, when the node stops, when its seat is needed, or when he has had no session for as long as a handshake may take. Seats
/// are for sessions.
async fn carry<S, H>(
    door: &Door,
    mut connection: Pin<&mut UpgradeableConnection<TokioIo<S>, H>>,
    stranger: &mut Option<Stranger>,
    line: &Line,
    (remote, sitter, shutdown): (SocketAddr, &Sitter, &CancellationToken),
) -> bool
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Service<Request<Incoming>, Response = Answer, Error = Infallible>,
{
    let timeouts = door.entrance.timeouts();
    loop {
        let is_known = stranger.is_none();
        let leaves = async {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = sitter.makes_room() => {}
                () = line.deserted(timeouts.handshake), if is_known => {}
            }
        };
        tokio::select! {
            () = leaves => {
                // What was posted is answered still.
                connection.as_mut().graceful_shutdown();
                return matches!(timeout(timeouts.drain, connection).await, Ok(Ok(())));
            }
            () = line.proved.notified(), if !is_known => {
                stranger.take().into_iter().for_each(|stranger| stranger.place.admitted());
            }
            () = line.cut.cancelled() => return false,
            refusal = patience(stranger) => {
                door.entrance.refuse(remote, &refusal);
                return false;
            }
            ended = connection.as_mut() => {
                return ended
                    .inspect_err(|error| debug!(%remote, %error, "HTTP at the web door has ended"))
                    .is_ok();
            }
        }
    }
}

/// Serves the WebSocket that a connection has become.
async fn begin(
    door: &Door,
    (entry, socket): Upgrade,
    mut stranger: Option<Stranger>,
    (remote, seat): (SocketAddr, &Seat),
    shutdown: CancellationToken,
) {
    let sitter = seat.sitter();
    let socket = match (socket.await, entry) {
        (Ok(socket), entry) => (TokioIo::new(socket), entry),
        (Err(_), Some((member, _))) => return member.leave().await,
        (Err(_), None) => return,
    };
    let (mut socket, entry) = (session::open(socket.0).await, socket.1);
    let limit = door.entrance.timeouts().handshake;
    let entry = match entry {
        Some(entry) => Ok(entry),
        None => tokio::select! {
            () = shutdown.cancelled() => return,
            () = sitter.makes_room() => return,
            refusal = patience(&mut stranger) => Err(refusal),
            // Also of who was known by what he posted before: without a session he is nobody.
            entry = timeout(limit, by_first_frame(door, &mut socket, remote)) => {
                entry.unwrap_or(Err(Refusal::TooSlow { limit }))
            }
        },
    };
    match entry {
        Ok((member, shown)) => {
            seat.belongs_to(member.owner());
            if let Some(stranger) = stranger {
                stranger.place.admitted();
            }
            session::run(member, socket, shown, sitter, shutdown).await;
        }
        Err(refusal) => {
            door.entrance.refuse(remote, &refusal);
            session::dismiss(&mut socket, &refusal).await;
        }
    }
}

async fn by_first_frame<S>(door: &Door, socket: &mut Socket<S>, remote: SocketAddr) -> Result<Entry, Refusal>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let refuse = |reason: &str| Refusal::NoToken { reason: reason.to_owned() };
    let tokens = door.tokens.as_ref().ok_or_else(|| refuse("no tokens are taken here"))?;
    let (holder, shown) = session::prove(socket, tokens).await?;
    let member = door.entrance.enter_by_token(holder, remote, Stay::Session).await?;
    member.map(|member| (member, Some(shown))).ok_or_else(|| refuse("the node stops"))
}

/// Publishes what a request asks for, in the name of who has shown himself with it.
async fn publish(
    door: &Door,
    client: Option<&Credential>,
    (remote, seat): (SocketAddr, &Seat),
    (wanted, request): (Result<Wanted, Box<Answer>>, Request<Incoming>),
    line: &Arc<Line>,
) -> Result<Answer, Box<Answer>> {
    judge_origin(door, remote, &request)?;
    let wanted = wanted?;
    let Some(entry) = entry(door, client, (remote, seat, Stay::Message), &request).await? else {
        let nobody = Refusal::NoToken { reason: "none is in the request's head".to_owned() };
        door.entrance.refuse(remote, &nobody);
        return Err(refused(&nobody));
    };
    Ok(posted::post(entry, wanted, request.into_body(), Arc::clone(line)).await)
}

/// Gives a client its session, if it asks as it has to and is known.
async fn become_socket(
    door: &Door,
    client: Option<&Credential>,
    (remote, seat): (SocketAddr, &Seat),
    mut request: Request<Incoming>,
) -> Result<(Answer, Upgrade), Box<Answer>> {
    judge_origin(door, remote, &request)?;
    if request.uri().path() != SOCKET || request.method() != Method::GET {
        return Err(refusal(
            StatusCode::NOT_FOUND,
            "not_found",
            &format!("there is GET {SOCKET}, a WebSocket, and POST /v1/publish/TOPIC and /v1/multicast/TOPIC"),
        ));
    }
    // Its own body, which says nothing, is not read.
    let answer = create_response_with_body(&request, Full::default)
        .map_err(|error| refusal(StatusCode::BAD_REQUEST, "no_websocket", &error.to_string()))?;
    let entry = entry(door, client, (remote, seat, Stay::Session), &request).await?;
    Ok((answer, (entry, hyper::upgrade::on(&mut request))))
}

/// The session of who is known by his certificate, or by a token in the request's head.
async fn entry(
    door: &Door,
    client: Option<&Credential>,
    (remote, seat, stay): (SocketAddr, &Seat, Stay),
    request: &Request<Incoming>,
) -> Result<Option<Entry>, Box<Answer>> {
    let refuse = |refusal: Refusal| {
        door.entrance.refuse(remote, &refusal);
        refused(&refusal)
    };
    let (member, shown) = match (client, bearer(request)) {
        (Some(client), _) => (door.entrance.enter(client.clone(), remote, stay).await, None),
        (None, None) => return Ok(None),
        (None, Some(token)) => {
            let no = |reason: &str| refuse(Refusal::NoToken { reason: reason.to_owned() });
            let tokens = door.tokens.as_ref().ok_or_else(|| no("no tokens are taken here"))?;
            let holder = tokens.find(&token).map_err(|reason| no(&reason))?;
            let shown = Shown { tokens: Arc::clone(tokens), token, in_frame: None };
            (door.entrance.enter_by_token(holder, remote, stay).await, Some(shown))
        }
    };
    match member.map_err(refuse)? {
        Some(member) => {
            seat.belongs_to(member.owner());
            Ok(Some((member, shown)))
        }
        None => Err(refusal(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the node stops")),
    }
}

/// The token that a request shows.
fn bearer(request: &Request<Incoming>) -> Option<String> {
    let shown = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = shown.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// Pages of other sites come in by a browser that has a certificate without its user's will.
fn judge_origin(door: &Door, remote: SocketAddr, request: &Request<Incoming>) -> Result<(), Box<Answer>> {
    let mut origins = request.headers().get_all(header::ORIGIN).iter();
    let is_known = |origin: &HeaderValue| door.origins.iter().any(|known| known.as_bytes() == origin.as_bytes());
    if origins.all(is_known) {
        return Ok(());
    }
    door.entrance.refuse(remote, &Refusal::OtherOrigin);
    Err(refused(&Refusal::OtherOrigin))
}

fn refused(cause: &Refusal) -> Box<Answer> {
    let (status, error) = match cause {
        Refusal::OverQuota { .. } => (StatusCode::TOO_MANY_REQUESTS, "over_quota"),
        Refusal::NotAdmitted { .. } => (StatusCode::FORBIDDEN, "forbidden"),
        Refusal::OtherOrigin => (StatusCode::FORBIDDEN, "origin"),
        _ => (StatusCode::UNAUTHORIZED, "unauthorized"),
    };
    refusal(status, error, &cause.to_string())
}

pub(crate) fn refusal(status: StatusCode, error: &str, message: &str) -> Box<Answer> {
    let body = json!({ "error": error, "message": message }).to_string();
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Box::new(answer)
}
