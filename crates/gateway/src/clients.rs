//! The connected clients, as the core reaches them.

mod answer_place;
mod deliveries;
mod denied_topics;
mod mailbox;
mod parcel;
mod window;

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use nuncio_audit::Audit;
use nuncio_channel_protocol::{BlockNotification, FrameKind, FrameSeq};
use nuncio_metrics::Metrics;
use nuncio_protocol::amop::{ClientId, ClientOutput, ClientPort};
use nuncio_rights::{Party, Rights};

use crate::{
    access::ClientName,
    config::{Limits, Timeouts},
    counters::{Counters, Statistics},
    tenants::{OverBudget, Place, Tenant, Tenants},
};
pub use denied_topics::DeniedTopics;
pub(crate) use mailbox::Mailbox;
pub(crate) use parcel::{Content, Parcel, Written};

/// The registry of connected clients: the core's way to them.
///
/// Every client has a mailbox bounded by [`Limits::queue_frames`] and [`Limits::queue_bytes`] for what others send it, and
/// by its window for answers to what it sent itself. Putting something in takes a short lock and never waits.
#[derive(Default)]
pub struct Clients {
    mailboxes: RwLock<HashMap<ClientId, Arc<Mailbox>>>,
    tenants: Tenants,
    named: AtomicU64,
    counters: Arc<Counters>,
}

impl Clients {
    /// A registry without clients.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, and what happens is among a node's metrics.
    pub fn metered(metrics: &Metrics) -> Self {
        let (amop, refused) = (metrics.amop.clone(), metrics.refused.clone());
        let counters = metrics.extend(|book| Counters::registered(book, amop, refused));
        Self { counters: Arc::new(counters), ..Self::default() }
    }

    /// What happened so far, in numbers.
    pub fn statistics(&self) -> Statistics {
        self.counters.read()
    }

    /// Pushes news of a block (0x1001) to every client that subscribes its group's topic, each in the form of its
    /// protocol version. Says to how many; a client whose queue is full goes without.
    pub fn notify_block(&self, block: &BlockNotification) -> usize {
        self.all().iter().filter(|mailbox| mailbox.notify_block(block)).count()
    }

    /// Pushes the receipt (0x1000) of a transaction that came with the call of this seq, as JSON. False when the client
    /// is gone or its queue is full.
    pub fn push_receipt(&self, client: ClientId, seq: FrameSeq, receipt: Bytes) -> bool {
        self.mailbox(client).is_some_and(|mailbox| mailbox.push_news(FrameKind::Receipt, seq, receipt))
    }

    /// Pushes logs (0x1002) that an event filter of this client matched, as JSON. False when the client is gone or its
    /// queue is full.
    pub fn push_event(&self, client: ClientId, logs: Bytes) -> bool {
        self.mailbox(client).is_some_and(|mailbox| mailbox.push_news(FrameKind::EventLog, FrameSeq::PUSH, logs))
    }

    /// The topics that clients have listed and may not subscribe.
    pub fn denied_topics(&self) -> Vec<DeniedTopics> {
        self.all().iter().filter_map(|mailbox| mailbox.denied_topics()).collect()
    }

    /// Lets every session look again at what it may do.
    pub(crate) fn wake_all(&self) {
        self.all().iter().for_each(|mailbox| mailbox.wake());
    }

    fn all(&self) -> Vec<Arc<Mailbox>> {
        self.mailboxes.read().unwrap_or_else(PoisonError::into_inner).values().map(Arc::clone).collect()
    }

    pub(crate) fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Numbers a client, whose certificate has this name, and gives it a mailbox; the guard takes both away.
    ///
    /// # Errors
    /// When its certificate, or its agency, has as many sessions as it may.
    pub(crate) fn register(
        self: &Arc<Self>,
        name: ClientName,
        (party, rights): (&Party, &Rights),
        (limits, timeouts): (&Limits, &Timeouts),
        audit: &Audit,
    ) -> Result<Registration, OverBudget> {
        let tenant = self.tenants.join(name, party, limits, &self.counters);
        let place = tenant.sit(party, rights)?;
        let client = ClientId(self.named.fetch_add(1, Ordering::Relaxed) + 1);
        let mailbox = Arc::new(Mailbox::new(
            Arc::clone(&tenant),
            client,
            limits,
            timeouts.acknowledge,
            (Arc::clone(&self.counters), audit.clone()),
        ));
        self.mailboxes.write().unwrap_or_else(PoisonError::into_inner).insert(client, Arc::clone(&mailbox));
        self.counters.sessions.increment();
        self.counters.sessions_opened.increment();
        Ok(Registration { clients: Arc::clone(self), client, tenant, mailbox, _place: place })
    }

    /// Whether it may have one session more now, by the quotas of its certificate and of its agency.
    ///
    /// # Errors
    /// When it may not.
    pub(crate) fn ask(
        &self,
        name: ClientName,
        (party, rights): (&Party, &Rights),
        limits: &Limits,
    ) -> Result<(), OverBudget> {
        self.tenants.join(name, party, limits, &self.counters).sit(party, rights).map(drop)
    }

    fn mailbox(&self, client: ClientId) -> Option<Arc<Mailbox>> {
        self.mailboxes.read().unwrap_or_else(PoisonError::into_inner).get(&client).cloned()
    }
}

/// Gives a unicast back when its client is gone or its queue is full. A multicast that finds the queue full is dropped
/// and counted; a reply is always taken while its client is there, with its content left out when the client's window is
/// over its bytes.
impl ClientPort for Clients {
    fn handle_output(&self, output: ClientOutput) -> Result<(), ClientOutput> {
        match output {
            ClientOutput::Deliver { client, account, delivery, kind, priority, topic, data } => {
                let how = (kind, account, priority);
                let taken = match self.mailbox(client) {
                    Some(mailbox) => mailbox.deliver(how, delivery, topic.clone(), data.clone()),
                    None => false,
                };
                let refused = ClientOutput::Deliver { client, account, delivery, kind, priority, topic, data };
                taken.then_some(()).ok_or(refused)
            }
            ClientOutput::Challenge { client, challenge, topic, channel } => {
                // One that finds its client gone, or its queue full, is waited for in vain and put again.
                if let Some(mailbox) = self.mailbox(client) {
                    mailbox.challenge(challenge, &topic, &channel);
                }
                Ok(())
            }
            // The core has logged it, and the protocol has no frame for it.
            ClientOutput::SubscriptionRefused { .. } => Ok(()),
            ClientOutput::Reply { client, seq, code, topic, data } => {
                match self.mailbox(client) {
                    Some(mailbox) => mailbox.reply(seq, code, topic, data),
                    None => self.counters.replies_dropped.increment(),
                }
                Ok(())
            }
        }
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").field("statistics", &self.statistics()).finish_non_exhaustive()
    }
}

/// One client's entry in the registry; dropping it closes the mailbox.
#[derive(Debug)]
pub(crate) struct Registration {
    clients: Arc<Clients>,
    pub(crate) client: ClientId,
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) mailbox: Arc<Mailbox>,
    _place: Place,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.clients.mailboxes.write().unwrap_or_else(PoisonError::into_inner).remove(&self.client);
        self.mailbox.close();
        self.clients.counters.sessions.decrement();
    }
}
