use std::{
    collections::{BTreeMap, btree_map::Entry},
    time::{Duration, Instant},
};

use nuncio_bounds::{Bound, Holding};
use nuncio_identity::NodeId;

use super::{Fate, Signed, TraceId};
use crate::{MAX_HOPS, MAX_LIFETIME, Output, outbox::Outbox, timers::Timers, unicast::ExchangeId};

/// Most traces of this node that are open.
const MAX_OPEN: usize = 128;

/// Most reports of one: twice as many as a message crosses links, since it may be sent over two ways.
const MAX_REPORTS: usize = 2 * MAX_HOPS as usize;

/// First hops of one that are kept.
const MAX_ATTEMPTS: usize = MAX_HOPS as usize;

/// How long reports are awaited after the request has ended.
const LINGER: Duration = Duration::from_secs(1);

/// The longest that a trace is open: its request ends before.
const MAX_OPEN_FOR: Duration = MAX_LIFETIME.saturating_add(Duration::from_secs(10));

/// The traces that this node asked for.
///
/// Bound: [`MAX_OPEN`], each with [`MAX_REPORTS`] and [`MAX_ATTEMPTS`], for [`MAX_OPEN_FOR`]; a request that is to be traced besides is
/// refused as busy.
#[derive(Debug, Default)]
pub(super) struct Origin {
    open: BTreeMap<TraceId, Open>,
    timers: Timers<TraceId>,
}

#[derive(Debug)]
struct Open {
    exchange: ExchangeId,
    traced: Traced,
    until: Instant,
    has_ended: bool,
    heard: BTreeMap<NodeId, Heard>,
}

#[derive(Debug)]
enum Heard {
    Checking(Box<Signed>),
    Holds(Box<Signed>),
    Forged,
}

/// What became known of the way of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traced {
    /// Its name.
    pub id: TraceId,
    /// Whom the request was for.
    pub target: NodeId,
    /// When the application gave it.
    pub began: Instant,
    /// The first hops that it was sent to.
    pub attempts: Vec<Attempt>,
    /// Of each hop that reported, by who that is. Their signatures hold.
    pub reports: Vec<Signed>,
    /// Nodes whose report's signature did not hold.
    pub forged: Vec<NodeId>,
}

/// How this node sent a request of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// The first hop.
    pub to: NodeId,
    /// When it was queued for the link.
    pub queued: Instant,
    /// When it left; `None` where it did not.
    pub sent: Option<Instant>,
}

impl Origin {
    pub(super) const BOUND: Bound = Bound::of_entries::<(TraceId, Open)>(
        "traces of this node that are open",
        MAX_OPEN,
        MAX_REPORTS * (size_of::<(NodeId, Heard)>() + size_of::<Signed>() + Signed::MOST_BYTES)
            + MAX_ATTEMPTS * size_of::<Attempt>(),
        "a request that is to be traced is refused as busy",
    );

    pub(super) fn holding(&self) -> Holding {
        let heard = self.open.values().map(|open| open.heard.len()).sum::<usize>();
        let bytes = self.open.len() * size_of::<(TraceId, Open)>() + heard * (size_of::<Signed>() + Signed::MOST_BYTES);
        Holding { bound: Self::BOUND, entries: self.open.len(), bytes }
    }

    /// Begins one; says whether there was room.
    pub(super) fn open(&mut self, exchange: ExchangeId, id: TraceId, target: NodeId, now: Instant) -> bool {
        if self.open.len() >= MAX_OPEN || self.open.contains_key(&id) {
            return false;
        }
        let traced = Traced::nothing(id, target, now);
        let until = now + MAX_OPEN_FOR;
        self.timers.set(until, id);
        self.open.insert(id, Open { exchange, traced, until, has_ended: false, heard: BTreeMap::new() });
        true
    }

    /// Its request is queued for a first hop.
    pub(super) fn queued(&mut self, id: &TraceId, to: NodeId, now: Instant) {
        if let Some(Open { traced, .. }) = self.open.get_mut(id)
            && traced.attempts.len() < MAX_ATTEMPTS
        {
            traced.attempts.push(Attempt { to, queued: now, sent: None });
        }
    }

