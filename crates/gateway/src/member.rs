//! A client as the core, the rights and the quotas know it, whatever it speaks with its door.

use std::{
    collections::BTreeSet,
    fmt::Display,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use nuncio_audit::Event;
use nuncio_channel_protocol::{FrameKind, FrameSeq, ResultCode};
use nuncio_metrics::{Cause, PublishEnd, PublishKind, QuotaRefusal};
use nuncio_protocol::{
    MAX_BODY, Priority, Topic,
    amop::{self, ChallengeId, ClientId, ClientInput, DeliveryId, Kind, PublishSeq},
};
use nuncio_rights::Act;
use rustls_pki_types::UnixTime;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    clients::{DeniedTopics, Mailbox, Registration},
    config::{Limits, Timeouts},
    intake::Intake,
    listener::{Door, Owner, address},
    tenants::{Lease, OverBudget, TopicShare},
    tls::Refusal,
};
pub use end::End;
pub use letters::Letter;
pub(crate) use newcomer::Newcomer;
pub use newcomer::{Holder, Stay};
use rights::Held;
pub(crate) use rights::Sight;
use topics::Topics;

mod calls;
mod end;
mod letters;
mod newcomer;
mod rights;
mod topics;

/// One session's place at the core: its rights, its share of the budgets, its topics and its mailbox. Every door's sessions
/// stand on it.
#[derive(Debug)]
pub struct Member {
    pub(crate) door: Arc<Door>,
    pub(crate) registration: Registration,
    pub(crate) subject: String,
    pub(crate) remote: SocketAddr,
    owner: Owner,
    rights: Held,
    topics: Topics,
    cut: CancellationToken,
    /// When the client's certificate expires; `None` when that is beyond all clocks.
    expires: Option<Instant>,
    /// Whether nothing new is taken any more.
    leaving: bool,
}

/// The core takes nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the node has stopped")]
pub struct CoreGone;

/// Why a publish is not passed on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotPublished {
    /// The gateway shuts down.
    #[error("this node stops")]
    Leaving,
    /// It may not.
    #[error("{cause}")]
    Denied {
        /// The rule that decided.
        cause: String,
    },
    /// Its quota is used up.
    #[error("a quota of messages or bytes is used up")]
    OverQuota,
    /// The payload is longer than [`MAX_BODY`].
    #[error("the payload has {bytes} bytes, over the limit of {MAX_BODY}")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
}

impl NotPublished {
    /// What the publisher is told.
    pub const fn result(&self) -> ResultCode {
        match self {
            Self::Leaving => ResultCode::NO_SUBSCRIBER,
            Self::Denied { .. } => ResultCode::DENIED,
            Self::OverQuota | Self::TooLarge { .. } => ResultCode::OVER_LIMIT,
        }
    }

    const fn end(&self) -> PublishEnd {
        match self {
            Self::Leaving => PublishEnd::Leaving,
            Self::Denied { .. } => PublishEnd::Denied,
            Self::OverQuota | Self::TooLarge { .. } => PublishEnd::OverLimit,
        }
    }
}

impl Member {
    /// Gives a newcomer a session; none when the core has gone.
    ///
    /// # Errors
    /// When its certificate, or its agency, has as many sessions as it may.
    pub(crate) async fn enter(
        door: &Arc<Door>,
        newcomer: Newcomer,
        remote: SocketAddr,
        stay: Stay,
    ) -> Result<Option<Self>, Refusal> {
        let Newcomer { name, party, subject, serial, credential } = newcomer;
        let owner = Owner::known(&party, name.clone());
        let rights = Held::new(party, door.rights.load_full());
        let limits = (&door.limits, &door.timeouts);
        let registration = match door.clients.register(name.clone(), rights.by(), limits, &door.audit) {
            Ok(registration) => registration,
            Err(over) => return Err(Refusal::OverQuota { subject, over }),
        };
        let client = registration.client;
        // The only wait: when the connection ends meanwhile, nothing is left behind.
        let Ok(place) = door.inputs.reserve().await else { return Ok(None) };
        let not_after = credential.as_ref().map(|credential| credential.not_after);
        let watched = match credential {
            Some(credential) => door.guard.watch(client, credential),
            None => door.guard.watch_by_name(client, name.clone()),
        };
        let cut = match watched {
            Ok(cut) => cut,
            Err(denial) => return Err(Refusal::NotAdmitted { subject, denial }),
        };
        let tell = || {
            door.audit.try_record(Event::SdkAdmitted {
                address: remote.to_string().into(),
                client: client.0,
                subject: (&subject).into(),
                serial: (&serial).into(),
            })
        };
        match stay {
            Stay::Session => {
                tell();
            }
            Stay::Message => door.visitors.tell((&name, &*serial, address(remote)), Instant::now(), tell),
        }
        place.send(ClientInput::Connected { client, tenant: Some(registration.tenant.id) });
        Ok(Some(Self {
            topics: Topics::new(TopicShare::new(Arc::clone(&registration.tenant), door.limits.topic_bytes_per_session)),
            cut,
            expires: not_after.and_then(|not_after| Instant::now().checked_add(time_left(not_after))),
            door: Arc::clone(door),
            registration,
            subject,
            remote,
            owner,
            rights,
            leaving: false,
        }))
    }

