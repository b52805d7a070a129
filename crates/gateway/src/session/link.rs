use std::{
    io::{self, BufRead as _, IoSlice, Read, Write},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::BytesMut;
use rustls::ServerConnection;
use tokio::{
    io::{AsyncRead as _, AsyncWrite as _, ReadBuf},
    net::TcpStream,
};
use tracing::debug;

use crate::bounds::{READ_BATCH, UNSENT};

/// A TLS connection after its handshake, driven by hand: what is written begins a record of its own, and many records leave
/// in one system call.
#[derive(Debug)]
pub(super) struct Link {
    socket: TcpStream,
    tls: ServerConnection,
}

/// How reading ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

impl Link {
    /// The connection breaks when its client's host acknowledges nothing of what was sent for `unacknowledged`.
    pub(super) fn new(socket: TcpStream, tls: ServerConnection, unacknowledged: Duration) -> Self {
        if let Err(error) = tune(&socket, unacknowledged) {
            debug!(%error, "the system waits for vanished clients as long as it likes");
        }
        Self { socket, tls }
    }

    /// Encrypts as much of two slices as the TLS buffer takes, beginning a record. Says how many bytes it took.
    pub(super) fn write(&mut self, head: &[u8], data: &[u8]) -> io::Result<usize> {
        let mut writer = self.tls.writer();
        if data.is_empty() {
            writer.write(head)
        } else {
            writer.write_vectored(&[IoSlice::new(head), IoSlice::new(data)])
        }
    }

    /// Hands all records to the socket and adds to `sent` what it took.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>, sent: &mut usize) -> Poll<io::Result<()>> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut Socket { stream: &mut self.socket, cx }) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(taken) => *sent += taken,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Appends what has come, at most about [`READ_BATCH`] bytes, to `received`. 0 bytes: the client has ended the stream.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        received: &mut BytesMut,
    ) -> Poll<Result<usize, ReadError>> {
        let before = received.len();
        let mut ended = false;
        loop {
            // Before anything is read there may be something: the first frames can come with the handshake's last flight.
            let state = self.tls.process_new_packets()?;
            ended |= state.peer_has_closed();
            self.take_plaintext(state.plaintext_bytes_to_read(), received)?;
            if ended || received.len() - before >= READ_BATCH {
                break;
            }
            match self.tls.read_tls(&mut Socket { stream: &mut self.socket, cx }) {
                Ok(0) => ended = true,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
        let taken = received.len() - before;
        if taken > 0 || ended { Poll::Ready(Ok(taken)) } else { Poll::Pending }
    }

    /// Says goodbye, as far as the socket takes it at once.
    pub(super) fn close(&mut self, cx: &mut Context<'_>) {
        self.tls.send_close_notify();
        let mut sent = 0;
        if let Poll::Ready(Ok(())) = self.poll_flush(cx, &mut sent) {
            let _ = Pin::new(&mut self.socket).poll_shutdown(cx);
        }
    }

    fn take_plaintext(&mut self, bytes: usize, received: &mut BytesMut) -> io::Result<()> {
        let end = received.len() + bytes;
        let mut reader = self.tls.reader();
        while received.len() < end {
            let chunk = reader.fill_buf()?;
            let taken = chunk.len();
            received.extend_from_slice(chunk);
            reader.consume(taken);
        }
        Ok(())
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn tune(socket: &TcpStream, unacknowledged: Duration) -> io::Result<()> {
    let socket = socket2::SockRef::from(socket);
    socket.set_tcp_notsent_lowat(UNSENT)?;
    socket.set_tcp_user_timeout(Some(unacknowledged))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn tune(_: &TcpStream, _: Duration) -> io::Result<()> {
    Ok(())
}

/// A socket as `std::io` sees it, within one poll: pending becomes [`io::ErrorKind::WouldBlock`].
struct Socket<'a, 'b> {
    stream: &'a mut TcpStream,
    cx: &'a mut Context<'b>,
}

impl Read for Socket<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(buffer);
        blocking(Pin::new(&mut *self.stream).poll_read(self.cx, &mut buffer))?;
        Ok(buffer.filled().len())
    }
}

impl Write for Socket<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        blocking(Pin::new(&mut *self.stream).poll_write(self.cx, bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        blocking(Pin::new(&mut *self.stream).poll_write_vectored(self.cx, slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn blocking<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
    match poll {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}
