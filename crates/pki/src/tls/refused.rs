//! What a door has against somebody, in words. rustls hands on what an alert can say, and no more; so whoever judges
//! certificates keeps the judgement beside, for the one handshake that it is about.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::ServerConfig;

use crate::ChainError;

/// Why somebody who came over TLS is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// For the certificate that was shown.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// For anything else.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

/// One handshake at a door that judges certificates.
#[derive(Debug)]
pub struct Handshake {
    config: Arc<ServerConfig>,
    judgement: Judgement,
}

/// What the verifier of one handshake has against the certificate shown.
#[derive(Debug, Clone, Default)]
pub(super) struct Judgement(Arc<Mutex<Option<ChainError>>>);

impl Handshake {
    pub(super) const fn new(config: Arc<ServerConfig>, judgement: Judgement) -> Self {
        Self { config, judgement }
    }

    /// With what it is done; for this connection alone.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// Why it failed, in words, where rustls has this code for it.
    pub fn refused(&self, error: rustls::Error) -> Refused {
        let judgement = self.judgement.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        judgement.map_or(Refused::Tls(error), Refused::Chain)
    }
}

impl Judgement {
    /// Keeps it, and gives what the other end is to hear.
    pub(super) fn keep(&self, error: ChainError) -> rustls::Error {
        let told = error.to_certificate_error().into();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        told
    }
}
