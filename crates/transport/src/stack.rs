//! The layers of a connection, from the socket to the multiplexer.

use std::{error::Error, fmt};

use futures::{AsyncRead, AsyncWrite, io::BufReader};
use libp2p::{
    PeerId, Transport,
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, MemoryTransport, timeout::TransportTimeout},
        upgrade::Version,
    },
};

use nuncio_audit::Audit;
use nuncio_door::{BACKLOG, Door};

use crate::{
    admission::Admissions,
    doorway::Doorway,
    error::SetupError,
    multiplexer::Multiplexer,
    names::Names,
    progress::Watched,
    secure_channel::{Config, SecureChannel},
};

/// TCP with names resolved by DNS, TLS with admission, streams with a bound on their number and on what is not read.
///
/// `handshake_timeout` is absolute: from connecting or accepting to the multiplexer, bytes that trickle in do not
/// extend it. A name is resolved again at every dial, by the system's files as they are then, nothing is kept; each of its addresses is tried with a deadline
/// of its own, four deadlines in all.
///
/// An incoming connection needs a place at `door` from before TLS until its multiplexer stands; it is closed when it
/// gets none, and when it has to make room for another.
///
/// # Errors
/// When [`SecureChannel::new`] fails.
///
/// # Panics
/// Dialling and listening need a tokio runtime.
pub fn tcp(
    config: Config,
    admissions: Admissions,
    door: Door,
    audit: Audit,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, SetupError> {
    let limit = config.handshake_timeout;
    let sockets =
        libp2p::tcp::tokio::Transport::new(libp2p::tcp::Config::default().nodelay(true).listen_backlog(BACKLOG));
    let sockets = sockets.map(|stream, _| {
        limit_unsent(&stream.0);
        BufReader::with_capacity(RECEIVED, stream)
    });
    let secured = Doorway::new(secured(sockets, config, admissions)?, door, audit);
    // Names outside, so that a name's next address is tried also when the first is not the right node.
    let named = Names::of_system(secured).boxed();
    Ok(TransportTimeout::with_outgoing_timeout(named, limit * ADDRESS_DEADLINES).boxed())
}

/// The same over in-process pipes with `/memory/…` addresses, for tests.
///
/// # Errors
/// When [`SecureChannel::new`] fails.
pub fn memory(config: Config, admissions: Admissions) -> Result<Boxed<(PeerId, StreamMuxerBox)>, SetupError> {
    secured(MemoryTransport::default(), config, admissions)
}

/// Bytes read of a socket at a time: several TLS records, where TLS by itself asks for a quarter of one.
pub(crate) const RECEIVED: usize = 64 << 10;

/// Bytes that the system takes of a connection before it has sent them. What it has taken stands before everything else,
/// also before the frames of streams that the multiplexer would let pass: on a slow link megabytes, by default.
const UNSENT: u32 = 128 << 10;

fn limit_unsent(socket: &impl std::os::fd::AsFd) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Err(error) = socket2::SockRef::from(socket).set_tcp_notsent_lowat(UNSENT) {
        tracing::debug!(%error, "the system takes as much of a connection as it likes");
    }
}

/// Deadlines that the addresses of one name may take together.
const ADDRESS_DEADLINES: u32 = 4;

/// A socket's error with its cause in reach: the layers above show only the source of what they wrap.
#[derive(Debug)]
struct SocketError<E>(E);

impl<E> fmt::Display for SocketError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the socket failed")
    }
}

impl<E: Error + 'static> Error for SocketError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

fn secured<T>(sockets: T, config: Config, admissions: Admissions) -> Result<Boxed<(PeerId, StreamMuxerBox)>, SetupError>
where
    T: Transport + Send + Unpin + 'static,
    T::Output: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    T::Error: Send + Sync + 'static,
    T::Dial: Send + 'static,
    T::ListenerUpgrade: Send + 'static,
{
    let limit = config.handshake_timeout;
    let channel = SecureChannel::new(config, admissions)?;
    // V1, not V1Lazy: links live long, so the round trips saved count for little. In return no TLS byte goes to what
    // has not agreed to speak our protocol, and a wrong port is told apart from a failed handshake.
    let connections = sockets
        .map_err(SocketError)
        .upgrade(Version::V1)
        .authenticate(channel)
        .multiplex(Multiplexer)
        // Boxed between the layers, so that each layer's error has a type that a diagnosis can name.
        .boxed();
    let connections = TransportTimeout::new(connections, limit);
    Ok(connections.map(|(peer, muxer), _| (peer, StreamMuxerBox::new(Watched::new(muxer)))).boxed())
}
