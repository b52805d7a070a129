//! Where judgements are told: log, metrics, followers and the writer of the audit log are fed from here.

use std::{
    fmt, iter,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError, SyncSender, TrySendError},
    },
    time::{Duration, Instant},
};

use jiff::Timestamp;
use nuncio_bounds::Bound;
use nuncio_metrics::{Cause, QuotaRefusal, Refusals};
use serde::Serialize;
use tokio::sync::broadcast;

use crate::{
    Event, Kind, Missed, News, Text, Told, log,
    over_quota::{Over, OverQuota},
    pace::Paces,
};

/// Events that wait for the writer; further ones are counted.
const WAITING: usize = 1024;

/// Events kept for followers that are slow; who is slower misses some, and is told how many.
const KEPT: usize = 256;

/// Texts of an event.
const TEXTS: usize = 5 * 4 * Text::MAX;

pub(crate) const QUEUE: Bound = Bound::of_entries::<Message>(
    "events for the audit log",
    WAITING,
    size_of::<Recorded>() + TEXTS,
    "further ones are counted, and the log says how many",
);

pub(crate) const FOLLOWED: Bound = Bound::of_entries::<Arc<Recorded>>(
    "events for those who follow them",
    KEPT,
    size_of::<Recorded>() + TEXTS,
    "slow ones miss the oldest, and are told how many",
);

/// An event and when it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recorded {
    /// When.
    pub time: Timestamp,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

/// Where judgements are told. Cheap to clone. By default nothing is written but the log.
#[derive(Clone)]
pub struct Audit(Arc<Shared>);

struct Shared {
    /// Of each kind, in the order of [`Kind::ALL`].
    counts: Vec<AtomicU64>,
    refusals: OnceLock<Refusals>,
    told: Mutex<Told>,
    paces: Mutex<Paces>,
    over_quota: Mutex<OverQuota>,
    missed: Mutex<Missed>,
    missed_ever: AtomicU64,
    writer: Option<SyncSender<Message>>,
    is_closed: AtomicBool,
    followers: broadcast::Sender<Arc<Recorded>>,
}

#[derive(Debug)]
enum Message {
    Event(Arc<Recorded>),
    Close,
}

/// The writer's end of an [`Audit`].
#[derive(Debug)]
pub struct Records {
    audit: Audit,
    messages: mpsc::Receiver<Message>,
}

/// What the writer gets.
#[derive(Debug)]
pub enum Next {
    /// An event to write.
    Event(Arc<Recorded>),
    /// Nothing happened.
    Nothing,
    /// Nothing comes any more.
    End,
}

impl Audit {
    /// An audit with a writer.
    pub fn recorded() -> (Self, Records) {
        let (writer, messages) = mpsc::sync_channel(WAITING);
        let audit = Self::new(Some(writer));
        (audit.clone(), Records { audit, messages })
    }

    fn new(writer: Option<SyncSender<Message>>) -> Self {
        Self(Arc::new(Shared {
            counts: Kind::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
            refusals: OnceLock::new(),
            told: Mutex::default(),
            paces: Mutex::default(),
            over_quota: Mutex::default(),
            missed: Mutex::default(),
            missed_ever: AtomicU64::new(0),
            writer,
            is_closed: AtomicBool::new(false),
            followers: broadcast::channel(KEPT).0,
        }))
    }

    /// Counts refusals there from now on, by the door and the cause that their events have. The first that is named counts.
    pub fn count_in(&self, refusals: &Refusals) {
        self.0.refusals.get_or_init(|| refusals.clone());
    }

    /// Tells of a judgement. Never waits.
    pub fn record(&self, event: Event) {
        self.try_record(event);
    }

