//! A multiplexer that stops reading when it is told to, and goes on writing, or writes nonsense.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use futures::{AsyncRead, AsyncWrite};
use libp2p::core::muxing::{StreamMuxer, StreamMuxerBox, StreamMuxerEvent, SubstreamBox};
use nuncio_identity::NodeId;

/// What a node hears and says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ears {
    /// Which streams are read: all but those of this protocol; none when it is empty.
    closed_to: Arc<Mutex<Option<String>>>,
    /// A protocol that it does not know.
    unknown: Arc<Mutex<Option<String>>>,
    babbles: Arc<AtomicBool>,
    tampers: Arc<AtomicBool>,
    /// Whose ID stands in its pulses, and whose is put there.
    masked: Arc<Mutex<Option<[NodeId; 2]>>>,
}

impl Ears {
    pub(crate) fn close(&self) {
        self.close_to("");
    }

    pub(crate) fn close_to(&self, protocol: &str) {
        *self.closed_to.lock().expect("not poisoned") = Some(protocol.to_owned());
    }

    /// Streams of this protocol are refused, as a release without it does.
    pub(crate) fn never_heard_of(&self, protocol: &str) {
        *self.unknown.lock().expect("not poisoned") = Some(protocol.to_owned());
    }

    /// Makes another name of one that it does not know.
    fn mishear(&self, heard: &mut [u8]) {
        let unknown = self.unknown.lock().expect("not poisoned");
        let Some(name) = unknown.as_ref().map(String::as_bytes) else { return };
        if let Some(at) = heard.windows(name.len()).position(|part| part == name) {
            heard[at + name.len() - 1] = b'x';
        }
    }

    /// Streams opened from now on are read again.
    pub(crate) fn open(&self) {
        *self.closed_to.lock().expect("not poisoned") = None;
    }

    /// From now on a stream says nonsense where it should say that the node lives.
    pub(crate) fn babble(&self) {
        self.babbles.store(true, Ordering::Relaxed);
    }

    /// From now on the last byte of whatever is written to the bridge is another one.
    pub(crate) fn tamper(&self) {
        self.tampers.store(true, Ordering::Relaxed);
    }

    /// From now on its pulses are in the name of another.
    pub(crate) fn pulse_as(&self, own: NodeId, other: NodeId) {
        *self.masked.lock().expect("not poisoned") = Some([own, other]);
    }

    fn mask(&self, said: &mut [u8]) {
        let Some([own, other]) = *self.masked.lock().expect("not poisoned") else { return };
        let place = |said: &[u8], part: &[u8]| said.windows(part.len()).position(|window| window == part);
        if place(said, b"nuncio/pulse").is_some()
            && let Some(at) = place(said, own.as_bytes())
        {
            said[at..at + NodeId::LENGTH].copy_from_slice(other.as_bytes());
        }
    }

    fn are_closed_to(&self, start: &[u8]) -> bool {
        let start = String::from_utf8_lossy(start);
        self.closed_to.lock().expect("not poisoned").as_ref().is_some_and(|protocol| start.contains(protocol.as_str()))
    }

    pub(crate) fn of(&self, muxer: StreamMuxerBox) -> StreamMuxerBox {
        StreamMuxerBox::new(Deaf { muxer, ears: self.clone() })
    }
}

struct Deaf {
    muxer: StreamMuxerBox,
    ears: Ears,
}

struct DeafStream {
    stream: SubstreamBox,
    ears: Ears,
    /// What was read first, which names the protocol.
    start: Vec<u8>,
}

impl Deaf {
    fn stream(&self, stream: SubstreamBox) -> DeafStream {
        DeafStream { stream, ears: self.ears.clone(), start: Vec::new() }
    }
}

impl StreamMuxer for Deaf {
    type Substream = DeafStream;
    type Error = io::Error;

    fn poll_inbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<DeafStream>> {
        Pin::new(&mut self.muxer).poll_inbound(cx).map_ok(|stream| self.stream(stream))
    }

    fn poll_outbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<DeafStream>> {
        Pin::new(&mut self.muxer).poll_outbound(cx).map_ok(|stream| self.stream(stream))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.muxer).poll_close(cx)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        Pin::new(&mut self.muxer).poll(cx)
    }
}

impl AsyncRead for DeafStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.ears.are_closed_to(&self.start) {
            return Poll::Pending;
        }
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if let Poll::Ready(Ok(read)) = read
            && self.start.len() < 256
        {
            self.ears.mishear(&mut buffer[..read]);
            self.start.extend_from_slice(&buffer[..read]);
        }
        read
    }
}

impl AsyncWrite for DeafStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let babbles = bytes == [0; 4] && self.ears.babbles.load(Ordering::Relaxed);
        let is_bridge = String::from_utf8_lossy(&self.start).contains("/nuncio/bridge");
        let tampers = is_bridge && bytes.len() > 100 && self.ears.tampers.load(Ordering::Relaxed);
        let mut said = if babbles { vec![0xff; 4] } else { bytes.to_vec() };
        if let Some(last) = said.last_mut().filter(|_| tampers) {
            *last ^= 1;
        }
        self.ears.mask(&mut said);
        Pin::new(&mut self.stream).poll_write(cx, &said)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}
