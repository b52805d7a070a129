//! What an operator writes.

use serde::{Deserialize, Serialize};

use crate::{Pattern, Quota, Who};

/// Longest name of a namespace, in bytes.
const MAX_NAMESPACE: usize = 64;

/// All rules, as the configuration has them. A denial comes before whatever allows; the order of rules means nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// What counts where no rule is about it.
    pub default: Fallback,
    /// What is allowed.
    pub allow: Vec<Rule>,
    /// What is denied, whatever is allowed.
    pub deny: Vec<Rule>,
    /// The namespaces, with their members.
    pub namespaces: Vec<Namespace>,
    /// How much of it.
    pub limits: Vec<Limit>,
}

/// What counts where no rule is about it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// Everybody may.
    #[default]
    Allow,
    /// Nobody may.
    Deny,
}

impl Fallback {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

/// Topics that somebody may, or may not, publish to, subscribe or see.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    /// Who; left out, everybody.
    #[serde(skip_serializing_if = "Who::is_everybody")]
    pub who: Who,
    /// Topics to publish to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub publish: Vec<Pattern>,
    /// Topics to subscribe.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subscribe: Vec<Pattern>,
    /// Topics to see in lists. Whoever is allowed to publish to or subscribe a topic sees it besides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub see: Vec<Pattern>,
}

/// A part of the network: its topics are `name/…`, and only its members have to do with them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// Nodes and SDKs that belong to it.
    pub members: Vec<Who>,
}

/// How much somebody may.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limit {
    /// Who; left out, everybody.
    pub who: Who,
    /// Of what there is one such quota each.
    pub per: Per,
    /// How much.
    pub quota: Quota,
}

/// Of what there is one quota each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// Each certificate's key, with all its sessions.
    #[default]
    Credential,
    /// Each agency, with all that it certified.
    Agency,
}

/// Rules that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// An agency or name without a character.
    #[error("agency and name have at least one character; leave out what is not asked for")]
    EmptyName,
    /// A pattern where there is none.
    #[error("{name:?} is taken as it is written, and would mean nobody: agencies and names have no `*`")]
    NoPattern {
        /// The name.
        name: String,
    },
    /// A name that every agency can give.
    #[error(
        "name {name:?} stands without an agency: every agency can issue a certificate of that name; add agency, or name the key"
    )]
    NameWithoutAgency {
        /// The name.
        name: String,
    },
    /// A rule about nothing.
    #[error("it names no topics: give publish, subscribe or see")]
    NoTopics,
    /// A name that no namespace can have.
    #[error(
        "{name:?} is no name for a namespace: it has 1 to 64 bytes, no `/`, no `*` and no control character, and begins with neither `#!$` nor `_block_notify_`"
    )]
    NamespaceName {
        /// The name.
        name: String,
    },
    /// Two namespaces of one name.
    #[error("the namespace {name:?} stands there twice")]
    NamespaceTwice {
        /// The name.
        name: String,
    },
    /// A namespace that is none.
    #[error("every certificate would be a member of the namespace {name:?}: give agency, key or role of its members")]
    NamespaceOfAll {
        /// The name.
        name: String,
    },
    /// A quota of nothing.
    #[error("it limits nothing: give messages, bytes, topics, sessions or in_flight")]
    NoLimit,
    /// A quota that would stop all.
    #[error("{what} = 0 would let nothing through: deny the topics, or leave it out")]
    Zero {
        /// Which.
        what: &'static str,
    },
    /// A quota for an agency that asks for less than an agency.
    #[error("a quota per agency is of whole agencies: give who an agency without `/`, a role, or nothing")]
    NotAnAgency,
}

/// Where a fault is: the table and the number in it, from 1.
pub(crate) type At = (&'static str, usize);

impl Rules {
    /// What is wrong, and where.
    pub(crate) fn check(&self) -> Result<(), (At, Fault)> {
        let at = |table, index: usize| move |fault| ((table, index + 1), fault);
        for (table, rules) in [("rights.allow", &self.allow), ("rights.deny", &self.deny)] {
            for (index, rule) in rules.iter().enumerate() {
                rule.check().map_err(at(table, index))?;
            }
        }
        for (index, namespace) in self.namespaces.iter().enumerate() {
            namespace.check(&self.namespaces[..index]).map_err(at("rights.namespace", index))?;
        }
        for (index, limit) in self.limits.iter().enumerate() {
            limit.check().map_err(at("rights.quota", index))?;
        }
        Ok(())
    }
}

impl Rule {
    fn check(&self) -> Result<(), Fault> {
        if self.publish.is_empty() && self.subscribe.is_empty() && self.see.is_empty() {
            return Err(Fault::NoTopics);
        }
        self.who.check()
    }
}

impl Namespace {
    fn check(&self, before: &[Self]) -> Result<(), Fault> {
        let name = self.name.clone();
        let is_taken = ["#!$", "_block_notify_"].iter().any(|begins| name.starts_with(begins));
        let is_odd = |c: char| c == '/' || c == '*' || c.is_control();
        if name.is_empty() || name.len() > MAX_NAMESPACE || is_taken || name.contains(is_odd) {
            return Err(Fault::NamespaceName { name });
        }
        if before.iter().any(|other| other.name == name) {
            return Err(Fault::NamespaceTwice { name });
        }
        if self.members.iter().any(Who::is_everybody) {
            return Err(Fault::NamespaceOfAll { name });
        }
        self.members.iter().try_for_each(Who::check)
    }
}

impl Limit {
    fn check(&self) -> Result<(), Fault> {
        let Who { agency, name, key, .. } = &self.who;
        let is_part = agency.as_ref().is_some_and(|agency| agency.contains('/')) || name.is_some() || key.is_some();
        if self.per == Per::Agency && is_part {
            return Err(Fault::NotAnAgency);
        }
        if self.quota.is_unlimited() {
            return Err(Fault::NoLimit);
        }
        self.quota.check()?;
        self.who.check()
    }
}
