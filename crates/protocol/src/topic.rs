use std::{fmt, sync::Arc};

use crate::TOPIC_COST;

/// The name of a topic: 1 to 254 bytes of UTF-8 without control characters, compared byte by byte.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(Arc<str>);

impl Topic {
    /// Longest name, in bytes: what one length byte of the FISCO BCOS channel protocol can say.
    pub const MAX_LENGTH: usize = 254;

    /// Checks and takes a name.
    ///
    /// # Errors
    /// When the name is empty, too long, or holds a control character.
    pub fn new(name: &str) -> Result<Self, TopicError> {
        if name.is_empty() {
            return Err(TopicError::Empty);
        }
        if name.len() > Self::MAX_LENGTH {
            return Err(TopicError::TooLong { bytes: name.len() });
        }
        if name.chars().any(char::is_control) {
            return Err(TopicError::ControlCharacter);
        }
        Ok(Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it counts where topics have a budget in bytes.
    pub fn cost(&self) -> usize {
        self.0.len() + TOPIC_COST
    }

    /// Whether this is a block notification topic: known to its own node only, never published to.
    pub fn is_block_notification(&self) -> bool {
        self.0.starts_with("_block_notify_")
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// Why a name is not a topic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TopicError {
    /// No character at all.
    #[error("a topic has at least one character")]
    Empty,
    /// More than [`Topic::MAX_LENGTH`] bytes.
    #[error("a topic has at most 254 bytes, not {bytes}")]
    TooLong {
        /// Bytes given.
        bytes: usize,
    },
    /// A character below space, or DEL, or one of the C1 controls.
    #[error("a topic holds no control characters")]
    ControlCharacter,
}
