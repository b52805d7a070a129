use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use nuncio_bounds::{Bound, Holding};
use nuncio_identity::NodeId;

use super::{ExchangeId, Refusal, UnicastError, wanted::Wanted};
use crate::{
    Header, Priority,
    hashed::HashSet,
    routing::{Routing, WaysTaken},
    timers::Timers,
    trace::Trace,
};

/// Most bytes of requests that have not ended.
const MAX_BYTES: usize = 128 << 20;

/// How often a request is sent anew to a target that has started since.
const MAX_RESTARTS: u8 = 2;

/// What a request takes besides its body.
const PER_EXCHANGE: usize = 1 << 10;

/// The requests of this node that have not ended, by the number they travel under.
///
/// Bound: the configured most exchanges, and [`MAX_BYTES`]; further requests are refused as busy.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    bytes: usize,
    /// Boxed, since a tree moves what it holds, and each request comes and goes.
    open: BTreeMap<u64, Box<Exchange>>,
    timers: Timers<u64>,
    names: HashSet<ExchangeId>,
}

/// One request of this node.
#[derive(Debug)]
pub(super) struct Exchange {
    /// What the edge calls it.
    pub(super) name: ExchangeId,
    pub(super) target: NodeId,
    /// In which of its epochs the target may have seen it.
    pub(super) seen_in: Option<u64>,
    told_epoch: Option<u64>,
    began: Instant,
    pub(super) wanted: Wanted,
    pub(super) trace: Trace,
    pub(super) priority: Priority,
    pub(super) timeout: Duration,
    pub(super) deadline: Instant,
    /// The first hop of the present attempt; `None` while it waits for a path, or at this node itself.
    pub(super) via: Option<Hop>,
    /// How often the target said that it has started anew.
    restarts: u8,
    /// First hops of earlier attempts that failed.
    pub(super) tried: Vec<NodeId>,
    /// Nodes that may have swallowed an earlier attempt.
    pub(super) suspects: Vec<NodeId>,
    /// Those that turned it back and were on no way of it.
    pub(super) ways_taken: WaysTaken,
    /// Why the last attempt failed, where it was refused.
    pub(super) refusal: Refusal,
    wake: Instant,
}

/// Where the present attempt went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hop {
    pub(super) node: NodeId,
    pub(super) target_epoch: u64,
}

impl Exchanges {
    pub(super) const BOUND: Bound =
        Bound::of_bytes("requests that have not ended", MAX_BYTES, "further ones are refused as busy");

