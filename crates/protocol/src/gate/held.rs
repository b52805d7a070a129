use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use nuncio_bounds::{Bound, Holding};
use nuncio_identity::NodeId;
use smallvec::SmallVec;

use crate::{
    amop,
    gossip::{GossipId, Numbered, Stamp},
    hashed::HashMap,
    header::Letter,
    multicast::Leg,
    status_sync::Version,
    unicast,
};

/// How long a message waits for the record of its source.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long at the most while who brought it has not been asked yet, or has not had the time to answer.
const LONGEST: Duration = Duration::from_secs(60);

/// How long an announcement of a known node waits for its newest record: gossipsub may keep it for no more than a second.
const PATIENCE_WITH_NEWS: Duration = Duration::from_millis(750);

/// How many messages of how many bytes wait, in all and brought by one peer: so many at the most, and never more than leave as many
/// free, so that however many peers bring what never ends, another finds room. Further ones are dropped: who asked asks again.
const MAX_MESSAGES: usize = 1024;
const MAX_BYTES: usize = 8 << 20;
const MAX_MESSAGES_OF_PEER: usize = 128;
const MAX_BYTES_OF_PEER: usize = 1 << 20;

/// How many of one source: of each peer half of what that may bring, so that a source that claims an epoch it never had takes
/// no more; and in all, so that one peer that brings what it made in the source's name leaves room for what others bring.
const MAX_OF_SOURCE_AND_PEER: (usize, usize) = (MAX_MESSAGES_OF_PEER / 2, MAX_BYTES_OF_PEER / 2);
const MAX_OF_SOURCE: (usize, usize) = (2 * MAX_MESSAGES_OF_PEER, 2 * MAX_BYTES_OF_PEER);

/// What a message counts for besides its content.
const OVERHEAD: usize = 512;

/// Messages whose source's record, or newest record, has not come yet.
///
/// A network is learnt record by record, and with each one is asked what waited for it: so that is looked up, not sought.
#[derive(Debug)]
pub(super) struct Held {
    patience: Duration,
    /// By the order in which they came, which is that in which they are released, however long each waits.
    ///
    /// Where the tree keeps them in order they are moved often, and they are large.
    entries: BTreeMap<u64, Box<Entry>>,
    came: u64,
    /// Until when each waits.
    waits: BTreeSet<(Instant, u64)>,
    /// Of each source, which ones; the oldest first.
    of_source: HashMap<NodeId, SmallVec<[u64; 2]>>,
    bytes: usize,
    /// Of each peer, how many and how many bytes.
    shares: HashMap<NodeId, (usize, usize)>,
}

/// A message that waits. Of a thousand nearly all are announcements: so what is larger stands elsewhere.
#[derive(Debug)]
pub(crate) enum Waiting {
    Unicast(Box<unicast::Message>),
    Bridge(Box<amop::Message>),
    Multicast(Box<amop::Multicast>),
    Batch(Leg),
    Gossip { id: GossipId, stamp: Box<Stamp>, length: usize, numbered: Option<Box<Numbered>> },
    Announcement { id: GossipId, node: NodeId, version: Version, clock: Duration },
}

#[derive(Debug)]
struct Entry {
    until: Instant,
    /// It waits no longer, whatever is asked.
    ends: Instant,
    from: NodeId,
    weight: usize,
    /// Whether who brought it is asked for the record of its source.
    is_asked: bool,
    waiting: Waiting,
}

impl Waiting {
    pub(crate) fn source(&self) -> NodeId {
        match self {
            Self::Unicast(message) => message.header.source,
            Self::Bridge(message) => message.header.source,
            Self::Multicast(multicast) => multicast.source,
            Self::Batch(leg) => leg.batch.origin,
            Self::Gossip { stamp, .. } => stamp.origin,
            Self::Announcement { node, .. } => *node,
        }
    }

    /// Its name, of gossip.
    pub(crate) const fn gossip(&self) -> Option<GossipId> {
        match self {
            Self::Gossip { id, .. } | Self::Announcement { id, .. } => Some(*id),
            Self::Unicast(_) | Self::Bridge(_) | Self::Multicast(_) | Self::Batch(_) => None,
        }
    }

    fn weight(&self) -> usize {
        OVERHEAD
            + match self {
                Self::Unicast(message) => message.length(),
                Self::Bridge(message) => message.length(),
                Self::Multicast(multicast) => multicast.weight(),
                Self::Batch(leg) => leg.weight(),
                Self::Gossip { length, numbered, .. } => {
                    *length + numbered.as_ref().map_or(0, |numbered| numbered.body.len())
                }
                Self::Announcement { .. } => 0,
            }
    }
}

impl Held {
    /// Messages of nodes that nothing is known of.
    pub(super) fn of_strangers() -> Self {
        Self::new(PATIENCE)
    }

    /// Announcements of newer records of known nodes.
    pub(super) fn of_news() -> Self {
        Self::new(PATIENCE_WITH_NEWS)
    }

    fn new(patience: Duration) -> Self {
        let (entries, waits, of_source, shares) = Default::default();
        Self { patience, entries, came: 0, waits, of_source, bytes: 0, shares }
    }

    pub(super) const BOUND: Bound = Bound::of_bytes(
        "messages whose source's record has not come",
        MAX_BYTES,
        "further ones are dropped, of one peer from an eighth or what is left on",
    )
    .in_entries(MAX_MESSAGES);

