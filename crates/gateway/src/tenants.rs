//! What all sessions of one certificate share, and all of one agency.

mod calls;
mod in_flight;
mod meter;
mod pool;
mod queued;
mod topics;

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
    time::Instant,
};

use nuncio_bounds::Bound;
use nuncio_protocol::{Priority, amop::TenantId};
use nuncio_rights::{Party, Rights};
use tokio::sync::OwnedSemaphorePermit;

use crate::{access::ClientName, config::Limits, counters::Counters};
pub(crate) use in_flight::FlightShare;
use in_flight::InFlight;
use meter::Meter;
use pool::Pool;
pub(crate) use queued::QueuePlace;
use queued::Queued;
pub use topics::OverBudget;
pub(crate) use topics::TopicShare;
use topics::{BYTES_OF_TOPICS, Budget, ITS_AGENCY, ITS_CERTIFICATE};

/// The certificates that have sessions, and those that have published on credit: a session that ends and comes again
/// begins where it was.
///
/// Bound: one entry for each open session, or fewer, and [`MAX_OWING`]; the others go when the next session opens.
#[derive(Debug, Default)]
pub(crate) struct Tenants {
    common: OnceLock<Arc<Common>>,
    known: Mutex<Known>,
    /// What numbers them: the core knows a certificate again whose sessions come one after another.
    numbers: RandomState,
}

#[derive(Debug, Default)]
struct Known {
    certificates: HashMap<CertificateName, Remembered>,
    /// By the agency that the root has named.
    agencies: HashMap<String, Arc<Meter>>,
}

/// A key, and the agency and name certified of it: one key may have several certificates, and rules tell them apart.
type CertificateName = (ClientName, String, String);

#[derive(Debug)]
struct Remembered {
    tenant: Weak<Tenant>,
    meter: Arc<Meter>,
}

/// Certificates without a session whose quota is remembered; when there are more, all of them start anew.
const MAX_OWING: usize = 4096;

/// Longest names of a certificate and its agency, in bytes.
const NAMES: usize = 2 << 10;

pub(crate) const OWING: Bound = Bound::of_entries::<[(CertificateName, Meter); 2]>(
    "quotas of certificates and agencies without a session",
    MAX_OWING,
    NAMES,
    "all of them start anew",
);

/// One certificate: as many programs as its owner runs have it, and together they get one share of what there is.
#[derive(Debug)]
pub(crate) struct Tenant {
    pub(crate) id: TenantId,
    intake: Pool,
    topics: Budget,
    meter: Arc<Meter>,
    queued: Queued,
    /// Of all certificates of the agency.
    agency: Arc<Meter>,
    common: Arc<Common>,
    counters: Arc<Counters>,
}

