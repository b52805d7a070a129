use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use nuncio_bounds::Bound;
use nuncio_identity::NodeId;

use super::{Fate, Passage, allowance::Allowance};
use crate::{Header, Output, gate::Rate, outbox::Outbox};

/// Messages of one source over one neighbour that are reported on, all that one neighbour brings, and all.
const OF_SOURCE: Rate = Rate { per_second: 10.0, burst: 32.0 };
const OF_NEIGHBOUR: Rate = Rate { per_second: 50.0, burst: 200.0 };
const OF_ALL: Rate = Rate { per_second: 200.0, burst: 400.0 };

/// Most traced messages that wait on links, and how long they are known.
const MAX_UNDER_WAY: usize = 1024;
const PATIENCE: Duration = Duration::from_secs(10);

/// What this node reports to others.
///
/// Bound: [`MAX_UNDER_WAY`]; further messages pass without a report.
#[derive(Debug)]
pub(super) struct Hop {
    /// By source and neighbour.
    sources: Allowance<(NodeId, NodeId)>,
    neighbours: Allowance,
    under_way: BTreeMap<Ticket, Passage>,
    /// Since when each is under way, and perhaps of some that are not any more.
    since: VecDeque<(Instant, Ticket)>,
}

/// A message on a link: its source, in which of its epochs, its number, and for whom the link is.
type Ticket = (NodeId, u64, u64, NodeId);

impl Hop {
    pub(super) const BOUND: Bound = Bound::of_entries::<(Ticket, Passage, Ticket, Instant)>(
        "traced messages of others that wait for a link",
        MAX_UNDER_WAY,
        0,
        "further ones pass without a report",
    );

    pub(super) fn new() -> Self {
        Self {
            sources: Allowance::new(OF_SOURCE, OF_ALL),
            neighbours: Allowance::new(OF_NEIGHBOUR, OF_ALL),
            under_way: BTreeMap::new(),
            since: VecDeque::new(),
        }
    }

    /// Whether there is allowance for one more report.
    pub(super) fn may_report(&mut self, source: NodeId, from: NodeId, now: Instant) -> bool {
        // Who is the source of what a neighbour brings for others, nobody has proved: it uses up nothing of that source's over
        // other neighbours.
        self.neighbours.take(from, now) && self.sources.take((source, from), now)
    }

    /// A message is queued for a link.
    pub(super) fn queued(&mut self, header: &Header, passage: Passage, to: NodeId, now: Instant) {
        self.forget(now);
        if self.since.len() < MAX_UNDER_WAY {
            let ticket = ticket(header, to);
            self.under_way.insert(ticket, passage);
            self.since.push_back((now, ticket));
        }
    }

    /// It left.
    pub(super) fn departed(&mut self, ticket: &Ticket, at: Instant, outbox: &mut Outbox) {
        if let Some(passage) = self.under_way.remove(ticket) {
            let [taken, queued, _] = passage.times;
            outbox.push(Output::SignReport { passage: Box::new(Passage { times: [taken, queued, at], ..passage }) });
        }
    }

    /// There was no room on the link.
    pub(super) fn not_sent(&mut self, header: &Header, to: NodeId, outbox: &mut Outbox) {
        if let Some(passage) = self.under_way.remove(&ticket(header, to)) {
            outbox.push(Output::SignReport { passage: Box::new(Passage { fate: Fate::Refused, ..passage }) });
        }
    }

    fn forget(&mut self, now: Instant) {
        while let Some((since, ticket)) = self.since.front()
            && (*since + PATIENCE <= now || !self.under_way.contains_key(ticket))
        {
            self.under_way.remove(ticket);
            self.since.pop_front();
        }
    }
}

const fn ticket(header: &Header, to: NodeId) -> Ticket {
    (header.source, header.source_epoch, header.number, to)
}

#[cfg(test)]
mod tests {
    use nuncio_testkit::simulator::node_id;

    use super::*;
    use crate::{
        Header, SealEnd,
        trace::{Trace, TraceId},
    };

    #[test]
    fn so_many_wait_and_further_ones_pass_without_a_report() {
        let (mut hop, now, mut outbox) = (Hop::new(), Instant::now(), Outbox::default());
        let [source, to] = [1, 2].map(node_id);
        let header = |number| Header {
            source,
            source_epoch: 1,
            target: to,
            target_epoch: 1,
            number,
            sent: Duration::ZERO,
            lifetime: PATIENCE,
            hops_left: 1,
            hops: 1,
            seal: SealEnd::default(),
            trace: Trace::default(),
            priority: Default::default(),
        };
        let id = TraceId::from_bytes(&[1; 16]).unwrap();
        let passage = Passage { id, message: (source, 1, 1), from: source, times: [now; 3], fate: Fate::Sent { to } };
        for number in 0..3000 {
            hop.queued(&header(number), passage.clone(), to, now);
        }
        assert_eq!((hop.under_way.len(), hop.since.len()), (MAX_UNDER_WAY, MAX_UNDER_WAY));
        (0..3000).for_each(|number| hop.departed(&ticket(&header(number), to), now, &mut outbox));
        assert_eq!(std::iter::from_fn(|| outbox.pop()).count(), MAX_UNDER_WAY);
        hop.queued(&header(5000), passage, to, now);
        assert_eq!((hop.under_way.len(), hop.since.len()), (1, 1));
    }
}
