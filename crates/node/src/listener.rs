//! What a listener hears.

use std::{iter, ops::Range, sync::Arc};

use bytes::Bytes;
use nuncio_bounds::{Account, Bound, FairQueue, Rank};
use nuncio_identity::NodeId;
use nuncio_protocol::{
    Priority, Topic,
    multicast::{alone, priority_of},
};

use crate::{
    handle::{MessageId, Responder},
    listeners::{Charge, Missed},
    queue,
};

/// So many urgent messages go before one of the rest that waits.
pub(crate) const LEAD: u32 = 16;

/// A stream of messages for the application. What is urgent comes first, but for a share that is left to the rest.
#[derive(Debug)]
pub struct Listener {
    first: Lane,
    rest: Lane,
    /// How many urgent ones have gone before the rest.
    ahead: u32,
}

/// Messages of each source in their order, and sources by turns, as many bytes of one as of another: whoever sends little waits for
/// nobody who sends much.
///
/// Bound: the queue's; each message keeps its room until the application has it.
#[derive(Debug)]
struct Lane {
    queue: queue::Receiver<(Waiting, Charge)>,
    /// Those of which several are here.
    turns: FairQueue<NodeId, Arrived>,
    /// The next message, or what is left of those that came together, and the room that all of them keep until then.
    front: Option<Arrived>,
}

type Arrived = ((Waiting, Charge), queue::Room);

/// A message for the application.
#[derive(Debug)]
#[non_exhaustive]
pub enum Incoming {
    /// A request that waits for a reply.
    Unicast {
        /// Who asks.
        from: NodeId,
        /// What.
        body: Bytes,
        /// The way back.
        responder: Responder,
    },
    /// A message to the listeners of a topic.
    Multicast {
        /// Who published it.
        from: NodeId,
        /// The topic.
        topic: Topic,
        /// The data.
        data: Bytes,
        /// Its name.
        id: MessageId,
    },
    /// A message to all.
    Broadcast {
        /// Who published it.
        from: NodeId,
        /// The data.
        data: Bytes,
        /// Its name.
        id: MessageId,
    },
    /// Messages that do not come: nobody has them any more, or this listener was too slow for them.
    Gap {
        /// Who published them.
        from: NodeId,
        /// Their topic; `None` for messages to all.
        topic: Option<Topic>,
        /// The publisher's epoch.
        epoch: u64,
        /// The number of the first one, see [`MessageId::seq`].
        first: u64,
        /// The number of the last one.
        last: u64,
    },
}

/// What waits for a listener.
#[derive(Debug)]
pub(crate) enum Waiting {
    One(Incoming),
    Run(Run),
}

/// Multicasts or broadcasts that follow each other.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    from: NodeId,
    topic: Option<Topic>,
    epoch: u64,
    first: u64,
    /// Those that came together, for all listeners, and which of them these are.
    bodies: Arc<Vec<Bytes>>,
    places: Range<usize>,
    /// Bytes that all of them share.
    together: usize,
}

impl Listener {
    pub(crate) const TURNS: Bound = FairQueue::<NodeId, Arrived>::bound("sources of what waits for a listener");

    pub(crate) fn new(first: queue::Receiver<(Waiting, Charge)>, rest: queue::Receiver<(Waiting, Charge)>) -> Self {
        Self { first: Lane::new(first), rest: Lane::new(rest), ahead: 0 }
    }

    /// The next message; `None` once the node has stopped.
    pub async fn next(&mut self) -> Option<Incoming> {
        loop {
            if let Some(here) = self.next_here() {
                return Some(here);
            }
            let Self { first, rest, .. } = self;
            tokio::select! {
                biased;
                Some(urgent) = first.queue.recv_with_room() => first.front = Some(urgent),
                next = rest.queue.recv_with_room(), if rest.front.is_none() => rest.front = Some(next?),
                else => return self.rest.next(),
            }
        }
    }

    fn next_here(&mut self) -> Option<Incoming> {
        let is_rest_due = self.rest.may_go() && self.ahead >= LEAD;
        if !is_rest_due && let Some(urgent) = self.first.next() {
            self.ahead = self.ahead.saturating_add(1);
            return Some(urgent);
        }
        self.ahead = 0;
        if self.rest.may_go() { self.rest.next() } else { None }
    }

    /// What has come, for tests.
    #[cfg(test)]
    pub(crate) fn try_next(&mut self) -> Option<Incoming> {
        futures::FutureExt::now_or_never(self.next()).flatten()
    }
}

impl Lane {
    fn new(queue: queue::Receiver<(Waiting, Charge)>) -> Self {
        Self { queue, turns: FairQueue::boundless(), front: None }
    }

    /// Whether something is here that need not wait for what is before it elsewhere.
    fn may_go(&mut self) -> bool {
        self.fill();
        self.front.as_ref().is_some_and(|((_, charge), _)| charge.may_go())
    }

    fn next(&mut self) -> Option<Incoming> {
        loop {
            self.fill();
            match self.front.as_mut()? {
                ((Waiting::Run(run), _), _) if run.len() > 1 => return run.next(),
                _ => {}
            }
            // The room of all that came together is free with the last one.
            match self.front.take()? {
                ((Waiting::One(incoming), _), _) => return Some(incoming),
                ((Waiting::Run(mut run), _), _) => match run.next() {
                    None => {}
                    last => return last,
                },
            }
        }
    }