    /// Gives the place back, and tells the core.
    pub async fn leave(self) {
        let Self { door, registration, topics, .. } = self;
        let client = registration.client;
        // The registration is gone before the core hears of it: nothing more can be queued for nobody.
        drop((registration, topics));
        door.guard.forget(client);
        let _ = door.inputs.send(ClientInput::Disconnected { client }).await;
    }

    /// How much it may.
    pub fn limits(&self) -> &Limits {
        &self.door.limits
    }

    /// How long is waited for it.
    pub fn timeouts(&self) -> &Timeouts {
        &self.door.timeouts
    }

    /// Room for what it sends, of its certificate's share.
    pub fn intake(&self) -> Intake {
        Intake::new(Arc::clone(&self.registration.tenant), self.door.timeouts.intake)
    }

    /// The subject of its certificate.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Whose its seat is.
    pub const fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Where it is.
    pub const fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// Its number in this run.
    pub const fn client(&self) -> ClientId {
        self.registration.client
    }

    /// Cancelled when it may no longer stay.
    pub const fn cut(&self) -> &CancellationToken {
        &self.cut
    }

    /// When its certificate expires; `None` when that is beyond all clocks.
    pub const fn expires(&self) -> Option<Instant> {
        self.expires
    }

    /// From now on nothing new is published for it.
    pub const fn begin_to_leave(&mut self) {
        self.leaving = true;
    }

    /// Publishes for it, as urgently as it says, if that may be; the reply comes by its mailbox under this seq. `bytes` is what counts as in flight until then.
    ///
    /// # Errors
    /// When the core is gone.
    pub async fn publish(
        &mut self,
        seq: PublishSeq,
        (kind, priority): (Kind, Option<Priority>),
        (topic, data): (Topic, Bytes),
        bytes: usize,
    ) -> Result<Option<NotPublished>, CoreGone> {
        self.take_publish(kind);
        if let Some(refused) = self.judge_publish(&topic, &data) {
            self.end_publish(refused.end());
            return Ok(Some(refused));
        }
        let wanted = self.door.priorities.load().of(topic.as_str(), priority);
        let priority = self.registration.tenant.urgency(wanted, data.len(), Instant::now());
        self.mailbox().open_publish(seq, (kind, priority), bytes);
        self.tell(ClientInput::Publish { client: self.client(), seq, kind, priority, topic, data }).await?;
        Ok(None)
    }

    fn judge_publish(&self, topic: &Topic, data: &Bytes) -> Option<NotPublished> {
        if data.len() > MAX_BODY {
            return Some(NotPublished::TooLarge { bytes: data.len() });
        }
        if self.leaving {
            return Some(NotPublished::Leaving);
        }
        if self.rights.is_open() {
            return None;
        }
        let verdict = self.rights.publishing(topic);
        if !verdict.is_allowed() {
            self.door.clients.counters().publishes_denied.increment();
            let cause = verdict.to_string();
            self.door.audit.record(Event::PublishDenied {
                refused: Cause::Rights(rights::refusal(Act::Publish, &verdict)).into(),
                client: self.client().0,
                subject: (&self.subject).into(),
                topic: topic.as_str().into(),
                cause: (&cause).into(),
            });
            return Some(NotPublished::Denied { cause });
        }
        if !self.registration.tenant.admit(topic.as_str().len() + data.len(), Instant::now()) {
            self.door.clients.counters().publishes_over_quota.increment();
            self.door.clients.counters().refused.quota.increment(QuotaRefusal::Publish);
            self.door.audit.over_quota(&self.subject, QuotaRefusal::Publish);
            return Some(NotPublished::OverQuota);
        }
        None
    }

    /// A publish has come.
    pub(crate) fn take_publish(&self, kind: Kind) {
        let kind = match kind {
            Kind::Unicast => PublishKind::Unicast,
            Kind::Multicast => PublishKind::Multicast,
        };
        self.door.clients.counters().amop.taken.increment(kind);
    }

    /// A publish that was taken is not passed on.
    pub(crate) fn end_publish(&self, end: PublishEnd) {
        self.door.clients.counters().amop.ended.increment(end);
    }

    /// Acknowledges a delivery that it was given under this seq. False when nobody waits for it: late, twice, or another's.
    ///
    /// # Errors
    /// When the core is gone.
    pub async fn acknowledge(
        &mut self,
        seq: &FrameSeq,
        code: ResultCode,
        data: Bytes,
        lease: Option<Lease>,
    ) -> Result<bool, CoreGone> {
        let Some(delivery) = self.take_delivery(seq) else {
            return Ok(false);
        };
        self.answer_delivery(delivery, code, data, lease).await?;
        Ok(true)
    }

    /// The delivery that a seq stands for, once; `None`, and counted, when nobody waits for it.
    pub(crate) fn take_delivery(&self, seq: &FrameSeq) -> Option<DeliveryId> {
        let delivery = self.mailbox().take_acknowledged(seq);
        if delivery.is_none() {
            self.door.clients.counters().acknowledgements_dropped.increment();
        }
        delivery
    }

