use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use nuncio_bounds::Bound;

use super::{
    super::{ChallengeId, ClientId, Payer},
    Holder, Subscriber,
    questions::{Question, Questions},
};
use crate::{Topic, timers::Timers};

/// How long a subscriber that failed or was silent is left alone.
const PAUSE: Duration = Duration::from_secs(30);

/// Most challenges that one client works at; of them those at one place leave as many free, so that silence there holds nobody
/// else up.
const MAX_ASKED: usize = 32;

/// Most private topics that the clients of one payer publish to, each client counted; nobody proves itself to them for more.
const MAX_PUBLISHED: usize = 1024;

/// Most subscribers that are known to all publishers together, and to those of one payer; further ones get nothing.
const MAX_KNOWN: usize = 64 << 10;
const MAX_KNOWN_TO_PAYER: usize = MAX_KNOWN / 4;
/// What one takes.
const PER_KNOWN: usize = 768;

/// What subscribers have proved to the publishers among our clients.
///
/// Bound: [`MAX_PUBLISHED`] topics of each payer, each with its [`Questions`], and [`MAX_KNOWN`] subscribers of all of them.
/// Whoever had no room gets some as soon as its topic changes again.
#[derive(Debug, Default)]
pub(super) struct Proofs {
    publishers: BTreeMap<Publisher, Asks>,
    shares: BTreeMap<Payer, Share>,
    /// Subscribers, of all shares.
    known: usize,
    asked: BTreeMap<ChallengeId, (Publisher, Subscriber)>,
    /// When challenges are given up.
    verdicts: Timers<ChallengeId>,
    /// When those that failed may be asked again; no later than the first.
    retry: Option<Instant>,
}

/// One client's interest in one private topic.
pub(super) type Publisher = (Topic, ClientId);

/// What a publisher asks, and who pays for it.
#[derive(Debug)]
struct Asks {
    payer: Payer,
    questions: Questions,
}

/// The challenges that one client works at.
#[derive(Debug, Default)]
struct Open {
    all: usize,
    at: BTreeMap<Holder, usize>,
}

impl Open {
    fn add(&mut self, holder: Holder) {
        self.all += 1;
        *self.at.entry(holder).or_default() += 1;
    }

    fn has_room(&self, holder: &Holder) -> bool {
        self.at.get(holder).copied().unwrap_or_default() < MAX_ASKED.saturating_sub(self.all)
    }
}

/// What those of one payer have.
#[derive(Debug, Default)]
struct Share {
    topics: usize,
    known: usize,
}

impl Proofs {
    pub(super) const BOUND: Bound = Bound::of_bytes(
        "what subscribers of private topics have proved",
        MAX_KNOWN * PER_KNOWN,
        "further subscribers get nothing, of the publishers with one certificate from a quarter on",
    )
    .in_entries(MAX_KNOWN);

    /// The topics with publishers that are known here.
    pub(super) fn topics(&self) -> impl Iterator<Item = &Topic> {
        self.publishers.keys().map(|(topic, _)| topic)
    }

    /// Takes who publishes to a topic and who subscribes it now: whoever is gone has to prove itself again when it comes back.
    pub(super) fn review(&mut self, topic: &Topic, publishers: &[(ClientId, Payer)], found: &[(Subscriber, Topic)]) {
        let present: BTreeSet<_> = publishers.iter().map(|(client, _)| *client).collect();
        let near = self.publishers.range((topic.clone(), ClientId(0))..).take_while(|((other, _), _)| other == topic);
        let gone: Vec<_> =
            near.map(|(publisher, _)| publisher).filter(|(_, client)| !present.contains(client)).cloned().collect();
        for publisher in gone {
            self.forget(&publisher);
        }
        for (client, payer) in publishers {
            self.review_one((topic.clone(), *client), *payer, found);
        }
    }

    fn review_one(&mut self, publisher: Publisher, payer: Payer, found: &[(Subscriber, Topic)]) {
        let Self { publishers, shares, known, .. } = self;
        let share = shares.entry(payer).or_default();
        if !publishers.contains_key(&publisher) {
            if share.topics >= MAX_PUBLISHED {
                return;
            }
            share.topics += 1;
        }
        let asks = publishers.entry(publisher).or_insert_with(|| Asks { payer, questions: Questions::default() });
        let before = asks.questions.len();
        asks.questions.review(found, before + (MAX_KNOWN - *known).min(MAX_KNOWN_TO_PAYER - share.known));
        let after = asks.questions.len();
        (*known, share.known) = (*known - before + after, share.known - before + after);
    }

    fn forget(&mut self, publisher: &Publisher) {
        let Some(Asks { payer, questions }) = self.publishers.remove(publisher) else { return };
        self.known -= questions.len();
        if let Some(share) = self.shares.get_mut(&payer) {
            share.topics -= 1;
            share.known -= questions.len();
            if share.topics == 0 {
                self.shares.remove(&payer);
            }
        }
    }

    /// Forgets the challenges whose publisher or subscriber has gone.
    pub(super) fn end_questions(&mut self) {
        let Self { publishers, asked, .. } = self;
        asked.retain(|challenge, (publisher, subscriber)| {
            publishers.get(publisher).is_some_and(|asks| asks.questions.is_open(subscriber, *challenge))
        });
    }