    fn fill(&mut self) {
        if self.front.is_some() {
            return;
        }
        if self.turns.is_empty() {
            self.front = self.queue.try_recv_with_room();
            if self.queue.is_empty() {
                return;
            }
        }
        let more = iter::from_fn(|| self.queue.try_recv_with_room());
        for arrived in self.front.take().into_iter().chain(more) {
            let (account, bytes) = (Account::Of(arrived.0.0.source()), arrived.1.bytes());
            // It is boundless: what is taken here has its room already.
            let _ = self.turns.push(account, arrived, bytes, Rank::Middle);
        }
        self.front = self.turns.pop().map(|(_, arrived, _)| arrived);
        self.turns.settle();
    }
}

impl Waiting {
    const fn source(&self) -> NodeId {
        match self {
            Self::One(
                Incoming::Unicast { from, .. }
                | Incoming::Multicast { from, .. }
                | Incoming::Broadcast { from, .. }
                | Incoming::Gap { from, .. },
            ) => *from,
            Self::Run(run) => run.from,
        }
    }
}

impl Run {
    /// With the number of the first one.
    pub(crate) fn new(from: NodeId, topic: Option<Topic>, epoch: u64, first: u64, bodies: Vec<Bytes>) -> Self {
        let (places, together) = (0..bodies.len(), bodies.iter().map(Bytes::len).sum());
        Self { from, topic, epoch, first, bodies: Arc::new(bodies), places, together }
    }

    pub(crate) const fn origin(&self) -> NodeId {
        self.from
    }

    pub(crate) const fn topic(&self) -> Option<&Topic> {
        self.topic.as_ref()
    }

    /// The one that all of them have.
    pub(crate) const fn priority(&self) -> Priority {
        priority_of(self.first)
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub(crate) fn lengths(&self) -> impl Iterator<Item = usize> {
        self.bodies[self.places.clone()].iter().map(Bytes::len)
    }

    /// Takes out the first ones. Where these are not all that came together, they keep nothing of the others in memory.
    pub(crate) fn take_first(&mut self, count: usize) -> Self {
        let Range { start, end } = self.places;
        let middle = end.min(start + count.min(self.len()));
        let (first, topic) = (self.first, self.topic.clone());
        self.first += (middle - start) as u64;
        self.places = middle..end;
        if middle - start == self.bodies.len() {
            return Self { bodies: Arc::clone(&self.bodies), places: start..middle, first, topic, ..*self };
        }
        let own = self.bodies[start..middle].iter().map(|body| alone(body, self.together));
        Self::new(self.from, topic, self.epoch, first, own.collect())
    }

    /// Their numbers.
    pub(crate) fn numbers(&self) -> Missed {
        Missed { epoch: self.epoch, first: self.first, last: self.first + (self.len() as u64).saturating_sub(1) }
    }
}

impl Iterator for Run {
    type Item = Incoming;

    fn next(&mut self) -> Option<Incoming> {
        let data = alone(&self.bodies[self.places.next()?], self.together);
        let (from, id) = (self.from, MessageId { origin: self.from, epoch: self.epoch, seq: self.first });
        self.first += 1;
        Some(match &self.topic {
            Some(topic) => Incoming::Multicast { from, topic: topic.clone(), data, id },
            None => Incoming::Broadcast { from, data, id },
        })
    }
}

#[cfg(test)]
mod tests {
    use nuncio_identity::NodeKey;

    use super::*;

    #[test]
    fn what_is_taken_out_and_what_stays_keep_their_numbers() {
        let bodies = [1_u8, 2, 3, 4, 5].map(|number| Bytes::from(vec![number])).to_vec();
        let mut run = Run::new(NodeKey::generate().node_id(), None, 7, 1, bodies);
        let told = |run: Run| -> Vec<_> {
            let one = |incoming| match incoming {
                Incoming::Broadcast { data, id, .. } => (u64::from(data[0]), id.seq),
                other => panic!("{other:?}"),
            };
            run.map(one).collect()
        };
        let (first, none, one) = (run.take_first(2), run.take_first(0), run.take_first(1));
        assert!(none.is_empty());
        assert_eq!([told(first), told(one)], [vec![(1, 1), (2, 2)], vec![(3, 3)]]);
        assert_eq!(run.numbers(), Missed { epoch: 7, first: 4, last: 5 });
        assert_eq!(told(run.take_first(9)), [(4, 4), (5, 5)]);
        assert!(run.is_empty());
    }

    #[test]
    fn what_an_application_keeps_of_many_messages_keeps_no_other_in_memory() {
        let came = Bytes::from(vec![7; 100]);
        let of = |length: usize| -> Vec<_> {
            (0..100 / length).map(|at| came.slice(at * length..(at + 1) * length)).collect()
        };
        let run = |length| Run::new(NodeKey::generate().node_id(), None, 7, 1, of(length));
        let shares = |data: &Bytes| came.as_ptr_range().contains(&data.as_ptr());
        let told = |run: Run| -> Vec<_> {
            let one = |incoming| match incoming {
                Incoming::Broadcast { data, .. } => shares(&data),
                other => panic!("{other:?}"),
            };
            run.map(one).collect()
        };
        assert_eq!(told(run(10)), [false; 10]);
        assert_eq!(told(run(50)), [true; 2], "of half of it another half is not too much");
        assert!(run(10).bodies.iter().all(shares), "all of them are queued as they came");
        let (mut whole, mut slow) = (run(10), run(10));
        assert!(whole.take_first(10).bodies.iter().all(shares));
        assert!(!slow.take_first(3).bodies.iter().any(shares), "who takes a few keeps these only");
    }
}
