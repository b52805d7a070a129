use std::fmt;

use nuncio_bounds::Bound;
use nuncio_protocol::Topic;
use nuncio_rights::Verdict;

/// Topics that a client has listed and may not subscribe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeniedTopics {
    /// The subject of its certificate.
    pub client: String,
    /// How many.
    pub count: usize,
    /// The first of them, each with the reason.
    pub first: Vec<(String, String)>,
}

/// Longest reason, in bytes: a sentence that names a namespace.
const REASON: usize = 256;

impl DeniedTopics {
    /// Most topics of one list that are named; the rest is counted.
    pub(crate) const NAMED: usize = 8;

    pub(crate) const BOUND: Bound = Bound::of_entries::<(String, String)>(
        "topics that a client has listed in vain, named",
        Self::NAMED,
        Topic::MAX_LENGTH + REASON,
        "further ones are counted",
    );

    pub(crate) fn of(client: &dyn fmt::Display) -> Self {
        Self { client: client.to_string(), count: 0, first: Vec::new() }
    }

    pub(crate) fn add(&mut self, topic: &Topic, verdict: &Verdict<'_>) {
        self.count += 1;
        if self.first.len() < Self::NAMED {
            self.first.push((topic.to_string(), verdict.to_string()));
        }
    }
}

impl fmt::Display for DeniedTopics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (topic, reason)) in self.first.iter().enumerate() {
            let comma = if number > 0 { ", " } else { "" };
            write!(f, "{comma}{topic:?} ({reason})")?;
        }
        let more = self.count - self.first.len();
        if more > 0 { write!(f, " and {more} more") } else { Ok(()) }
    }
}