    pub(crate) async fn answer_delivery(
        &mut self,
        delivery: DeliveryId,
        code: ResultCode,
        data: Bytes,
        lease: Option<Lease>,
    ) -> Result<(), CoreGone> {
        let code = amop::ResultCode(code.0);
        // It takes its room until nobody has it: no window counts it.
        let data = match lease {
            Some(lease) => Bytes::from_owner(Leased { data, _lease: lease }),
            None => data,
        };
        self.tell(ClientInput::Acknowledge { client: self.client(), delivery, code, data }).await
    }

    /// Says what came of a question that it was asked about a subscriber of a private topic. Of one that is not open nothing comes.
    ///
    /// # Errors
    /// When the core is gone.
    pub async fn judge_proof(&mut self, question: ChallengeId, topic: Topic, accepted: bool) -> Result<(), CoreGone> {
        self.tell(ClientInput::ProofJudged { client: self.client(), challenge: question, topic, accepted }).await
    }

    /// Takes a list of topics in place of the former one; [`Self::tell_topics`] says it to the core, without those that it may
    /// not have.
    ///
    /// # Errors
    /// When it is over a budget; the former one stays.
    pub(crate) fn list(&mut self, topics: BTreeSet<Topic>) -> Result<(), OverBudget> {
        let set = self.topics.set(topics);
        self.count_refused(set)?;
        self.sift_all();
        Ok(())
    }

    /// Adds to the topics that it has listed; [`Self::tell_topics`] says them to the core. Those of the added ones that it may
    /// not have are left out and come back. It takes no more work because more are listed.
    ///
    /// # Errors
    /// When they are over a budget; then none is added.
    pub fn subscribe(&mut self, topics: &BTreeSet<Topic>) -> Result<Option<DeniedTopics>, OverBudget> {
        let added = self.topics.add(topics);
        self.count_refused(added)?;
        Ok(self.sift_added(topics))
    }

    /// Takes topics away from those that it has listed, likewise.
    pub fn unsubscribe(&mut self, topics: &BTreeSet<Topic>) {
        self.topics.remove(topics);
        self.show_denied();
    }

    fn count_refused(&self, taken: Result<(), OverBudget>) -> Result<(), OverBudget> {
        taken.inspect_err(|over| {
            self.door.clients.counters().refused.quota.increment(QuotaRefusal::Topics);
            self.refuse_topics(over);
        })
    }

    pub(crate) fn refuse_topics(&self, reason: &dyn Display) {
        self.door.clients.counters().subscriptions_refused.increment();
        self.complain(|| format!("the topic list of {:?} was refused, the former one stays: {reason}", self.subject));
    }

    /// When there are topics to be told, since when they may be.
    pub fn topics_due(&self) -> Option<Instant> {
        self.topics.due()
    }

    /// Says the newest topics to the core when it is time.
    ///
    /// # Errors
    /// When the core is gone.
    pub async fn tell_topics(&mut self) -> Result<(), CoreGone> {
        match self.topics.take_due(Instant::now()) {
            Some(topics) => self.tell(ClientInput::Subscribe { client: self.client(), topics }).await,
            None => Ok(()),
        }
    }

    /// Whether other rights are in force than it goes by.
    pub fn is_stale(&self) -> bool {
        self.rights.is_stale(&self.door.rights)
    }

    pub(crate) fn sight(&self) -> Sight<'_> {
        self.rights.sight()
    }

    pub(crate) async fn tell(&self, input: ClientInput) -> Result<(), CoreGone> {
        self.door.inputs.send(input).await.map_err(|_| CoreGone)
    }

    /// Logs what is wrong with what it says, not more often than its address may fill the log.
    pub fn complain(&self, what: impl FnOnce() -> String) {
        if self.door.throttle.allows(address(self.remote)) {
            warn!(remote = %self.remote, client = self.client().0, "{}", what());
        }
    }

    pub(crate) const fn mailbox(&self) -> &Arc<Mailbox> {
        &self.registration.mailbox
    }

    /// Queues an answer that its door makes itself, in turn with what others say.
    pub fn answer(&self, kind: FrameKind, seq: FrameSeq, result: ResultCode, body: Bytes) {
        self.mailbox().answer(kind, seq, result, body);
    }

    /// Whether it may be read: it has no more in flight than it may.
    pub fn is_open(&self) -> bool {
        self.mailbox().is_open()
    }

    /// The same; when it is not, the task of `cx` is woken when it may be.
    pub fn poll_open(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.mailbox().poll_open(cx)
    }
}

/// The wall clock decides about certificates and nothing else.
fn time_left(not_after: UnixTime) -> Duration {
    Duration::from_secs(not_after.as_secs().saturating_sub(UnixTime::now().as_secs()))
}

/// Bytes with their room.
struct Leased {
    data: Bytes,
    _lease: Lease,
}

impl AsRef<[u8]> for Leased {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}
