use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use nuncio_protocol::{Priority, Urgent};
use nuncio_rights::{Quota, Rates};

use super::{calls::Calls, in_flight::InFlight, topics::Budget};

/// What somebody has taken of his quota: one certificate, or all of an agency. The quota may change at any time.
#[derive(Debug)]
pub(super) struct Meter {
    pub(super) sessions: Budget,
    pub(super) topics: Budget,
    pub(super) in_flight: InFlight,
    pub(super) calls: Calls,
    /// Bytes in flight at the most, whatever the quota says, and sessions.
    most_in_flight: usize,
    most_sessions: usize,
    limits_in_flight: AtomicBool,
    rates: Mutex<(Quota, Rates)>,
    urgent: Mutex<Urgent>,
}

impl Meter {
    pub(super) fn new(most_in_flight: usize, most_sessions: usize) -> Self {
        Self {
            sessions: Budget::new("sessions", most_sessions),
            topics: Budget::new("topics", usize::MAX),
            in_flight: InFlight::new(most_in_flight),
            calls: Calls::default(),
            most_in_flight,
            most_sessions,
            limits_in_flight: AtomicBool::new(false),
            rates: Mutex::default(),
            urgent: Mutex::default(),
        }
    }

    /// Puts a quota into force. Who has more than it allows keeps that, and gets no more.
    pub(super) fn set(&self, quota: Quota) {
        // Held to the end: of two who set it at once, all is as the later one says.
        let mut rates = self.rates();
        if rates.0 == quota {
            return;
        }
        self.sessions.set_limit(quota.sessions.unwrap_or(usize::MAX).min(self.most_sessions));
        self.topics.set_limit(quota.topics.unwrap_or(usize::MAX));
        self.in_flight.set_limit(quota.in_flight.unwrap_or(usize::MAX).min(self.most_in_flight));
        self.limits_in_flight.store(quota.in_flight.is_some(), Ordering::Relaxed);
        rates.0 = quota;
    }

    /// Whether nothing is lost when it is forgotten, as long as nobody has a session.
    pub(super) fn is_settled(&self, now: Instant) -> bool {
        let rates = self.rates();
        rates.1.is_full(&rates.0, now) && self.urgent().is_full(now) && self.calls.is_settled(now)
    }

    pub(super) fn limits_in_flight(&self) -> bool {
        self.limits_in_flight.load(Ordering::Relaxed)
    }

    /// Takes a message of so many bytes from a certificate and its agency; false, and nothing taken, when one of them has
    /// nothing left.
    pub(super) fn admit(own: &Self, agency: &Self, bytes: usize, now: Instant) -> bool {
        // Always in this order, so that nobody waits for each other.
        let (mut own, mut agency) = (own.rates(), agency.rates());
        let ((own_quota, own), (agency_quota, agency)) = (&mut *own, &mut *agency);
        Rates::admit([(own, own_quota), (agency, agency_quota)], bytes, now)
    }

    /// As what a message goes that is to be so urgent.
    pub(super) fn urgency(&self, wanted: Priority, bytes: usize, now: Instant) -> Priority {
        if wanted.is_urgent() { self.urgent().take(wanted, bytes, now) } else { wanted }
    }

    fn urgent(&self) -> MutexGuard<'_, Urgent> {
        self.urgent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rates(&self) -> MutexGuard<'_, (Quota, Rates)> {
        self.rates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
