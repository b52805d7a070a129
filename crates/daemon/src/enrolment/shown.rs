use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use nuncio_pki::{Certificate, Identity, authority::AuthorityError, tls::enrolment_server_config};
use rustls::ServerConfig;

use crate::{issuer::Desk, reading::Readings};

/// How long the agency's folder, or who is at the desk, is waited for before a handshake.
const LIMIT: Duration = Duration::from_secs(2);

/// The certificates that the port shows: the node's own and those of its agency, as they are now. Tokens name the root that
/// is in the agency's folder when they are made, which a rotation replaces.
#[derive(Debug)]
pub(crate) struct EnrolmentTls {
    desk: Desk,
    shown: Mutex<Shown>,
    readings: Readings,
}

#[derive(Debug)]
struct Shown {
    own: Identity,
    agency: Vec<Certificate>,
    config: Arc<ServerConfig>,
}

impl EnrolmentTls {
    pub(super) fn new(own: &Identity, desk: Desk) -> Result<Self, Unshown> {
        let (own, agency) = (own.clone(), agency(&desk)?);
        let config = Arc::new(enrolment_server_config(&own, &agency)?);
        let (shown, readings) = (Mutex::new(Shown { own, agency, config }), Readings::new(LIMIT));
        Ok(Self { desk, shown, readings })
    }

    /// Shows another certificate of the node from now on.
    pub(crate) fn renew(&self, own: &Identity) {
        let mut shown = self.shown();
        shown.own = own.clone();
        shown.show();
    }

    /// What to show to who comes now. An agency's folder that does not answer is as it was.
    pub(super) async fn followed(&self) -> Arc<ServerConfig> {
        let desk = Arc::clone(&self.desk);
        let found = self.readings.run(move || agency(&desk)).await;
        let mut shown = self.shown();
        match found {
            Ok(Ok(agency)) if agency != shown.agency => {
                shown.agency = agency;
                shown.show();
            }
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the enrolment port goes on with the agency's former certificate"),
            Err(error) => tracing::warn!(%error, "the enrolment port goes on with the agency's former certificate"),
        }
        Arc::clone(&shown.config)
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shown {
    fn show(&mut self) {
        match enrolment_server_config(&self.own, &self.agency) {
            Ok(config) => self.config = Arc::new(config),
            Err(error) => tracing::error!(%error, "the enrolment port goes on with the former certificate"),
        }
    }
}

fn agency(desk: &Desk) -> Result<Vec<Certificate>, AuthorityError> {
    let mut desk = desk.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(desk.follow()?.to_vec())
}

/// Why the port has nothing to show.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unshown {
    #[error(transparent)]
    Agency(#[from] AuthorityError),
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}
