use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    time::{Instant, timeout_at},
};

/// Bytes that are kept of what came first.
const KEPT: usize = 64;

/// A stream of which the first bytes that come are kept.
#[derive(Debug)]
pub(super) struct Capture<S> {
    stream: S,
    first: First,
}

/// What came first on a stream.
#[derive(Debug, Clone, Default)]
pub(super) struct First(Arc<Mutex<Vec<u8>>>);

impl First {
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<S> Capture<S> {
    pub(super) fn new(stream: S) -> (Self, First) {
        let first = First::default();
        (Self { stream, first: first.clone() }, first)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Capture<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buffer);
        let mut first = this.first.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = KEPT.saturating_sub(first.len());
        first.extend(buffer.filled()[before..].iter().take(room));
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Capture<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, buffers)
    }

    /// A flight of handshake messages leaves in one piece: a server that refuses the first would break a later write.
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

/// Reads until `enough` says so, the other side ends, `limit` bytes came, or the deadline passes; says how it ended.
pub(super) async fn read_until<S: AsyncRead + Unpin>(
    stream: &mut S,
    limit: usize,
    deadline: Instant,
    mut enough: impl FnMut(&[u8]) -> bool,
) -> (Vec<u8>, Ended) {
    let mut received = Vec::new();
    let mut chunk = [0; 1024];
    while received.len() < limit {
        match timeout_at(deadline, stream.read(&mut chunk)).await {
            Err(_) => return (received, Ended::StillOpen),
            Ok(Ok(0)) => return (received, Ended::Closed(None)),
            Ok(Err(error)) => return (received, Ended::Closed(Some(error))),
            Ok(Ok(length)) => received.extend_from_slice(&chunk[..length]),
        }
        if enough(&received) {
            break;
        }
    }
    (received, Ended::StillOpen)
}

/// How reading ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The stream is still open.
    StillOpen,
    /// The other side ended it, with this error if it was one.
    Closed(Option<io::Error>),
}
