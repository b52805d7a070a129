//! The door for those who have no certificate yet: an agency's issuer answers whoever shows an invitation.

mod client;
mod server;
mod shown;

pub use self::client::{EnrolmentError, enrol};
pub(crate) use self::{
    server::{Bound, bind, bounds, serve},
    shown::EnrolmentTls,
};

use std::{io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

/// Longest message either way, in bytes.
const MAX_MESSAGE: usize = 16 << 10;

/// How long the TLS handshake, and then one message, may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads one message, within [`PATIENCE`] and [`MAX_MESSAGE`]; room is made as it arrives.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let whole = async {
        let length = usize::from(stream.read_u16().await?);
        if length > MAX_MESSAGE {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{length} bytes are announced")));
        }
        let mut message = Vec::new();
        stream.take(length as u64).read_to_end(&mut message).await?;
        if message.len() < length { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(message) }
    };
    timeout(PATIENCE, whole).await?
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), message: &[u8]) -> io::Result<()> {
    let whole = async {
        let length = u16::try_from(message.len()).ok().filter(|_| message.len() <= MAX_MESSAGE);
        stream.write_u16(length.ok_or(io::ErrorKind::InvalidInput)?).await?;
        stream.write_all(message).await?;
        stream.flush().await
    };
    timeout(PATIENCE, whole).await?
}
