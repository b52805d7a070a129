//! The unix socket: who connects and asks nothing keeps no place that others need.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{http::HeaderMap, serve::Listener};
use futures::FutureExt;
use nuncio_audit::Scope;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{UnixListener, UnixStream, unix::SocketAddr},
    time::{Sleep, sleep},
};

use super::{
    authority::{Asker, Authority},
    doorway::PATIENCE,
    lookers::Lookers,
    peer::{Peer, Process, Standing},
};

/// Listens, and looks who comes.
pub(super) struct Nearby {
    listener: UnixListener,
    authority: Arc<Authority>,
    lookers: Arc<Lookers>,
}

impl Nearby {
    pub(super) const fn new(listener: UnixListener, authority: Arc<Authority>, lookers: Arc<Lookers>) -> Self {
        Self { listener, authority, lookers }
    }

    fn let_in(&self, stream: UnixStream) -> Connection {
        let credentials = stream.peer_cred().ok();
        let process = credentials.map(|of| Process { uid: of.uid(), gid: of.gid(), pid: of.pid() });
        let peer = Peer::Process(process, Standing::default());
        // Not when he asks: he may never do so.
        if let Ok(Asker { actor, scope }) = self.authority.asker(&peer, &HeaderMap::new())
            && scope < Scope::Full
        {
            self.lookers.note(&actor, peer.standing());
        }
        Connection { stream, peer, patience: Some(Box::pin(sleep(PATIENCE))) }
    }
}

impl Listener for Nearby {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => return (self.let_in(stream), address),
                // For want of file descriptors most likely.
                Err(_) => sleep(Duration::from_millis(200)).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection of a process on this machine, which ends when nobody has asked anything over it in time.
pub(super) struct Connection {
    stream: UnixStream,
    peer: Peer,
    patience: Option<Pin<Box<Sleep>>>,
}

impl Connection {
    pub(super) const fn peer(&self) -> &Peer {
        &self.peer
    }

    fn must_go(&mut self, cx: &mut Context<'_>) -> bool {
        let standing = self.peer.standing();
        if standing.is_dismissed(cx) {
            return true;
        }
        if standing.has_proved() {
            self.patience = None;
        }
        self.patience.as_mut().is_some_and(|patience| patience.poll_unpin(cx).is_ready())
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.must_go(cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.must_go(cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.must_go(cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
