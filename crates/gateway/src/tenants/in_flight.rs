use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use nuncio_protocol::amop::ClientId;

use super::Tenant;

/// Bytes in flight: counted, never refused. While there are as many as the limit, no session that adds to them is read, so
/// that they exceed it by no more than the frame that crossed it.
///
/// Bound: one waker for each open session.
#[derive(Debug)]
pub(super) struct InFlight {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limit: usize,
    used: usize,
    paused: HashMap<ClientId, Waker>,
}

/// One session's bytes in flight; given back when dropped.
#[derive(Debug)]
pub(crate) struct FlightShare {
    tenant: Arc<Tenant>,
    client: ClientId,
    bytes: usize,
    /// The agency counts them, too: it has a quota.
    is_of_agency: bool,
}

impl InFlight {
    /// At least one byte, so that frames come one by one when there is no more.
    pub(super) fn new(limit: usize) -> Self {
        Self { state: Mutex::new(State { limit: limit.max(1), used: 0, paused: HashMap::new() }) }
    }

    /// Sets another limit; with a higher one, whoever waits is read again.
    pub(super) fn set_limit(&self, limit: usize) {
        self.change(|state| state.limit = limit.max(1));
    }

    fn add(&self, bytes: usize) {
        self.lock().used += bytes;
    }

    fn remove(&self, bytes: usize) {
        self.change(|state| state.used -= bytes);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        if !state.is_open() {
            return;
        }
        let paused = mem::take(&mut state.paused);
        drop(state);
        paused.into_values().for_each(Waker::wake);
    }

    fn is_open(&self) -> bool {
        self.lock().is_open()
    }

    fn poll_open(&self, client: ClientId, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.is_open() {
            return Poll::Ready(());
        }
        state.paused.insert(client, cx.waker().clone());
        Poll::Pending
    }

    fn forget(&self, client: ClientId) {
        self.lock().paused.remove(&client);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    const fn is_open(&self) -> bool {
        self.used < self.limit
    }
}

impl FlightShare {
    pub(crate) const fn new(tenant: Arc<Tenant>, client: ClientId) -> Self {
        Self { tenant, client, bytes: 0, is_of_agency: false }
    }

    pub(crate) fn add(&mut self, bytes: usize) {
        self.follow_quota();
        self.bytes += bytes;
        self.counted().for_each(|in_flight| in_flight.add(bytes));
    }

    pub(crate) fn remove(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.counted().for_each(|in_flight| in_flight.remove(bytes));
    }

    /// Whether none of those that limit them has as many as it may.
    pub(crate) fn is_open(&self) -> bool {
        self.limiting().all(InFlight::is_open)
    }

    /// The same; when there are too many, the task of `cx` is woken when there may be fewer.
    pub(crate) fn poll_open(&self, cx: &mut Context<'_>) -> Poll<()> {
        let is_closed = |in_flight: &InFlight| in_flight.poll_open(self.client, cx).is_pending();
        if self.limiting().any(is_closed) { Poll::Pending } else { Poll::Ready(()) }
    }

    /// The agency counts while it has a quota, which may come and go.
    fn follow_quota(&mut self) {
        let has_quota = self.tenant.agency.limits_in_flight();
        if has_quota != self.is_of_agency {
            let agency = &self.tenant.agency.in_flight;
            if has_quota {
                agency.add(self.bytes)
            } else {
                agency.remove(self.bytes)
            }
            self.is_of_agency = has_quota;
        }
    }

    /// Those that count them now, and the agency as soon as it has a quota: a session that has sent nothing yet is not read
    /// while its agency has as many as it may.
    fn limiting(&self) -> impl Iterator<Item = &InFlight> {
        let Tenant { meter, agency, common, .. } = &*self.tenant;
        let of_agency = agency.limits_in_flight().then_some(&agency.in_flight);
        [&meter.in_flight, &common.in_flight].into_iter().chain(of_agency)
    }

    fn counted(&self) -> impl Iterator<Item = &InFlight> {
        let Tenant { meter, agency, common, .. } = &*self.tenant;
        let of_agency = self.is_of_agency.then_some(&agency.in_flight);
        [&meter.in_flight, &common.in_flight].into_iter().chain(of_agency)
    }
}

impl Drop for FlightShare {
    fn drop(&mut self) {
        let bytes = self.bytes;
        self.remove(bytes);
        let Tenant { meter, agency, common, .. } = &*self.tenant;
        for in_flight in [&meter.in_flight, &agency.in_flight, &common.in_flight] {
            in_flight.forget(self.client);
        }
    }
}
