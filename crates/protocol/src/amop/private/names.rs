//! The names of a private topic.
//!
//! | name | who subscribes it |
//! |---|---|
//! | `#!$TopicNeedVerify_` T | subscribers; publishers publish to it |
//! | `#!$VerifyChannel_` `#!$TopicNeedVerify_` T `_` 32 characters | one subscriber, to be challenged |
//! | `#!$PushChannel_` `#!$TopicNeedVerify_` T | publishers |
//! | `#!$Private_` `#!$TopicNeedVerify_` T `_` 8 hexadecimal digits | nobody: a session's address between nodes, our own |

use crate::Topic;

const PRIVATE: &str = "#!$TopicNeedVerify_";
const CHANNEL: &str = "#!$VerifyChannel_";
const PUBLISHER: &str = "#!$PushChannel_";
const ADDRESS: &str = "#!$Private_";

/// `_` and 32 letters and digits, which tell the channels of one topic apart.
const SUFFIX: usize = 33;

pub(in crate::amop) fn is_private(topic: &Topic) -> bool {
    topic.as_str().starts_with(PRIVATE)
}

/// Whether clients may not publish there: nobody listens, or it is for nodes.
pub(in crate::amop) fn is_closed_to_publishers(topic: &Topic) -> bool {
    is_publisher_channel(topic) || topic.as_str().starts_with(ADDRESS)
}

pub(in crate::amop) fn is_publisher_channel(topic: &Topic) -> bool {
    topic.as_str().starts_with(PUBLISHER)
}

/// The private topic that the subscriber of this name publishes to.
pub(in crate::amop) fn private_of_publisher(topic: &Topic) -> Option<Topic> {
    private(topic.as_str().strip_prefix(PUBLISHER)?)
}

/// The private topic that a name has to do with: it is one, or a channel or the publishers' name of one.
pub(in crate::amop) fn private_of(topic: &Topic) -> Option<Topic> {
    let of_itself = || private(topic.as_str());
    of_itself().or_else(|| private_of_publisher(topic)).or_else(|| private_of_channel(topic))
}

/// The private topic that a channel proves a subscriber of. The suffix is cut off by its length, so that the channel of
/// `ab` is never taken for one of `a`.
pub(in crate::amop) fn private_of_channel(topic: &Topic) -> Option<Topic> {
    private(without_suffix(topic.as_str().strip_prefix(CHANNEL)?)?)
}

/// Whether this is a channel, of whichever private topic.
pub(in crate::amop) fn is_channel(topic: &Topic) -> bool {
    topic.as_str().starts_with(CHANNEL) && private_of_channel(topic).is_some()
}

/// Where nodes send a message for a session that subscribes a private topic. `None` when the topic is longer than one that
/// channels can be made of.
pub(in crate::amop) fn address_of(private: &Topic, session: u32) -> Option<Topic> {
    Topic::new(&format!("{ADDRESS}{private}_{session:08x}")).ok()
}

/// The private topic and the session that an address stands for.
pub(in crate::amop) fn at_address(topic: &Topic) -> Option<(Topic, u32)> {
    let (name, session) = topic.as_str().strip_prefix(ADDRESS)?.rsplit_once('_')?;
    let is_number = session.len() == 8 && session.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let session = u32::from_str_radix(session, 16).ok().filter(|_| is_number)?;
    Some((private(name)?, session))
}

/// The name under which a client gets a message: a private one's is that of the topic, not of the address.
pub(in crate::amop) fn shown(topic: &Topic) -> Topic {
    at_address(topic).map_or_else(|| topic.clone(), |(private, _)| private)
}

/// The topic that rules are about: of a private one, and of whatever belongs to one, its name without the prefix.
pub(in crate::amop) fn judged(topic: &Topic) -> &str {
    let name = topic.as_str();
    let private = if let Some(channel) = name.strip_prefix(CHANNEL) {
        without_suffix(channel)
    } else if let Some(publishers) = name.strip_prefix(PUBLISHER) {
        Some(publishers)
    } else if let Some(address) = name.strip_prefix(ADDRESS) {
        address.rsplit_once('_').map(|(private, _)| private)
    } else {
        Some(name)
    };
    let plain = private.and_then(|private| private.strip_prefix(PRIVATE));
    plain.filter(|plain| !plain.is_empty()).unwrap_or(name)
}

