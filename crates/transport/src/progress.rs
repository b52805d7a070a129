//! The write deadline: a connection ends whose peer reads nothing, also while it is being closed.
//!
//! What waits for a peer is bounded where it waits, but a peer that keeps its link alive and reads nothing would hold that
//! much for ever, on whichever of its streams it likes. So all streams are watched where they are made.

use std::{
    collections::HashMap,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::{AsyncRead, AsyncWrite, FutureExt};
use futures_timer::Delay;
use libp2p::core::muxing::{StreamMuxer, StreamMuxerBox, StreamMuxerEvent, SubstreamBox};

/// Time is counted in ticks while the connection runs: when this process was stopped, or too busy to serve the connection,
/// that is not its peer's fault.
const TICK: Duration = Duration::from_secs(1);

/// Ticks for which a stream may have something to write of which the peer takes nothing.
const DEADLINE: u32 = 10;

/// How long what is left to be written, and the word that no more comes, may take. Until then a connection counts as
/// established and keeps its queues and its place.
const CLOSING: Duration = Duration::from_secs(2);

/// A multiplexer whose streams are watched.
pub(crate) struct Watched {
    muxer: StreamMuxerBox,
    stalls: Arc<Stalls>,
    /// While a stream cannot write: an idle connection is not woken.
    tick: Option<Delay>,
    /// Since it is being closed.
    closing: Option<Delay>,
    streams: u64,
}

/// A stream that tells when it cannot write, and when it can again.
pub(crate) struct WatchedStream {
    stream: SubstreamBox,
    stalls: Arc<Stalls>,
    name: u64,
    is_stalled: bool,
}

/// The streams that cannot write, with the ticks since then. Bound: the streams of a connection.
#[derive(Default)]
struct Stalls(Mutex<HashMap<u64, u32>>);

impl Stalls {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Counts a tick; says whether a stream has passed its deadline.
    fn tick(&self) -> bool {
        let mut stalls = self.lock();
        stalls.values_mut().for_each(|ticks| *ticks += 1);
        stalls.values().any(|ticks| *ticks >= DEADLINE)
    }
}

impl Watched {
    pub(crate) fn new(muxer: StreamMuxerBox) -> Self {
        Self { muxer, stalls: Arc::default(), tick: None, closing: None, streams: 0 }
    }

    /// Streams stall while the connection polls them, so it comes here before it rests.
    fn poll_stalls(&mut self, cx: &mut Context<'_>) -> Option<io::Error> {
        if self.stalls.is_empty() {
            self.tick = None;
            return None;
        }
        let tick = self.tick.get_or_insert_with(|| Delay::new(TICK));
        while tick.poll_unpin(cx).is_ready() {
            tick.reset(TICK);
            if self.stalls.tick() {
                let seconds = (TICK * DEADLINE).as_secs();
                let error = format!("the peer reads nothing for {seconds} s");
                return Some(io::Error::new(io::ErrorKind::TimedOut, error));
            }
        }
        None
    }

    fn watch(&mut self, stream: SubstreamBox) -> WatchedStream {
        self.streams += 1;
        WatchedStream { stream, stalls: self.stalls.clone(), name: self.streams, is_stalled: false }
    }
}

impl StreamMuxer for Watched {
    type Substream = WatchedStream;
    type Error = io::Error;

    fn poll_inbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<WatchedStream>> {
        Pin::new(&mut self.muxer).poll_inbound(cx).map_ok(|stream| self.watch(stream))
    }

    fn poll_outbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<WatchedStream>> {
        Pin::new(&mut self.muxer).poll_outbound(cx).map_ok(|stream| self.watch(stream))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Poll::Ready(closed) = Pin::new(&mut self.muxer).poll_close(cx) {
            return Poll::Ready(closed);
        }
        ready!(self.closing.get_or_insert_with(|| Delay::new(CLOSING)).poll_unpin(cx));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the peer reads nothing of what closes the connection",
        )))
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        if let Some(error) = self.poll_stalls(cx) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.muxer).poll(cx)
    }
}

impl WatchedStream {
    fn note<T>(&mut self, outcome: Poll<T>) -> Poll<T> {
        if outcome.is_pending() != self.is_stalled {
            self.is_stalled = outcome.is_pending();
            let mut stalls = self.stalls.lock();
            if self.is_stalled {
                stalls.insert(self.name, 0);
            } else {
                stalls.remove(&self.name);
            }
        }
        outcome
    }
}

impl Drop for WatchedStream {
    fn drop(&mut self) {
        if self.is_stalled {
            self.stalls.lock().remove(&self.name);
        }
    }
}

impl AsyncRead for WatchedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for WatchedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note(outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(cx);
        self.note(outcome)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_close(cx);
        self.note(outcome)
    }
}

#[cfg(test)]
mod tests {
    use futures::future::poll_fn;
    use libp2p::core::upgrade::{OutboundConnectionUpgrade, UpgradeInfo};
    use tokio_util::compat::TokioAsyncReadCompatExt;

    use super::*;
    use crate::multiplexer::Multiplexer;

    #[tokio::test]
    async fn a_connection_whose_peer_reads_nothing_is_closed_all_the_same() {
        for name in Multiplexer.protocol_info() {
            let (socket, _unread) = tokio::io::duplex(8);
            let muxer = Multiplexer.upgrade_outbound(socket.compat(), name).await.expect("it never fails");
            let mut own = Watched::new(StreamMuxerBox::new(muxer));
            let mut stream = poll_fn(|cx| Pin::new(&mut own).poll_outbound(cx)).await.expect("a stream");
            let _ = poll_fn(|cx| Poll::Ready(Pin::new(&mut stream).poll_write(cx, &[7; 64]))).await;
            let closed = tokio::time::timeout(3 * CLOSING, poll_fn(|cx| Pin::new(&mut own).poll_close(cx)));
            let error = closed.await.expect("it does not wait for ever").expect_err("something was left to be written");
            assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{name}");
        }
    }
}
