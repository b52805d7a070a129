use std::fmt;

/// A rule that a peer broke. Nothing that an honest node does, whatever the weather, is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Strike {
    /// Bytes that are no message, or a second word where one is said once.
    Malformed,
    /// A signature or seal that does not hold.
    Forged,
    /// A message, or an announcement, of a node whose certificate it could not show when it was asked.
    Uncertified,
    /// A message that is for nobody.
    Misdirected,
    /// The same messages again and again, more than any hop that fell silent could have swallowed.
    Replayed,
    /// More messages, bytes or signatures to check than its budget.
    Overspent,
    /// An answer that promises more and has none, or an announcement of a version that does not exist.
    EmptyPromise,
    /// A record over the limits, or more changes of its own than a node may make.
    Restless,
    /// Two signed statuses with one version.
    Equivocation,
    /// Different messages with one number, each under its own seal.
    Renumbered,
}

impl Strike {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Malformed,
        Self::Forged,
        Self::Uncertified,
        Self::Misdirected,
        Self::Replayed,
        Self::Overspent,
        Self::EmptyPromise,
        Self::Restless,
        Self::Equivocation,
        Self::Renumbered,
    ];

    /// A word for metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Forged => "forged",
            Self::Uncertified => "uncertified",
            Self::Misdirected => "misdirected",
            Self::Replayed => "replayed",
            Self::Overspent => "overspent",
            Self::EmptyPromise => "empty-promise",
            Self::Restless => "restless",
            Self::Equivocation => "equivocation",
            Self::Renumbered => "renumbered",
        }
    }
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "it sends bytes that are no message",
            Self::Forged => "it brings signatures or seals that do not hold",
            Self::Uncertified => "it brings messages of nodes whose certificates it cannot show",
            Self::Misdirected => "it sends messages that are for nobody",
            Self::Replayed => "it sends messages again",
            Self::Overspent => "it sends more than its budget",
            Self::EmptyPromise => "it promises records that it has not got",
            Self::Restless => "its status changes more often, or says more, than a node's may",
            Self::Equivocation => "it signed two statuses with one version",
            Self::Renumbered => "it gave one number to different messages",
        })
    }
}