    /// The same; says whether it goes on record, or is counted as missed.
    pub fn try_record(&self, event: Event) -> bool {
        let (kind, now, time) = (event.kind(), Instant::now(), Timestamp::now());
        if let Some(count) = self.0.counts.get(kind as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if let (Some(refusals), Some(cause)) = (self.0.refusals.get(), event.counts_as()) {
            refusals.count(cause);
        }
        let news = log::news(&event, &mut lock(&self.0.told), now);
        if let Some(news) = news {
            log::write(&event, news);
        }
        if !lock(&self.0.paces).take(&event, now) {
            self.miss(kind, time);
            return false;
        }
        let recorded = Arc::new(Recorded { time, event });
        // Nobody may be following.
        let _ = self.0.followers.send(Arc::clone(&recorded));
        let Some(writer) = &self.0.writer else { return true };
        let taken = writer.try_send(Message::Event(recorded));
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = taken {
            self.miss(kind, time);
        }
        taken.is_ok()
    }

    /// Whether something that is no event, and that others can cause as often as they like, is worth a line in the log now. `cause`
    /// is what it is, in words of this program.
    pub fn news(&self, cause: &'static str) -> Option<News> {
        lock(&self.0.told).event(cause, Instant::now())
    }

    fn miss(&self, kind: Kind, time: Timestamp) {
        self.0.missed_ever.fetch_add(1, Ordering::Relaxed);
        lock(&self.0.missed).count(kind, time);
    }

    /// Tells of a message that was refused for a quota: the first of a subject at once, the next together, once a minute.
    pub fn over_quota(&self, subject: impl Into<Text>, of: QuotaRefusal) {
        let now = Instant::now();
        let first = lock(&self.0.over_quota).count(&subject.into(), of, now);
        first.into_iter().for_each(|over| self.tell_over_quota(over, now));
    }

    /// Tells what was kept back: how many lines were left out about what has gone silent, how many messages were over a
    /// quota. To be called now and then.
    pub fn conclude(&self, now: Instant) {
        lock(&self.0.told).conclude(now);
        let due = lock(&self.0.over_quota).due(now);
        due.into_iter().for_each(|over| self.tell_over_quota(over, now));
    }

    /// What does not go on record is told again.
    fn tell_over_quota(&self, over: Over, now: Instant) {
        let Over { subject, of, messages } = over.clone();
        if !self.try_record(Event::OverQuota { refused: Cause::Quota(of).into(), subject, messages }) {
            lock(&self.0.over_quota).restore(&over, now);
        }
    }

    /// How many events of each kind there were, recorded or not.
    pub fn counts(&self) -> impl Iterator<Item = (Kind, u64)> {
        iter::zip(Kind::ALL, &self.0.counts).map(|(kind, count)| (*kind, count.load(Ordering::Relaxed)))
    }

    /// How many events were counted only, for there were too many.
    pub fn missed(&self) -> u64 {
        self.0.missed_ever.load(Ordering::Relaxed)
    }

    /// Events from now on.
    pub fn follow(&self) -> broadcast::Receiver<Arc<Recorded>> {
        self.0.followers.subscribe()
    }

    /// Lets the writer end when it has written what there is. Never waits.
    pub fn close(&self) {
        self.0.is_closed.store(true, Ordering::Relaxed);
        if let Some(writer) = &self.0.writer {
            // Wakes it. Where there is no room it is awake.
            let _ = writer.try_send(Message::Close);
        }
    }
}

impl Records {
    /// What comes next, within this time.
    pub fn next(&self, limit: Duration) -> Next {
        match self.messages.recv_timeout(limit) {
            Ok(Message::Event(recorded)) => Next::Event(recorded),
            Err(RecvTimeoutError::Timeout) if !self.audit.0.is_closed.load(Ordering::Relaxed) => Next::Nothing,
            Ok(Message::Close) | Err(_) => Next::End,
        }
    }

    /// What was not recorded since this was asked last.
    pub fn take_missed(&self) -> Missed {
        std::mem::take(&mut lock(&self.audit.0.missed))
    }

