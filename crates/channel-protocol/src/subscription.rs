//! All topics of a client: the body of 0x32.

use std::fmt;

use bytes::Bytes;
use serde::de::{Deserializer, SeqAccess, Visitor};

/// The whole topic list of a client; it replaces the list before it. In the client's order, as it was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subscription {
    /// The topics; names are not checked here.
    pub topics: Vec<String>,
}

/// Why a body is not a topic list.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubscriptionError {
    /// The topics take more bytes than the limit; reading stopped there.
    #[error(
        "its topics take more than {limit} bytes, each counted with {} bytes more than it has",
        Subscription::ENTRY
    )]
    TooLarge {
        /// The limit given, in bytes.
        limit: usize,
    },
    /// Not a JSON array of strings.
    #[error("not a JSON array of strings")]
    Malformed(#[source] serde_json::Error),
}

impl Subscription {
    /// What a topic counts besides the bytes of its name, in bytes: short and empty names are not free.
    pub const ENTRY: usize = 16;

    /// Reads a body whose topics take at most `limit` bytes, each counted with [`Self::ENTRY`] bytes more than its name has.
    ///
    /// # Errors
    /// When the body is not a JSON array of strings, or they take more bytes.
    pub fn decode(body: &[u8], limit: usize) -> Result<Self, SubscriptionError> {
        let mut overflow = false;
        let mut reader = serde_json::Deserializer::from_slice(body);
        let topics = reader
            .deserialize_seq(Topics { limit, overflow: &mut overflow })
            .and_then(|topics| reader.end().map(|()| topics));
        match topics {
            Ok(topics) => Ok(Self { topics }),
            Err(_) if overflow => Err(SubscriptionError::TooLarge { limit }),
            Err(source) => Err(SubscriptionError::Malformed(source)),
        }
    }

    /// Writes the body.
    pub fn encode(&self) -> Bytes {
        serde_json::to_vec(&self.topics).expect("strings are always JSON").into()
    }
}

struct Topics<'a> {
    limit: usize,
    overflow: &'a mut bool,
}

impl<'de> Visitor<'de> for Topics<'_> {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "strings of at most {} bytes", self.limit)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<String>, A::Error> {
        let (mut topics, mut left) = (Vec::new(), self.limit);
        while let Some(topic) = list.next_element::<String>()? {
            let Some(rest) = left.checked_sub(topic.len() + Subscription::ENTRY) else {
                *self.overflow = true;
                return Err(serde::de::Error::custom("too large"));
            };
            left = rest;
            topics.push(topic);
        }
        Ok(topics)
    }
}
