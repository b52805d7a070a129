//! What a connection has to write.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures::AsyncWrite;

use super::frame::Frame;

/// Bytes that gather before a stream has to wait: four TLS records.
pub(super) const GATHERED: usize = 64 << 10;

/// Bound: [`GATHERED`], which one frame of data, the frames that begin and end streams and those that give credit may pass:
/// few, as each stream has one of each at a time.
#[derive(Debug, Default)]
pub(super) struct Output {
    bytes: Vec<u8>,
    written: usize,
    is_unflushed: bool,
}

impl Output {
    pub(super) const fn has_room(&self) -> bool {
        self.len() < GATHERED
    }

    /// Whether all that was written has left.
    pub(super) const fn is_empty(&self) -> bool {
        self.len() == 0 && !self.is_unflushed
    }

    /// Bytes that have gathered.
    pub(super) const fn len(&self) -> usize {
        self.bytes.len() - self.written
    }

    /// Puts the head of a frame behind the rest.
    pub(super) fn put(&mut self, frame: Frame) {
        self.bytes.extend_from_slice(&frame.encode());
    }

    /// Puts data behind the rest.
    pub(super) fn gather(&mut self, data: &[u8]) {
        self.bytes.extend_from_slice(data);
    }

    /// Writes what has gathered and `data` behind it as far as the socket takes it, and gathers the rest.
    pub(super) fn write_behind<S: AsyncWrite + Unpin>(
        &mut self,
        data: &[u8],
        socket: &mut S,
        cx: &mut Context<'_>,
    ) -> io::Result<()> {
        let slices = [IoSlice::new(&self.bytes[self.written..]), IoSlice::new(data)];
        let taken = match Pin::new(socket).poll_write_vectored(cx, &slices) {
            Poll::Ready(taken) => taken?,
            Poll::Pending => 0,
        };
        self.is_unflushed |= taken > 0;
        let gathered = taken.min(slices[0].len());
        self.written += gathered;
        self.tidy();
        self.gather(&data[taken - gathered..]);
        Ok(())
    }

    /// Writes what has gathered.
    pub(super) fn poll_flush<S: AsyncWrite + Unpin>(
        &mut self,
        socket: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.written < self.bytes.len() {
            let written = ready!(Pin::new(&mut *socket).poll_write(cx, &self.bytes[self.written..]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
            self.is_unflushed = true;
            self.tidy();
        }
        if self.is_unflushed {
            ready!(Pin::new(socket).poll_flush(cx))?;
            self.is_unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// What is written takes no room, without moving the rest too often.
    fn tidy(&mut self) {
        if self.written == self.bytes.len() {
            self.bytes.clear();
            self.written = 0;
        } else if self.written > GATHERED {
            self.bytes.drain(..self.written);
            self.written = 0;
        }
    }
}
