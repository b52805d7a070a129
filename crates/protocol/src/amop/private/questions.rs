use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use super::{
    super::{ChallengeId, ClientId},
    Holder, Subscriber,
};
use crate::Topic;

/// Most subscribers of one topic, and of them most at one other node, that one client is asked about; further ones get
/// nothing of it.
const MAX_SUBSCRIBERS: usize = 1024;
const MAX_OF_NODE: usize = MAX_SUBSCRIBERS / 4;

/// Most challenges open at one other node, so that silence there holds nobody else up.
const MAX_ASKED_OF_NODE: usize = 8;

/// One challenge to make.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) client: ClientId,
    pub(super) topic: Topic,
    pub(super) subscriber: Subscriber,
    pub(super) channel: Topic,
}

/// What one publisher knows of the subscribers of one private topic.
///
/// Bound: [`MAX_SUBSCRIBERS`], a quarter of them at one other node.
#[derive(Debug, Default)]
pub(super) struct Questions {
    subscribers: BTreeMap<Subscriber, Known>,
    /// Those that are to be asked, whoever came first going first.
    wanted: BTreeSet<(u64, Subscriber)>,
    /// Whose a channel is: of several that name it, who proved itself, or is asked now.
    holders: BTreeMap<Topic, Subscriber>,
    /// How many are known, and asked now, at each place.
    known_at: BTreeMap<Holder, usize>,
    asked_at: BTreeMap<Holder, usize>,
    next: u64,
}

#[derive(Debug)]
struct Known {
    channel: Topic,
    /// It has proved itself, at this channel or at one that it had before.
    is_proved: bool,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Wanted { place: u64 },
    Asked { challenge: ChallengeId },
    Proved,
    Paused { until: Instant },
}

impl Questions {
    pub(super) fn len(&self) -> usize {
        self.subscribers.len()
    }

    /// Takes all subscribers that there are now, as long as there are at most so many. One with a new channel is asked again; what it proved counts until that is
    /// decided.
    pub(super) fn review(&mut self, found: &[(Subscriber, Topic)], most: usize) {
        let present: BTreeMap<_, _> = found.iter().map(|(subscriber, channel)| (*subscriber, channel)).collect();
        let gone: Vec<_> = self.subscribers.keys().filter(|one| !present.contains_key(one)).copied().collect();
        for subscriber in gone {
            self.forget(&subscriber);
        }
        // As they were found: of those that are new, nobody was first.
        for (subscriber, channel) in present {
            if self.subscribers.get(&subscriber).is_some_and(|known| known.channel == *channel) {
                continue;
            }
            let was_proved = self.subscribers.get(&subscriber).is_some_and(|known| known.is_proved);
            self.forget(&subscriber);
            if self.len() < most && self.has_room(&subscriber.holder) {
                self.learn(subscriber, channel.clone(), was_proved);
            }
        }
    }

