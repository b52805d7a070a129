use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use nuncio_pki::{Certificate, Identity, authority::AuthorityError, tls::enrolment_server_config};
use rustls::ServerConfig;

use crate::{issuer::Desk, reading::Readings};

/// How long the agency's folder, or who is at the desk, is waited for before a handshake.
const LIMIT: Duration = Duration::from_secs(2);

/// Between two looks at the agency's folder: connections, of which anybody makes as many as he likes, share one.
const PAUSE: Duration = Duration::from_secs(1);

/// The certificates that the port shows: the node's own and those of its agency, as they are now. Tokens name the root that
/// is in the agency's folder when they are made, which a rotation replaces.
#[derive(Debug)]
pub(crate) struct EnrolmentTls {
    desk: Desk,
    shown: Mutex<Shown>,
    readings: Readings,
    /// Held during a look, so that who comes meanwhile waits for its end.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct LastLook {
    at: Option<Instant>,
    trouble: Option<String>,
}

#[derive(Debug)]
struct Shown {
    own: Identity,
    agency: Vec<Certificate>,
    config: Arc<ServerConfig>,
    last: LastLook,
}

impl EnrolmentTls {
    pub(super) fn new(own: &Identity, desk: Desk) -> Result<Self, Unshown> {
        let (own, agency) = (own.clone(), agency(&desk)?);
        let config = Arc::new(enrolment_server_config(&own, &agency)?);
        let shown = Mutex::new(Shown { own, agency, config, last: LastLook::default() });
        Ok(Self { desk, shown, readings: Readings::new(LIMIT), turn: tokio::sync::Mutex::default() })
    }

    /// Shows another certificate of the node from now on.
    pub(crate) fn renew(&self, own: &Identity) {
        let mut shown = self.shown();
        shown.own = own.clone();
        // Its agency may be another one by now.
        shown.last.at = None;
        shown.show();
    }

    /// What to show to who comes now. An agency's folder that does not answer is as it was.
    pub(super) async fn followed(&self) -> Arc<ServerConfig> {
        let _turn = self.turn.lock().await;
        if !self.shown().last.is_fresh() {
            let trouble = self.look().await.err();
            self.shown().last.note(trouble);
        }
        Arc::clone(&self.shown().config)
    }

    async fn look(&self) -> Result<(), String> {
        let desk = Arc::clone(&self.desk);
        let read = self.readings.run(move || agency(&desk)).await.map_err(|error| error.to_string())?;
        let agency = read.map_err(|error| error.to_string())?;
        let mut shown = self.shown();
        if agency != shown.agency {
            shown.agency = agency;
            shown.show();
        }
        Ok(())
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LastLook {
    fn is_fresh(&self) -> bool {
        self.at.is_some_and(|at| at.elapsed() < PAUSE)
    }

    /// What is wrong is told once.
    fn note(&mut self, trouble: Option<String>) {
        if let Some(error) = trouble.as_ref().filter(|_| trouble != self.trouble) {
            tracing::warn!(%error, "the enrolment port goes on with the agency's former certificate");
        }
        *self = Self { at: Some(Instant::now()), trouble };
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

#[cfg(test)]
mod tests {
    use nuncio_pki::{
        IdentityPaths,
        authority::{Authority, IssuingDesk, IssuingRules, Kind, Validity},
    };
    use rustls_pki_types::UnixTime;

    use super::*;

    #[tokio::test]
    async fn guests_without_number_share_one_look_at_the_agency() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let root = Authority::init(&path("ca"), "chain", Validity::days(9)).unwrap();
        let agency = root.agency("agencyA", &path("agencyA"), Validity::days(8)).unwrap();
        agency.issue(Kind::Node, "node0", &path("node0"), Validity::days(7)).unwrap();
        let (own, _) = Identity::load(&IdentityPaths::in_directory(path("node0"))).unwrap();
        let rules = IssuingRules { lifetime: Duration::from_secs(3600), only: Vec::new(), per_hour: 9 };
        let desk = Arc::new(Mutex::new(IssuingDesk::open(&path("agencyA"), rules, UnixTime::now()).unwrap()));
        let tls = Arc::new(EnrolmentTls::new(&own, Arc::clone(&desk)).unwrap());
        // Somebody is at the desk until what this gives is dropped.
        let occupied = || {
            let (release, held) = std::sync::mpsc::channel::<()>();
            let (taken, is_taken) = std::sync::mpsc::channel();
            let busy = Arc::clone(&desk);
            std::thread::spawn(move || {
                let _at_the_desk = busy.lock().unwrap();
                taken.send(()).unwrap();
                held.recv()
            });
            is_taken.recv().unwrap();
            release
        };
        let release = occupied();
        let guests: Vec<_> = (0..9)
            .map(|_| {
                let tls = Arc::clone(&tls);
                tokio::spawn(async move { tls.followed().await })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(guests.iter().all(|guest| !guest.is_finished()), "one was not waited for");
        drop(release);
        for guest in guests {
            guest.await.unwrap();
        }
        tls.readings.all_have_ended().await;
        // Who comes next looks at nothing.
        let _release = occupied();
        tokio::time::timeout(PAUSE / 2, tls.followed()).await.unwrap();
    }
}
