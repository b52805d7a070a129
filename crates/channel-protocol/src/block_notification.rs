//! News of a block: the body of 0x1001.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{AmopBody, AmopBodyError, ProtocolVersion};

/// A group has a new block. Sent, with [`crate::FrameSeq::PUSH`], to clients that subscribe the group's
/// [`BlockNotification::topic`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockNotification {
    /// The block's number.
    #[serde(rename = "blockNumber")]
    pub number: u64,
    /// The group.
    #[serde(rename = "groupID")]
    pub group: u32,
}

/// Why a body is not a block notification.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlockNotificationError {
    /// No packed topic.
    #[error("the notification has no topic")]
    Unpack(#[from] AmopBodyError),
    /// Neither `group,number` nor the JSON object.
    #[error("the notification of {topic:?} names no group and block")]
    Malformed {
        /// The topic it was packed with.
        topic: String,
    },
}

impl BlockNotification {
    /// What the topics of block notifications begin with; the group's number follows.
    pub const TOPIC_PREFIX: &str = "_block_notify_";

    /// The group's topic.
    pub fn topic(&self) -> String {
        format!("{}{}", Self::TOPIC_PREFIX, self.group)
    }

    /// Reads a body in the form of any version.
    ///
    /// # Errors
    /// When the topic cannot be unpacked, or the payload has neither form.
    pub fn decode(body: Bytes) -> Result<Self, BlockNotificationError> {
        let body = AmopBody::unpack(body)?;
        text_form(&body.data)
            .or_else(|| serde_json::from_slice(&body.data).ok())
            .ok_or_else(|| BlockNotificationError::Malformed { topic: body.topic().to_owned() })
    }

    /// Writes the body in the form of `version`.
    pub fn encode(&self, version: ProtocolVersion) -> Bytes {
        let data = match version {
            ProtocolVersion::V1 => format!("{},{}", self.group, self.number),
            ProtocolVersion::V2 | ProtocolVersion::V3 => {
                serde_json::to_string(self).expect("numbers are always JSON") + "\n"
            }
        };
        AmopBody::new(&self.topic(), data.into()).expect("a prefix and a number are less than 254 bytes").pack()
    }
}

fn text_form(data: &[u8]) -> Option<BlockNotification> {
    let (group, number) = std::str::from_utf8(data).ok()?.split_once(',')?;
    Some(BlockNotification { group: group.trim().parse().ok()?, number: number.trim().parse().ok()? })
}
