use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use nuncio_identity::NodeId;

use super::super::{ChallengeId, ClientId};
use crate::{Topic, timers::earliest};

/// How long a client may take to say what came of a challenge; SDKs wait 5 s for the subscriber.
const VERDICT: Duration = Duration::from_secs(10);
/// How long a subscriber that failed or was silent is left alone.
const PAUSE: Duration = Duration::from_secs(30);
/// Most challenges that one client works at.
const MAX_ASKED: usize = 32;
/// Most subscribers of one topic that one client is asked about; further ones get nothing of it.
const MAX_SUBSCRIBERS: usize = 1024;

/// A session that subscribes a private topic, as others see it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::amop) struct Subscriber {
    pub(in crate::amop) holder: Holder,
    pub(in crate::amop) channel: Topic,
}

/// Whose session it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::amop) enum Holder {
    Here(ClientId),
    At(NodeId),
}

/// What subscribers have proved to the publishers among our clients.
///
/// Bound: our clients' publisher names, [`MAX_SUBSCRIBERS`] each.
#[derive(Debug, Default)]
pub(in crate::amop) struct Proofs {
    publishers: BTreeMap<Publisher, BTreeMap<Subscriber, Proof>>,
    asked: BTreeMap<ChallengeId, (Publisher, Subscriber)>,
    /// No later than the first deadline.
    wake: Option<Instant>,
}

/// One client's interest in one private topic.
type Publisher = (ClientId, Topic);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    Wanted,
    Asked { challenge: ChallengeId, until: Instant },
    Given,
    Refused { until: Instant },
}

impl Proofs {
    /// Takes who publishes and who subscribes now: whoever is gone has to prove itself again when it comes back.
    pub(super) fn review(&mut self, publishers: &[Publisher], found: &BTreeMap<Topic, Vec<Subscriber>>) {
        let present: BTreeSet<_> = publishers.iter().collect();
        self.publishers.retain(|publisher, _| present.contains(publisher));
        for publisher in publishers {
            let subscribers = found.get(&publisher.1).map_or(&[][..], Vec::as_slice);
            let proofs = self.publishers.entry(publisher.clone()).or_default();
            let there: BTreeSet<_> = subscribers.iter().collect();
            proofs.retain(|subscriber, _| there.contains(subscriber));
            for subscriber in subscribers {
                if proofs.len() < MAX_SUBSCRIBERS || proofs.contains_key(subscriber) {
                    proofs.entry(subscriber.clone()).or_insert(Proof::Wanted);
                }
            }
        }
        let Self { publishers, asked, .. } = self;
        asked.retain(|challenge, (publisher, subscriber)| {
            let proof = publishers.get(publisher).and_then(|proofs| proofs.get(subscriber));
            matches!(proof, Some(Proof::Asked { challenge: open, .. }) if open == challenge)
        });
    }

    /// A subscriber that is to be challenged, and by whom.
    pub(super) fn next_wanted(&self) -> Option<(ClientId, Topic, Subscriber)> {
        let is_free =
            |client: ClientId| self.asked.values().filter(|((busy, _), _)| *busy == client).count() < MAX_ASKED;
        self.publishers.iter().find_map(|((client, topic), proofs)| {
            let wanted = proofs.iter().find(|(_, proof)| **proof == Proof::Wanted).map(|(subscriber, _)| subscriber)?;
            is_free(*client).then(|| (*client, topic.clone(), wanted.clone()))
        })
    }

    pub(super) fn ask(
        &mut self,
        client: ClientId,
        topic: Topic,
        subscriber: Subscriber,
        challenge: ChallengeId,
        now: Instant,
    ) {
        let publisher = (client, topic);
        self.set(&publisher, &subscriber, Proof::Asked { challenge, until: now + VERDICT });
        self.asked.insert(challenge, (publisher, subscriber));
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
        if let Some((publisher, subscriber)) = self.asked.remove(&challenge) {
            let proof = if accepted { Proof::Given } else { Proof::Refused { until: now + PAUSE } };
            self.set(&publisher, &subscriber, proof);
        }
        true
    }

    /// Who may get what this client publishes to a private topic.
    pub(in crate::amop) fn given(&self, client: ClientId, topic: &Topic) -> impl Iterator<Item = &Subscriber> {
        let proofs = self.publishers.get(&(client, topic.clone())).into_iter().flatten();
        proofs.filter(|(_, proof)| **proof == Proof::Given).map(|(subscriber, _)| subscriber)
    }

    /// Ends what took too long, and pauses; true when somebody may be challenged again.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> bool {
        if self.wake.is_none_or(|wake| wake > now) {
            return false;
        }
        self.wake = None;
        let mut changed = false;
        for proof in self.publishers.values_mut().flat_map(BTreeMap::values_mut) {
            match *proof {
                Proof::Asked { challenge, until } if until <= now => {
                    self.asked.remove(&challenge);
                    *proof = Proof::Refused { until: now + PAUSE };
                    changed = true;
                }
                Proof::Refused { until } if until <= now => {
                    *proof = Proof::Wanted;
                    changed = true;
                }
                _ => {}
            }
            self.wake = earliest(self.wake, proof.deadline());
        }
        changed
    }

    pub(in crate::amop) const fn next(&self) -> Option<Instant> {
        self.wake
    }

    fn set(&mut self, publisher: &Publisher, subscriber: &Subscriber, proof: Proof) {
        if let Some(known) = self.publishers.get_mut(publisher).and_then(|proofs| proofs.get_mut(subscriber)) {
            *known = proof;
            self.wake = earliest(self.wake, proof.deadline());
        }
    }
}

impl Proof {
    const fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Asked { until, .. } | Self::Refused { until } => Some(*until),
            Self::Wanted | Self::Given => None,
        }
    }
}
