//! Links that take only so many bytes in a second. What waits for one waits as at the product's edge, in the same queue.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use nuncio_bounds::{FairQueue, Ledger, Rank};
use nuncio_identity::NodeId;
use nuncio_protocol::{Account, Input, LARGE_BODY, Priority, UnicastInput, bridge::Frame, unicast::Message};

use super::{
    Simulator,
    network::{Event, Stream},
    wire_size,
};

/// Bytes of one account that wait for a link and stream, and bytes of all that wait at a node: as the product has it.
const LINK_QUEUE: usize = 32 << 20;
const LINK_QUEUES: usize = 256 << 20;

/// Bytes a message counts for besides its body.
const OVERHEAD: usize = 256;

/// What is on its way from one node to another.
#[derive(Debug)]
pub(super) enum Parcel {
    Unicast(Message),
    Bridge(Frame),
}

/// From whom to whom, on which of a link's streams.
pub(super) type Way = (usize, usize, Stream);

/// The narrow links, and what waits for them.
#[derive(Debug, Default)]
pub(super) struct Narrows {
    /// Bytes in a second, from the lower number to the higher and back.
    links: BTreeMap<(usize, usize), u64>,
    ledgers: HashMap<usize, Arc<Ledger<NodeId>>>,
    queues: HashMap<Way, FairQueue<NodeId, Parcel>>,
}

impl Parcel {
    fn length(&self) -> usize {
        match self {
            Self::Unicast(message) => message.content.length(),
            Self::Bridge(frame) => frame.length(),
        }
    }

    fn account(&self, account: Account) -> Account {
        match self {
            Self::Unicast(message) => message.account(account),
            Self::Bridge(frame) => frame.account(account),
        }
    }

    fn stream(&self) -> Stream {
        let is_bulk = matches!(self, Self::Unicast(message) if message.header.priority == Priority::Bulk);
        if is_bulk || self.length() > LARGE_BODY { Stream::Long } else { Stream::Short }
    }

    /// What the core is told whose link had no room for it.
    pub(super) fn not_sent(self, to: NodeId, account: Account) -> Option<Input> {
        match self {
            Self::Unicast(message) => Some(UnicastInput::NotSent { to, message }.into()),
            Self::Bridge(frame) => frame.not_sent(to, account),
        }
    }
}

impl Narrows {
    /// Nothing waits any more for what ends at a node, or of two nodes.
    pub(super) fn clear(&mut self, ends: impl Fn(usize, usize) -> bool) {
        self.queues.retain(|(from, to, _), _| !ends(*from, *to));
    }
}

impl Simulator {
    /// Lets only so many bytes pass in a second between two nodes, in each direction and of each stream. All other links take
    /// everything at once.
    pub fn narrow(&mut self, a: usize, b: usize, bytes_per_second: u64) {
        self.narrows.links.insert((a.min(b), a.max(b)), bytes_per_second);
    }

    /// Has a parcel wait for its link, or leave at once where that is not narrow; gives back one for which there is no room.
    pub(super) fn wait_for_link(
        &mut self,
        (from, to): (usize, usize),
        account: Account,
        parcel: Parcel,
    ) -> Option<Parcel> {
        if !self.narrows.links.contains_key(&(from.min(to), from.max(to))) {
            self.depart(from, to, parcel);
            return None;
        }
        let way = (from, to, parcel.stream());
        let Narrows { ledgers, queues, .. } = &mut self.narrows;
        let ledger = ledgers.entry(from).or_insert_with(|| Arc::new(Ledger::new(LINK_QUEUES)));
        let queue = queues.entry(way).or_insert_with(|| FairQueue::new(LINK_QUEUE, Arc::clone(ledger)));
        let (is_idle, bytes) = (queue.bytes() == 0, OVERHEAD + parcel.length());
        let refused = queue.push(parcel.account(account), parcel, bytes, Rank::Middle).err();
        if is_idle {
            self.next_leaves(way);
        }
        refused
    }

    /// A parcel has passed a narrow link: the next one follows.
    pub(super) fn leaves(&mut self, way: Way, parcel: Parcel) {
        if let Some(queue) = self.narrows.queues.get_mut(&way) {
            queue.settle();
            self.next_leaves(way);
        }
        self.depart(way.0, way.1, parcel);
    }

    fn next_leaves(&mut self, way: Way) {
        let (from, to, _) = way;
        let Some(rate) = self.narrows.links.get(&(from.min(to), from.max(to))).copied() else { return };
        let next = self.narrows.queues.get_mut(&way).and_then(FairQueue::pop);
        if let Some((_, parcel, _)) = next {
            let bytes = wire_size::FRAME + parcel.length() as u64;
            let at = self.now + Duration::from_micros(bytes * 1_000_000 / rate.max(1));
            let generation = self.network.generations[from];
            self.network.schedule(at, Event::Leaves { way, generation, parcel: Box::new(parcel) });
        }
    }
}