    /// Has those challenged whose turn it is, until then; `draw` names a challenge of a subscriber there. Of a client's topics,
    /// too, those go first where fewest challenges are open or were in vain.
    pub(super) fn ask(&mut self, until: Instant, mut draw: impl FnMut(&Holder) -> ChallengeId) -> Vec<Question> {
        let Self { publishers, asked, verdicts, .. } = self;
        let mut open = BTreeMap::<ClientId, Open>::new();
        for ((_, client), about) in asked.values() {
            open.entry(*client).or_default().add(about.holder);
        }
        let wanting = publishers.iter().filter(|(_, asks)| asks.questions.wants_some());
        let mut turns: BTreeSet<_> = wanting.map(|(publisher, _)| (0, publisher.clone())).collect();
        let mut made = Vec::new();
        while let Some((turn, publisher)) = turns.pop_first() {
            let (open, asks) = (open.entry(publisher.1).or_default(), publishers.get_mut(&publisher));
            let Some(Asks { questions, .. }) = asks.filter(|_| open.all < MAX_ASKED) else { continue };
            let Some((against, about, channel)) = questions.next(|holder| open.has_room(holder)) else { continue };
            if against > turn {
                turns.insert((against, publisher));
                continue;
            }
            let challenge = draw(&about.holder);
            questions.asked(about, challenge);
            open.add(about.holder);
            asked.insert(challenge, (publisher.clone(), about));
            verdicts.set(until, challenge);
            made.push(Question { client: publisher.1, challenge, topic: publisher.0.clone(), channel });
            turns.insert((turn, publisher));
        }
        made
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
        let is_its = |((about, asked), _): &(Publisher, Subscriber)| *asked == client && about == topic;
        if !self.asked.get(&challenge).is_some_and(is_its) {
            return false;
        }
        if let Some((publisher, subscriber)) = self.asked.remove(&challenge)
            && let Some(Asks { questions, .. }) = self.publishers.get_mut(&publisher)
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
        self.publishers.get(&(topic.clone(), client)).into_iter().flat_map(|asks| asks.questions.proved())
    }

    /// The subscriber that a client was asked about by the name of its channel.
    pub(super) fn asked_about(&self, client: ClientId, topic: &Topic, channel: &Topic) -> Option<Subscriber> {
        self.publishers.get(&(topic.clone(), client))?.questions.holder_of(channel)
    }

    /// Ends what took too long, and pauses; true when somebody may be challenged again.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> bool {
        let mut changed = false;
        while let Some(challenge) = self.verdicts.pop_due(now) {
            let Some((publisher, subscriber)) = self.asked.remove(&challenge) else { continue };
            if let Some(Asks { questions, .. }) = self.publishers.get_mut(&publisher) {
                questions.silent(subscriber, now + PAUSE);
                self.retry.get_or_insert(now + PAUSE);
                changed = true;
            }
        }
        if self.retry.is_some_and(|at| at <= now) {
            self.retry = self.publishers.values_mut().filter_map(|asks| asks.questions.retry(now)).min();
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

    use super::{
        super::{super::TenantId, Holder},
        *,
    };

    fn topic(name: &str) -> Topic {
        Topic::new(name).expect("a valid topic")
    }

    /// A thousand subscribers of a topic at four other nodes.
    fn subscribers(name: &str) -> Vec<(Subscriber, Topic)> {
        let at = |n: u32| Holder::At { node: node_id(n as usize % 4), epoch: 1 };
        (0..1024).map(|n| (Subscriber { holder: at(n), session: n }, topic(&format!("{name}-{n}")))).collect()
    }

    fn known(proofs: &Proofs, client: u64) -> usize {
        let its = proofs.publishers.iter().filter(|((_, one), _)| *one == ClientId(client));
        its.map(|(_, asks)| asks.questions.len()).sum()
    }

    #[test]
    fn whoever_publishes_to_many_private_topics_leaves_room_for_others() {
        let names: Vec<_> = (0..40).map(|n| format!("t{n}")).collect();
        let mut proofs = Proofs::default();
        // Two clients with one certificate.
        let greedy = |client| (ClientId(client), Payer::Tenant(TenantId(9)));
        for name in &names {
            proofs.review(&topic(name), &[greedy(1), greedy(1000)], &subscribers(name));
        }
        assert_eq!(known(&proofs, 1) + known(&proofs, 1000), MAX_KNOWN_TO_PAYER);
        let others: Vec<_> = (2..100).map(|client| (ClientId(client), Payer::Client(ClientId(client)))).collect();
        proofs.review(&topic("of others"), &others, &subscribers("of others"));
        assert_eq!(proofs.known, MAX_KNOWN);
        assert_eq!(known(&proofs, 2), 1024, "it has all of its topic");
        for name in &names {
            proofs.review(&topic(name), &[], &[]);
        }
        proofs.review(&topic("of others"), &others, &subscribers("of others"));
        assert_eq!(known(&proofs, 60), 1024, "who is gone leaves its room to others");
        proofs.review(&topic("of others"), &[], &[]);
        assert!(proofs.known == 0 && proofs.shares.is_empty() && proofs.publishers.is_empty());
    }

    #[test]
    fn clients_with_one_certificate_publish_to_so_many_private_topics_and_no_more() {
        let (mut proofs, found) = (Proofs::default(), subscribers("t"));
        for n in 0..2 * MAX_PUBLISHED {
            let payer = Payer::Tenant(TenantId(9));
            proofs.review(&topic(&format!("t{n}")), &[(ClientId(n as u64), payer)], &found[..1]);
        }
        assert_eq!((proofs.publishers.len(), proofs.known), (MAX_PUBLISHED, MAX_PUBLISHED));
        proofs.review(&topic("t"), &[(ClientId(1), Payer::Tenant(TenantId(8)))], &found[..1]);
        assert_eq!(proofs.known, MAX_PUBLISHED + 1, "another one's is taken");
        proofs.review(&topic("t0"), &[], &[]);
        proofs.review(&topic("t2000"), &[(ClientId(2000), Payer::Tenant(TenantId(9)))], &found[..1]);
        assert_eq!(known(&proofs, 2000), 1, "where one has gone there is room for another");
    }
}