    /// Whether anybody is to be asked.
    pub(super) fn wants_some(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// Takes up to so many that are to be asked.
    pub(super) fn take(&mut self, most: usize) -> Vec<(Subscriber, Topic)> {
        let (mut taken, mut channels) = (Vec::new(), BTreeSet::new());
        let mut at = self.asked_at.clone();
        for (_, subscriber) in &self.wanted {
            if taken.len() >= most {
                break;
            }
            let Some(known) = self.subscribers.get(subscriber) else { continue };
            let asked = at.entry(subscriber.holder).or_default();
            let is_patient = matches!(subscriber.holder, Holder::At { .. }) && *asked >= MAX_ASKED_OF_NODE;
            if is_patient || self.holders.contains_key(&known.channel) || !channels.insert(known.channel.clone()) {
                continue;
            }
            *asked += 1;
            taken.push((*subscriber, known.channel.clone()));
        }
        taken
    }

    pub(super) fn asked(&mut self, about: Subscriber, challenge: ChallengeId) {
        let Some(channel) = self.set(&about, Stage::Asked { challenge }) else { return };
        self.holders.insert(channel, about);
        *self.asked_at.entry(about.holder).or_default() += 1;
    }

    pub(super) fn is_open(&self, subscriber: &Subscriber, challenge: ChallengeId) -> bool {
        self.subscribers.get(subscriber).is_some_and(|known| known.stage == Stage::Asked { challenge })
    }

    pub(super) fn accepted(&mut self, subscriber: Subscriber) {
        if let Some(channel) = self.set(&subscriber, Stage::Proved) {
            self.holders.insert(channel, subscriber);
            self.prove(&subscriber, true);
        }
    }

    pub(super) fn refused(&mut self, subscriber: Subscriber, until: Instant) {
        self.set(&subscriber, Stage::Paused { until });
        self.prove(&subscriber, false);
    }

    /// Nobody said anything: what it proved before still counts.
    pub(super) fn silent(&mut self, subscriber: Subscriber, until: Instant) {
        self.set(&subscriber, Stage::Paused { until });
    }

    /// Has those asked again whose pause is over; says when the next one's is.
    pub(super) fn retry(&mut self, now: Instant) -> Option<Instant> {
        let paused = self.subscribers.iter().filter_map(|(subscriber, known)| match known.stage {
            Stage::Paused { until } => Some((until, *subscriber)),
            _ => None,
        });
        let (due, later): (Vec<_>, Vec<_>) = paused.partition(|(until, _)| *until <= now);
        for (_, subscriber) in due {
            let place = self.place();
            self.set(&subscriber, Stage::Wanted { place });
        }
        later.into_iter().map(|(until, _)| until).min()
    }

    pub(super) fn proved(&self) -> impl Iterator<Item = Subscriber> {
        self.subscribers.iter().filter(|(_, known)| known.is_proved).map(|(subscriber, _)| *subscriber)
    }

    /// Whose a channel is, as far as it was asked.
    pub(super) fn holder_of(&self, channel: &Topic) -> Option<Subscriber> {
        self.holders.get(channel).copied()
    }

    fn has_room(&self, holder: &Holder) -> bool {
        let of_node = self.known_at.get(holder).copied().unwrap_or_default();
        self.subscribers.len() < MAX_SUBSCRIBERS && of_node < MAX_OF_NODE
    }

    fn learn(&mut self, subscriber: Subscriber, channel: Topic, is_proved: bool) {
        let place = self.place();
        self.wanted.insert((place, subscriber));
        *self.known_at.entry(subscriber.holder).or_default() += 1;
        self.subscribers.insert(subscriber, Known { channel, is_proved, stage: Stage::Wanted { place } });
    }

    fn forget(&mut self, subscriber: &Subscriber) {
        let Some(known) = self.subscribers.remove(subscriber) else { return };
        self.leave(subscriber, &known.channel, known.stage);
        less(&mut self.known_at, &subscriber.holder);
    }

    /// Changes the stage of a subscriber; gives back its channel.
    fn set(&mut self, subscriber: &Subscriber, stage: Stage) -> Option<Topic> {
        let known = self.subscribers.get_mut(subscriber)?;
        let (channel, left) = (known.channel.clone(), std::mem::replace(&mut known.stage, stage));
        self.leave(subscriber, &channel, left);
        if let Stage::Wanted { place } = stage {
            self.wanted.insert((place, *subscriber));
        }
        Some(channel)
    }

    fn leave(&mut self, subscriber: &Subscriber, channel: &Topic, stage: Stage) {
        match stage {
            Stage::Wanted { place } => {
                self.wanted.remove(&(place, *subscriber));
            }
            Stage::Asked { .. } => less(&mut self.asked_at, &subscriber.holder),
            Stage::Proved | Stage::Paused { .. } => {}
        }
        if self.holders.get(channel) == Some(subscriber) {
            self.holders.remove(channel);
        }
    }

    fn prove(&mut self, subscriber: &Subscriber, is_proved: bool) {
        if let Some(known) = self.subscribers.get_mut(subscriber) {
            known.is_proved = is_proved;
        }
    }

    const fn place(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

fn less(counts: &mut BTreeMap<Holder, usize>, holder: &Holder) {
    if let Some(count) = counts.get_mut(holder) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(holder);
        }
    }
}
