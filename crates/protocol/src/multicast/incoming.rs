use std::{collections::BTreeSet, sync::Arc, time::Instant};

use nuncio_bounds::{Bound, SharedBytes};
use nuncio_identity::NodeId;

use super::{
    Batch,
    class::priority_of,
    stream::{Due, Since, Stream, Told},
};
use crate::{Output, Priority, Topic, hashed::HashMap, outbox::Outbox, schedule::Schedule};

/// Most streams: topics subscribed here, times their origins and the priorities that these use.
const MAX_STREAMS: usize = 64 << 10;

/// Most bytes of messages that came before their turn; of one stream as many as are free.
const MAX_HELD: usize = 64 << 20;

/// Names a stream.
pub(super) type Name = (NodeId, Option<Topic>, Priority);

/// What comes from other nodes, put in order.
///
/// Bound: [`MAX_STREAMS`] and [`MAX_HELD`]. When there are too many streams, those of topics that nobody here subscribes any
/// more are forgotten; beyond that, what a new one brings is told as a gap.
#[derive(Debug)]
pub(super) struct Incoming {
    subscribed: BTreeSet<Topic>,
    streams: HashMap<Name, Stream>,
    due: Schedule<Name>,
    room: SharedBytes,
}

/// What is missing, of which stream.
#[derive(Debug)]
pub(super) struct Missing {
    pub(super) name: Name,
    pub(super) epoch: u64,
    pub(super) numbers: (u64, u64),
    /// Who brought what came later.
    pub(super) via: NodeId,
    /// How often it was asked for.
    pub(super) asked: u32,
}

impl Incoming {
    pub(super) const BOUNDS: [Bound; 2] = [
        Bound::of_entries::<(Name, Stream, Name)>(
            "multicast topics of other nodes, each priority",
            MAX_STREAMS,
            0,
            "what a further one brings is told as a gap",
        ),
        Bound::of_bytes("multicasts that came before their turn", MAX_HELD, "they are asked for again in their turn"),
    ];

    pub(super) fn new() -> Self {
        let (subscribed, streams) = (BTreeSet::new(), HashMap::default());
        Self { subscribed, streams, due: Schedule::default(), room: SharedBytes::new(MAX_HELD) }
    }

    /// Applications here want these topics.
    pub(super) fn subscribe(&mut self, topics: BTreeSet<Topic>) {
        let left = self.subscribed.difference(&topics).cloned().collect::<BTreeSet<_>>();
        if !left.is_empty() {
            let ended =
                self.streams.iter_mut().filter(|((_, topic, _), _)| topic.as_ref().is_some_and(|t| left.contains(t)));
            for (name, stream) in ended {
                stream.end(&self.room);
                self.due.cancel(name);
            }
        }
        self.subscribed = topics;
    }

    pub(super) fn wants(&self, topic: Option<&Topic>) -> bool {
        topic.is_none_or(|topic| self.subscribed.contains(topic))
    }

    /// Whether all messages of a batch have been here.
    pub(super) fn has_heard(&self, batch: &Batch) -> bool {
        let stream = self.streams.get(&name_of(batch));
        !batch.bodies.is_empty() && stream.is_some_and(|stream| stream.goes_on(batch) && stream.has(batch))
    }

    /// Takes a batch that is for this node.
    pub(super) fn take(&mut self, batch: Arc<Batch>, since: u64, via: NodeId, outbox: &mut Outbox, now: Instant) {
        let name = name_of(&batch);
        let is_full = self.streams.len() >= MAX_STREAMS;
        if is_full && !self.streams.contains_key(&name) && !self.make_room() {
            tell(&name, batch.epoch, missed(&batch), outbox);
            return;
        }
        let Self { streams, room, due, .. } = self;
        let since = Since { number: since, is_origins: via == batch.origin };
        let stream = streams.entry(name.clone()).or_insert_with(|| Stream::new(&batch, since, via));
        if !stream.goes_on(&batch) {
            // The origin began anew.
            let told = stream.end(room);
            tell(&name, stream.epoch, told, outbox);
            *stream = Stream::new(&batch, since, via);
        }
        stream.via = via;
        let epoch = batch.epoch;
        let told = stream.take(batch, since, room, now);
        match stream.due() {
            Some(at) => due.set(name.clone(), at),
            None => due.cancel(&name),
        }
        tell(&name, epoch, told, outbox);
    }

    /// What is to be asked for; what was asked for too long is told as a gap.
    pub(super) fn handle_timeout(&mut self, outbox: &mut Outbox, now: Instant) -> Vec<Missing> {
        let mut missing = Vec::new();
        while let Some(name) = self.due.pop_due(now) {
            let Some(stream) = self.streams.get_mut(&name) else { continue };
            let due = stream.handle_timeout(&self.room, now);
            if let Some(at) = stream.due() {
                self.due.set(name.clone(), at);
            }
            let (epoch, via) = (stream.epoch, stream.via);
            match due {
                Some(Due::Ask(from, to, asked)) => {
                    missing.push(Missing { name, epoch, numbers: (from, to), via, asked })
                }
                Some(Due::Told(told)) => tell(&name, epoch, told, outbox),
                None => {}
            }
        }
        missing
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.due.next()
    }

    fn make_room(&mut self) -> bool {
        let Self { subscribed, streams, due, room } = self;
        streams.retain(|name, stream| {
            let is_wanted = name.1.as_ref().is_none_or(|topic| subscribed.contains(topic));
            if !is_wanted {
                stream.end(room);
                due.cancel(name);
            }
            is_wanted
        });
        streams.len() < MAX_STREAMS
    }
}

fn name_of(batch: &Batch) -> Name {
    (batch.origin, batch.topic.clone(), priority_of(batch.first))
}

fn missed(batch: &Batch) -> Vec<Told> {
    if batch.bodies.is_empty() { Vec::new() } else { vec![Told::Gap(batch.first, batch.end() - 1)] }
}

fn tell((origin, topic, _): &Name, epoch: u64, told: Vec<Told>, outbox: &mut Outbox) {
    for told in told {
        let (origin, topic) = (*origin, topic.clone());
        outbox.push(match told {
            Told::Messages(first, bodies) => Output::Multicast { origin, epoch, topic, first, bodies },
            Told::Gap(from, to) => Output::Gap { origin, epoch, topic, from, to },
        });
    }
}