    pub(super) const BOUND_OF_NEWS: Bound = Bound::of_bytes(
        "announcements whose record has not come",
        MAX_MESSAGES * OVERHEAD,
        "further ones are passed on at once, of one peer from an eighth or what is left on",
    )
    .in_entries(MAX_MESSAGES);

    /// How much waits of what `bound` allows.
    pub(super) fn holding(&self, bound: Bound) -> Holding {
        Holding { bound, entries: self.entries.len(), bytes: self.bytes }
    }

    /// Says whether there is room for it.
    pub(super) fn hold(&mut self, from: NodeId, waiting: Waiting, is_asked: bool, now: Instant) -> bool {
        let weight = waiting.weight();
        let (messages, bytes) = self.shares.get(&from).copied().unwrap_or_default();
        let fits = self.entries.len() + messages < MAX_MESSAGES
            && self.bytes + bytes + weight <= MAX_BYTES
            && messages < MAX_MESSAGES_OF_PEER
            && bytes + weight <= MAX_BYTES_OF_PEER
            && self.source_has_room(&from, &waiting.source(), weight);
        if fits {
            let (until, ends) = (now + self.patience, now + LONGEST);
            self.keep(Box::new(Entry { until, ends, from, weight, is_asked, waiting }));
        }
        fits
    }

    fn keep(&mut self, entry: Box<Entry>) {
        self.bytes += entry.weight;
        let (messages, bytes) = self.shares.entry(entry.from).or_default();
        (*messages, *bytes) = (*messages + 1, *bytes + entry.weight);
        self.came += 1;
        self.of_source.entry(entry.waiting.source()).or_default().push(self.came);
        self.waits.insert((entry.until, self.came));
        self.entries.insert(self.came, entry);
    }

    fn source_has_room(&self, from: &NodeId, source: &NodeId, weight: usize) -> bool {
        let theirs = || self.of_source.get(source).into_iter().flatten().filter_map(|came| self.entries.get(came));
        let of_peer = theirs().filter(|entry| entry.from == *from).map(|entry| entry.weight);
        let of_all = theirs().map(|entry| entry.weight);
        fits(of_peer, weight, MAX_OF_SOURCE_AND_PEER) && fits(of_all, weight, MAX_OF_SOURCE)
    }

    pub(super) fn release(&mut self, source: &NodeId) -> Vec<(NodeId, Waiting)> {
        let theirs = self.of_source.remove(source).into_iter().flatten().collect();
        self.take(theirs).map(|entry| (entry.from, entry.waiting)).collect()
    }

    /// Drops what a peer brought of a source.
    pub(super) fn drop_of(&mut self, peer: &NodeId, source: &NodeId) -> Vec<Waiting> {
        let is_theirs = |came: &&u64| self.entries.get(*came).is_some_and(|entry| entry.from == *peer);
        let theirs = self.of_source.get(source).into_iter().flatten().filter(is_theirs).copied().collect();
        self.take(theirs).map(|entry| entry.waiting).collect()
    }

    pub(super) fn forget_peer(&mut self, peer: &NodeId) -> Vec<Waiting> {
        if !self.shares.contains_key(peer) {
            return Vec::new();
        }
        let theirs = self.entries.iter().filter(|(_, entry)| entry.from == *peer).map(|(came, _)| *came).collect();
        self.take(theirs).map(|entry| entry.waiting).collect()
    }

    /// Gives up what waited too long; with who brought it, if that was asked for the record. What waits for that yet, waits on.
    pub(super) fn give_up(
        &mut self,
        waits_on: impl Fn(&NodeId, &NodeId) -> bool,
        now: Instant,
    ) -> Vec<(Option<NodeId>, Waiting)> {
        let late: Vec<_> = self.waits.iter().take_while(|(until, _)| *until <= now).copied().collect();
        let mut given_up = Vec::new();
        for (until, came) in late {
            let Some(entry) = self.entries.get_mut(&came) else { continue };
            let waits = entry.is_asked && waits_on(&entry.from, &entry.waiting.source());
            if waits && entry.ends > now {
                entry.until = now + self.patience;
                self.waits.remove(&(until, came));
                self.waits.insert((entry.until, came));
            } else {
                let blamed = (entry.is_asked && !waits).then_some(entry.from);
                given_up.extend(self.take(vec![came]).map(|entry| (blamed, entry.waiting)));
            }
        }
        given_up
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.waits.first().map(|(until, _)| *until)
    }

    fn take(&mut self, which: Vec<u64>) -> impl Iterator<Item = Box<Entry>> {
        which.into_iter().filter_map(|came| {
            let entry = self.entries.remove(&came)?;
            self.waits.remove(&(entry.until, came));
            self.bytes -= entry.weight;
            if let Some((messages, bytes)) = self.shares.get_mut(&entry.from) {
                (*messages, *bytes) = (*messages - 1, *bytes - entry.weight);
                if *messages == 0 {
                    self.shares.remove(&entry.from);
                }
            }
            let source = entry.waiting.source();
            if let Some(theirs) = self.of_source.get_mut(&source) {
                theirs.retain(|other| *other != came);
                if theirs.is_empty() {
                    self.of_source.remove(&source);
                }
            }
            Some(entry)
        })
    }
}

/// Whether one more fits so many messages and bytes.
fn fits(weights: impl Iterator<Item = usize>, weight: usize, (messages, bytes): (usize, usize)) -> bool {
    let (held, sum) = weights.fold((0, weight), |(held, sum), one| (held + 1, sum + one));
    held < messages && sum <= bytes
}
