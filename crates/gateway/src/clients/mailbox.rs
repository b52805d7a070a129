use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use bytes::Bytes;
use nuncio_audit::{Audit, News};
use nuncio_bounds::{FairQueue, Portions, Rank};
use nuncio_channel_protocol::{BlockNotification, FrameKind, FrameSeq, ProtocolVersion, ResultCode, TopicVerification};
use nuncio_identity::NodeId;
use nuncio_metrics::PublishEnd;
use nuncio_protocol::{
    Account, Priority, Topic,
    amop::{self, ChallengeId, ClientId, DeliveryId, Kind, PublishSeq},
};
use tracing::warn;

use super::{
    DeniedTopics,
    answer_place::AnswerPlace,
    deliveries::Deliveries,
    parcel::{Charge, Content, Parcel, Written},
    window::{Closed, Window},
};
use crate::{
    config::Limits,
    counters::Counters,
    tenants::{FlightShare, QueuePlace, Tenant},
};

/// Frames between the core and one client's session, and the books about them.
///
/// Bounds: what others send the client, by twice [`Limits::queue_frames`] and [`Limits::queue_bytes`], of which each node that sends
/// some has its portion, and each of its clients one of that; answers to what it sent, by its window. A frame counts until the session
/// has handed it to TLS. What is urgent leaves first, as far as that leaves a share to all else, and frames of one priority by
/// turns, as many bytes of one node as of another, and of one of its clients.
#[derive(Debug)]
pub(crate) struct Mailbox {
    tenant: Arc<Tenant>,
    client: ClientId,
    queue_frames: usize,
    queue_bytes: usize,
    counters: Arc<Counters>,
    audit: Audit,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    parcels: FairQueue<NodeId, Parcel>,
    queued_frames: Portions<NodeId>,
    queued_bytes: Portions<NodeId>,
    dropped: u64,
    deliveries: Deliveries,
    window: Window,
    reader: Option<Waker>,
    /// The session waits for its socket, and looks at no parcels.
    stalled: Option<Waker>,
    version: ProtocolVersion,
    block_groups: BTreeSet<u32>,
    denied: Option<DeniedTopics>,
    closed: bool,
}

impl Mailbox {
    pub(super) fn new(
        tenant: Arc<Tenant>,
        client: ClientId,
        limits: &Limits,
        acknowledge: Duration,
        (counters, audit): (Arc<Counters>, Audit),
    ) -> Self {
        let share = FlightShare::new(Arc::clone(&tenant), client);
        Self {
            tenant,
            client,
            queue_frames: limits.queue_frames,
            queue_bytes: limits.queue_bytes,
            counters,
            audit,
            state: Mutex::new(State {
                parcels: FairQueue::boundless(),
                queued_frames: Portions::default(),
                queued_bytes: Portions::default(),
                dropped: 0,
                deliveries: Deliveries::new(limits.queue_frames, acknowledge),
                window: Window::new(limits.window_frames, limits.window_bytes, share),
                reader: None,
                stalled: None,
                version: ProtocolVersion::V1,
                block_groups: BTreeSet::new(),
                denied: None,
                closed: false,
            }),
        }
    }

    /// Queues a message for the client under a fresh seq. False: not taken, the core should look elsewhere.
    pub(super) fn deliver(
        &self,
        (kind, account, priority): (Kind, Account, Priority),
        delivery: DeliveryId,
        topic: Topic,
        data: Bytes,
    ) -> bool {
        let size = data.len() + topic.as_str().len();
        let seq = FrameSeq::from_number(rand::random());
        let mut state = self.lock();
        if state.closed {
            return false;
        }
        let place = match kind {
            Kind::Multicast => self.place(account, &state, size, &data),
            Kind::Unicast => {
                self.place(account, &state, size, &data).filter(|_| self.expect(account, &mut state, seq, delivery))
            }
        };
        let how = (account, rank(priority));
        match (place, kind) {
            (Some(place), Kind::Multicast) => {
                self.enqueue(state, FrameKind::Multicast, how, (seq, Content::Amop { topic, data }), place);
            }
            (Some(place), Kind::Unicast) => {
                self.enqueue(state, FrameKind::Unicast, how, (seq, Content::Amop { topic, data }), place);
            }
            (None, Kind::Multicast) => self.note_drop(&mut state),
            (None, Kind::Unicast) => {
                self.counters.deliveries_refused.increment();
                return false;
            }
        }
        true
    }

