//! A stream that is flushed once a poll of the multiplexer above it, not once a frame: what the streams of a connection have
//! to write at one time leaves in few and long TLS records.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use futures::{AsyncRead, AsyncWrite, io::BufWriter};

/// Bytes gathered before they are written without waiting for the end of the poll: four TLS records.
pub(crate) const GATHERED: usize = 64 << 10;

/// What is written gathers here; to be shared with a multiplexer, which writes while it is polled only and flushes then.
#[derive(Debug)]
pub(crate) struct Corked<S>(Arc<Mutex<BufWriter<S>>>);

impl<S> Clone for Corked<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Corked<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self(Arc::new(Mutex::new(BufWriter::with_capacity(GATHERED, stream))))
    }

    /// What the stream does not take yet goes out at a later poll, for which it wakes the task.
    pub(crate) fn uncork(&self, cx: &mut Context<'_>) -> io::Result<()> {
        match Pin::new(&mut *self.lock()).poll_flush(cx) {
            Poll::Ready(flushed) => flushed,
            Poll::Pending => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BufWriter<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Corked<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.lock()).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Corked<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.lock()).poll_write(cx, bytes)
    }

    /// [`Corked::uncork`] does it.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_close(cx)
    }
}
