use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use futures::AsyncRead;
use libp2p::Stream;
use nuncio_identity::NodeId;
use nuncio_wire::{
    DecodeError,
    length_prefixed::{self, Frame},
};

use super::Protocol;

/// Bytes asked of the stream at a time: a multiplexer's frame, of which a read never gives more than one.
const CHUNK: usize = 16 << 10;

/// Room made at a time, for several reads.
const ROOM: usize = 4 * CHUNK;

/// Messages and bytes handed on at a time at the most, so that one connection cannot fill the swarm's task.
const BATCH_MESSAGES: usize = 512;
const BATCH_BYTES: usize = 1 << 20;

/// Reads messages from a stream.
pub(crate) struct Reader {
    stream: Stream,
    buffer: BytesMut,
    /// Where the stream puts what it has: asking one that has nothing, which is most of the asking, costs no more.
    scratch: Vec<u8>,
}

/// Why a stream gives no more messages.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("the peer closed its stream")]
    Closed,
    #[error("reading failed: {0}")]
    Io(#[from] io::Error),
    #[error("malformed frame: {0}")]
    Malformed(#[from] DecodeError),
}

/// What one round of reading brought.
#[derive(Debug)]
pub(crate) struct Batch<M> {
    pub(crate) messages: Vec<M>,
    pub(crate) bytes_read: usize,
    /// Messages dropped that nobody but the peer can have forged.
    pub(crate) forged: usize,
}

impl<M> Batch<M> {
    fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.forged == 0
    }

    const fn is_full(&self) -> bool {
        self.messages.len() + self.forged >= BATCH_MESSAGES
    }
}

impl Reader {
    pub(crate) fn new(stream: Stream) -> Self {
        Self { stream, buffer: BytesMut::new(), scratch: Vec::new() }
    }

    /// Reads what is there, up to a batch. Pending only when nothing at all was read.
    pub(crate) fn poll<P: Protocol>(
        &mut self,
        protocol: &P,
        peer: NodeId,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Batch<P::Message>, ReadError>> {
        let mut batch = Batch { messages: Vec::new(), bytes_read: 0, forged: 0 };
        loop {
            self.parse(protocol, peer, &mut batch)?;
            if batch.is_full() || batch.bytes_read >= BATCH_BYTES {
                return Poll::Ready(Ok(batch));
            }
            match self.fill(cx) {
                Poll::Ready(Ok(0)) if batch.bytes_read == 0 => return Poll::Ready(Err(ReadError::Closed)),
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(batch)),
                Poll::Ready(Ok(read)) => batch.bytes_read += read,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Pending if batch.bytes_read == 0 && batch.is_empty() => return Poll::Pending,
                Poll::Pending => return Poll::Ready(Ok(batch)),
            }
        }
    }

    /// A seal or signature that does not hold spoils its message, not the stream. A relay cannot check seals, so the peer is
    /// to blame for one only where it is the source; what is signed it had to check before it passed it on.
    fn parse<P: Protocol>(
        &mut self,
        protocol: &P,
        peer: NodeId,
        batch: &mut Batch<P::Message>,
    ) -> Result<(), ReadError> {
        while !batch.is_full() {
            match length_prefixed::decode(&mut self.buffer)? {
                None => break,
                Some(Frame::Alive) => {}
                Some(Frame::Message { header, body }) => match protocol.decode(header, body, peer) {
                    Ok(message) => batch.messages.push(message),
                    Err(error @ (DecodeError::Signature { node } | DecodeError::Seal { node })) => {
                        let is_its_fault = node == peer || matches!(error, DecodeError::Signature { .. });
                        batch.forged += usize::from(is_its_fault);
                        tracing::debug!(peer = %peer.short(), source = %node.short(), "dropped a message: its source's seal or signature does not hold");
                    }
                    Err(error) => return Err(error.into()),
                },
            }
        }
        Ok(())
    }

    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.scratch.is_empty() {
            self.scratch = vec![0; CHUNK];
        }
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut self.scratch))?;
        if self.buffer.capacity() - self.buffer.len() < read {
            self.buffer.reserve(ROOM);
        }
        self.buffer.extend_from_slice(&self.scratch[..read]);
        Poll::Ready(Ok(read))
    }

    /// An idle link keeps no buffer.
    pub(crate) fn rest(&mut self) {
        if self.buffer.is_empty() {
            (self.buffer, self.scratch) = (BytesMut::new(), Vec::new());
        }
    }
}
