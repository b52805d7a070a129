use std::fmt;

/// What somebody wants of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// Publish to it.
    Publish,
    /// Subscribe it, and receive what is published to it.
    Subscribe,
    /// Be shown that it is there.
    See,
}

/// Whether somebody may, and what decided it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict<'a> {
    is_allowed: bool,
    /// What decided.
    pub ground: Ground<'a>,
}

/// What decides. Rules count from 1, in the order of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground<'a> {
    /// No rule is about it.
    Default,
    /// The rule of this number in `[[rights.allow]]`.
    Allow(usize),
    /// The rule of this number in `[[rights.deny]]`.
    Deny(usize),
    /// The topic is in a namespace, and whoever asks is not.
    Outside {
        /// The namespace.
        namespace: &'a str,
    },
    /// The node that serves whoever asks is not in the topic's namespace.
    NodeOutside {
        /// The namespace.
        namespace: &'a str,
    },
}

impl Act {
    /// Every act.
    pub const ALL: [Self; 3] = [Self::Publish, Self::Subscribe, Self::See];

    /// What it lets somebody do, in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Publish => "publish to the topic, to one subscriber or to all; prove a private topic's subscribers",
            Self::Subscribe => "subscribe the topic, and receive what is published to it",
            Self::See => "be shown the topic in lists; whoever may publish or subscribe is shown it, too",
        }
    }

    /// Its name in rules.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Subscribe => "subscribe",
            Self::See => "see",
        }
    }
}

impl<'a> Verdict<'a> {
    /// By the default alone.
    pub(crate) const fn by_default(is_allowed: bool) -> Self {
        Self { is_allowed, ground: Ground::Default }
    }

    pub(crate) const fn allowed(rule: usize) -> Self {
        Self { is_allowed: true, ground: Ground::Allow(rule) }
    }

    pub(crate) const fn denied(ground: Ground<'a>) -> Self {
        Self { is_allowed: false, ground }
    }

    /// Whether he may.
    pub const fn is_allowed(&self) -> bool {
        self.is_allowed
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The reason in words.
impl fmt::Display for Verdict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ground {
            Ground::Default if self.is_allowed => f.write_str(r#"no rule denies it, and [rights] default is "allow""#),
            Ground::Default => f.write_str(r#"no rule allows it, and [rights] default is "deny""#),
            Ground::Allow(rule) => write!(f, "[[rights.allow]] number {rule} allows it"),
            Ground::Deny(rule) => write!(f, "[[rights.deny]] number {rule} denies it"),
            Ground::Outside { namespace } => {
                write!(f, "the topic is in the namespace {namespace:?}, of which this certificate is no member")
            }
            Ground::NodeOutside { namespace } => {
                write!(f, "the topic is in the namespace {namespace:?}, of which this node is no member")
            }
        }
    }
}