    pub(super) fn holding(&self) -> Holding {
        Holding { bound: Self::BOUND, entries: self.open.len(), bytes: self.bytes }
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether there is room for a request of so many bytes.
    pub(super) const fn has_room(&self, bytes: usize) -> bool {
        self.bytes + bytes + PER_EXCHANGE <= MAX_BYTES
    }

    pub(super) fn contains(&self, name: ExchangeId) -> bool {
        self.names.contains(&name)
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut Exchange> {
        self.open.get_mut(&number).map(|exchange| &mut **exchange)
    }

    pub(super) fn insert(&mut self, number: u64, exchange: Exchange) {
        self.timers.set(exchange.wake, number);
        self.names.insert(exchange.name);
        self.bytes += exchange.wanted.body().len() + PER_EXCHANGE;
        self.open.insert(number, Box::new(exchange));
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<Box<Exchange>> {
        let exchange = self.open.remove(&number)?;
        self.names.remove(&exchange.name);
        self.bytes -= exchange.wanted.body().len() + PER_EXCHANGE;
        self.timers.cancel(exchange.wake, number);
        Some(exchange)
    }

    /// The exchanges whose present attempt matches.
    pub(super) fn matching(&self, test: impl Fn(&Exchange) -> bool) -> Vec<u64> {
        self.open.iter().filter(|(_, exchange)| test(exchange)).map(|(number, _)| *number).collect()
    }

    /// Has an exchange looked at again, no later than its deadline.
    pub(super) fn wake_at(&mut self, number: u64, at: Instant) {
        let Some(exchange) = self.open.get_mut(&number) else { return };
        let at = at.min(exchange.deadline);
        if at != exchange.wake {
            self.timers.cancel(exchange.wake, number);
            exchange.wake = at;
            self.timers.set(at, number);
        }
    }

    pub(super) fn pop_due(&mut self, now: Instant) -> Option<u64> {
        self.timers.pop_due(now)
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.timers.next()
    }
}

impl Exchange {
    pub(super) fn new(
        name: ExchangeId,
        target: NodeId,
        (wanted, trace, priority): (Wanted, Trace, Priority),
        timeout: Duration,
        now: Instant,
    ) -> Self {
        let deadline = now + timeout;
        Self {
            name,
            target,
            seen_in: None,
            told_epoch: None,
            began: now,
            wanted,
            trace,
            priority,
            timeout,
            deadline,
            via: None,
            restarts: 0,
            tried: Vec::new(),
            suspects: Vec::new(),
            ways_taken: WaysTaken::default(),
            refusal: Refusal::NoRoute,
            wake: deadline,
        }
    }

    /// Those over which it was sent.
    pub(super) fn first_hops(&self) -> impl Iterator<Item = NodeId> {
        self.tried.iter().copied().chain(self.via.map(|hop| hop.node))
    }

    /// Ends the present attempt, which was refused before its target had it; says whether there was one.
    pub(super) fn give_up_hop(&mut self) -> bool {
        let hop = self.via.take();
        self.tried.extend(hop.map(|hop| hop.node));
        hop.is_some()
    }

    /// Ends the present attempt, of which it is not known how far it came.
    pub(super) fn lose_hop(&mut self) {
        self.seen_in = self.seen_in.or(self.via.map(|hop| hop.target_epoch));
        self.give_up_hop();
    }

    /// In which epoch its target runs now: as is known here, or as the target said itself.
    pub(super) fn epoch_now(&self, known: Option<u64>) -> Option<u64> {
        self.told_epoch.max(known)
    }

    /// The target has started since the epoch that was asked. If it had done so before the first attempt, no life of it
    /// has run the request. Says whether it is asked once more: that costs the whole request, and no node starts so often.
    pub(super) fn outlived(&mut self, answer: &Header, now: Instant) -> bool {
        self.via = None;
        self.told_epoch = Some(answer.source_epoch);
        if answer.sent >= now.saturating_duration_since(self.began) {
            self.seen_in = None;
            self.tried.clear();
        } else {
            self.seen_in = self.seen_in.or(Some(0));
        }
        self.restarts += 1;
        self.restarts <= MAX_RESTARTS
    }

    /// Ends the present attempt, to which nobody answered: whoever is on its way is avoided from now on.
    pub(super) fn silent_hop(&mut self, routing: &mut Routing, now: Instant) {
        if let Some(hop) = self.via.filter(|hop| hop.node != self.target) {
            let met = routing.note_silent(&self.target, &hop.node, now);
            // Looked up for every place that may be on the way: each is named once.
            self.suspects.extend(met);
            self.suspects.sort_unstable();
            self.suspects.dedup();
        }
        self.lose_hop();
    }

    /// The best first hop not tried yet, once all were tried any; `None` where no path exists.
    pub(super) fn choose_hop(&self, routing: &mut Routing, again: bool, now: Instant) -> Option<NodeId> {
        let hop = routing.next_hop_avoiding(&self.target, &self.tried, &self.suspects, now);
        hop.filter(|hop| again || !self.tried.contains(hop))
    }

    /// How it ends when nothing more can be tried.
    pub(super) const fn failure(&self) -> UnicastError {
        match (self.seen_in, self.refusal) {
            (Some(_), _) => UnicastError::TimedOut { after: self.timeout },
            (None, Refusal::NoRoute) => UnicastError::NoRoute,
            (None, refusal) => UnicastError::Refused(refusal),
        }
    }
}
