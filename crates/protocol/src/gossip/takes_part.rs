use std::collections::BTreeSet;

use crate::Topic;

/// In the gossip of which topics a node takes part: those that its application subscribes, and those that its core wants passed
/// on for others.
///
/// Bound: both sets are bounded by whoever gives them.
#[derive(Debug, Default)]
pub struct TakesPart {
    subscribed: BTreeSet<Topic>,
    relayed: BTreeSet<Topic>,
}

/// What the edge has to begin and to end.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Takes part in the gossip of these from now on.
    pub joined: Vec<Topic>,
    /// And of these no more.
    pub left: Vec<Topic>,
}

impl TakesPart {
    /// Whether it takes part in a topic's gossip.
    pub fn has(&self, topic: &Topic) -> bool {
        self.subscribed.contains(topic) || self.relayed.contains(topic)
    }

    /// What its application subscribes.
    pub const fn subscribed(&self) -> &BTreeSet<Topic> {
        &self.subscribed
    }

    /// The application subscribes these, and nothing else.
    pub fn set_subscribed(&mut self, topics: BTreeSet<Topic>) -> Change {
        let change = change(&self.subscribed, &topics, &self.relayed);
        self.subscribed = topics;
        change
    }

    /// The core wants these passed on, and nothing else: see [`crate::Output::Relay`].
    pub fn set_relayed(&mut self, topics: BTreeSet<Topic>) -> Change {
        let change = change(&self.relayed, &topics, &self.subscribed);
        self.relayed = topics;
        change
    }
}

/// What is in `other` stays.
fn change(old: &BTreeSet<Topic>, new: &BTreeSet<Topic>, other: &BTreeSet<Topic>) -> Change {
    let without = |a: &BTreeSet<Topic>, b: &BTreeSet<Topic>| {
        a.difference(b).filter(|topic| !other.contains(*topic)).cloned().collect()
    };
    Change { joined: without(new, old), left: without(old, new) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(names: &[&str]) -> BTreeSet<Topic> {
        names.iter().map(|name| Topic::new(name).expect("a valid topic")).collect()
    }

    fn told(change: Change) -> [BTreeSet<Topic>; 2] {
        [change.joined.into_iter().collect(), change.left.into_iter().collect()]
    }

    #[test]
    fn it_takes_part_as_long_as_the_application_or_others_want_it() {
        let mut part = TakesPart::default();
        assert_eq!(told(part.set_subscribed(topics(&["a", "b"]))), [topics(&["a", "b"]), topics(&[])]);
        assert_eq!(told(part.set_relayed(topics(&["b", "c"]))), [topics(&["c"]), topics(&[])], "b goes on");
        assert_eq!(told(part.set_subscribed(topics(&[]))), [topics(&[]), topics(&["a"])], "b is passed on still");
        assert_eq!(told(part.set_relayed(topics(&["d"]))), [topics(&["d"]), topics(&["b", "c"])]);
        assert!(
            topics(&["d"]).iter().all(|topic| part.has(topic)) && !topics(&["a", "b", "c"]).iter().any(|t| part.has(t))
        );
    }
}
