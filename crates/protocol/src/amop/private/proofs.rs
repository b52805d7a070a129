use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use super::{
    super::{ChallengeId, ClientId},
    Subscriber,
    questions::{Question, Questions},
};
use crate::{Topic, timers::Timers};

/// How long a subscriber that failed or was silent is left alone.
const PAUSE: Duration = Duration::from_secs(30);

/// Most challenges that one client works at.
const MAX_ASKED: usize = 32;

/// What subscribers have proved to the publishers among our clients.
///
/// Bound: our clients' publisher names, each with its [`Questions`].
#[derive(Debug, Default)]
pub(super) struct Proofs {
    publishers: BTreeMap<Publisher, Questions>,
    asked: BTreeMap<ChallengeId, (Publisher, Subscriber)>,
    /// When challenges are given up.
    verdicts: Timers<ChallengeId>,
    /// When those that failed may be asked again; no later than the first.
    retry: Option<Instant>,
}

/// One client's interest in one private topic.
pub(super) type Publisher = (ClientId, Topic);

impl Proofs {
    /// Takes who publishes and who subscribes now: whoever is gone has to prove itself again when it comes back.
    pub(super) fn review(&mut self, publishers: &[Publisher], found: &BTreeMap<Topic, Vec<(Subscriber, Topic)>>) {
        let present: BTreeSet<_> = publishers.iter().collect();
        self.publishers.retain(|publisher, _| present.contains(publisher));
        for publisher in publishers {
            let subscribers = found.get(&publisher.1).map_or(&[][..], Vec::as_slice);
            self.publishers.entry(publisher.clone()).or_default().review(subscribers);
        }
        let Self { publishers, asked, .. } = self;
        asked.retain(|challenge, (publisher, subscriber)| {
            publishers.get(publisher).is_some_and(|questions| questions.is_open(subscriber, *challenge))
        });
    }

    /// Whom to challenge now, and who is to do it.
    pub(super) fn questions(&mut self) -> Vec<Question> {
        let mut busy: BTreeMap<ClientId, usize> = BTreeMap::new();
        for ((client, _), _) in self.asked.values() {
            *busy.entry(*client).or_default() += 1;
        }
        let mut asked = Vec::new();
        for ((client, topic), questions) in &mut self.publishers {
            let open = busy.entry(*client).or_default();
            for (subscriber, channel) in questions.take(MAX_ASKED.saturating_sub(*open)) {
                *open += 1;
                asked.push(Question { client: *client, topic: topic.clone(), subscriber, channel });
            }
        }
        asked
    }

    pub(super) fn ask(&mut self, publisher: Publisher, about: Subscriber, challenge: ChallengeId, until: Instant) {
        if let Some(questions) = self.publishers.get_mut(&publisher) {
            questions.asked(about, challenge);
            self.asked.insert(challenge, (publisher, about));
            self.verdicts.set(until, challenge);
        }
    }

    /// Takes the verdict on a challenge that this client was given, once; false when there is none such.
    pub(super) fn judge(
        &mut self,
        client: ClientId,
        challenge: ChallengeId,
        topic: &Topic,
        accepted: bool,
        now: Instant,
    ) -> bool {
        let is_its = |((asked, about), _): &(Publisher, Subscriber)| *asked == client && about == topic;
        if !self.asked.get(&challenge).is_some_and(is_its) {
            return false;
        }
        if let Some((publisher, subscriber)) = self.asked.remove(&challenge)
            && let Some(questions) = self.publishers.get_mut(&publisher)
        {
            if accepted {
                questions.accepted(subscriber);
            } else {
                questions.refused(subscriber, now + PAUSE);
                self.retry.get_or_insert(now + PAUSE);
            }
        }
        true
    }

    /// Who may get what this client publishes to a private topic.
    pub(super) fn proved(&self, client: ClientId, topic: &Topic) -> impl Iterator<Item = Subscriber> {
        self.publishers.get(&(client, topic.clone())).into_iter().flat_map(Questions::proved)
    }

    /// The subscriber that a client was asked about by the name of its channel.
    pub(super) fn asked_about(&self, client: ClientId, topic: &Topic, channel: &Topic) -> Option<Subscriber> {
        self.publishers.get(&(client, topic.clone()))?.holder_of(channel)
    }

    /// Ends what took too long, and pauses; true when somebody may be challenged again.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> bool {
        let mut changed = false;
        while let Some(challenge) = self.verdicts.pop_due(now) {
            let Some((publisher, subscriber)) = self.asked.remove(&challenge) else { continue };
            if let Some(questions) = self.publishers.get_mut(&publisher) {
                questions.silent(subscriber, now + PAUSE);
                self.retry.get_or_insert(now + PAUSE);
                changed = true;
            }
        }
        if self.retry.is_some_and(|at| at <= now) {
            self.retry = self.publishers.values_mut().filter_map(|questions| questions.retry(now)).min();
            changed = true;
        }
        changed
    }

    pub(super) fn next(&self) -> Option<Instant> {
        crate::timers::earliest(self.verdicts.next(), self.retry)
    }
}
