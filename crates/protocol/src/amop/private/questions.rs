use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Instant,
};

use super::{
    super::{ChallengeId, ClientId},
    Holder, Subscriber,
    doubtful::Doubtful,
    turns::Turns,
};
use crate::Topic;

/// Most subscribers of one topic, and of them most at one other node, that one client is asked about; further ones get
/// nothing of it.
const MAX_SUBSCRIBERS: usize = 1024;
const MAX_OF_NODE: usize = MAX_SUBSCRIBERS / 4;

/// One challenge to make.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) client: ClientId,
    pub(super) challenge: ChallengeId,
    pub(super) topic: Topic,
    pub(super) channel: Topic,
}

/// What one publisher knows of the subscribers of one private topic.
///
/// Bound: [`MAX_SUBSCRIBERS`], a quarter of them at one other node. When there is no more room, one that has proved nothing makes
/// room for one of a node of which fewer are known, so that some nodes that name many keep out nobody of another.
#[derive(Debug, Default)]
pub(super) struct Questions {
    subscribers: BTreeMap<Subscriber, Known>,
    turns: Turns,
    /// Whose a channel is: of several that name it, who proved itself, or is asked now.
    holders: BTreeMap<Topic, Subscriber>,
}

/// Who is new, by where it is.
type New<'a> = BTreeMap<Holder, VecDeque<(Subscriber, &'a Topic)>>;

#[derive(Debug)]
struct Known {
    channel: Topic,
    /// It has proved itself, at this channel or at one that it had before.
    is_proved: bool,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Wanted { number: u64 },
    Asked { challenge: ChallengeId },
    Proved,
    Paused { until: Instant },
}

impl Questions {
    pub(super) fn len(&self) -> usize {
        self.subscribers.len()
    }

    /// Takes all subscribers that there are now, as long as there are at most so many. One with a new channel is asked again;
    /// what it proved counts until that is decided.
    pub(super) fn review(&mut self, found: &[(Subscriber, Topic)], most: usize) {
        let present: BTreeMap<_, _> = found.iter().map(|(subscriber, channel)| (*subscriber, channel)).collect();
        let gone: Vec<_> = self.subscribers.keys().filter(|one| !present.contains_key(one)).copied().collect();
        for subscriber in gone {
            self.forget(&subscriber);
        }
        let mut new = New::new();
        for (subscriber, channel) in present {
            match self.subscribers.get(&subscriber) {
                Some(known) if known.channel == *channel => {}
                Some(known) => {
                    let was_proved = known.is_proved;
                    // What was in vain at its place stays noted.
                    self.turns.join(subscriber.holder);
                    self.forget(&subscriber);
                    self.learn(subscriber, channel.clone(), was_proved);
                    self.turns.leave(subscriber.holder);
                }
                None => new.entry(subscriber.holder).or_default().push_back((subscriber, channel)),
            }
        }
        self.welcome(new, most.min(MAX_SUBSCRIBERS));
    }

    /// Takes those that are new, where there is room or somebody makes some, and first of where fewest are known.
    fn welcome(&mut self, mut new: New<'_>, most: usize) {
        let mut places: BTreeSet<_> = new.keys().map(|holder| (self.turns.known(holder), *holder)).collect();
        let mut doubtful = None;
        while let Some((known, holder)) = places.pop_first().filter(|(known, _)| *known < MAX_OF_NODE) {
            let Some((subscriber, channel)) = new.get_mut(&holder).and_then(VecDeque::pop_front) else { continue };
            if self.len() >= most {
                let doubtful = doubtful.get_or_insert_with(|| self.doubtful());
                let Some(other) = doubtful.give_way(known) else { break };
                self.forget(&other);
            }
            self.learn(subscriber, channel.clone(), false);
            places.insert((known + 1, holder));
        }
    }

