use std::time::{Duration, Instant};

use super::{
    Bucket, Checked, Rate,
    cast::{Cast, CastRate},
    memory::{Memory, Sight},
    peer::REPEATED,
    source_clock::{self, SourceClock},
    twice::Twice,
};
use crate::{MAX_LIFETIME, gossip::Stamp, status_sync::Version};

/// Announcements of one node: one every two seconds and one at each change.
pub(super) const ANNOUNCEMENTS: Rate = Rate { per_second: 10.0, burst: 100.0 };

/// Its applications' messages to many by gossip.
pub(super) const GOSSIP: CastRate = CastRate::times(1.0);

/// Its AMOP multicasts with a signature.
const CAST: CastRate = GOSSIP.of_amop();

/// Bytes of copies made here of one source's multicasts for other nodes: one of the longest to five hundred at once.
const COPIES: Rate = Rate { per_second: 512.0 * MIB, burst: 6144.0 * MIB };
const MIB: f64 = 1024.0 * 1024.0;

/// What is known of a certified node that sends messages: in which epoch it runs, what its clock shows, and what of it
/// has been seen.
#[derive(Debug)]
pub(super) struct Source {
    epoch: u64,
    /// The highest epoch it ever had: a lower one is believed only if the node says so over its own link.
    highest: u64,
    clock: Option<SourceClock>,
    /// The newest announcement of it that was passed on.
    announced: Option<(Version, Duration)>,
    announcements: Option<Bucket>,
    /// Most nodes of a large network announce themselves and send nothing here.
    sent: Option<Box<Sent>>,
}

/// What has been seen of its messages, and what it may still send.
#[derive(Debug, Default)]
struct Sent {
    memory: Memory,
    /// Numbers of multicasts to many that others have brought, for this node or not.
    brought: Memory,
    copies: Option<Bucket>,
    gossip: Option<Cast>,
    relayed: Option<Cast>,
    cast: Option<Cast>,
    repeated: Option<Bucket>,
    twice: Twice,
}

/// In which of its source's epochs a message was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    Present,
    /// Its source has started since, or has never had it.
    Past,
    /// Its source seems to have started: its record will say.
    Future,
}

/// A message counts still.
#[derive(Debug)]
pub(super) struct InTime {
    /// For how long, at the most.
    pub(super) left: Duration,
    /// What its source's clock shows.
    pub(super) clock: Duration,
}

impl Source {
    /// Bytes of it that stand elsewhere, beside the numbers it remembers.
    pub(super) const SENT: usize = size_of::<Sent>() + Twice::MOST_BYTES;

    pub(super) fn new(epoch: u64) -> Self {
        Self { epoch, highest: epoch, clock: None, announced: None, announcements: None, sent: None }
    }

    /// The node says in which epoch it runs, over a link of its own.
    pub(super) fn says_epoch(&mut self, epoch: u64) {
        if epoch != self.epoch {
            self.begin(epoch);
        }
    }

    /// A record of the node names an epoch.
    pub(super) fn recorded(&mut self, epoch: u64) {
        if epoch > self.highest {
            self.begin(epoch);
        }
    }

    /// The clock starts anew with the epoch, and so do its numbers.
    fn begin(&mut self, epoch: u64) {
        *self = Self { highest: self.highest.max(epoch), ..Self::new(epoch) };
    }

    pub(super) const fn era(&self, epoch: u64) -> Era {
        if epoch == self.epoch {
            Era::Present
        } else if epoch > self.highest {
            Era::Future
        } else {
            Era::Past
        }
    }

    /// Reads the clock in a message; `None` when that counts no more.
    pub(super) fn in_time(&mut self, sent: Duration, lifetime: Duration, now: Instant) -> Option<InTime> {
        if lifetime > MAX_LIFETIME {
            return None;
        }
        let clock = self.clock.get_or_insert(SourceClock::new(sent, now)).read(sent, now);
        source_clock::left(sent, lifetime, clock).map(|left| InTime { left, clock })
    }

    pub(super) fn is_announced_anew(&self, version: Version, clock: Duration) -> bool {
        self.announced.is_none_or(|newest| (version, clock) > newest)
    }

    /// Notes an announcement; says whether it is newer than all before.
    pub(super) fn announces(&mut self, version: Version, clock: Duration) -> bool {
        let is_news = self.is_announced_anew(version, clock);
        if is_news {
            self.announced = Some((version, clock));
        }
        is_news
    }

