//! Agreeing on a protocol version: the bodies of 0x14.

use std::{fmt, ops::RangeInclusive};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Longest client type kept, in characters.
const MAX_CLIENT_TYPE: usize = 64;

/// What a client offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandshakeRequest {
    /// The lowest version it speaks; 1 when it does not say.
    #[serde(rename = "minimumSupport", default = "first")]
    pub minimum: i64,
    /// The highest version it speaks; 1 when it does not say.
    #[serde(rename = "maximumSupport", default = "first")]
    pub maximum: i64,
    /// What it is, for logs: at most 64 characters that show as what they are; `unknown` when it does not say.
    #[serde(rename = "clientType", default = "unknown")]
    pub client_type: String,
    /// Whether the result of its publishes says how urgent they are; no SDK of FISCO BCOS says so, and of those that do not it
    /// says nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub priorities: bool,
}

/// What a node answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandshakeAnswer {
    /// The FISCO BCOS version the node is compatible with, such as `2.9.1`.
    #[serde(rename = "nodeVersion")]
    pub node_version: String,
    /// The version both speak from now on.
    pub protocol: ProtocolVersion,
    /// Whether the node reads how urgent a publish is from its result; said only to whoever has said that he names it, and by no node
    /// of FISCO BCOS.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub priorities: bool,
}

/// A version of the channel protocol. Before a handshake a session speaks [`ProtocolVersion::V1`].
///
/// V1 has its own heartbeat and block notification bodies; V3 differs from V2 in transaction receipts only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub enum ProtocolVersion {
    /// 1
    #[default]
    V1,
    /// 2
    V2,
    /// 3
    V3,
}

/// Why a handshake body cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// Not a JSON object, or a field has another type than it must have.
    #[error("not the JSON object a handshake is")]
    Malformed(#[source] serde_json::Error),
}

/// A protocol version that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a channel protocol version (1 to 3)")]
pub struct NoSuchVersion(i64);

impl HandshakeRequest {
    /// An offer of every version.
    pub fn new(client_type: &str) -> Self {
        let (minimum, maximum) = ProtocolVersion::SUPPORTED.into_inner();
        Self {
            minimum: minimum.into(),
            maximum: maximum.into(),
            client_type: nuncio_plain::short(client_type, MAX_CLIENT_TYPE),
            priorities: false,
        }
    }

    /// Reads a request. Unknown fields are ignored, missing ones have their defaults.
    ///
    /// # Errors
    /// When the body is not a JSON object with fields of the right types. A node then does not answer.
    pub fn decode(body: &[u8]) -> Result<Self, HandshakeError> {
        let request: Self = object(body)?;
        Ok(Self { client_type: nuncio_plain::short(&request.client_type, MAX_CLIENT_TYPE), ..request })
    }

    /// Writes the body.
    pub fn encode(&self) -> Bytes {
        serde_json::to_vec(self).expect("numbers and strings are always JSON").into()
    }

    /// The highest version of this range that exists; `None` (a node then hangs up) when there is none.
    pub fn negotiate(&self) -> Option<ProtocolVersion> {
        [ProtocolVersion::V3, ProtocolVersion::V2, ProtocolVersion::V1]
            .into_iter()
            .find(|version| (self.minimum..=self.maximum).contains(&i64::from(*version)))
    }
}

impl HandshakeAnswer {
    /// Reads an answer.
    ///
    /// # Errors
    /// When the body is not a JSON object with both fields, or the version does not exist.
    pub fn decode(body: &[u8]) -> Result<Self, HandshakeError> {
        object(body)
    }

    /// Writes the body, a newline at its end.
    pub fn encode(&self) -> Bytes {
        let mut body = serde_json::to_vec(self).expect("numbers and strings are always JSON");
        body.push(b'\n');
        body.into()
    }
}

impl ProtocolVersion {
    /// The versions there are.
    pub const SUPPORTED: RangeInclusive<Self> = Self::V1..=Self::V3;
}

impl From<ProtocolVersion> for i64 {
    fn from(version: ProtocolVersion) -> Self {
        match version {
            ProtocolVersion::V1 => 1,
            ProtocolVersion::V2 => 2,
            ProtocolVersion::V3 => 3,
        }
    }
}

impl TryFrom<i64> for ProtocolVersion {
    type Error = NoSuchVersion;

    fn try_from(number: i64) -> Result<Self, NoSuchVersion> {
        match number {
            1 => Ok(Self::V1),
            2 => Ok(Self::V2),
            3 => Ok(Self::V3),
            other => Err(NoSuchVersion(other)),
        }
    }
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", i64::from(*self))
    }
}

fn first() -> i64 {
    1
}

fn unknown() -> String {
    "unknown".into()
}

/// serde would take an array for a struct too.
fn object<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, HandshakeError> {
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(HandshakeError::Malformed(serde::de::Error::custom("not an object")));
    }
    serde_json::from_slice(body).map_err(HandshakeError::Malformed)
}
