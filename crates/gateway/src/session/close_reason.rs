use std::io;

use nuncio_channel_protocol::FrameError;

use super::link::ReadError;
use crate::{
    ending::{Ending, Wrong},
    member::End,
};

/// Why a session of an SDK ended.
pub(super) type CloseReason = Ending<NoChannel>;

/// Why the channel protocol cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoChannel {
    #[error("its host does not acknowledge what is sent to it")]
    Vanished,
    #[error("TLS failed: {0}")]
    Tls(#[source] rustls::Error),
    #[error("{0}")]
    Malformed(#[source] FrameError),
    #[error("it speaks HTTP, as SDKs of the FISCO BCOS 3.x line and browsers do, at the channel port of 2.x SDKs")]
    Http,
    #[error("it speaks protocol versions {minimum} to {maximum}, the gateway 1 to 3")]
    NoCommonVersion { minimum: i64, maximum: i64 },
}

impl Wrong for NoChannel {
    fn end(&self) -> End {
        match self {
            Self::Malformed(_) | Self::Http | Self::NoCommonVersion { .. } => End::Malformed,
            Self::Vanished => End::NotDraining,
            Self::Tls(_) => End::Ordinary,
        }
    }

    fn is_ordinary(&self) -> bool {
        matches!(self, Self::Vanished)
    }

    fn hint(&self) -> &'static str {
        match self {
            Self::Malformed(FrameError::TooLarge { .. }) => "send at most 10 MiB in one message",
            Self::Malformed(_) => "the client's frames have a wrong length field",
            Self::Http | Self::NoCommonVersion { .. } => "use an SDK of the FISCO BCOS 2.x line",
            Self::Tls(_) => "something between the SDK and the node alters the bytes",
            Self::Vanished => "",
        }
    }
}

impl From<NoChannel> for CloseReason {
    fn from(wrong: NoChannel) -> Self {
        Self::Own(wrong)
    }
}

impl From<FrameError> for CloseReason {
    fn from(error: FrameError) -> Self {
        NoChannel::Malformed(error).into()
    }
}

impl From<io::Error> for CloseReason {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::TimedOut { NoChannel::Vanished.into() } else { Self::Broken(error) }
    }
}

impl From<ReadError> for CloseReason {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io(error) => error.into(),
            ReadError::Tls(error) => NoChannel::Tls(error).into(),
        }
    }
}
