//! Keeping a session alive: the bodies of 0x13, which depend on the session's version.

use bytes::Bytes;

use crate::ProtocolVersion;

const REQUEST_V1: &[u8] = b"0";
const ANSWER_V1: &[u8] = b"1";
const REQUEST: &[u8] = br#"{"heartBeat":0}"#;
const ANSWER: &[u8] = b"{\"heartBeat\":1}\n";

/// What a client sends in a session of `version`.
pub const fn request(version: ProtocolVersion) -> Bytes {
    Bytes::from_static(match version {
        ProtocolVersion::V1 => REQUEST_V1,
        ProtocolVersion::V2 | ProtocolVersion::V3 => REQUEST,
    })
}

/// What a node answers to `request` in a session of `version`: in version 1 only a body of exactly `0` is answered, in
/// later ones any.
pub fn answer(version: ProtocolVersion, request: &[u8]) -> Option<Bytes> {
    match version {
        ProtocolVersion::V1 => (request == REQUEST_V1).then_some(Bytes::from_static(ANSWER_V1)),
        ProtocolVersion::V2 | ProtocolVersion::V3 => Some(Bytes::from_static(ANSWER)),
    }
}