    /// Where events come from.
    pub fn audit(&self) -> &Audit {
        &self.audit
    }
}

impl Default for Audit {
    fn default() -> Self {
        Self::new(None)
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit").field("missed", &self.missed()).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use nuncio_metrics::{Direction, LinkRefusal, RightsRefusal};

    use super::*;

    fn refusal(number: u32) -> Event {
        let refused = Cause::P2p(Direction::Inbound, LinkRefusal::Expired).into();
        Event::NodeRefused { refused, address: format!("10.0.0.1:{number}").into(), node: None, cause: "no".into() }
    }

    #[test]
    fn a_refusal_is_counted_by_what_its_event_says_once_and_however_many_there_are() {
        let (audit, refusals) = (Audit::default(), Refusals::default());
        audit.record(refusal(0));
        audit.count_in(&refusals);
        (0..1000).for_each(|number| audit.record(refusal(number)));
        assert_eq!(refusals.p2p.read((Direction::Inbound, LinkRefusal::Expired)), 1000);
        audit.count_in(&Refusals::default());
        audit.record(refusal(0));
        assert_eq!(refusals.p2p.read((Direction::Inbound, LinkRefusal::Expired)), 1001, "the first counts");
        // Each message of these was counted by whoever judged it.
        audit.over_quota("CN=a", QuotaRefusal::Publish);
        let refused = Cause::Rights(RightsRefusal::Message).into();
        let node = nuncio_identity::NodeKey::generate().node_id().into();
        audit.record(Event::MessageDenied { refused, node, topic: "t".into(), cause: "no".into() });
        assert_eq!(refusals.quota.read(QuotaRefusal::Publish) + refusals.rights.read(RightsRefusal::Message), 0);
    }

    #[test]
    fn an_event_says_door_and_cause_in_the_words_of_the_metrics() {
        let written = serde_json::to_value(refusal(0)).unwrap();
        assert_eq!(written["refused"], serde_json::json!({ "door": "p2p", "cause": "expired" }));
        assert_eq!(refusal(0).refused().unwrap().to_string(), "p2p/expired");
        assert_eq!(Event::Stopped.refused(), None);
    }

    #[test]
    fn ten_thousand_refusals_in_a_second_are_some_lines_and_a_number_and_nothing_is_lost() {
        let (audit, records) = Audit::recorded();
        (0..10_000).for_each(|number| audit.record(refusal(number)));
        audit.record(Event::Stopped);
        let mut kinds = Vec::new();
        while let Next::Event(recorded) = records.next(Duration::ZERO) {
            kinds.push(recorded.event.kind());
        }
        assert!(kinds.len() < 100, "{} lines", kinds.len());
        assert_eq!(kinds.last(), Some(&Kind::Stopped), "there is room for other kinds");
        let missed = records.take_missed();
        assert_eq!(missed.sum() + kinds.len() as u64, 10_001);
        assert_eq!(audit.counts().find(|(kind, _)| *kind == Kind::NodeRefused).map(|(_, count)| count), Some(10_000));
        assert!(records.take_missed().is_empty());
    }

    #[test]
    fn a_writer_that_stands_still_holds_nobody_up_and_what_it_misses_is_counted() {
        let (audit, records) = Audit::recorded();
        for kind in 0..3000 {
            // Several kinds, each within its pace.
            audit.record(match kind % 3 {
                0 => Event::Started { version: "1".into() },
                1 => Event::Stopped,
                _ => Event::CertificateRenewed { subject: "CN=a".into(), serial: "1".into(), not_after: 1 },
            });
        }
        assert_eq!(records.take_missed().sum(), 3000 - WAITING as u64);
        assert_eq!(audit.missed(), 3000 - WAITING as u64);
    }

    #[test]
    fn who_records_hears_whether_it_goes_on_record_beyond_the_pace_and_where_the_writer_stands_still() {
        let (audit, records) = Audit::recorded();
        let recorded = (0..1000).filter(|number| audit.try_record(refusal(*number))).count() as u64;
        assert!((64..1000).contains(&recorded), "{recorded}");
        assert_eq!(audit.missed(), 1000 - recorded);
        // Each kind has a pace of its own, and the writer's queue has room for so many of all.
        let renewed = || Event::CertificateRenewed { subject: "CN=a".into(), serial: "1".into(), not_after: 1 };
        let filled = (0..1000).filter(|_| audit.try_record(renewed())).count() as u64;
        assert_eq!(recorded + filled, WAITING as u64, "the queue is full");
        assert!(!audit.try_record(Event::Stopped), "within its pace, and there is no room");
        while let Next::Event(_) = records.next(Duration::ZERO) {}
        assert!(audit.try_record(Event::Stopped));
    }

    #[test]
    fn messages_over_a_quota_of_which_nobody_heard_are_told_when_there_is_room() {
        let (audit, records) = Audit::recorded();
        while audit.try_record(Event::Started { version: "1".into() }) {}
        let start = Instant::now();
        audit.over_quota("CN=a", QuotaRefusal::Publish);
        audit.over_quota("CN=a", QuotaRefusal::Publish);
        while let Next::Event(_) = records.next(Duration::ZERO) {}
        audit.conclude(start + Duration::from_secs(30));
        let Next::Event(told) = records.next(Duration::ZERO) else { panic!("they are told") };
        assert!(matches!(&told.event, Event::OverQuota { messages: 2, .. }), "{told:?}");
    }

    #[test]
    fn followers_are_told_and_a_slow_one_how_many_it_missed() {
        let audit = Audit::default();
        let mut follower = audit.follow();
        audit.record(Event::Stopped);
        assert_eq!(follower.try_recv().unwrap().event, Event::Stopped);
        (0..KEPT + 7).for_each(|_| audit.record(Event::Stopped));
        assert!(matches!(follower.try_recv(), Err(broadcast::error::TryRecvError::Lagged(7))));
    }
}
