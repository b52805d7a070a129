//! What a listener hears.

use std::collections::VecDeque;

use bytes::Bytes;
use nuncio_identity::NodeId;
use nuncio_protocol::Topic;

use crate::{
    handle::{MessageId, Responder},
    listeners::{Charge, Missed},
    queue,
};

/// A stream of messages for the application.
#[derive(Debug)]
pub struct Listener {
    waiting: queue::Receiver<(Waiting, Charge)>,
    /// What is left of the messages taken out last, and the room that all of them keep until then.
    run: Option<(Run, (queue::Room, Charge))>,
}

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
    bodies: VecDeque<Bytes>,
}

impl Listener {
    pub(crate) const fn new(waiting: queue::Receiver<(Waiting, Charge)>) -> Self {
        Self { waiting, run: None }
    }

    /// The next message; `None` once the node has stopped.
    pub async fn next(&mut self) -> Option<Incoming> {
        loop {
            if let Some((run, _)) = &mut self.run {
                let incoming = run.next();
                if run.is_empty() {
                    self.run = None;
                }
                if incoming.is_some() {
                    return incoming;
                }
            }
            match self.waiting.recv_with_room().await? {
                ((Waiting::One(incoming), _), _) => return Some(incoming),
                ((Waiting::Run(run), charge), room) => self.run = Some((run, (room, charge))),
            }
        }
    }

    /// What has come, for tests.
    #[cfg(test)]
    pub(crate) fn try_next(&mut self) -> Option<Incoming> {
        futures::FutureExt::now_or_never(self.next()).flatten()
    }
}

impl Run {
    /// With the number of the first one.
    pub(crate) fn new(from: NodeId, topic: Option<Topic>, epoch: u64, first: u64, bodies: Vec<Bytes>) -> Self {
        Self { from, topic, epoch, first, bodies: bodies.into() }
    }

    pub(crate) const fn origin(&self) -> NodeId {
        self.from
    }

    pub(crate) const fn topic(&self) -> Option<&Topic> {
        self.topic.as_ref()
    }

    pub(crate) fn len(&self) -> usize {
        self.bodies.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bodies.is_empty()
    }

    pub(crate) fn lengths(&self) -> impl Iterator<Item = usize> {
        self.bodies.iter().map(Bytes::len)
    }

    /// Takes out the first ones.
    pub(crate) fn take_first(&mut self, count: usize) -> Self {
        // Those that stay are not moved: of messages over a quota each is taken out by itself.
        let bodies = self.bodies.drain(..count.min(self.bodies.len())).collect();
        let taken = Self { bodies, topic: self.topic.clone(), ..*self };
        self.first += taken.len() as u64;
        taken
    }

    /// Their numbers.
    pub(crate) fn numbers(&self) -> Missed {
        Missed { epoch: self.epoch, first: self.first, last: self.first + (self.len() as u64).saturating_sub(1) }
    }
}

impl Iterator for Run {
    type Item = Incoming;

    fn next(&mut self) -> Option<Incoming> {
        let data = self.bodies.pop_front()?;
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
}
