use std::{fmt, io, time::Duration};

use futures::{SinkExt as _, StreamExt as _};
use nuncio_gateway::{End, Wrong};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_tungstenite::tungstenite::{
    Error,
    error::{CapacityError, ProtocolError},
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use super::Socket;

/// How long a client is given to take its goodbye.
pub(super) const GOODBYE: Duration = Duration::from_secs(1);

/// Why the session of a WebSocket ended.
pub(crate) type Ending = nuncio_gateway::Ending<NoWebSocket>;

/// Why the WebSocket cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoWebSocket {
    #[error("its frames cannot be read on: {0}")]
    Malformed(#[source] Error),
    #[error("a frame of it is over the limit: {0}")]
    TooLarge(#[source] CapacityError),
}

impl Wrong for NoWebSocket {
    fn end(&self) -> End {
        End::Malformed
    }

    fn hint(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "see the frames on the page The web door",
            Self::TooLarge(_) => "send at most 10 MiB in one message",
        }
    }
}

/// What a failure of the WebSocket is to its session.
pub(super) fn broken(error: Error) -> Ending {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => Ending::ClientLeft,
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Ending::ClientLeft,
        Error::Io(error) => refused(error),
        Error::Capacity(error) => Ending::Own(NoWebSocket::TooLarge(error)),
        other => Ending::Own(NoWebSocket::Malformed(other)),
    }
}

/// What was refused before the WebSocket had read it, or what failed.
fn refused(error: io::Error) -> Ending {
    let wrong = error.downcast::<ProtocolError>().map(|wrong| NoWebSocket::Malformed(wrong.into()));
    let wrong = wrong.or_else(|error| error.downcast::<CapacityError>().map(NoWebSocket::TooLarge));
    wrong.map_or_else(Ending::Broken, Ending::Own)
}

/// How long a goodbye may take; nobody waits for one who takes nothing.
pub(super) const fn patience(ending: &Ending) -> Duration {
    match ending {
        Ending::NotDraining { .. } => Duration::ZERO,
        _ => GOODBYE,
    }
}

/// What the client is told; `None` when nobody is there to be told.
pub(super) fn farewell(ending: &Ending) -> Option<CloseFrame> {
    let code = match ending {
        Ending::ClientLeft | Ending::Broken(_) => return None,
        Ending::Own(NoWebSocket::Malformed(Error::Utf8(_))) => CloseCode::Invalid,
        Ending::Own(NoWebSocket::Malformed(_)) => CloseCode::Protocol,
        Ending::Own(NoWebSocket::TooLarge(_)) => CloseCode::Size,
        Ending::Shutdown | Ending::CoreGone(_) | Ending::Idle { .. } => CloseCode::Away,
        // Unfinished, not draining, no longer admitted, expired.
        _ => CloseCode::Policy,
    };
    Some(close_frame(code, ending))
}

/// A close frame has 125 bytes at the most, two of them for the code.
pub(super) fn close_frame(code: CloseCode, reason: &dyn fmt::Display) -> CloseFrame {
    let reason = reason.to_string();
    let reason = nuncio_plain::line(&reason);
    CloseFrame { code, reason: reason[..reason.floor_char_boundary(123)].into() }
}

/// Says why a WebSocket is closed, as far as that goes.
pub(super) async fn say_goodbye<S>(socket: &mut Socket<S>, frame: CloseFrame, patience: Duration)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let goodbye = async {
        // It finds room once nothing waits before it.
        let _ = socket.flush().await;
        let _ = socket.close(Some(frame)).await;
        // Until the client has seen it: who closes with bytes unread takes back what was said.
        while let Some(Ok(_)) = socket.next().await {}
    };
    let _ = timeout(patience, goodbye).await;
}
