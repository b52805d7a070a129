use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use nuncio_identity::{NodeId, Signature};

use super::{MAX_NUMBER, class::priority_of};
use crate::{Account, Priority, Strike, Topic, copies::Mark, gossip::Stamp};

/// Messages of one origin to one topic, in the origin's order.
///
/// Without messages it says which number comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Who made them.
    pub origin: NodeId,
    /// In which of its epochs.
    pub epoch: u64,
    /// The origin's clock when they were sent.
    pub sent: Duration,
    /// How long after that they count; at most [`crate::MAX_LIFETIME`].
    pub lifetime: Duration,
    /// Their topic; `None` for broadcasts.
    pub topic: Option<Topic>,
    /// The number of the first one; the others follow it.
    pub first: u64,
    /// At most [`super::MAX_BATCH`] of [`crate::LARGE_BODY`] bytes together, or one of at most [`crate::MAX_BODY`]. They may share
    /// what they came in, see [`super::alone`].
    pub bodies: Vec<Bytes>,
    /// The newest long message before these: it travels on another stream, and may come after them.
    pub long: Option<Long>,
    /// What shows others that they are the origin's; the edge's.
    pub proof: Proof,
}

/// A message that travels on the stream for long ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Long {
    /// Its number.
    pub number: u64,
    /// Its bytes.
    pub length: u32,
}

/// The origin's signature over a batch: made by its edge when the batch first leaves for more than a neighbour, and kept by
/// all who get it with the batch. What came over the origin's own link without one can be shown to nobody else.
#[derive(Debug, Clone, Default)]
pub struct Proof {
    /// Known to hold, or its origin is here.
    pub signature: OnceLock<Signature>,
    /// The bodies as they travel, one behind the other.
    pub payload: OnceLock<Bytes>,
}

/// Proofs of equal batches are equal.
impl PartialEq for Proof {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Proof {}

/// A batch on its way over one link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leg {
    /// What.
    pub batch: Arc<Batch>,
    /// Links it may still cross after this one.
    pub hops_left: u8,
    /// How urgent it is on this link: as its number says, or less.
    pub priority: Priority,
    /// The nodes still to reach over this link, the receiver perhaps among them.
    pub destinations: Vec<Destination>,
}

/// A node that a batch is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destination {
    /// Who.
    pub node: NodeId,
    /// The first number that it can have: where it began to subscribe, or where its origin's memory begins. 0 says nothing.
    pub since: u64,
}

/// A node misses messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Who misses them.
    pub asker: NodeId,
    /// Who made them.
    pub origin: NodeId,
    /// In which of its epochs.
    pub epoch: u64,
    /// Their topic; `None` for broadcasts.
    pub topic: Option<Topic>,
    /// The first number.
    pub from: u64,
    /// The last one.
    pub to: u64,
    /// Links it may still cross after this one.
    pub hops_left: u8,
}

/// What links bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MulticastInput {
    /// A batch.
    Received {
        /// The linked peer that brought it.
        from: NodeId,
        /// What.
        leg: Leg,
    },
    /// A question for what somebody misses.
    Wanted {
        /// The linked peer that brought it.
        from: NodeId,
        /// What.
        wanted: Wanted,
    },
    /// The link's queue had no room for a batch.
    NotSent {
        /// Whose link.
        to: NodeId,
        /// On whose account it would have waited.
        account: Account,
        /// How urgent it was there.
        priority: Priority,
        /// The batch, if it is another node's.
        leg: Option<Box<Leg>>,
    },
}

/// A message of this node that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publication {
    /// This node's epoch.
    pub epoch: u64,
    /// The message's number.
    pub number: u64,
    /// Whether it is pushed to anybody.
    pub is_pushed: bool,
    /// With what gossip is to carry it, too: there are nodes that take nothing else, or to which no way is known just now.
    /// Nothing of what is beyond its share beside pushes: a member that says it takes nothing else, as it likes, must not make
    /// gossip of all that is pushed.
    pub gossip: Option<Stamp>,
    /// Whether there are subscribers that only gossip reaches: what that does not carry they miss, and are not told so.
    pub needs_gossip: bool,
}

/// Why a message of this node was not taken: too many wait, or the links to all who subscribe are full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishRefusal;

/// A shorter body is copied, whatever the application has it of: it is kept for long.
const SHARED_FROM: usize = 16 << 10;

/// Bodies one behind the other, as they travel.
pub fn joined(bodies: &[Bytes]) -> Bytes {
    match bodies {
        [] => Bytes::new(),
        [body] if body.len() >= SHARED_FROM => body.clone(),
        [body] => Bytes::copy_from_slice(body),
        _ => bodies.concat().into(),
    }
}

/// A body keeps what came with it in memory, if that is no more than so many times as long.
const KEPT_WITH: usize = 4;

/// A body for whoever keeps it by itself: those of a batch share what they came in, `together` bytes, and each would keep all of
/// it in memory.
pub fn alone(body: &Bytes, together: usize) -> Bytes {
    if body.len().saturating_mul(KEPT_WITH) < together { Bytes::copy_from_slice(body) } else { body.clone() }
}

impl Batch {
    /// How urgent its origin says that its messages are.
    pub const fn priority(&self) -> Priority {
        priority_of(self.first)
    }

    /// The number behind the last one.
    pub const fn end(&self) -> u64 {
        self.first.saturating_add(self.bodies.len() as u64)
    }

    /// Bytes of its messages.
    pub fn length(&self) -> usize {
        // It is asked for at every link.
        self.proof.payload.get().map_or_else(|| self.bodies.iter().map(Bytes::len).sum(), Bytes::len)
    }

    /// Bytes that it takes.
    pub fn weight(&self) -> usize {
        size_of::<Self>() + self.bodies.len() * size_of::<Bytes>() + self.length()
    }

    /// What it counts where messages are counted: each batch is some work besides.
    pub(crate) const fn cost(&self) -> usize {
        const BATCH: usize = 8;
        self.bodies.len() + BATCH
    }

    /// Whether others than its receiver can be shown that it is its origin's.
    pub(crate) fn is_proved(&self) -> bool {
        self.proof.signature.get().is_some()
    }
}

impl Leg {
    /// What nobody but whoever brings it can be blamed for.
    pub(crate) fn fault(&self) -> Option<Strike> {
        if self.destinations.is_empty() {
            return Some(Strike::Misdirected);
        }
        (self.batch.end() >= MAX_NUMBER).then_some(Strike::Malformed)
    }

    /// By what a copy of it is known.
    pub(crate) fn mark(&self) -> Mark {
        let (batch, first) = (&self.batch, self.destinations.first().map(|first| &first.node));
        Mark::of_signed(&batch.origin, batch.first, batch.proof.signature.get(), first)
    }

    /// Bytes that it takes.
    pub fn weight(&self) -> usize {
        self.batch.weight() + self.destinations.len() * size_of::<Destination>()
    }
}

impl Wanted {
    /// Whether it asks for nothing that can be.
    pub(crate) const fn is_none(&self) -> bool {
        self.from > self.to || self.to >= MAX_NUMBER
    }
}