    /// Whether a message of gossip is in time, and its number has not been seen.
    pub(super) fn may_be_fresh(&self, stamp: &Stamp, now: Instant) -> bool {
        let Stamp { epoch, number, sent, lifetime, .. } = *stamp;
        let shows = self.clock.map_or(sent, |clock| clock.shows(now));
        let is_seen = self.has_seen(number);
        match self.era(epoch) {
            Era::Present => source_clock::left(sent, lifetime, shows).is_some() && !is_seen,
            Era::Past => false,
            Era::Future => true,
        }
    }

    /// Whether one more signature of its gossip is checked that others bring.
    pub(super) fn may_send(&mut self, what: Checked, now: Instant) -> bool {
        match what {
            Checked::Announcement => {
                self.announcements.get_or_insert(Bucket::new(ANNOUNCEMENTS, now)).take(1.0, ANNOUNCEMENTS, now)
            }
            Checked::Message(length) => {
                self.sent().gossip.get_or_insert(Cast::new(GOSSIP, now)).take(length, GOSSIP, now)
            }
        }
    }

    /// Whether so many bytes of copies may be made of its multicasts.
    #[expect(clippy::cast_precision_loss, reason = "a message is shorter than 2^53 bytes")]
    pub(super) fn may_copy(&mut self, bytes: usize, now: Instant) -> bool {
        self.sent().copies.get_or_insert(Bucket::new(COPIES, now)).take(bytes as f64, COPIES, now)
    }

    /// Whether one more batch of so many bytes is taken of it that came over others, or goes on to others.
    pub(super) fn may_relay(&mut self, length: usize, now: Instant) -> bool {
        self.sent().relayed.get_or_insert(Cast::new(GOSSIP, now)).take(length, GOSSIP, now)
    }

    /// Whether one more AMOP multicast of so many bytes is taken of it that is signed.
    pub(super) fn may_cast(&mut self, length: usize, now: Instant) -> bool {
        self.sent().cast.get_or_insert(Cast::new(CAST, now)).take(length, CAST, now)
    }

    /// Whether one more message is taken of it that was here already, and not from whoever brings it now.
    pub(super) fn may_repeat(&mut self, now: Instant) -> bool {
        self.sent().repeated.get_or_insert(Bucket::new(REPEATED, now)).take(1.0, REPEATED, now)
    }

    /// Whether a number of its that came again stood for another message before.
    pub(super) fn gives_twice(&mut self, number: u64, digest: u64) -> bool {
        self.sent().twice.differs(number, digest)
    }

    /// Takes the clock of an announcement or record of the present epoch.
    pub(super) fn read_clock(&mut self, reading: Duration, is_announced: bool, now: Instant) {
        let clock = self.clock.get_or_insert(SourceClock::new(reading, now));
        if is_announced {
            clock.read_announced(reading, now);
        } else {
            clock.read(reading, now);
        }
    }

    pub(super) fn see(&mut self, number: u64, in_time: &InTime) -> Sight {
        self.sent().memory.see(number, in_time.clock)
    }

    /// The same of what others brought for some of those whom it is for.
    pub(super) fn see_brought(&mut self, number: u64, in_time: &InTime) -> Sight {
        self.sent().brought.see(number, in_time.clock)
    }

    /// Whether a number has been seen, or may have been.
    pub(super) fn has_seen(&self, number: u64) -> bool {
        self.sent.as_ref().is_some_and(|sent| sent.memory.has_seen(number))
    }

    /// The same of what others brought.
    pub(super) fn has_seen_brought(&self, number: u64) -> bool {
        self.sent.as_ref().is_some_and(|sent| sent.brought.has_seen(number))
    }

    /// Bytes of the numbers it remembers.
    pub(super) fn bytes(&self) -> usize {
        self.sent.as_ref().map_or(0, |sent| sent.memory.bytes() + sent.brought.bytes())
    }

    /// Forgets the older half of the most of them; says how many bytes fewer it takes.
    pub(super) fn forget_older_half(&mut self) -> usize {
        let Sent { memory, brought, .. } = self.sent();
        if brought.bytes() > memory.bytes() { brought.forget_older_half() } else { memory.forget_older_half() }
    }

    fn sent(&mut self) -> &mut Sent {
        self.sent.get_or_insert_default()
    }
}