    /// It left.
    pub(super) fn departed(&mut self, id: &TraceId, to: &NodeId, at: Instant) {
        let attempts = self.open.get_mut(id).map(|open| open.traced.attempts.iter_mut());
        let left = attempts.into_iter().flatten().rfind(|attempt| attempt.to == *to && attempt.sent.is_none());
        if let Some(attempt) = left {
            attempt.sent = Some(at);
        }
    }

    /// A report came that its hop has sealed for this node. Says whether it is the first of its hop to a trace that is open; then its
    /// signature is checked.
    pub(super) fn reported(&mut self, report: &Signed) -> bool {
        let (id, hop) = (report.report.id, report.report.hop);
        let Some(open) = self.open.get_mut(&id) else { return false };
        if open.heard.len() >= MAX_REPORTS || open.heard.contains_key(&hop) {
            return false;
        }
        open.heard.insert(hop, Heard::Checking(Box::new(report.clone())));
        true
    }

    /// Its signature was checked; says whether it was of use.
    pub(super) fn checked(
        &mut self,
        id: &TraceId,
        hop: NodeId,
        holds: Option<bool>,
        outbox: &mut Outbox,
        now: Instant,
    ) -> bool {
        let Some(open) = self.open.get_mut(id) else { return false };
        let Entry::Occupied(mut heard) = open.heard.entry(hop) else { return false };
        let Heard::Checking(report) = heard.get() else { return false };
        match holds {
            Some(true) => drop(heard.insert(Heard::Holds(report.clone()))),
            Some(false) => drop(heard.insert(Heard::Forged)),
            None => drop(heard.remove()),
        }
        self.conclude(id, outbox, now);
        holds == Some(true)
    }

    /// The request has ended.
    pub(super) fn ended(&mut self, id: &TraceId, outbox: &mut Outbox, now: Instant) {
        if let Some(open) = self.open.get_mut(id) {
            open.has_ended = true;
            self.timers.cancel(open.until, *id);
            open.until = now + LINGER;
            self.timers.set(open.until, *id);
            self.conclude(id, outbox, now);
        }
    }

    pub(super) fn handle_timeout(&mut self, outbox: &mut Outbox, now: Instant) {
        while let Some(id) = self.timers.pop_due(now) {
            self.conclude(&id, outbox, now);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Tells what is known, once the request has ended and either every hop has reported or the time is up.
    fn conclude(&mut self, id: &TraceId, outbox: &mut Outbox, now: Instant) {
        let Some(open) = self.open.get(id) else { return };
        if open.until > now && !(open.has_ended && open.is_whole()) {
            return;
        }
        let Some(open) = self.open.remove(id) else { return };
        self.timers.cancel(open.until, *id);
        outbox.push(Output::Traced { exchange: open.exchange, traced: Box::new(open.tell()) });
    }
}

impl Open {
    /// Whether reports lead from here to the target, over one of the first hops.
    fn is_whole(&self) -> bool {
        let arrives = |attempt: &Attempt| {
            let mut at = attempt.to;
            // A circle is no way.
            for _ in 0..=MAX_HOPS {
                let Some(Heard::Holds(signed)) = self.heard.get(&at) else { return false };
                match signed.report.fate {
                    Fate::Sent { to } => at = to,
                    Fate::Delivered => return at == self.traced.target,
                    Fate::Refused => return false,
                }
            }
            false
        };
        self.traced.attempts.is_empty() || self.traced.attempts.iter().any(arrives)
    }

    fn tell(self) -> Traced {
        let mut traced = self.traced;
        for (hop, heard) in self.heard {
            match heard {
                Heard::Holds(signed) => traced.reports.push(*signed),
                Heard::Forged => traced.forged.push(hop),
                Heard::Checking(_) => {}
            }
        }
        traced
    }
}

impl Traced {
    /// Of a request of which nobody has reported anything.
    pub(super) const fn nothing(id: TraceId, target: NodeId, began: Instant) -> Self {
        Self { id, target, began, attempts: Vec::new(), reports: Vec::new(), forged: Vec::new() }
    }
}
