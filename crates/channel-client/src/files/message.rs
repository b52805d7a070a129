//! The messages of a file transfer, as bytes, for whoever writes the other side.
//!
//! Every decoder takes bytes that anybody may have written, with a bound on their length.

mod seal;

use std::fmt;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub use seal::Seal;
pub(super) use seal::{KeyPair, TransferKeys};

/// Most bytes of a file in one chunk (1 MiB).
pub const CHUNK: usize = 1 << 20;

/// Longest JSON message, in bytes.
const MAX_JSON: usize = 4096;

/// Bytes before a chunk's own: its offset.
const OFFSET: usize = 8;

/// What a sender wants to send, in clear: whoever subscribes the topic may read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The file's name, without directories.
    pub name: String,
    /// In bytes.
    pub size: u64,
    /// Of the whole file.
    pub sha256: Hex32,
    /// The sender's X25519 public key, fresh for this offer.
    pub key: Hex32,
}

/// What a receiver says to an offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Chunks are taken on a topic.
    Accepted {
        /// Subscribed for this transfer only: `file/` and 32 hexadecimal digits.
        topic: String,
        /// The receiver's X25519 public key, fresh for this transfer.
        key: Hex32,
        /// So many bytes, from the first on, are there from an earlier attempt.
        bytes: u64,
    },
    /// Not taken.
    Refused {
        /// Why, in words.
        reason: String,
        /// It may be taken in a while.
        #[serde(default)]
        again: bool,
    },
}

/// What a receiver says to a chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Receipt {
    /// The next chunk begins there. When that is the file's end, the whole is being checked: ask again with an empty chunk.
    Received {
        /// So many bytes, from the first on, are there.
        bytes: u64,
    },
    /// The whole file is in its place and has the offered SHA-256.
    Complete,
    /// The transfer has ended.
    Refused {
        /// Why, in words.
        reason: String,
    },
}

/// A piece of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// Where it begins in the file, in bytes.
    pub offset: u64,
    /// At most [`CHUNK`] bytes.
    pub data: &'a [u8],
}

/// 32 bytes, written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hex32(pub [u8; 32]);

/// Bytes that are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a message of a file transfer")]
pub struct Malformed;

macro_rules! json {
    ($($message:ty),*) => {$(
        impl $message {
            /// As JSON.
            pub fn encode(&self) -> Vec<u8> {
                serde_json::to_vec(self).expect("texts and numbers are always JSON")
            }

            /// Reads JSON of at most 4096 bytes.
            ///
            /// # Errors
            /// When it is longer or something else.
            pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
                from_json(bytes)
            }
        }
    )*};
}

json!(Offer, Reply, Receipt);

fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Malformed> {
    if bytes.len() > MAX_JSON {
        return Err(Malformed);
    }
    serde_json::from_slice(bytes).map_err(|_| Malformed)
}

impl<'a> Chunk<'a> {
    /// The offset, 8 bytes big-endian, then the data.
    pub fn encode(&self) -> Vec<u8> {
        [&self.offset.to_be_bytes(), self.data].concat()
    }

    /// Reads what [`encode`](Self::encode) writes.
    ///
    /// # Errors
    /// When it is too short or too long, or ends beyond what a number can say.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (offset, data) = bytes.split_first_chunk::<OFFSET>().ok_or(Malformed)?;
        let offset = u64::from_be_bytes(*offset);
        if data.len() > CHUNK || offset.checked_add(data.len() as u64).is_none() {
            return Err(Malformed);
        }
        Ok(Self { offset, data })
    }

    /// Where it ends in the file, in bytes.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.data.len() as u64)
    }
}

impl TryFrom<String> for Hex32 {
    type Error = hex::FromHexError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map(|()| Self(bytes))
    }
}

impl From<Hex32> for String {
    fn from(bytes: Hex32) -> Self {
        bytes.to_string()
    }
}

/// 64 lower-case digits.
impl fmt::Display for Hex32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hex32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let offer = Offer { name: "a \"b\"".into(), size: u64::MAX, sha256: Hex32([7; 32]), key: Hex32([8; 32]) };
        assert_eq!(Offer::decode(&offer.encode()), Ok(offer));
        let accepted = Reply::Accepted { topic: "t".into(), key: Hex32([1; 32]), bytes: 5 };
        assert_eq!(Reply::decode(&accepted.encode()), Ok(accepted));
        assert_eq!(Receipt::decode(&Receipt::Complete.encode()), Ok(Receipt::Complete));
        let chunk = Chunk { offset: 1 << 40, data: b"abc" };
        assert_eq!(Chunk::decode(&chunk.encode()), Ok(chunk));
    }

    #[test]
    fn what_is_too_long_or_something_else_is_not_read() {
        let long = Reply::Refused { reason: "x".repeat(MAX_JSON), again: false };
        assert_eq!(Reply::decode(&long.encode()), Err(Malformed));
        assert_eq!(Offer::decode(br#"{"name":"a","size":1,"sha256":"00"}"#), Err(Malformed));
        assert_eq!(Chunk::decode(&[0; 7]), Err(Malformed));
        assert_eq!(Chunk::decode(&vec![0; OFFSET + CHUNK + 1]), Err(Malformed));
        assert_eq!(Chunk::decode(&[[0xff; OFFSET].as_slice(), &[1]].concat()), Err(Malformed));
    }
}
