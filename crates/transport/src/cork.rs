//! The multiplexer over a stream that is flushed once a poll, not once a frame: what the streams of a connection have to
//! write at one time leaves in few and long TLS records.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use futures::{AsyncRead, AsyncWrite, FutureExt, TryFutureExt, future::BoxFuture, io::BufWriter};
use libp2p::{
    core::{
        muxing::{StreamMuxer, StreamMuxerEvent},
        upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo},
    },
    yamux,
};

/// Bytes gathered before they are written without waiting for the end of the poll: four TLS records.
const GATHERED: usize = 64 << 10;

/// Makes yamux over a corked stream of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Corking(pub(crate) yamux::Config);

/// A stream that gathers what is written, for its multiplexer to flush.
pub(crate) struct Corked<S>(Arc<Mutex<BufWriter<S>>>);

/// A multiplexer that flushes the stream below it at the end of each poll. All it writes it writes while it is polled.
pub(crate) struct Muxer<S> {
    inner: yamux::Muxer<Corked<S>>,
    below: Corked<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Corked<S> {
    fn new(stream: S) -> Self {
        Self(Arc::new(Mutex::new(BufWriter::with_capacity(GATHERED, stream))))
    }

    fn lock(&self) -> MutexGuard<'_, BufWriter<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn second(&self) -> Self {
        Self(self.0.clone())
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

    /// The multiplexer's own poll does it.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_close(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Muxer<S> {
    fn then_flush<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut yamux::Muxer<Corked<S>>>, &mut Context<'_>) -> Poll<Result<T, yamux::Error>>,
    ) -> Poll<io::Result<T>> {
        let polled = poll(Pin::new(&mut self.inner), cx).map_err(io::Error::other);
        match Pin::new(&mut *self.below.lock()).poll_flush(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            // What the stream does not take yet goes out at a later poll, for which it wakes this task.
            Poll::Ready(Ok(())) | Poll::Pending => polled,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> StreamMuxer for Muxer<S> {
    type Substream = yamux::Stream;
    type Error = io::Error;

    fn poll_inbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<yamux::Stream>> {
        self.then_flush(cx, |muxer, cx| muxer.poll_inbound(cx))
    }

    fn poll_outbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<yamux::Stream>> {
        self.then_flush(cx, |muxer, cx| muxer.poll_outbound(cx))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.then_flush(cx, |muxer, cx| muxer.poll_close(cx))
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        self.then_flush(cx, |muxer, cx| muxer.poll(cx))
    }
}

impl UpgradeInfo for Corking {
    type Info = <yamux::Config as UpgradeInfo>::Info;
    type InfoIter = <yamux::Config as UpgradeInfo>::InfoIter;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.protocol_info()
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> InboundConnectionUpgrade<S> for Corking {
    type Output = Muxer<S>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Muxer<S>>>;

    fn upgrade_inbound(self, stream: S, info: Self::Info) -> Self::Future {
        let below = Corked::new(stream);
        self.0.upgrade_inbound(below.second(), info).map_ok(|inner| Muxer { inner, below }).boxed()
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> OutboundConnectionUpgrade<S> for Corking {
    type Output = Muxer<S>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Muxer<S>>>;

    fn upgrade_outbound(self, stream: S, info: Self::Info) -> Self::Future {
        let below = Corked::new(stream);
        self.0.upgrade_outbound(below.second(), info).map_ok(|inner| Muxer { inner, below }).boxed()
    }
}
