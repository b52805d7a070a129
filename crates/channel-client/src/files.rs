//! Files over AMOP, in chunks: a sender offers, one receiver accepts and names a topic of its own, chunks follow there.
//!
//! | message | payload | answer |
//! |---|---|---|
//! | offer, on the agreed topic | [`Offer`], JSON | [`Reply`], JSON: accepted with a topic, or refused |
//! | chunk, on that topic | offset, 8 bytes big-endian, then at most [`CHUNK`] bytes | [`Reply`], JSON: received so far, or refused |
//!
//! A chunk that comes twice is answered and not written twice, so one whose answer was lost is sent again. The last
//! chunk's answer says that the whole file has the offered SHA-256.

mod receive;
mod send;

use std::{io, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{PublishError, SubscribeError};
pub use receive::{FileInbox, InboxOptions, ReceivedFile};
pub use send::{Progress, SentFile};

/// Most bytes of a file in one message (1 MiB).
const CHUNK: usize = 1 << 20;

/// Bytes before a chunk's own: its offset.
const OFFSET: usize = 8;

/// What a sender wants to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Offer {
    /// The file's name, without directories.
    name: String,
    /// In bytes.
    size: u64,
    /// Lower-case hexadecimal.
    sha256: String,
}

/// What a receiver says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    /// Chunks are taken on this topic.
    Accepted { topic: String },
    /// So many bytes, from the first on, are there.
    Received { bytes: u64 },
    /// Not taken, and why.
    Refused { reason: String },
}

/// Why a file was not sent or received.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The path has no file name that can be offered.
    #[error("{} has no file name that can be sent: letters first, no more than 255 bytes, no control characters", path.display())]
    Name {
        /// Which.
        path: PathBuf,
    },
    /// The file changed while it was read.
    #[error("{} changed while it was sent", path.display())]
    Changed {
        /// Which.
        path: PathBuf,
    },
    /// The receiver does not take it.
    #[error("the receiver refused the file: {reason}")]
    Refused {
        /// In its words.
        reason: String,
    },
    /// The other side does not speak of files.
    #[error("the answer is none to a file: the subscriber of the topic does not receive files")]
    NotAFile,
    /// A message did not get through.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// Its topic could not be subscribed.
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
    /// The sender went silent.
    #[error("{name}: no chunk came for too long, after {bytes} bytes")]
    Abandoned {
        /// The file's name.
        name: String,
        /// What had come.
        bytes: u64,
    },
    /// What came is not what was offered.
    #[error("{name}: what came has another SHA-256 than was offered")]
    Digest {
        /// The file's name.
        name: String,
    },
}

impl Reply {
    fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and numbers are always JSON")
    }
}

/// Whether a name names a file in a directory and nothing else.
fn is_plain_name(name: &str) -> bool {
    let strange = |c: char| c.is_control() || matches!(c, '/' | '\\');
    !name.is_empty() && name.len() <= 255 && !name.starts_with('.') && !name.contains(strange)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere_else() {
        for name in ["a", "report 1.pdf", "数据.csv"] {
            assert!(is_plain_name(name), "{name}");
        }
        for name in ["", ".", "..", ".ssh", "a/b", "..\\b", "a\nb", &"x".repeat(256)] {
            assert!(!is_plain_name(name), "{name:?}");
        }
    }
}