    /// Waits for the acknowledgement of a delivery, if there is room for one more.
    fn expect(&self, account: Account, state: &mut State, seq: FrameSeq, delivery: DeliveryId) -> bool {
        let has_room = state.deliveries.has_room(account, Instant::now());
        let place = has_room.then(|| self.tenant.queue(account, &Bytes::new())).flatten();
        place.map(|place| state.deliveries.insert(seq, delivery, place)).is_some()
    }

    /// Queues the reply to a publish. A failure carries no body, as FISCO's does.
    pub(super) fn reply(&self, seq: PublishSeq, code: amop::ResultCode, topic: Topic, data: Bytes) {
        let mut state = self.lock();
        let Some(closed) = state.window.close_publish(&seq).filter(|_| !state.closed) else {
            self.counters.replies_dropped.increment();
            return;
        };
        self.count_end(code, closed);
        let (result, content) = match ResultCode(code.0) {
            result if !result.is_ok() && data.is_empty() => (result, Content::Plain(Bytes::new())),
            result if state.window.fits(data.len()) => (result, Content::Amop { topic, data }),
            _ => {
                self.counters.replies_emptied.increment();
                (ResultCode::OVER_LIMIT, Content::Plain(Bytes::new()))
            }
        };
        let size = content.size();
        state.window.charge(size);
        let seq = FrameSeq::from_bytes(seq.0);
        let answer = Parcel { kind: FrameKind::Answer, seq, result, content, charge: Charge::Window(size) };
        self.push(state, (Account::Own, rank(closed.priority)), answer);
    }

    /// Queues a request to challenge a subscriber, unless the queue is full.
    pub(super) fn challenge(&self, challenge: ChallengeId, topic: &Topic, channel: &Topic) {
        let body = TopicVerification {
            node: hex::encode(challenge.0),
            topic: topic.as_str().to_owned(),
            channel: channel.as_str().to_owned(),
        };
        self.push_news(FrameKind::TopicVerification, FrameSeq::from_number(rand::random()), body.encode());
    }

    /// Queues what the node says by itself; false, and counted, when the queue is full.
    pub(super) fn push_news(&self, kind: FrameKind, seq: FrameSeq, body: Bytes) -> bool {
        let mut state = self.lock();
        if state.closed {
            return false;
        }
        let Some(place) = self.place(Account::Own, &state, body.len(), &body) else {
            self.note_drop(&mut state);
            return false;
        };
        self.enqueue(state, kind, (Account::Own, Rank::Middle), (seq, Content::Plain(body)), place);
        true
    }

    /// Queues news of a block if the client wants them.
    pub(super) fn notify_block(&self, block: &BlockNotification) -> bool {
        let version = {
            let state = self.lock();
            state.block_groups.contains(&block.group).then_some(state.version)
        };
        version
            .is_some_and(|version| self.push_news(FrameKind::BlockNotification, FrameSeq::PUSH, block.encode(version)))
    }

    /// Notes in which form the client reads what the node pushes.
    pub(crate) fn set_version(&self, version: ProtocolVersion) {
        self.lock().version = version;
    }

    /// Notes which groups' block notifications the client wants.
    pub(crate) fn set_block_groups(&self, groups: BTreeSet<u32>) {
        self.lock().block_groups = groups;
    }

    /// Notes which topics the client has listed in vain.
    pub(crate) fn set_denied_topics(&self, denied: Option<DeniedTopics>) {
        self.lock().denied = denied;
    }

    pub(super) fn denied_topics(&self) -> Option<DeniedTopics> {
        self.lock().denied.clone()
    }