/// What all channels of a private topic begin with; those of longer topics too. `None` when none could be so long.
pub(in crate::amop) fn beginning_of_channels(private: &Topic) -> Option<Topic> {
    Topic::new(&format!("{CHANNEL}{private}_")).ok()
}

/// What those who publish to a private topic subscribe. `None` when the topic is longer than one that has such a name.
pub(in crate::amop) fn publishers_of(private: &Topic) -> Option<Topic> {
    Topic::new(&format!("{PUBLISHER}{private}")).ok()
}

/// What all names that publishers subscribe begin with.
pub(in crate::amop) fn beginning_of_publishers() -> Option<Topic> {
    Topic::new(PUBLISHER).ok()
}

fn private(name: &str) -> Option<Topic> {
    let named = name.strip_prefix(PRIVATE).is_some_and(|rest| !rest.is_empty());
    named.then(|| Topic::new(name).ok()).flatten()
}

fn without_suffix(name: &str) -> Option<&str> {
    let (name, suffix) = name.split_at_checked(name.len().checked_sub(SUFFIX)?)?;
    let is_suffix = suffix.starts_with('_') && suffix[1..].bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_suffix.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "8bfa0123456789abcdef0123456789ab";

    fn topic(name: &str) -> Topic {
        Topic::new(name).unwrap()
    }

    #[test]
    fn a_channel_belongs_to_exactly_one_topic() {
        let channel = topic(&format!("#!$VerifyChannel_#!$TopicNeedVerify_ab_{HEX}"));
        assert_eq!(private_of_channel(&channel), Some(topic("#!$TopicNeedVerify_ab")));
        let nested = topic(&format!("#!$VerifyChannel_#!$TopicNeedVerify_a_{HEX}_{HEX}"));
        assert_eq!(private_of_channel(&nested), Some(topic(&format!("#!$TopicNeedVerify_a_{HEX}"))));
        for name in [
            "#!$VerifyChannel_#!$TopicNeedVerify_a".to_owned(),
            format!("#!$VerifyChannel_#!$TopicNeedVerify__{HEX}"),
            format!("#!$VerifyChannel_ab_{HEX}"),
            format!("#!$VerifyChannel_#!$TopicNeedVerify_ab-{HEX}"),
            format!("#!$VerifyChannel_#!$TopicNeedVerify_ab_{}é", &HEX[2..]),
        ] {
            assert_eq!(private_of_channel(&topic(&name)), None, "{name}");
        }
    }

    #[test]
    fn addresses_lead_back_to_their_topic_and_session_at_any_length() {
        for length in [1, 185] {
            let private = topic(&format!("#!$TopicNeedVerify_{}", "t".repeat(length)));
            for session in [1, u32::MAX] {
                let address = address_of(&private, session).unwrap();
                assert!(is_closed_to_publishers(&address) && !is_private(&address));
                assert_eq!(at_address(&address), Some((private.clone(), session)));
            }
        }
        for name in ["t", "#!$Private_t_00000001", "#!$Private_#!$TopicNeedVerify_t_+0000001"] {
            assert_eq!(at_address(&topic(name)), None, "{name}");
        }
    }

    #[test]
    fn rules_are_about_the_topic_whatever_of_it_is_named() {
        let private = topic("#!$TopicNeedVerify_ns/ab");
        let whole = [
            private.clone(),
            topic(&format!("#!$VerifyChannel_{private}_{HEX}")),
            topic(&format!("#!$PushChannel_{private}")),
            address_of(&private, 7).unwrap(),
            topic("ns/ab"),
        ];
        for name in &whole {
            assert_eq!(judged(name), "ns/ab", "{name}");
        }
        for odd in
            ["#!$TopicNeedVerify_", "#!$PushChannel_ab", "#!$VerifyChannel_#!$TopicNeedVerify_ab", "#!$Private_ab_1"]
        {
            assert_eq!(judged(&topic(odd)), odd, "it belongs to no private topic");
        }
    }

    #[test]
    fn publishers_name_their_topic() {
        let push = topic("#!$PushChannel_#!$TopicNeedVerify_ab");
        assert!(is_closed_to_publishers(&push));
        assert_eq!(private_of_publisher(&push), Some(topic("#!$TopicNeedVerify_ab")));
        assert_eq!(private_of_publisher(&topic("#!$PushChannel_ab")), None);
        assert_eq!(private_of_publisher(&topic("#!$PushChannel_#!$TopicNeedVerify_")), None);
    }
}
