//! The end of a connection, as its streams and the network are told.

use std::io;

use super::connection::MAX_STREAMS;

/// Why a connection carries streams no longer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StreamsError {
    #[error("the connection failed")]
    Io(#[source] io::Error),
    #[error("the connection is closed")]
    Closed,
    #[error("the peer broke the rules of streams: {0}")]
    Rule(&'static str),
    #[error("{MAX_STREAMS} streams are open")]
    TooMany,
}

/// It carries nothing any more: the reason, until it is told, and what streams are told.
#[derive(Debug)]
pub(super) struct Broken {
    reason: Option<StreamsError>,
    kind: Option<io::ErrorKind>,
}

impl Broken {
    pub(super) fn new(reason: StreamsError) -> Self {
        let kind = match &reason {
            StreamsError::Closed => None,
            StreamsError::Io(error) => Some(error.kind()),
            StreamsError::Rule(_) | StreamsError::TooMany => Some(io::ErrorKind::InvalidData),
        };
        Self { reason: Some(reason), kind }
    }

    pub(super) fn tell(&mut self) -> StreamsError {
        self.reason.take().unwrap_or(StreamsError::Closed)
    }

    /// What reading a stream comes to.
    pub(super) fn end(&self) -> io::Result<usize> {
        self.kind.map_or(Ok(0), |kind| Err(kind.into()))
    }
}

/// Of a stream whose connection carries nothing any more.
pub(super) fn gone() -> io::Error {
    io::ErrorKind::ConnectionAborted.into()
}