    /// Lets the session look at the world again, whatever it waits for.
    pub(super) fn wake(&self) {
        let mut state = self.lock();
        let stalled = state.stalled.take();
        wake_reader(state);
        stalled.into_iter().for_each(Waker::wake);
    }

    /// Has the task of `cx`, which waits for its socket, woken for all that is not about parcels.
    pub(crate) fn note_stalled(&self, cx: &Context<'_>) {
        self.lock().stalled = Some(cx.waker().clone());
    }

    /// Queues an answer the gateway makes itself.
    pub(crate) fn answer(&self, kind: FrameKind, seq: FrameSeq, result: ResultCode, body: Bytes) {
        let mut state = self.lock();
        state.window.charge(body.len());
        let charge = Charge::Window(body.len());
        let answer = Parcel { kind, seq, result, content: Content::Plain(body), charge };
        self.push(state, (Account::Own, Rank::Middle), answer);
    }

    /// Takes a place for an answer that comes later to a request that takes so many bytes until then.
    pub(crate) fn reserve_answer(self: &Arc<Self>, bytes: usize) -> AnswerPlace {
        self.lock().window.charge(bytes);
        AnswerPlace::new(Arc::clone(self), bytes)
    }

    /// Gives the place of an answer back.
    pub(super) fn release_answer(&self, bytes: usize) {
        let mut state = self.lock();
        state.window.release(bytes);
        wake_reader(state);
    }

    /// Notes a publish in flight; its answer is as urgent as it is.
    pub(crate) fn open_publish(&self, seq: PublishSeq, (kind, priority): (Kind, Priority), bytes: usize) {
        self.counters.amop.in_flight.increment();
        self.lock().window.open_publish(seq, (kind, priority), bytes);
    }

    fn count_end(&self, code: amop::ResultCode, Closed { kind, since, .. }: Closed) {
        let end = match code {
            amop::ResultCode::OK => PublishEnd::Delivered,
            amop::ResultCode::NO_SUBSCRIBER => PublishEnd::NoSubscriber,
            amop::ResultCode::TIMEOUT => PublishEnd::TimedOut,
            amop::ResultCode::OVER_LIMIT => PublishEnd::OverLimit,
            amop::ResultCode::SUBSCRIBER_GONE => PublishEnd::SubscriberGone,
            amop::ResultCode::DENIED => PublishEnd::Denied,
            _ => PublishEnd::Other,
        };
        let amop = &self.counters.amop;
        amop.in_flight.decrement();
        amop.ended.increment(end);
        if (end, kind) == (PublishEnd::Delivered, Kind::Unicast) {
            amop.duration.observe(since.elapsed());
        }
    }

    /// Which delivery an acknowledgement is for; `None` when nobody waits for it.
    pub(crate) fn take_acknowledged(&self, seq: &FrameSeq) -> Option<DeliveryId> {
        self.lock().deliveries.take(seq, Instant::now())
    }

    /// Whether the client's socket may be read.
    pub(crate) fn is_open(&self) -> bool {
        self.lock().window.is_open()
    }

    /// The same; when others' bytes in flight are in the way, the task of `cx` is woken when there may be fewer.
    pub(crate) fn poll_open(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.lock().window.poll_open(cx)
    }

    /// Whether the client has got all it asked for and acknowledged all it was asked to.
    pub(crate) fn is_settled(&self) -> bool {
        let mut state = self.lock();
        state.window.is_empty() && state.parcels.is_empty() && state.deliveries.is_empty(Instant::now())
    }

