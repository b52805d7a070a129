use std::{io, time::Duration};

use nuncio_channel_protocol::FrameError;

use super::link::ReadError;
use crate::{
    intake::Unfinished,
    member::{CoreGone, End},
};

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum CloseReason {
    #[error("the client left")]
    ClientLeft,
    #[error("the connection broke: {0}")]
    Broken(#[source] io::Error),
    #[error("its host does not acknowledge what is sent to it")]
    Vanished,
    #[error("TLS failed: {0}")]
    Tls(#[source] rustls::Error),
    #[error("{0}")]
    Malformed(#[from] FrameError),
    #[error("it speaks HTTP, as SDKs of the FISCO BCOS 3.x line and browsers do, at the channel port of 2.x SDKs")]
    Http,
    #[error("it speaks protocol versions {minimum} to {maximum}, the gateway 1 to 3")]
    NoCommonVersion { minimum: i64, maximum: i64 },
    #[error("nothing was read from it for {limit:?}")]
    Idle { limit: Duration },
    #[error(transparent)]
    Unfinished(#[from] Unfinished),
    #[error("it did not take its data for {limit:?}")]
    NotDraining { limit: Duration },
    #[error("it is no longer admitted: denied, or its certificate revoked")]
    NoLongerAdmitted,
    #[error("its certificate has expired")]
    CertificateExpired,
    #[error("the gateway shuts down")]
    Shutdown,
    #[error(transparent)]
    CoreGone(#[from] CoreGone),
}

impl CloseReason {
    /// Whether the client did nothing wrong.
    pub(super) fn is_ordinary(&self) -> bool {
        matches!(
            self,
            Self::ClientLeft
                | Self::Broken(_)
                | Self::Vanished
                | Self::Shutdown
                | Self::CoreGone(_)
                | Self::Idle { .. }
        )
    }

    /// What to look at.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::Malformed(FrameError::TooLarge { .. }) => "send at most 10 MiB in one message",
            Self::Malformed(_) => "the client's frames have a wrong length field",
            Self::Http | Self::NoCommonVersion { .. } => "use an SDK of the FISCO BCOS 2.x line",
            Self::NotDraining { .. } => "the SDK hangs or its line is too slow; it may connect again",
            Self::Unfinished(_) => "the SDK hangs or its line is too slow for messages of this size",
            Self::NoLongerAdmitted => "see the lists in [gateway] allow and deny, and the revocation lists",
            Self::CertificateExpired => "renew the SDK's certificate",
            Self::Tls(_) => "something between the SDK and the node alters the bytes",
            _ => "",
        }
    }

    /// What it is counted as.
    pub(super) const fn end(&self) -> End {
        match self {
            Self::Malformed(_) | Self::Http | Self::NoCommonVersion { .. } => End::Malformed,
            Self::Unfinished(_) => End::Unfinished,
            Self::Idle { .. } => End::Idle,
            Self::NotDraining { .. } | Self::Vanished => End::NotDraining,
            _ => End::Ordinary,
        }
    }
}

impl From<io::Error> for CloseReason {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::TimedOut { Self::Vanished } else { Self::Broken(error) }
    }
}

impl From<ReadError> for CloseReason {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io(error) => error.into(),
            ReadError::Tls(error) => Self::Tls(error),
        }
    }
}
