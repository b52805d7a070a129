use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use nuncio_bounds::{Bound, SharedBytes};
use nuncio_identity::NodeId;

use super::{
    Batch,
    class::Class,
    room::Room,
    stream::{Due, Since, Stream, Told},
};
use crate::{MAX_LIFETIME, Output, Topic, hashed::HashMap, outbox::Outbox, schedule::Schedule};

/// Most streams: topics subscribed here, times their origins and the priorities that these use. An origin has as many as leave as
/// many free.
const MAX_STREAMS: usize = 64 << 10;

/// After so long, what a stream brought counts no more: if it came once more, the gate would refuse it.
const QUIET: Duration = Duration::from_secs(2 * MAX_LIFETIME.as_secs());

/// How soon it is looked again for streams that nobody needs.
const PAUSE: Duration = Duration::from_secs(1);

/// Most bytes of messages that came before their turn; of one origin as many as are free.
const MAX_HELD: usize = 64 << 20;

/// Names a stream.
pub(super) type Name = (NodeId, Option<Topic>, Class);

/// What comes from other nodes, put in order.
///
/// Bound: [`MAX_STREAMS`] and [`MAX_HELD`]. When there are too many streams, those of topics that nobody here subscribes any
/// more are forgotten, and those that have been quiet for long: from then on a stream begins with what comes first of it. Beyond that,
/// what a new one brings is told as a gap.
#[derive(Debug)]
pub(super) struct Incoming {
    subscribed: BTreeSet<Topic>,
    streams: HashMap<Name, Stream>,
    /// Of those that have some.
    of_origins: HashMap<NodeId, OfOrigin>,
    due: Schedule<Name>,
    room: Arc<SharedBytes>,
    /// When it was looked last for those that nobody needs.
    tidied: Option<Instant>,
    /// Whether one was forgotten that applications here want: what comes of a stream that is not known may go on.
    has_forgotten: bool,
}

/// How many streams an origin has, and what of them came before its turn.
#[derive(Debug)]
struct OfOrigin {
    streams: usize,
    room: Room,
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
        Bound::of_entries::<(Name, Stream, Name, NodeId, OfOrigin)>(
            "multicast topics of other nodes, each priority",
            MAX_STREAMS,
            0,
            "what a further one brings is told as a gap",
        ),
        Bound::of_bytes("multicasts that came before their turn", MAX_HELD, "they are asked for again in their turn"),
    ];

    pub(super) fn new() -> Self {
        let (subscribed, streams, of_origins) = Default::default();
        Self {
            subscribed,
            streams,
            of_origins,
            due: Schedule::default(),
            room: Arc::new(SharedBytes::new(MAX_HELD)),
            tidied: None,
            has_forgotten: false,
        }
    }

    /// Applications here want these topics.
    pub(super) fn subscribe(&mut self, topics: BTreeSet<Topic>) {
        let left = self.subscribed.difference(&topics).cloned().collect::<BTreeSet<_>>();
        if !left.is_empty() {
            let ended =
                self.streams.iter_mut().filter(|((_, topic, _), _)| topic.as_ref().is_some_and(|t| left.contains(t)));
            for (name, stream) in ended {
                if let Some(of) = self.of_origins.get_mut(&name.0) {
                    stream.end(&mut of.room);
                }
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
        let is_known = self.streams.contains_key(&name);
        if !is_known && !self.has_room(&name.0) && !self.make_room(&name.0, now) {
            tell(&name, batch.epoch, missed(&batch), outbox);
            return;
        }
        let Self { streams, of_origins, due, .. } = self;
        let of = of_origins.entry(name.0).or_insert_with(|| OfOrigin::new(&self.room));
        of.streams += usize::from(!is_known);
        let room = &mut of.room;
        let since = Since { number: since, is_origins: via == batch.origin };
        // What the application had of one that was forgotten is no gap.
        let begins = if self.has_forgotten { Since { number: 0, ..since } } else { since };
        let stream = streams.entry(name.clone()).or_insert_with(|| Stream::new(&batch, begins, via, now));
        if !stream.goes_on(&batch) {
            // The origin began anew.
            let told = stream.end(room);
            tell(&name, stream.epoch, told, outbox);
            *stream = Stream::new(&batch, since, via, now);
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
            let Some(of) = self.of_origins.get_mut(&name.0) else { continue };
            let due = stream.handle_timeout(&mut of.room, now);
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

    /// Whether one more of an origin leaves as many free as it has.
    fn has_room(&self, origin: &NodeId) -> bool {
        self.streams.len() + self.of_origins.get(origin).map_or(0, |of| of.streams) < MAX_STREAMS
    }

    /// Forgets the streams that nobody needs.
    fn make_room(&mut self, origin: &NodeId, now: Instant) -> bool {
        if self.tidied.is_some_and(|tidied| now < tidied + PAUSE) {
            return false;
        }
        self.tidied = Some(now);
        let Self { subscribed, streams, of_origins, due, has_forgotten, .. } = self;
        streams.retain(|name, stream| {
            let is_wanted = name.1.as_ref().is_none_or(|topic| subscribed.contains(topic));
            let is_kept = is_wanted && !stream.has_been_quiet(QUIET, now);
            if !is_kept {
                *has_forgotten |= is_wanted;
                due.cancel(name);
                if let Some(of) = of_origins.get_mut(&name.0) {
                    stream.end(&mut of.room);
                    of.streams -= 1;
                }
            }
            is_kept
        });
        of_origins.retain(|_, of| of.streams > 0);
        self.has_room(origin)
    }
}

impl OfOrigin {
    fn new(room: &Arc<SharedBytes>) -> Self {
        Self { streams: 0, room: Room::in_all(Arc::clone(room)) }
    }
}

fn name_of(batch: &Batch) -> Name {
    (batch.origin, batch.topic.clone(), Class::of(batch.first))
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