/// A session's place in the quotas of its certificate and its agency; free again when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) tenant: Arc<Tenant>,
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
pub struct Lease {
    bytes: usize,
    counters: Arc<Counters>,
    _of_certificate: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Tenants {
    /// The one whose key has this name, and whose certificate says this. The limits of the first session hold for all.
    pub(crate) fn join(
        &self,
        name: ClientName,
        party: &Party,
        limits: &Limits,
        counters: &Arc<Counters>,
    ) -> Arc<Tenant> {
        let common = self.common.get_or_init(|| Arc::new(Common::new(limits)));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (subject, agency) = (party.subject(), party.subject().top_agency().to_owned());
        let key = (name, subject.agency.to_owned(), subject.name.to_owned());
        if let Some(tenant) = known.certificates.get(&key).and_then(|one| one.tenant.upgrade()) {
            return tenant;
        }
        known.tidy(Instant::now());
        let of_agency = known.agencies.entry(agency).or_insert_with(|| Arc::new(Meter::new(usize::MAX, usize::MAX)));
        let of_agency = Arc::clone(of_agency);
        let meter = known.certificates.get(&key).map(|one| Arc::clone(&one.meter));
        let (in_flight, sessions) = (limits.in_flight_bytes_per_certificate, limits.connections_per_certificate);
        let meter = meter.unwrap_or_else(|| Arc::new(Meter::new(in_flight, sessions)));
        let tenant = Arc::new(Tenant {
            id: TenantId(self.numbers.hash_one(&key)),
            intake: Pool::new(limits.intake_bytes_per_certificate),
            topics: Budget::new(BYTES_OF_TOPICS, limits.topic_bytes_per_certificate),
            meter: Arc::clone(&meter),
            queued: Queued::new(limits.queue_bytes_per_certificate),
            agency: of_agency,
            common: Arc::clone(common),
            counters: Arc::clone(counters),
        });
        known.certificates.insert(key, Remembered { tenant: Arc::downgrade(&tenant), meter });
        tenant
    }
}

impl Known {
    /// Forgets those without a session, but for who owes something.
    fn tidy(&mut self, now: Instant) {
        self.certificates.retain(|_, one| one.tenant.strong_count() > 0 || !one.meter.is_settled(now));
        let owing = self.certificates.values().filter(|one| one.tenant.strong_count() == 0).count();
        if owing > MAX_OWING {
            self.certificates.retain(|_, one| one.tenant.strong_count() > 0);
        }
        self.agencies.retain(|_, meter| Arc::strong_count(meter) > 1 || !meter.is_settled(now));
        if self.agencies.len() > MAX_OWING {
            self.agencies.retain(|_, meter| Arc::strong_count(meter) > 1);
        }
    }
}

impl Common {
    fn new(limits: &Limits) -> Self {
        Self {
            intake: Pool::new(limits.intake_bytes),
            topics: Budget::new(BYTES_OF_TOPICS, limits.topic_bytes),
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

    /// Takes a place for a session, by the quotas that this right gives.
    ///
    /// # Errors
    /// When the certificate or its agency has as many sessions as it may.
    pub(crate) fn sit(self: &Arc<Self>, party: &Party, rights: &Rights) -> Result<Place, OverBudget> {
        self.follow(party, rights);
        self.meter.sessions.exchange(0, 1, ITS_CERTIFICATE)?;
        if let Err(over) = self.agency.sessions.exchange(0, 1, ITS_AGENCY) {
            let _ = self.meter.sessions.exchange(1, 0, ITS_CERTIFICATE);
            return Err(over);
        }
        Ok(Place { tenant: Arc::clone(self) })
    }

    /// Puts the quotas of these rights into force.
    pub(crate) fn follow(&self, party: &Party, rights: &Rights) {
        let quotas = rights.quotas(&party.subject());
        self.meter.set(quotas.credential);
        self.agency.set(quotas.agency);
    }

    /// Takes a message of so many bytes from the quotas; false, and nothing taken, when one of them is used up.
    pub(crate) fn admit(&self, bytes: usize, now: Instant) -> bool {
        Meter::admit(&self.meter, &self.agency, bytes, now)
    }

    /// Whether the node answers it one more call.
    pub(crate) fn has_calls(&self, now: Instant) -> bool {
        self.meter.calls.has_some(now)
    }

    /// Counts a call that came and was answered in so many bytes.
    pub(crate) fn spend_call(&self, bytes: usize, now: Instant) {
        self.meter.calls.spend(bytes, now);
    }

    /// As what a message goes that is to be so urgent: as normal where the certificate has had its share.
    pub(crate) fn urgency(&self, wanted: Priority, bytes: usize, now: Instant) -> Priority {
        self.meter.urgency(wanted, bytes, now)
    }

    /// Whether somebody waits for room that a session of this certificate holds.
    pub(crate) fn is_contended(&self) -> bool {
        self.intake.is_waited_for() || self.common.intake.is_waited_for()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.tenant.meter.sessions.exchange(1, 0, ITS_CERTIFICATE);
        let _ = self.tenant.agency.sessions.exchange(1, 0, ITS_AGENCY);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.counters.intake_bytes.subtract(self.bytes as u64);
    }
}

#[cfg(test)]
mod tests;
