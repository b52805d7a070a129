use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Longest topic, in bytes.
const MAX_LENGTH: usize = 254;

/// Topics in a rule: one by its exact name, or, with one `*` at the end, all that begin so.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pattern {
    /// The topic of this name.
    Exact(String),
    /// Every topic that begins so; with nothing before the `*`, every topic.
    Prefix(String),
}

/// A text that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` names no topics: {reason}; write a topic's name, or how names begin and one `*` at the end")]
pub struct PatternError {
    text: String,
    reason: &'static str,
}

impl Pattern {
    /// Whether it names this topic.
    pub fn names(&self, topic: &str) -> bool {
        match self {
            Self::Exact(name) => name == topic,
            Self::Prefix(beginning) => topic.starts_with(beginning.as_str()),
        }
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let refuse = |reason| Err(PatternError { text: text.chars().take(MAX_LENGTH).collect(), reason });
        let (name, is_prefix) = text.strip_suffix('*').map_or((text, false), |beginning| (beginning, true));
        if name.contains('*') {
            return refuse("a `*` stands at the end only, and once");
        }
        if name.is_empty() && !is_prefix {
            return refuse("it is empty");
        }
        if name.len() > MAX_LENGTH {
            return refuse("no topic is longer than 254 bytes");
        }
        if name.chars().any(char::is_control) {
            return refuse("no topic holds control characters");
        }
        if name.starts_with("#!$") {
            return refuse("a private topic is named as others are, without its `#!$TopicNeedVerify_`");
        }
        Ok(if is_prefix { Self::Prefix(name.to_owned()) } else { Self::Exact(name.to_owned()) })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Prefix(beginning) => write!(f, "{beginning}*"),
        }
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_name_or_how_names_begin() {
        let names = |pattern: &str, topic: &str| pattern.parse::<Pattern>().unwrap().names(topic);
        for (pattern, topic, named) in [
            ("orders", "orders", true),
            ("orders", "orders/new", false),
            ("orders", "order", false),
            ("orders*", "orders", true),
            ("orders*", "orders/new", true),
            ("orders*", "order", false),
            ("orders/*", "orders", false),
            ("*", "anything at all", true),
            ("价格*", "价格/1", true),
            ("Orders", "orders", false),
        ] {
            assert_eq!(names(pattern, topic), named, "{pattern} {topic}");
            assert_eq!(pattern.parse::<Pattern>().unwrap().to_string(), pattern);
        }
    }

    #[test]
    fn what_names_no_topics_is_refused_in_words() {
        let long = "x".repeat(255);
        for (text, words) in [
            ("", "empty"),
            ("a*b", "at the end only"),
            ("**", "at the end only"),
            ("*a", "at the end only"),
            ("a\tb", "control"),
            ("a\u{9b}*", "control"),
            (&long, "254 bytes"),
            ("#!$TopicNeedVerify_a", "without its"),
        ] {
            let error = text.parse::<Pattern>().unwrap_err().to_string();
            assert!(error.contains(words) && error.contains("one `*` at the end"), "{text:?}: {error}");
        }
    }
}
