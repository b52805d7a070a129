//! How urgent what clients publish is: what the operator says of topics, and what clients say themselves.

use nuncio_protocol::Priority;
use nuncio_rights::{ByTopic, Pattern};

/// What the operator says of topics. SDKs have no way to say it, so it is said for them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Priorities(ByTopic<Option<Priority>>);

/// One pattern stands with two priorities.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is named {one} and {other}: one of them counts")]
pub struct NamedTwice {
    pattern: Pattern,
    one: Priority,
    other: Priority,
}

impl Priorities {
    /// The topics of these patterns have these priorities; of several patterns that name a topic the most telling one counts.
    ///
    /// # Errors
    /// When one pattern stands with two priorities.
    pub fn new(named: impl IntoIterator<Item = (Pattern, Priority)>) -> Result<Self, NamedTwice> {
        let mut twice = None;
        let items = named.into_iter().map(|(pattern, priority)| (pattern.clone(), (pattern, priority)));
        let by_topic = ByTopic::new(items, |known: &mut Option<Priority>, (pattern, other)| match *known {
            Some(one) if one != other => twice = Some(NamedTwice { pattern, one, other }),
            _ => *known = Some(other),
        });
        twice.map_or(Ok(Self(by_topic)), Err)
    }

    /// How urgent a message to a topic is whose client says so much of it, or nothing. What the operator says is the most
    /// urgent that its clients may name.
    pub fn of(&self, topic: &str, named: Option<Priority>) -> Priority {
        match (self.0.about(topic).next().copied().flatten(), named) {
            (Some(most), Some(named)) => most.max(named),
            (said, named) => said.or(named).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn priorities(named: &[(&str, Priority)]) -> Result<Priorities, NamedTwice> {
        Priorities::new(named.iter().map(|(pattern, priority)| (pattern.parse().unwrap(), *priority)))
    }

    #[test]
    fn the_most_telling_pattern_counts_and_a_client_may_be_less_urgent_not_more() {
        let said = [
            ("alarms*", Priority::Control),
            ("alarms/test*", Priority::Bulk),
            ("alarms/test/now", Priority::High),
            ("orders", Priority::Normal),
        ];
        let said = priorities(&said).unwrap();
        for (topic, named, priority) in [
            ("alarms", None, Priority::Control),
            ("alarms/fire", Some(Priority::Normal), Priority::Normal),
            ("alarms/fire", Some(Priority::Control), Priority::Control),
            ("alarms/test/1", None, Priority::Bulk),
            ("alarms/test/1", Some(Priority::Control), Priority::Bulk),
            ("alarms/test/now", None, Priority::High),
            ("orders", Some(Priority::Control), Priority::Normal),
            ("orders/1", None, Priority::Normal),
            ("orders/1", Some(Priority::Control), Priority::Control),
        ] {
            assert_eq!(said.of(topic, named), priority, "{topic} {named:?}");
        }
    }

    #[test]
    fn one_pattern_with_two_priorities_is_refused_in_words() {
        let named = [("a*", Priority::High), ("a*", Priority::Bulk)];
        assert_eq!(priorities(&named).unwrap_err().to_string(), "`a*` is named high and bulk: one of them counts");
        assert!(priorities(&[named[0], named[0]]).is_ok());
    }
}
