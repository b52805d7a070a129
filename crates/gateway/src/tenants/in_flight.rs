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
    limit: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    used: usize,
    paused: HashMap<ClientId, Waker>,
}

/// One session's bytes in flight; given back when dropped.
#[derive(Debug)]
pub(crate) struct FlightShare {
    tenant: Arc<Tenant>,
    client: ClientId,
    bytes: usize,
}

impl InFlight {
    /// At least one byte, so that frames come one by one when there is no more.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit: limit.max(1), state: Mutex::default() }
    }

    fn add(&self, bytes: usize) {
        self.lock().used += bytes;
    }

    fn remove(&self, bytes: usize) {
        let mut state = self.lock();
        state.used -= bytes;
        if state.used >= self.limit {
            return;
        }
        let paused = mem::take(&mut state.paused);
        drop(state);
        paused.into_values().for_each(Waker::wake);
    }

    fn is_open(&self) -> bool {
        self.lock().used < self.limit
    }

    fn poll_open(&self, client: ClientId, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.used < self.limit {
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

impl FlightShare {
    pub(crate) const fn new(tenant: Arc<Tenant>, client: ClientId) -> Self {
        Self { tenant, client, bytes: 0 }
    }

    pub(crate) fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.both().into_iter().for_each(|in_flight| in_flight.add(bytes));
    }

    pub(crate) fn remove(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.both().into_iter().for_each(|in_flight| in_flight.remove(bytes));
    }

    /// Whether neither the certificate nor all together have as many as they may.
    pub(crate) fn is_open(&self) -> bool {
        self.both().iter().all(|in_flight| in_flight.is_open())
    }

    /// The same; when there are too many, the task of `cx` is woken when there may be fewer.
    pub(crate) fn poll_open(&self, cx: &mut Context<'_>) -> Poll<()> {
        let [own, common] = self.both();
        if own.poll_open(self.client, cx).is_ready() { common.poll_open(self.client, cx) } else { Poll::Pending }
    }

    fn both(&self) -> [&InFlight; 2] {
        [&self.tenant.in_flight, &self.tenant.common.in_flight]
    }
}

impl Drop for FlightShare {
    fn drop(&mut self) {
        self.remove(self.bytes);
        self.both().into_iter().for_each(|in_flight| in_flight.forget(self.client));
    }
}
