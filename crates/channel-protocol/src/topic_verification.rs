//! Proving subscribers of private topics: the bodies of 0x37 and 0x38.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Asks a publisher's client to challenge a subscriber (0x37).
///
/// The client answers at once with a frame of the same seq whose content means nothing, publishes a challenge to
/// [`channel`](Self::channel) by 0x30, and sends a [`TopicVerdict`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicVerification {
    /// Says which verification it is; 128 hexadecimal digits. FISCO BCOS puts the ID of the subscriber's node here, and
    /// clients hand it back unread.
    #[serde(rename = "nodeId")]
    pub node: String,
    /// The private topic, with its prefix.
    pub topic: String,
    /// The topic on which the subscriber answers challenges.
    #[serde(rename = "topicForCert")]
    pub channel: String,
}

/// What came of a verification (0x38); never answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicVerdict {
    /// 0 when the subscriber proved itself.
    #[serde(rename = "checkResult")]
    pub check: i64,
    /// As in the [`TopicVerification`].
    #[serde(rename = "nodeId")]
    pub node: String,
    /// As in the [`TopicVerification`].
    pub topic: String,
}

/// A body is not the JSON object it should be.
#[derive(Debug, thiserror::Error)]
#[error("it is not a topic verification: {0}")]
pub struct TopicVerificationError(#[from] serde_json::Error);

impl TopicVerification {
    /// Reads a body.
    ///
    /// # Errors
    /// When it is not such a JSON object.
    pub fn decode(body: &[u8]) -> Result<Self, TopicVerificationError> {
        Ok(serde_json::from_slice(body)?)
    }

    /// Writes the body: one line of JSON, ended by a newline.
    pub fn encode(&self) -> Bytes {
        line(self)
    }
}

impl TopicVerdict {
    /// Reads a body.
    ///
    /// # Errors
    /// When it is not such a JSON object.
    pub fn decode(body: &[u8]) -> Result<Self, TopicVerificationError> {
        Ok(serde_json::from_slice(body)?)
    }

    /// Writes the body.
    pub fn encode(&self) -> Bytes {
        line(self)
    }

    /// Whether the subscriber proved itself.
    pub const fn is_accepted(&self) -> bool {
        self.check == 0
    }
}

fn line(value: &impl Serialize) -> Bytes {
    (serde_json::to_string(value).expect("texts and numbers are always JSON") + "\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Captured from java-sdk 2.10.1.
    const VERDICT: &[u8] = br##"{"checkResult":0,"nodeId":"abab","topic":"#!$TopicNeedVerify_pt"}"##;

    #[test]
    fn bodies_are_those_of_fisco() {
        let verdict = TopicVerdict::decode(VERDICT).unwrap();
        assert_eq!(verdict, TopicVerdict { check: 0, node: "abab".into(), topic: "#!$TopicNeedVerify_pt".into() });
        assert_eq!(&verdict.encode()[..VERDICT.len()], VERDICT);
        assert!(verdict.is_accepted() && !TopicVerdict { check: 1, ..verdict }.is_accepted());
        let question = TopicVerification { node: "ab".into(), topic: "t".into(), channel: "c".into() };
        assert_eq!(&question.encode()[..], b"{\"nodeId\":\"ab\",\"topic\":\"t\",\"topicForCert\":\"c\"}\n");
        assert_eq!(TopicVerification::decode(&question.encode()).unwrap(), question);
    }

    #[test]
    fn anything_else_is_refused() {
        for body in [&b""[..], b"{}", b"[]", b"{\"checkResult\":\"0\",\"nodeId\":\"a\",\"topic\":\"t\"}", b"\xff"] {
            assert!(TopicVerdict::decode(body).is_err() && TopicVerification::decode(body).is_err());
        }
    }
}
