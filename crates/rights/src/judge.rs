//! The rule for "may X do Y".

use std::collections::BTreeMap;

use crate::{
    Act, Fallback, Fault, Ground, Party, Per, Quota, Quotas, Rule, Rules, Subject, Verdict,
    index::{ByTopic, ByWho},
    rules::At,
};

/// Rules, ready to be asked. Asking takes a few look-ups however many rules there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    rules: Rules,
    is_open: bool,
    acts: [Sides; Act::ALL.len()],
    namespaces: BTreeMap<String, ByWho<()>>,
    quotas: [ByWho<Quota>; 2],
}

/// The rules about one act, by topic and by whom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Sides {
    allow: ByTopic<ByWho<usize>>,
    deny: ByTopic<ByWho<usize>>,
}

/// Everybody may everything.
impl Default for Rights {
    fn default() -> Self {
        let (acts, namespaces, quotas) = Default::default();
        Self { rules: Rules::default(), is_open: true, acts, namespaces, quotas }
    }
}

impl Rights {
    /// What decides, first to last, in words: what [`Rights::judge`] does.
    pub const ORDER: [&str; 4] = [
        "the topic is in a namespace that the certificate, or the node that serves an SDK, is not in: denied",
        "a rule of `[[rights.deny]]` is about it: denied",
        "a rule of `[[rights.allow]]` is about it: allowed",
        "no rule is: as `default` says, `\"allow\"` unless it is set",
    ];

    /// Takes rules.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(rules: Rules) -> Result<Self, Fault> {
        Self::located(rules).map_err(|(_, fault)| fault)
    }

    /// The same; an error says in which table of the configuration, and at which entry of it, from 1.
    ///
    /// # Errors
    /// What is wrong with them, and where.
    pub fn located(rules: Rules) -> Result<Self, (At, Fault)> {
        rules.check()?;
        let acts = Act::ALL.map(|act| Sides { allow: index(&rules.allow, act), deny: index(&rules.deny, act) });
        let namespaces = rules.namespaces.iter().map(|namespace| {
            let mut members = ByWho::default();
            namespace.members.iter().for_each(|who| members.insert(who, ()));
            (namespace.name.clone(), members)
        });
        let namespaces = namespaces.collect();
        let quotas = [Per::Credential, Per::Agency].map(|per| {
            let mut quotas = ByWho::default();
            let of_this = rules.limits.iter().filter(|limit| limit.per == per);
            of_this.for_each(|limit| quotas.insert(&limit.who, limit.quota));
            quotas
        });
        let is_open = rules == Rules::default();
        Ok(Self { rules, is_open, acts, namespaces, quotas })
    }

    /// The rules.
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Whether everybody may everything, without end: there is nothing to ask.
    pub const fn is_open(&self) -> bool {
        self.is_open
    }

    /// Whether he may. Whoever is outside of the topic's namespace may not; else a denial counts before what allows, and the
    /// default where no rule is about it.
    ///
    /// `topic` is a name as rules have it: of a private topic, without its prefix.
    pub fn judge(&self, subject: &Subject<'_>, act: Act, topic: &str) -> Verdict<'_> {
        if let Some(ground) = self.outside(subject, topic) {
            return Verdict::denied(ground);
        }
        let find = |sides: &'_ ByTopic<ByWho<usize>>| {
            sides.about(topic).filter_map(|rules| rules.about(subject).min().copied()).min()
        };
        if let Some(rule) = find(&self.acts[act as usize].deny) {
            return Verdict::denied(Ground::Deny(rule));
        }
        // Whoever may use a topic knows its name.
        let enough: &[Act] = if act == Act::See { &Act::ALL } else { &[act] };
        match enough.iter().find_map(|act| find(&self.acts[*act as usize].allow)) {
            Some(rule) => Verdict::allowed(rule),
            None => Verdict::by_default(self.rules.default == Fallback::Allow),
        }
    }

    /// Whether two have to do with each other: a node that is in namespaces is shown to their members only. Where there are
    /// namespaces, one of which nothing certified is known yet may be in any of them, and is not shown.
    pub fn may_see_node(&self, viewer: &Subject<'_>, node: &Subject<'_>) -> bool {
        let mut is_somewhere = false;
        for members in self.namespaces.values().filter(|members| is_in(members, node)) {
            is_somewhere = true;
            if is_in(members, viewer) {
                return true;
            }
        }
        !is_somewhere && (self.namespaces.is_empty() || !node.agency.is_empty())
    }

    /// The namespaces he is in.
    pub fn namespaces_of<'a>(&'a self, subject: &'a Subject<'a>) -> impl Iterator<Item = &'a str> {
        self.namespaces.iter().filter(|(_, members)| is_in(members, subject)).map(|(name, _)| name.as_str())
    }

    /// How much he may: of all quotas that are about him, the least of each.
    pub fn quotas(&self, subject: &Subject<'_>) -> Quotas {
        let agency = Subject { agency: subject.top_agency(), name: "", keys: &[], ..*subject };
        let [credential, agencies] = &self.quotas;
        let least = |quotas: &ByWho<Quota>, subject: &Subject<'_>| {
            quotas.about(subject).fold(Quota::default(), |least, quota| least.and(quota))
        };
        Quotas { credential: least(credential, subject), agency: least(agencies, &agency) }
    }

    /// The namespace that a topic is in.
    pub fn namespace_of(&self, topic: &str) -> Option<&str> {
        self.namespace(topic).map(|(name, _)| name.as_str())
    }

    fn namespace(&self, topic: &str) -> Option<(&String, &ByWho<()>)> {
        let (first, _) = topic.split_once('/')?;
        self.namespaces.get_key_value(first)
    }

    fn outside(&self, subject: &Subject<'_>, topic: &str) -> Option<Ground<'_>> {
        let (namespace, members) = self.namespace(topic)?;
        if members.about(subject).next().is_none() {
            return Some(Ground::Outside { namespace });
        }
        let is_at_member = subject.node.is_none_or(|node| is_in(members, &node.subject()));
        (!is_at_member).then_some(Ground::NodeOutside { namespace })
    }
}

/// An SDK is where its node is, too.
fn is_in(members: &ByWho<()>, subject: &Subject<'_>) -> bool {
    members.about(subject).next().is_some()
        && subject.node.is_none_or(|node: &Party| members.about(&node.subject()).next().is_some())
}

fn index(rules: &[Rule], act: Act) -> ByTopic<ByWho<usize>> {
    let numbered = rules.iter().zip(1..);
    let patterns = numbered.flat_map(|(rule, number)| {
        let patterns = match act {
            Act::Publish => &rule.publish,
            Act::Subscribe => &rule.subscribe,
            Act::See => &rule.see,
        };
        patterns.iter().map(move |pattern| (pattern.clone(), (&rule.who, number)))
    });
    ByTopic::new(patterns, |by_who: &mut ByWho<usize>, (who, number)| by_who.insert(who, number))
}

#[cfg(test)]
mod tests;
