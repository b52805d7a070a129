//! What the client may do, as the rights in force say.

use std::{collections::BTreeSet, sync::Arc};

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
    pub(crate) rights: &'a Arc<Rights>,
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

    /// Those of some topics that the client may not subscribe.
    fn denied<'t>(
        &self,
        topics: impl IntoIterator<Item = &'t Topic>,
    ) -> impl Iterator<Item = (&'t Topic, Verdict<'_>)> {
        let topics = topics.into_iter().filter(move |_| !self.is_open());
        topics.filter_map(move |topic| Some((topic, self.subscribing(topic).filter(|verdict| !verdict.is_allowed())?)))
    }
}

/// What was found of topics that a client may not subscribe.
#[derive(Default)]
struct Sifted {
    denied: BTreeSet<Topic>,
    /// In words.
    told: Option<DeniedTopics>,
    /// What the first is counted as.
    first: Option<RightsRefusal>,
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
        self.sift_all();
    }

    /// Has the core told of those topics of the newest list that the client may subscribe.
    pub(super) fn sift_all(&mut self) {
        let Some(listed) = self.topics.listed() else { return };
        let Sifted { denied, told, first } = self.sift(listed);
        self.topics.deny(denied);
        self.note_denied(told.as_ref().zip(first));
    }

    /// The same of topics that were added to it; those that the client may not subscribe come back.
    pub(super) fn sift_added(&mut self, topics: &BTreeSet<Topic>) -> Option<DeniedTopics> {
        let Sifted { denied, told, first } = self.sift(topics);
        self.topics.deny_also(denied);
        self.note_denied(told.as_ref().zip(first));
        told
    }

    fn sift(&self, topics: &BTreeSet<Topic>) -> Sifted {
        let mut sifted = Sifted::default();
        for (topic, verdict) in self.rights.denied(topics) {
            let refusal = refusal(Act::Subscribe, &verdict);
            self.door.clients.counters().refused.rights.increment(refusal);
            sifted.first.get_or_insert(refusal);
            sifted.told.get_or_insert_with(|| DeniedTopics::of(&self.subject)).add(topic, &verdict);
            sifted.denied.insert(topic.clone());
        }
        sifted
    }

    /// Notes what was denied now, and shows what is in all.
    fn note_denied(&self, denied: Option<(&DeniedTopics, RightsRefusal)>) {
        if let Some((denied, first)) = denied {
            self.door.clients.counters().topics_denied.add(denied.count as u64);
            self.door.audit.record(Event::SubscriptionDenied {
                refused: Cause::Rights(first).into(),
                client: self.client().0,
                subject: denied.client.as_str().into(),
                topics: denied.count,
                cause: denied.to_string().into(),
            });
        }
        self.show_denied();
    }

    /// Shows operators which topics of the newest list are denied.
    pub(super) fn show_denied(&self) {
        let all = self.topics.denied();
        let denied = self.rights.denied(all.iter().take(DeniedTopics::NAMED));
        let shown = denied.fold(None, |shown: Option<DeniedTopics>, (topic, verdict)| {
            let mut shown = shown.unwrap_or_else(|| DeniedTopics::of(&self.subject));
            shown.add(topic, &verdict);
            Some(shown)
        });
        self.mailbox().set_denied_topics(shown.map(|shown| DeniedTopics { count: all.len(), ..shown }));
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
    /// Whether everybody sees the same: all.
    pub(crate) fn is_open(&self) -> bool {
        self.rights.is_open()
    }

    /// Whether a topic stands in the lists that the client gets.
    pub(crate) fn has(&self, topic: &str) -> bool {
        self.is_open()
            || Topic::new(topic).is_ok_and(|topic| {
                let (_, name) = amop::publishing(&topic);
                self.rights.judge(&self.viewer, nuncio_rights::Act::See, name).is_allowed()
            })
    }

    /// Whether a node stands in them.
    pub(crate) fn has_node(&self, node: &Subject<'_>) -> bool {
        self.is_open() || self.rights.may_see_node(&self.viewer, node)
    }
}
