//! What the client may do, as the rights in force say.

use std::{collections::BTreeSet, fmt, sync::Arc};

use arc_swap::ArcSwap;
use nuncio_audit::Event;
use nuncio_metrics::{Cause, RightsRefusal};
use nuncio_protocol::{Topic, amop};
use nuncio_rights::{Act, Ground, Party, Rights, Subject, Verdict};

use super::Member;
use crate::clients::DeniedTopics;

/// The rights that a session goes by, and by whose certificate.
#[derive(Debug)]
pub(super) struct Held {
    party: Party,
    rights: Arc<Rights>,
}

/// What a client sees of a network.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sight<'a> {
    pub(crate) viewer: Subject<'a>,
    pub(crate) rights: &'a Rights,
}

impl Held {
    pub(super) const fn new(party: Party, rights: Arc<Rights>) -> Self {
        Self { party, rights }
    }

    pub(super) fn by(&self) -> (&Party, &Rights) {
        (&self.party, &self.rights)
    }

    /// Whether others are in force now.
    pub(super) fn is_stale(&self, in_force: &ArcSwap<Rights>) -> bool {
        !Arc::ptr_eq(&self.rights, &in_force.load())
    }

    /// Whether there is nothing to ask.
    pub(super) fn is_open(&self) -> bool {
        self.rights.is_open()
    }

    pub(super) fn sight(&self) -> Sight<'_> {
        Sight { viewer: self.party.subject(), rights: &self.rights }
    }

    pub(super) fn publishing(&self, topic: &Topic) -> Verdict<'_> {
        let (act, name) = amop::publishing(topic);
        self.rights.judge(&self.party.subject(), act, name)
    }

    /// What lets the client subscribe a topic, or not; `None` where nothing is asked.
    fn subscribing<'a>(&'a self, topic: &Topic) -> Option<Verdict<'a>> {
        let (act, name) = amop::subscribing(topic)?;
        Some(self.rights.judge(&self.party.subject(), act, name))
    }

    /// Leaves those out of a list that the client may not subscribe, and says which.
    pub(super) fn sift(
        &self,
        topics: &BTreeSet<Topic>,
        client: &dyn fmt::Display,
    ) -> (BTreeSet<Topic>, Option<DeniedTopics>) {
        if self.is_open() {
            return (topics.clone(), None);
        }
        let (mut allowed, mut denied) = (BTreeSet::new(), None);
        for topic in topics {
            match self.subscribing(topic).filter(|verdict| !verdict.is_allowed()) {
                None => drop(allowed.insert(topic.clone())),
                Some(verdict) => denied.get_or_insert_with(|| DeniedTopics::of(client)).add(topic, &verdict),
            }
        }
        (allowed, denied)
    }
}

impl Member {
    /// Goes by the rights in force, if they are others than before.
    pub fn follow_rights(&mut self) {
        if !self.is_stale() {
            return;
        }
        self.rights.rights = self.door.rights.load_full();
        let (party, rights) = self.rights.by();
        self.registration.tenant.follow(party, rights);
        self.sift_topics();
    }

    /// Those of some topics that the client may not subscribe.
    pub fn denied_among(&self, topics: &BTreeSet<Topic>) -> Option<DeniedTopics> {
        self.rights.sift(topics, &self.subject).1
    }

    /// Has the core told of those topics of the newest list that the client may subscribe; the others come back.
    pub(super) fn sift_topics(&mut self) -> Option<DeniedTopics> {
        let listed = self.topics.listed()?;
        let (allowed, denied) = self.rights.sift(listed, &self.subject);
        let verdicts = listed.difference(&allowed).filter_map(|topic| self.rights.subscribing(topic));
        let refused: Vec<_> = verdicts.map(|verdict| refusal(Act::Subscribe, &verdict)).collect();
        refused.iter().for_each(|of| self.door.clients.counters().refused.rights.increment(*of));
        self.topics.tell(allowed);
        if let (Some(denied), Some(&first)) = (&denied, refused.first()) {
            self.door.clients.counters().topics_denied.add(denied.count as u64);
            self.door.audit.record(Event::SubscriptionDenied {
                refused: Cause::Rights(first).into(),
                client: self.client().0,
                subject: denied.client.as_str().into(),
                topics: denied.count,
                cause: denied.to_string().into(),
            });
        }
        self.mailbox().set_denied_topics(denied.clone());
        denied
    }
}

/// What an act that is denied is counted as.
pub(super) const fn refusal(act: Act, verdict: &Verdict<'_>) -> RightsRefusal {
    let is_publish = matches!(act, Act::Publish);
    match verdict.ground {
        Ground::Outside { .. } | Ground::NodeOutside { .. } if is_publish => RightsRefusal::PublishNamespace,
        Ground::Outside { .. } | Ground::NodeOutside { .. } => RightsRefusal::SubscribeNamespace,
        Ground::Deny(_) if is_publish => RightsRefusal::PublishRule,
        Ground::Deny(_) => RightsRefusal::SubscribeRule,
        Ground::Default | Ground::Allow(_) if is_publish => RightsRefusal::PublishDefault,
        Ground::Default | Ground::Allow(_) => RightsRefusal::SubscribeDefault,
    }
}

impl Sight<'_> {
    /// Whether a topic stands in the lists that the client gets.
    pub(crate) fn has(&self, topic: &str) -> bool {
        self.rights.is_open()
            || Topic::new(topic).is_ok_and(|topic| {
                let (_, name) = amop::publishing(&topic);
                self.rights.judge(&self.viewer, nuncio_rights::Act::See, name).is_allowed()
            })
    }

    /// Whether a node stands in them.
    pub(crate) fn has_node(&self, node: &Subject<'_>) -> bool {
        self.rights.is_open() || self.rights.may_see_node(&self.viewer, node)
    }
}
