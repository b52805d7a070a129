use std::{
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use futures::{AsyncRead, AsyncWrite};
use libp2p::core::StreamMuxer;

use super::streams::Streams;

/// Lets a connection hear whatever a peer may say, while its streams are read, written and dropped now and then. Says whether
/// it lives on.
///
/// # Panics
/// When what the peer says makes it.
pub fn hear(bytes: &[u8]) -> bool {
    let mut own = Streams::over(Peer(bytes), false);
    let cx = &mut Context::from_waker(Waker::noop());
    let (mut streams, mut buffer) = (Vec::new(), [0; 300]);
    for turn in 0..2 + bytes.len() / 8 {
        if Pin::new(&mut own).poll(cx).is_ready() {
            return false;
        }
        if turn % 5 == 0
            && let Poll::Ready(Ok(stream)) = Pin::new(&mut own).poll_outbound(cx)
        {
            streams.push(stream);
        }
        while let Poll::Ready(Ok(stream)) = Pin::new(&mut own).poll_inbound(cx) {
            streams.push(stream);
        }
        for stream in streams.iter_mut().skip(1) {
            let _ = Pin::new(&mut *stream).poll_read(cx, &mut buffer);
            let _ = Pin::new(&mut *stream).poll_write(cx, &buffer);
        }
        if turn % 3 == 0 && !streams.is_empty() {
            drop(streams.swap_remove(turn % streams.len()));
        }
    }
    true
}

/// Has said all that it says, a little at a time, and takes what it is told.
struct Peer<'a>(&'a [u8]);

impl AsyncRead for Peer<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let length = buffer.len().min(self.0.len()).min(37);
        if length == 0 {
            return Poll::Pending;
        }
        let (said, rest) = self.0.split_at(length);
        buffer[..length].copy_from_slice(said);
        self.0 = rest;
        Poll::Ready(Ok(length))
    }
}

impl AsyncWrite for Peer<'_> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(data.len().min(1000)))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