    /// Crosses the parcels of `batch` off the books, as written, and puts the next ones in: as many as fit `bytes`, but at
    /// least one. When there is none, the task of `cx` is woken by the next.
    pub(crate) fn exchange(
        &self,
        batch: &mut VecDeque<Parcel>,
        written: &mut Vec<Written>,
        bytes: usize,
        cx: &mut Context<'_>,
    ) {
        let mut state = self.lock();
        for Written(charge) in written.drain(..) {
            state.settle(charge);
        }
        let mut taken = 0;
        // One whatever its length, and then what fits beside it.
        let mut room = usize::MAX;
        while let Some((_, parcel, size)) = state.parcels.pop_within(room) {
            taken += size;
            batch.push_back(parcel);
            if taken >= bytes {
                break;
            }
            room = bytes - taken;
        }
        state.parcels.settle();
        if batch.is_empty() && !state.reader.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            state.reader = Some(cx.waker().clone());
        }
    }

    /// How many frames the client went without.
    pub(crate) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let abandoned = state.window.abandon() as u64;
        self.counters.amop.in_flight.subtract(abandoned);
        self.counters.amop.ended.add(PublishEnd::PublisherGone, abandoned);
        state.parcels = FairQueue::boundless();
        (state.reader, state.stalled) = (None, None);
    }

    /// A place in the queue for a frame of `size` bytes, if that leaves as much free as its account holds then; as far as it is
    /// the client's own queue, two are always taken.
    fn place(&self, account: Account, state: &State, size: usize, message: &Bytes) -> Option<QueuePlace> {
        let State { queued_frames: frames, queued_bytes: bytes, .. } = state;
        let fits = |held: &Portions<NodeId>, more: usize, limit: usize| {
            held.all() + held.to_leave(account) + 2 * more <= limit.saturating_mul(2)
        };
        let is_full = !fits(frames, 1, self.queue_frames) || frames.all() >= 2 && !fits(bytes, size, self.queue_bytes);
        (!is_full).then(|| self.tenant.queue(account, message)).flatten()
    }

    /// Counts a frame that the client goes without; the first is worth a line.
    fn note_drop(&self, state: &mut State) {
        self.counters.deliveries_dropped.increment();
        state.dropped += 1;
        if state.dropped == 1
            && let Some(News { left_out }) = self.audit.news("an SDK is too slow")
        {
            let (frames, bytes) = (state.queued_frames.all(), state.queued_bytes.all());
            warn!(
                client = self.client.0,
                frames,
                bytes,
                left_out,
                "an SDK is too slow: its queue is full and a multicast was dropped; further ones are counted"
            );
        }
    }

    /// Puts a frame of others, or of the node itself, on the queue's book.
    fn enqueue(
        &self,
        mut state: MutexGuard<'_, State>,
        kind: FrameKind,
        (account, rank): (Account, Rank),
        (seq, content): (FrameSeq, Content),
        place: QueuePlace,
    ) {
        let size = content.size();
        let awaited = (kind == FrameKind::Unicast).then_some(seq);
        state.queued_frames.add(account, 1);
        state.queued_bytes.add(account, size);
        let charge = Charge::Queue { bytes: size, awaited, place };
        self.push(state, (account, rank), Parcel { kind, seq, result: ResultCode::OK, content, charge });
    }

    fn push(&self, mut state: MutexGuard<'_, State>, (account, rank): (Account, Rank), parcel: Parcel) {
        if state.closed {
            return;
        }
        let size = parcel.content.size();
        if state.parcels.push(account, parcel, size, rank).is_ok() {
            wake_reader(state);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn settle(&mut self, charge: Charge) {
        match charge {
            Charge::Queue { bytes, awaited, place } => {
                if let Some(seq) = awaited {
                    self.deliveries.note_written(seq, Instant::now());
                }
                self.queued_frames.remove(place.account(), 1);
                self.queued_bytes.remove(place.account(), bytes);
            }
            Charge::Window(bytes) => self.window.release(bytes),
        }
    }
}

/// Where what is so urgent stands among what waits.
const fn rank(priority: Priority) -> Rank {
    match priority {
        Priority::Control => Rank::First,
        Priority::High => Rank::Second,
        Priority::Normal => Rank::Middle,
        Priority::Bulk => Rank::Last,
    }
}

fn wake_reader(mut state: MutexGuard<'_, State>) {
    let reader = state.reader.take();
    drop(state);
    reader.into_iter().for_each(Waker::wake);
}
