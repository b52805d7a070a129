//! What all sessions of one certificate share.

mod in_flight;
mod pool;
mod queued;
mod topics;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
};

use tokio::sync::OwnedSemaphorePermit;

use crate::{access::ClientName, config::Limits, counters::Counters};
pub(crate) use in_flight::FlightShare;
use in_flight::InFlight;
use pool::Pool;
pub(crate) use queued::QueuePlace;
use queued::Queued;
use topics::Budget;
pub(crate) use topics::{TopicShare, TopicsRefused};

/// The certificates that have sessions.
///
/// Bound: one entry for each open session, or fewer; those of certificates without sessions go when the next session opens.
#[derive(Debug, Default)]
pub(crate) struct Tenants {
    common: OnceLock<Arc<Common>>,
    by_certificate: Mutex<HashMap<ClientName, Weak<Tenant>>>,
}

/// One certificate: as many programs as its owner runs have it, and together they get one share of what there is.
#[derive(Debug)]
pub(crate) struct Tenant {
    intake: Pool,
    topics: Budget,
    in_flight: InFlight,
    queued: Queued,
    common: Arc<Common>,
    counters: Arc<Counters>,
}

/// What all certificates share.
#[derive(Debug)]
struct Common {
    intake: Pool,
    topics: Budget,
    in_flight: InFlight,
    queued: Queued,
}

/// Room for a frame that is being read; given back when dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    bytes: usize,
    counters: Arc<Counters>,
    _of_certificate: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Tenants {
    /// The one whose certificate has this name. The limits of the first session hold for all.
    pub(crate) fn join(&self, name: ClientName, limits: &Limits, counters: &Arc<Counters>) -> Arc<Tenant> {
        let common = self.common.get_or_init(|| Arc::new(Common::new(limits)));
        let mut known = self.by_certificate.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tenant) = known.get(&name).and_then(Weak::upgrade) {
            return tenant;
        }
        known.retain(|_, tenant| tenant.strong_count() > 0);
        let tenant = Arc::new(Tenant {
            intake: Pool::new(limits.intake_bytes_per_certificate),
            topics: Budget::new(limits.topic_bytes_per_certificate),
            in_flight: InFlight::new(limits.in_flight_bytes_per_certificate),
            queued: Queued::new(limits.queue_bytes_per_certificate),
            common: Arc::clone(common),
            counters: Arc::clone(counters),
        });
        known.insert(name, Arc::downgrade(&tenant));
        tenant
    }
}

impl Common {
    fn new(limits: &Limits) -> Self {
        Self {
            intake: Pool::new(limits.intake_bytes),
            topics: Budget::new(limits.topic_bytes),
            in_flight: InFlight::new(limits.in_flight_bytes),
            queued: Queued::new(limits.queue_bytes_of_all),
        }
    }
}

impl Tenant {
    /// Waits for room for a frame: first among the sessions of the certificate, then, with a place there, among all.
    /// Whoever waits for the second holds of the first only, so that no certificate waits for another one's queue.
    pub(crate) async fn lease(self: Arc<Self>, bytes: usize) -> Lease {
        let of_certificate = self.intake.take(bytes).await;
        let of_all = self.common.intake.take(bytes).await;
        self.counters.intake_bytes.add(bytes as u64);
        Lease { bytes, counters: Arc::clone(&self.counters), _of_certificate: of_certificate, _of_all: of_all }
    }

    /// Whether somebody waits for room that a session of this certificate holds.
    pub(crate) fn is_contended(&self) -> bool {
        self.intake.is_waited_for() || self.common.intake.is_waited_for()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.counters.intake_bytes.subtract(self.bytes as u64);
    }
}

#[cfg(test)]
mod tests;
