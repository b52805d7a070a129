use std::time::{Duration, Instant};

use nuncio_bounds::{Bound, Holding};
use nuncio_identity::NodeId;

use super::{Fate, Passage, Signed, TraceId, TraceInput, Traced, allowance::Allowance, hop::Hop, origin::Origin};
use crate::{
    Account, Header, Output, Strike,
    gate::Admitted,
    outbox::Outbox,
    turn::{Directory, Turn},
    unicast::{Content, ExchangeId, Message},
};

/// How long a report counts.
const LIFETIME: Duration = Duration::from_secs(10);

/// Traces, both sides.
#[derive(Debug)]
pub(crate) struct Tracing {
    hop: Hop,
    origin: Origin,
    counts: Counts,
}

/// Reports since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sent to sources of messages that came by here.
    pub sent: u64,
    /// Of messages of this node, with a signature that holds.
    pub taken: u64,
    /// Of no open trace, of a hop that has reported already, or with a signature that does not hold.
    pub refused: u64,
}

impl Tracing {
    pub(crate) fn new() -> Self {
        Self { hop: Hop::new(), origin: Origin::default(), counts: Counts::default() }
    }

    pub(crate) const fn bounds() -> [Bound; 3] {
        [Origin::BOUND, Hop::BOUND, Allowance::BOUND]
    }

    pub(crate) fn holdings(&self) -> [Holding; 1] {
        [self.origin.holding()]
    }

    pub(crate) const fn counts(&self) -> Counts {
        self.counts
    }

    /// A request of this node is to be traced; says whether there was room.
    pub(crate) fn open(&mut self, exchange: ExchangeId, id: TraceId, target: NodeId, now: Instant) -> bool {
        self.origin.open(exchange, id, target, now)
    }

    /// It was refused before it was traced.
    pub(crate) fn was_refused(exchange: ExchangeId, id: TraceId, target: NodeId, outbox: &mut Outbox, now: Instant) {
        outbox.push(Output::Traced { exchange, traced: Box::new(Traced::nothing(id, target, now)) });
    }

    /// It is queued for a first hop.
    pub(crate) fn handle_attempt(&mut self, id: &TraceId, to: NodeId, now: Instant) {
        self.origin.queued(id, to, now);
    }

    /// It has ended.
    pub(crate) fn handle_ended(&mut self, id: &TraceId, outbox: &mut Outbox, now: Instant) {
        self.origin.ended(id, outbox, now);
    }

    /// A request of another node is queued for a link.
    pub(crate) fn handle_passing(
        &mut self,
        header: &Header,
        (from, to): (NodeId, NodeId),
        directory: Directory<'_>,
        now: Instant,
    ) {
        if let Some(passage) = self.passage(header, from, Fate::Sent { to }, directory, now) {
            self.hop.queued(header, passage, to, now);
        }
    }

    /// A request of another node goes no further.
    pub(crate) fn handle_end(
        &mut self,
        header: &Header,
        (from, fate): (NodeId, Fate),
        directory: Directory<'_>,
        outbox: &mut Outbox,
        now: Instant,
    ) {
        if let Some(passage) = self.passage(header, from, fate, directory, now) {
            outbox.push(Output::SignReport { passage: Box::new(passage) });
        }
    }

    /// The link's queue was full for it.
    pub(crate) fn handle_not_sent(&mut self, header: &Header, to: NodeId, outbox: &mut Outbox) {
        self.hop.not_sent(header, to, outbox);
    }

    /// A hop reports.
    /// Says whether it is wanted.
    pub(crate) fn handle_report(&mut self, admitted: Admitted<Message>, outbox: &mut Outbox) -> bool {
        let (from, Message { content, .. }) = admitted.into_parts();
        let Content::Report(report) = content else { return false };
        let is_wanted = self.origin.reported(&report);
        if is_wanted {
            outbox.push(Output::CheckReport { from, report });
        } else {
            self.counts.refused += 1;
        }
        is_wanted
    }

    pub(crate) fn handle_input(input: TraceInput, turn: &mut Turn<'_>) {
        match input {
            TraceInput::Departed { id, message: (source, ..), to, at } if source == turn.life.node => {
                turn.trace.origin.departed(&id, &to, at);
            }
            TraceInput::Departed { message: (source, epoch, number), to, at, .. } => {
                turn.trace.hop.departed(&(source, epoch, number, to), at, turn.outbox);
            }
            TraceInput::Signed { report, message } => send(report, message, turn),
            TraceInput::Checked { id, hop, holds } => {
                if holds == Some(false) {
                    // Its seal held, so it is the hop's own.
                    turn.outbox.strike(hop, Strike::Forged);
                }
                let Self { origin, counts, .. } = turn.trace;
                let is_taken = origin.checked(&id, hop, holds, turn.outbox, turn.now);
                let count = if is_taken { &mut counts.taken } else { &mut counts.refused };
                *count += 1;
            }
        }
    }

    pub(crate) fn handle_timeout(&mut self, outbox: &mut Outbox, now: Instant) {
        self.origin.handle_timeout(outbox, now);
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.origin.poll_timeout()
    }

    /// What is to be reported of a message, if anything is: to a source that takes reports, within the budgets.
    fn passage(
        &mut self,
        header: &Header,
        from: NodeId,
        fate: Fate,
        directory: Directory<'_>,
        now: Instant,
    ) -> Option<Passage> {
        let id = header.trace.id?;
        let source = header.source;
        if !directory.traces(&source, header.source_epoch) || !self.hop.may_report(source, from, now) {
            return None;
        }
        let taken = header.trace.taken.map_or(now, |taken| taken.min(now));
        let message = (source, header.source_epoch, header.number);
        Some(Passage { id, message, from, times: [taken, now, now], fate })
    }
}

/// Sends a report back to where its message came from.
fn send(report: Box<Signed>, (origin, epoch, number): (NodeId, u64, u64), turn: &mut Turn<'_>) {
    let Some(to) = turn.routing.way_back(&origin, &report.report.from, turn.now) else { return };
    let header = turn.life.header((origin, epoch), number, LIFETIME, turn.now);
    turn.trace.counts.sent += 1;
    let message = Message { header, content: Content::Report(report) };
    turn.outbox.push(Output::SendUnicast { to, account: Account::Of(origin), message });
}
