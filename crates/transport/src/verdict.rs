//! The first message on the secured stream, in both directions.
//!
//! In TLS 1.3 the dialer's handshake ends before the listener has judged it, and a policy refusal is worth words rather
//! than an alert number. So both ends send one verdict and read one, whatever they think of each other.

use std::{io, time::Duration};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use nuncio_wire::{DecodeError, verdict::Verdict};

use crate::deadline::within;

/// Most characters of a peer's text that are shown.
pub(crate) const MAX_WORDS: usize = 512;

/// How long the refusing side waits for the other to have read why.
pub(crate) const LINGER: Duration = Duration::from_secs(1);

/// Most bytes read and thrown away while lingering.
const MAX_DISCARDED: usize = 64 << 10;

/// Why no verdict could be read.
#[derive(Debug)]
pub(crate) enum ReceiveError {
    Io(io::Error),
    Invalid(DecodeError),
}

pub(crate) async fn send<S: AsyncWrite + Unpin>(stream: &mut S, verdict: &Verdict) -> io::Result<()> {
    stream.write_all(&verdict.encode()).await?;
    stream.flush().await
}

pub(crate) async fn receive<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Verdict, ReceiveError> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).await.map_err(ReceiveError::Io)?;
    let length = usize::from(u16::from_be_bytes(length));
    if length > Verdict::MAX_LENGTH {
        let error = DecodeError::TooLarge { what: "verdict", bytes: length, limit: Verdict::MAX_LENGTH };
        return Err(ReceiveError::Invalid(error));
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await.map_err(ReceiveError::Io)?;
    Verdict::decode(&bytes).map_err(ReceiveError::Invalid)
}

/// Ends our half and waits, within bounds, until the other side ends its half: closing a socket with unread bytes in it
/// resets the connection, which can take our last words from the other side before it has read them.
pub(crate) async fn linger<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) {
    let drain = async {
        if stream.close().await.is_err() {
            return;
        }
        let mut discarded = 0;
        let mut buffer = [0; 1024];
        while discarded < MAX_DISCARDED {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(bytes) => discarded += bytes,
            }
        }
    };
    within(LINGER, drain).await;
}

#[cfg(test)]
mod tests;
