//! Yamux, for releases that know no other, with a bound in bytes on what a peer has sent and nobody has read.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use futures::{AsyncRead, AsyncWrite};
use libp2p::core::{StreamMuxer, muxing::StreamMuxerEvent};
use yamux::{Connection, ConnectionError, Mode, Stream};

use crate::cork::Corked;

/// Streams per connection: this network opens one per direction and protocol, and keeps them.
const MAX_STREAMS: usize = 32;

/// Bytes of a connection that its peer may have sent and nobody has read: the least that yamux takes.
pub(super) const WINDOW: usize = MAX_STREAMS * yamux::DEFAULT_CREDIT as usize;

/// A connection with streams.
///
/// Bound: [`MAX_STREAMS`] and [`WINDOW`]; a peer that opens more streams, or sends more, ends the connection.
#[derive(Debug)]
pub(crate) struct Streams<C> {
    connection: Connection<Corked<C>>,
    below: Corked<C>,
    /// Opened by the peer and not asked for yet: yamux works only while it is asked for more.
    arrived: VecDeque<Stream>,
    waker: Option<Waker>,
}

impl<C: AsyncRead + AsyncWrite + Unpin> Streams<C> {
    pub(super) fn over(socket: C, mode: Mode) -> Self {
        let mut config = yamux::Config::default();
        config.set_max_num_streams(MAX_STREAMS);
        config.set_max_connection_receive_window(Some(WINDOW));
        let below = Corked::new(socket);
        let connection = Connection::new(below.clone(), config, mode);
        Self { connection, below, arrived: VecDeque::new(), waker: None }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Stream, ConnectionError>> {
        let next = self.connection.poll_next_inbound(cx).map(|next| next.unwrap_or(Err(ConnectionError::Closed)));
        self.below.uncork(cx)?;
        next
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> StreamMuxer for Streams<C> {
    type Substream = Stream;
    type Error = ConnectionError;

    fn poll_inbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Stream, ConnectionError>> {
        if let Some(stream) = self.arrived.pop_front() {
            return Poll::Ready(Ok(stream));
        }
        let next = self.poll_next(cx);
        if next.is_pending() {
            self.waker = Some(cx.waker().clone());
        }
        next
    }

    fn poll_outbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Stream, ConnectionError>> {
        let stream = self.connection.poll_new_outbound(cx);
        self.below.uncork(cx)?;
        stream
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        let closed = self.connection.poll_close(cx);
        self.below.uncork(cx)?;
        closed
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<StreamMuxerEvent, ConnectionError>> {
        while let Poll::Ready(next) = self.poll_next(cx) {
            let stream = next?;
            self.arrived.push_back(stream);
            self.waker.take().into_iter().for_each(Waker::wake);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::compat::TokioAsyncReadCompatExt;

    use super::*;

    #[test]
    fn a_peer_that_is_not_read_sends_no_more_than_the_window_on_all_its_streams() {
        const PIPE: usize = 64 << 10;
        let (near, far) = tokio::io::duplex(PIPE);
        let mut peer = Streams::over(near.compat(), Mode::Client);
        let mut own = Streams::over(far.compat(), Mode::Server);
        let cx = &mut Context::from_waker(Waker::noop());
        let (mut streams, mut sent, mut idle) = (Vec::new(), 0, 0);
        while idle < 100 {
            let before = sent;
            if streams.len() < MAX_STREAMS
                && let Poll::Ready(Ok(stream)) = Pin::new(&mut peer).poll_outbound(cx)
            {
                streams.push(stream);
            }
            for stream in &mut streams {
                if let Poll::Ready(Ok(written)) = Pin::new(stream).poll_write(cx, &[0; 16 << 10]) {
                    sent += written;
                }
            }
            for end in [&mut peer, &mut own] {
                assert!(Pin::new(end).poll(cx).is_pending(), "it lives");
            }
            idle = if sent == before { idle + 1 } else { 0 };
        }
        assert_eq!(streams.len(), MAX_STREAMS);
        assert!((WINDOW / 2..=WINDOW + 4 * PIPE).contains(&sent), "{sent}");
    }
}
