use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use nuncio_bounds::Bound;

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

/// Most subscribers that are known to all publishers together, and to those of one client; further ones get nothing.
const MAX_KNOWN: usize = 64 << 10;
const MAX_KNOWN_TO_CLIENT: usize = MAX_KNOWN / 4;
/// What one takes.
const PER_KNOWN: usize = 768;

/// What subscribers have proved to the publishers among our clients.
///
/// Bound: our clients' publisher names, each with its [`Questions`], and [`MAX_KNOWN`] subscribers of all of them.
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
    pub(super) const BOUND: Bound = Bound::of_bytes(
        "what subscribers of private topics have proved",
        MAX_KNOWN * PER_KNOWN,
        "further subscribers get nothing, of one publisher's client from a quarter on",
    )
    .in_entries(MAX_KNOWN);

    /// Takes who publishes and who subscribes now: whoever is gone has to prove itself again when it comes back.
    pub(super) fn review(&mut self, publishers: &[Publisher], found: &BTreeMap<Topic, Vec<(Subscriber, Topic)>>) {
        let present: BTreeSet<_> = publishers.iter().collect();
        self.publishers.retain(|publisher, _| present.contains(publisher));
        let (mut all, mut of_client) = (0, BTreeMap::<ClientId, usize>::new());
        for ((client, _), questions) in &self.publishers {
            all += questions.len();
            *of_client.entry(*client).or_default() += questions.len();
        }
        for publisher in publishers {
            let subscribers = found.get(&publisher.1).map_or(&[][..], Vec::as_slice);
            let questions = self.publishers.entry(publisher.clone()).or_default();
            let (own, before) = (of_client.entry(publisher.0).or_default(), questions.len());
            questions.review(subscribers, before + (MAX_KNOWN - all).min(MAX_KNOWN_TO_CLIENT - *own));
            (all, *own) = (all - before + questions.len(), *own - before + questions.len());
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

#[cfg(test)]
mod tests {
    use nuncio_testkit::simulator::node_id;

    use super::{super::Holder, *};

    fn topic(name: &str) -> Topic {
        Topic::new(name).expect("a valid topic")
    }

    /// A thousand subscribers of a topic at four other nodes.
    fn subscribers(name: &str) -> Vec<(Subscriber, Topic)> {
        let at = |n: u32| Holder::At { node: node_id(n as usize % 4), epoch: 1 };
        (0..1024).map(|n| (Subscriber { holder: at(n), session: n }, topic(&format!("{name}-{n}")))).collect()
    }

    fn known(proofs: &Proofs, is_meant: impl Fn(&Publisher) -> bool) -> usize {
        proofs
            .publishers
            .iter()
            .filter(|(publisher, _)| is_meant(publisher))
            .map(|(_, questions)| questions.len())
            .sum()
    }

    #[test]
    fn whoever_publishes_to_many_private_topics_leaves_room_for_others() {
        let names: Vec<_> = (0..40).map(|n| format!("t{n}")).collect();
        let found: BTreeMap<_, _> = names.iter().map(|name| (topic(name), subscribers(name))).collect();
        let mut publishers: Vec<Publisher> = names.iter().map(|name| (ClientId(1), topic(name))).collect();
        let mut proofs = Proofs::default();
        proofs.review(&publishers, &found);
        assert_eq!(known(&proofs, |_| true), MAX_KNOWN_TO_CLIENT);
        publishers.extend((2..100).map(|client| (ClientId(client), topic("t0"))));
        proofs.review(&publishers, &found);
        assert_eq!(known(&proofs, |_| true), MAX_KNOWN);
        assert_eq!(known(&proofs, |(client, _)| *client == ClientId(2)), 1024, "it has all of its topic");
        publishers.retain(|(client, _)| *client != ClientId(1));
        proofs.review(&publishers, &found);
        assert_eq!(
            known(&proofs, |(client, _)| *client == ClientId(60)),
            1024,
            "who is gone leaves its room to others"
        );
    }
}
