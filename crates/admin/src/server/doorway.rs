//! TCP: everybody first stands at a door, until he has proved who he is.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use arc_swap::ArcSwap;
use axum::serve::Listener;
use futures::{FutureExt, future::BoxFuture};
use nuncio_audit::{Act, Audit, Event};
use nuncio_door::{Door, Limits, Place};
use nuncio_metrics::{AdminRefusal, Cause};
use nuncio_pki::tls::{OperatorServerTls, Refused};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{peer::Guest, rejection::cause_of};

/// Connections of strangers at a time: in the handshake, or before the first request that proves who asks.
pub(crate) const MAX_STRANGERS: usize = 64;

/// How long a stranger may stay.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// What a listener does its handshakes with; may be swapped while it listens.
pub(super) type SharedTls = Arc<ArcSwap<OperatorServerTls>>;

/// Listens, and does the handshakes beside, so that none holds up the next connection.
pub(super) struct Doorway {
    listener: TcpListener,
    door: Door,
    tls: Option<SharedTls>,
    audit: Audit,
    handshakes: JoinSet<Option<Connection>>,
}

impl Doorway {
    pub(super) fn new(listener: TcpListener, tls: Option<SharedTls>, audit: Audit) -> Self {
        let door = Door::new(&Limits::new(MAX_STRANGERS, 64, 512));
        Self { listener, door, tls, audit, handshakes: JoinSet::new() }
    }

    fn let_in(&mut self, socket: TcpStream, address: SocketAddr) -> Option<Connection> {
        // Whoever gets no place is closed, as at the other ports.
        let knocked = self.door.knock(address.ip().to_canonical());
        let closed = |refusal: &_| {
            let words = format!("closed before its handshake: {refusal}");
            tell(&self.audit, AdminRefusal::Door, address, words, String::new());
        };
        let place = knocked.inspect_err(closed).ok()?;
        // Answers are short, and somebody waits for them.
        let _ = socket.set_nodelay(true);
        let door = self.door.clone();
        let Some(tls) = &self.tls else {
            let guest = Guest::new(address, None, false);
            return Some(Connection { stream: Stream::Plain(socket), guest, door, stranger: Some(patience(place)) });
        };
        let (tls, audit) = (tls.load_full(), self.audit.clone());
        self.handshakes.spawn(async move {
            let mut stranger = patience(place);
            let accepted = tokio::select! {
                biased;
                () = &mut stranger => return None,
                accepted = handshake(&tls, socket) => accepted,
            };
            let stream = accepted.map_err(|refused| refuse(&audit, address, refused)).ok()?;
            let guest = Guest::new(address, stream.get_ref().1.peer_certificates(), true);
            Some(Connection { stream: Stream::Tls(Box::new(stream)), guest, door, stranger: Some(stranger) })
        });
        None
    }
}

/// `None` for who hangs up, as port scanners and health checks do.
async fn handshake(tls: &OperatorServerTls, socket: TcpStream) -> Result<TlsStream<TcpStream>, Option<Refused>> {
    let handshake = tls.handshake().map_err(|error| Some(error.into()))?;
    let accepted = TlsAcceptor::from(handshake.config()).accept(socket).await;
    accepted.map_err(|error| {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        inner.map(|inner| handshake.refused(inner.clone()))
    })
}

/// Records why somebody does not come in; that he cannot be told in words.
fn refuse(audit: &Audit, address: SocketAddr, refused: Option<Refused>) {
    let (counted, cause, hint) = match refused {
        Some(Refused::Chain(error)) => (cause_of(&error), error.to_string(), error.hint()),
        Some(other) => (AdminRefusal::Tls, format!("TLS failed: {other}"), String::new()),
        None => return tracing::debug!(%address, "admin API: hung up in the handshake"),
    };
    tell(audit, counted, address, cause, hint);
}

fn tell(audit: &Audit, refused: AdminRefusal, address: SocketAddr, cause: String, hint: String) {
    audit.record(Event::OperatorRefused {
        refused: Cause::Admin(refused).into(),
        address: address.to_string().into(),
        actor: None,
        action: Act::Connect,
        cause: cause.into(),
        hint: hint.into(),
    });
}

/// Ends when a stranger has to go.
fn patience(mut place: Place) -> BoxFuture<'static, ()> {
    async move {
        // Late or displaced: both end it.
        let _ = timeout(PATIENCE, place.given_away()).await;
    }
    .boxed()
}

impl Listener for Doorway {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            let is_room = self.handshakes.len() < 2 * MAX_STRANGERS;
            tokio::select! {
                Some(done) = self.handshakes.join_next(), if !self.handshakes.is_empty() => {
                    if let Ok(Some(connection)) = done {
                        let address = connection.guest.address;
                        return (connection, address);
                    }
                }
                accepted = self.listener.accept(), if is_room => match accepted {
                    Ok((socket, address)) => {
                        if let Some(connection) = self.let_in(socket, address) {
                            return (connection, address);
                        }
                    }
                    // For want of file descriptors most likely.
                    Err(_) => sleep(Duration::from_millis(200)).await,
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection by TCP, which ends when its stranger has to go before he has proved who he is.
pub(super) struct Connection {
    stream: Stream,
    guest: Guest,
    door: Door,
    stranger: Option<BoxFuture<'static, ()>>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection {
    pub(super) const fn guest(&self) -> &Guest {
        &self.guest
    }

    fn must_go(&mut self, cx: &mut Context<'_>) -> bool {
        if self.guest.is_dismissed(cx) {
            return true;
        }
        let Some(stranger) = &mut self.stranger else { return false };
        if self.guest.has_proved() {
            self.stranger = None;
            self.door.admitted(self.guest.address.ip().to_canonical());
            return false;
        }
        stranger.poll_unpin(cx).is_ready()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.must_go(cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.must_go(cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.guest.is_dismissed(cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
