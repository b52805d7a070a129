use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use futures::AsyncWrite;
use libp2p::Stream;
use nuncio_identity::NodeId;
use nuncio_metrics::{DropCause, Metrics};
use nuncio_wire::length_prefixed;

use super::{Protocol, queue::Queue};

/// Bodies up to here are copied behind their header, so that many small frames leave in one write.
const COPIED: usize = 16 << 10;

/// How many bytes are put together before they are written.
pub(super) const BATCH: usize = 64 << 10;

/// Writes queued messages to a stream, many to a write where many wait.
pub(crate) struct Writer<M> {
    stream: Stream,
    batch: VecDeque<M>,
    head: BytesMut,
    body: Bytes,
    unflushed: bool,
    wrote: bool,
    metrics: Metrics,
}

impl<M> Writer<M> {
    pub(crate) fn new(stream: Stream, metrics: Metrics) -> Self {
        Self {
            stream,
            batch: VecDeque::new(),
            head: BytesMut::new(),
            body: Bytes::new(),
            unflushed: false,
            wrote: false,
            metrics,
        }
    }

    /// Puts a sign of life behind what is being written, unless something was written since the last call.
    pub(crate) fn keep_alive(&mut self) {
        if !std::mem::take(&mut self.wrote) && self.head.is_empty() && self.body.is_empty() {
            length_prefixed::encode_alive(&mut self.head);
        }
    }

    /// Whether all that was taken from the queue is written and flushed.
    pub(crate) fn is_idle(&self) -> bool {
        self.batch.is_empty() && self.head.is_empty() && self.body.is_empty() && !self.unflushed
    }

    /// Writes until the queue is empty and flushed, or the stream takes no more.
    pub(crate) fn poll<P: Protocol<Message = M>>(
        &mut self,
        protocol: &P,
        peer: NodeId,
        queue: &Queue<M>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.head.has_remaining() {
                let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.head))?;
                self.progress(written)?;
                self.head.advance(written);
            } else if self.body.has_remaining() {
                let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.body))?;
                self.progress(written)?;
                self.body.advance(written);
            } else if !self.fill(protocol, peer, queue, cx) {
                if self.unflushed {
                    ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
                    self.unflushed = false;
                }
                return Poll::Pending;
            }
        }
    }

    /// Encodes what waits; says whether there is something to write now.
    fn fill<P: Protocol<Message = M>>(
        &mut self,
        protocol: &P,
        peer: NodeId,
        queue: &Queue<M>,
        cx: &Context<'_>,
    ) -> bool {
        if self.batch.is_empty() {
            queue.take(&mut self.batch, BATCH, cx);
        }
        while self.head.len() < BATCH {
            let Some(message) = self.batch.pop_front() else { break };
            let Some(body) = protocol.encode(message, peer, &mut self.head) else {
                self.metrics.links.dropped.increment(DropCause::NoKey);
                tracing::debug!(peer = %peer.short(), "dropped a message: no key of its target's epoch is known");
                continue;
            };
            if body.len() > COPIED {
                self.body = body;
                break;
            }
            self.head.extend_from_slice(&body);
        }
        !self.head.is_empty()
    }

    fn progress(&mut self, written: usize) -> io::Result<()> {
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.unflushed = true;
        self.wrote = true;
        Ok(())
    }
}
