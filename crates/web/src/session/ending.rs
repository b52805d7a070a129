use std::{fmt, time::Duration};

use futures::StreamExt as _;
use nuncio_gateway::{CoreGone, End, Unfinished};
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

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ending {
    #[error("the client left")]
    ClientLeft,
    #[error("the connection broke: {0}")]
    Broken(#[source] std::io::Error),
    #[error("its frames cannot be read on: {0}")]
    Malformed(#[source] Error),
    #[error("a frame of it is over the limit: {0}")]
    TooLarge(#[source] CapacityError),
    #[error("nothing was heard of it for {limit:?}")]
    Idle { limit: Duration },
    #[error(transparent)]
    Unfinished(#[from] Unfinished),
    #[error("it did not take its data for {limit:?}")]
    NotDraining { limit: Duration },
    #[error("it is no longer admitted: denied, or its certificate revoked")]
    NoLongerAdmitted,
    #[error("its certificate has expired")]
    CertificateExpired,
    #[error("the node stops")]
    Shutdown,
    #[error(transparent)]
    CoreGone(#[from] CoreGone),
}

impl Ending {
    /// Whether the client did nothing wrong.
    pub(super) const fn is_ordinary(&self) -> bool {
        matches!(self, Self::ClientLeft | Self::Broken(_) | Self::Idle { .. } | Self::Shutdown | Self::CoreGone(_))
    }

    /// What it is counted as.
    pub(super) const fn end(&self) -> End {
        match self {
            Self::Malformed(_) | Self::TooLarge(_) => End::Malformed,
            Self::Unfinished(_) => End::Unfinished,
            Self::Idle { .. } => End::Idle,
            Self::NotDraining { .. } => End::NotDraining,
            _ => End::Ordinary,
        }
    }

    /// How long its goodbye may take; nobody waits for one who takes nothing.
    pub(super) const fn patience(&self) -> Duration {
        match self {
            Self::NotDraining { .. } => Duration::ZERO,
            _ => GOODBYE,
        }
    }

    /// What the client is told; `None` when nobody is there to be told.
    pub(super) fn close_frame(&self) -> Option<CloseFrame> {
        let code = match self {
            Self::ClientLeft | Self::Broken(_) => return None,
            Self::Malformed(Error::Utf8(_)) => CloseCode::Invalid,
            Self::Malformed(_) => CloseCode::Protocol,
            Self::TooLarge(_) => CloseCode::Size,
            Self::Shutdown | Self::CoreGone(_) | Self::Idle { .. } => CloseCode::Away,
            Self::Unfinished(_) | Self::NotDraining { .. } | Self::NoLongerAdmitted | Self::CertificateExpired => {
                CloseCode::Policy
            }
        };
        Some(close_frame(code, self))
    }
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
        let _ = socket.close(Some(frame)).await;
        // Until the client has seen it: who closes with bytes unread takes back what was said.
        while let Some(Ok(_)) = socket.next().await {}
    };
    let _ = timeout(patience, goodbye).await;
}

impl From<Error> for Ending {
    fn from(error: Error) -> Self {
        match error {
            Error::ConnectionClosed | Error::AlreadyClosed => Self::ClientLeft,
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Self::ClientLeft,
            Error::Io(error) => Self::Broken(error),
            Error::Capacity(error) => Self::TooLarge(error),
            other => Self::Malformed(other),
        }
    }
}
