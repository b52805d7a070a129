use std::time::Instant;

use nuncio_bounds::Bound;
use nuncio_identity::NodeId;

use super::{Query, page::PageSize, table::MAX_TABLE_BYTES};
use crate::{
    MAX_NODES, Strike,
    gate::{Bucket, Rate},
    hashed::HashMap,
    outbox::Outbox,
};

/// Encoded records of a full table, which takes at least twice as much.
const FIRST_SYNC: usize = MAX_TABLE_BYTES / 2;

/// What answers may weigh: the first sync of a full table at once, and what honest nodes change afterwards.
///
/// An answer may be far longer than its query, for that is what a first sync is; so each peer has it once, and after that
/// in the course of time. What it has saved is kept when its link ends: a new link does not fill the bucket.
#[expect(clippy::cast_precision_loss, reason = "a byte more or less does not matter")]
const BYTES: Rate = Rate { per_second: (4 << 20) as f64, burst: FIRST_SYNC as f64 };

/// What a query costs besides its answer, and what each node and each page costs that it names.
const QUERY: usize = 1 << 10;
const KNOWN: usize = 96;
const PAGE: usize = 34;

/// What revocation lists are taken to weigh, which the edge holds. They may be far longer: so there are no more such queries
/// than what is asked whenever somebody publishes a list, or a link comes up.
const LISTS: usize = 64 << 10;
const LISTS_RATE: Rate = Rate { per_second: 0.5, burst: 32.0 };

/// What a comparison is taken to weigh: where records change all the time, each adds them all up.
const SAME: usize = 16 << 10;

/// Queries for all nodes: one for each link that comes up, links being lost again in bad weather.
const ALL: Rate = Rate { per_second: 0.2, burst: 16.0 };

/// Queries that are not answered before that is a strike: an honest peer pauses when it gets no answer.
const REFUSED: Rate = Rate { per_second: 5.0, burst: 50.0 };

/// How much peers may ask.
///
/// Bound: [`MAX_NODES`] peers; when full, the one that asked longest ago is forgotten.
#[derive(Debug, Default)]
pub(super) struct Askers {
    peers: HashMap<NodeId, Asker>,
}

#[derive(Debug)]
struct Asker {
    bytes: Bucket,
    all: Bucket,
    lists: Bucket,
    refused: Bucket,
    pages: PageSize,
    last: Instant,
}

impl Askers {
    pub(super) const BOUND: Bound = Bound::of_entries::<(NodeId, Asker)>(
        "who asked how much",
        MAX_NODES,
        0,
        "the one that asked longest ago is forgotten",
    );

    /// Whether a peer's query, which names so many pages, is worth an answer; if not, and that happens too often, it is struck.
    pub(super) fn admit(
        &mut self,
        peer: NodeId,
        wanted: &Query,
        pages: usize,
        outbox: &mut Outbox,
        now: Instant,
    ) -> bool {
        let asker = self.asker(peer, now);
        let (cost, in_rate) = match wanted {
            Query::All { known } => (KNOWN * known.len(), asker.all.take(1.0, ALL, now)),
            Query::Nodes(nodes) => (KNOWN * nodes.len(), true),
            Query::Revocations { .. } => (LISTS, asker.lists.take(1.0, LISTS_RATE, now)),
            Query::Proofs { held } => (KNOWN * held.len(), true),
            Query::Same { .. } => (SAME, true),
        };
        let is_admitted = in_rate && asker.pays(QUERY + PAGE * pages + cost, now);
        asker.judge(peer, is_admitted, outbox, now)
    }

    /// Whether an answer of so many bytes leaves, likewise.
    pub(super) fn admit_answer(&mut self, peer: NodeId, bytes: usize, outbox: &mut Outbox, now: Instant) -> bool {
        let asker = self.asker(peer, now);
        let is_admitted = asker.pays(bytes, now);
        asker.judge(peer, is_admitted, outbox, now)
    }

    /// How much of all a peer gets at once.
    pub(super) fn pages_of(&mut self, peer: NodeId, now: Instant) -> &mut PageSize {
        &mut self.asker(peer, now).pages
    }

    /// Whoever links next may have started anew, and takes a short answer for all there is.
    pub(super) fn link_down(&mut self, peer: &NodeId) {
        if let Some(asker) = self.peers.get_mut(peer) {
            asker.pages = PageSize::new();
        }
    }

    fn asker(&mut self, peer: NodeId, now: Instant) -> &mut Asker {
        if self.peers.len() >= MAX_NODES && !self.peers.contains_key(&peer) {
            let longest_ago = self.peers.iter().min_by_key(|(_, asker)| asker.last).map(|(peer, _)| *peer);
            longest_ago.and_then(|peer| self.peers.remove(&peer));
        }
        let asker = self.peers.entry(peer).or_insert_with(|| Asker {
            bytes: Bucket::new(BYTES, now),
            all: Bucket::new(ALL, now),
            lists: Bucket::new(LISTS_RATE, now),
            refused: Bucket::new(REFUSED, now),
            pages: PageSize::new(),
            last: now,
        });
        asker.last = now;
        asker
    }
}

impl Asker {
    #[expect(clippy::cast_precision_loss, reason = "a byte more or less does not matter")]
    fn pays(&mut self, cost: usize, now: Instant) -> bool {
        self.bytes.take(cost as f64, BYTES, now)
    }

    fn judge(&mut self, peer: NodeId, is_admitted: bool, outbox: &mut Outbox, now: Instant) -> bool {
        if !is_admitted && !self.refused.take(1.0, REFUSED, now) {
            outbox.strike(peer, Strike::Overspent);
        }
        is_admitted
    }
}
