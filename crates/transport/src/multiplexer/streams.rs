//! Streams of our own, `/nuncio/streams/1`: what libp2p sees of a [`Connection`].
//!
//! A connection has few streams, which live long. Streams read and write the socket themselves when they are polled, so that
//! what comes is with its reader at once; long data is not copied on its way to TLS or from
//! there.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use futures::{AsyncRead, AsyncWrite};
use libp2p::core::{StreamMuxer, muxing::StreamMuxerEvent};

use super::{broken::StreamsError, connection::Connection};

/// A connection with streams.
#[derive(Debug)]
pub(crate) struct Streams<S: AsyncRead + AsyncWrite + Unpin> {
    connection: Shared<S>,
    /// It is polled as a whole, and not for new streams only.
    is_driven: bool,
}

/// One stream of a connection.
#[derive(Debug)]
pub(crate) struct Stream<S: AsyncRead + AsyncWrite + Unpin> {
    connection: Shared<S>,
    number: u32,
}

#[derive(Debug)]
struct Shared<S>(Arc<Mutex<Connection<S>>>);

impl<S> Clone for Shared<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> Shared<S> {
    fn lock(&self) -> MutexGuard<'_, Connection<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Streams<S> {
    pub(super) fn over(socket: S, is_dialer: bool) -> Self {
        let connection = Shared(Arc::new(Mutex::new(Connection::new(socket, is_dialer))));
        Self { connection, is_driven: false }
    }

    fn stream(&self, number: u32) -> Stream<S> {
        Stream { connection: self.connection.clone(), number }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> StreamMuxer for Streams<S> {
    type Substream = Stream<S>;
    type Error = StreamsError;

    fn poll_inbound(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Stream<S>, StreamsError>> {
        let mut connection = self.connection.lock();
        // Whoever drives it is woken when a stream comes.
        if !self.is_driven
            && let Poll::Ready(reason) = connection.poll(cx)
        {
            return Poll::Ready(Err(reason));
        }
        let number = connection.accept();
        drop(connection);
        number.map_or(Poll::Pending, |number| Poll::Ready(Ok(self.stream(number))))
    }

    fn poll_outbound(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<Stream<S>, StreamsError>> {
        let opened = self.connection.lock().open();
        Poll::Ready(opened.map(|number| self.stream(number)))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), StreamsError>> {
        self.connection.lock().poll_close(cx)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<StreamMuxerEvent, StreamsError>> {
        self.is_driven = true;
        self.connection.lock().poll(cx).map(Err)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Drop for Streams<S> {
    fn drop(&mut self) {
        self.connection.lock().fail(StreamsError::Closed);
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.connection.lock().poll_read(self.number, buffer, cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.connection.lock().poll_write(self.number, data, cx)
    }

    /// What the socket does not take now goes out in the connection's own turns.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.connection.lock().flush(cx))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut connection = self.connection.lock();
        connection.finish(self.number);
        Poll::Ready(connection.flush(cx))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Drop for Stream<S> {
    fn drop(&mut self) {
        self.connection.lock().forget(self.number);
    }
}