    fn doubtful(&self) -> Doubtful {
        let unproved = self.subscribers.iter().filter(|(_, known)| !known.is_proved);
        let ranks = unproved.filter_map(|(subscriber, known)| match known.stage {
            Stage::Wanted { number } => Some((false, number, *subscriber)),
            Stage::Paused { .. } => Some((true, 0, *subscriber)),
            Stage::Asked { .. } | Stage::Proved => None,
        });
        Doubtful::new(ranks, |holder| self.turns.known(holder))
    }

    /// Whether anybody is to be asked.
    pub(super) fn wants_some(&self) -> bool {
        !self.turns.is_empty()
    }

    /// Whom to ask next, at which channel, and what speaks against its place, if it may be asked there. Of those that name one
    /// channel one is asked at a time.
    pub(super) fn next(&self, may_ask: impl Fn(&Holder) -> bool) -> Option<(u32, Subscriber, Topic)> {
        self.turns.iter(may_ask).find_map(|(against, subscriber)| {
            let channel = &self.subscribers.get(&subscriber)?.channel;
            (!self.holders.contains_key(channel)).then(|| (against, subscriber, channel.clone()))
        })
    }

    pub(super) fn asked(&mut self, about: Subscriber, challenge: ChallengeId) {
        let Some(channel) = self.set(&about, Stage::Asked { challenge }) else { return };
        self.holders.insert(channel, about);
        self.turns.open(about.holder);
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
        self.silent(subscriber, until);
        self.prove(&subscriber, false);
    }

    /// Nobody said anything: what it proved before still counts.
    pub(super) fn silent(&mut self, subscriber: Subscriber, until: Instant) {
        if self.set(&subscriber, Stage::Paused { until }).is_some() {
            self.turns.note_vain(subscriber.holder);
        }
    }

    /// Has those asked again whose pause is over; says when the next one's is.
    pub(super) fn retry(&mut self, now: Instant) -> Option<Instant> {
        let paused = self.subscribers.iter().filter_map(|(subscriber, known)| match known.stage {
            Stage::Paused { until } => Some((until, *subscriber)),
            _ => None,
        });
        let (due, later): (Vec<_>, Vec<_>) = paused.partition(|(until, _)| *until <= now);
        for (_, subscriber) in due {
            let number = self.turns.want(subscriber);
            self.set(&subscriber, Stage::Wanted { number });
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

    fn learn(&mut self, subscriber: Subscriber, channel: Topic, is_proved: bool) {
        self.turns.join(subscriber.holder);
        let number = self.turns.want(subscriber);
        self.subscribers.insert(subscriber, Known { channel, is_proved, stage: Stage::Wanted { number } });
    }

    fn forget(&mut self, subscriber: &Subscriber) {
        let Some(known) = self.subscribers.remove(subscriber) else { return };
        self.leave(subscriber, &known.channel, known.stage);
        self.turns.leave(subscriber.holder);
    }

    /// Changes the stage of a subscriber; gives back its channel.
    fn set(&mut self, subscriber: &Subscriber, stage: Stage) -> Option<Topic> {
        let known = self.subscribers.get_mut(subscriber)?;
        let (channel, left) = (known.channel.clone(), std::mem::replace(&mut known.stage, stage));
        self.leave(subscriber, &channel, left);
        Some(channel)
    }

    fn leave(&mut self, subscriber: &Subscriber, channel: &Topic, stage: Stage) {
        match stage {
            Stage::Wanted { number } => self.turns.unwant(*subscriber, number),
            Stage::Asked { .. } => self.turns.close(subscriber.holder),
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
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use nuncio_testkit::simulator::node_id;

    use super::*;

    fn at(n: usize) -> Holder {
        Holder::At { node: node_id(n), epoch: 1 }
    }

    /// So many subscribers at a node, and their channels.
    fn some(n: usize, count: u32) -> Vec<(Subscriber, Topic)> {
        let channel = |session| Topic::new(&format!("{n} {session}")).expect("a topic");
        (0..count).map(|session| (Subscriber { holder: at(n), session }, channel(session))).collect()
    }

    /// Asks up to so many; says of which nodes.
    fn ask(questions: &mut Questions, count: usize) -> Vec<Subscriber> {
        let next = |_| {
            let (_, about, _) = questions.next(|_| true)?;
            questions.asked(about, ChallengeId([0; 64]));
            Some(about)
        };
        (0..count).map_while(next).collect()
    }

    fn known(questions: &Questions, n: usize) -> usize {
        questions.subscribers.keys().filter(|one| one.holder == at(n)).count()
    }

    #[test]
    fn whoever_proved_nothing_makes_room_for_one_of_a_node_of_which_fewer_are_known() {
        let (mut questions, now) = (Questions::default(), Instant::now());
        let mut found: Vec<_> = (1..=4).flat_map(|n| some(n, 300)).collect();
        questions.review(&found, usize::MAX);
        assert_eq!([1, 2, 3, 4].map(|n| known(&questions, n)), [MAX_OF_NODE; 4]);
        // One has proved itself, one is asked, some are silent, the others wait for their turn.
        let asked = ask(&mut questions, 40);
        questions.accepted(asked[0]);
        asked[2..].iter().for_each(|one| questions.silent(*one, now + Duration::from_secs(30)));
        found.extend(some(5, 3));
        questions.review(&found, usize::MAX);
        assert_eq!((questions.len(), known(&questions, 5)), (MAX_SUBSCRIBERS, 3));
        assert!(asked[..2].iter().all(|one| questions.subscribers.contains_key(one)), "they stay");
        assert_eq!(ask(&mut questions, 3).iter().filter(|one| one.holder == at(5)).count(), 3, "it is theirs first");
        found.extend(some(5, 2000));
        questions.review(&found, usize::MAX);
        let shares = [1, 2, 3, 4, 5].map(|n| known(&questions, n));
        assert!(shares.iter().all(|known| (204..=206).contains(known)), "{shares:?}");
        let before: Vec<_> = questions.subscribers.keys().copied().collect();
        questions.review(&found, usize::MAX);
        assert!(questions.subscribers.keys().eq(&before), "nobody makes room for ever");
    }

    #[test]
    fn those_are_asked_first_behind_whom_fewest_challenges_are_open_or_were_in_vain() {
        let (mut questions, now) = (Questions::default(), Instant::now());
        let mut found: Vec<_> = [some(1, 50), some(2, 50)].concat();
        questions.review(&found, usize::MAX);
        let asked = ask(&mut questions, 10);
        assert_eq!(asked.iter().filter(|one| one.holder == at(1)).count(), 5, "in turns");
        for one in &asked {
            questions.silent(*one, now + Duration::from_secs(30));
        }
        found.extend(some(3, 4));
        questions.review(&found, usize::MAX);
        assert!(ask(&mut questions, 4).iter().all(|one| one.holder == at(3)));
        assert_eq!(ask(&mut questions, 100).len(), 90);
    }

    #[test]
    fn of_several_that_name_a_channel_the_one_goes_first_that_left_nobody_waiting() {
        let (mut questions, now) = (Questions::default(), Instant::now());
        let mut found = some(1, 1);
        questions.review(&found, usize::MAX);
        for one in ask(&mut questions, 1) {
            questions.silent(one, now);
        }
        let channel = Topic::new("of somebody honest").expect("a topic");
        for n in [1, 2] {
            found.push((Subscriber { holder: at(n), session: 7 }, channel.clone()));
        }
        questions.review(&found, usize::MAX);
        let holders: Vec<_> = ask(&mut questions, 9).into_iter().map(|one| one.holder).collect();
        assert_eq!(holders, [at(2)]);
        assert_eq!(questions.holder_of(&channel).map(|one| one.holder), Some(at(2)));
    }
}
