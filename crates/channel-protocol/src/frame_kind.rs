//! What a frame is for.

use std::fmt;

/// The type field of a header. Types without a name here are carried as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FrameKind {
    /// 0x12: JSON-RPC request and its response.
    Rpc,
    /// 0x13: heartbeat and its answer, see [`crate::heartbeat`].
    Heartbeat,
    /// 0x14: handshake and its answer, see [`crate::HandshakeRequest`].
    Handshake,
    /// 0x15: register an event filter, and its answer.
    RegisterEventFilter,
    /// 0x16: remove an event filter, and its answer.
    UnregisterEventFilter,
    /// 0x30: a message for one subscriber, packed as [`crate::AmopBody`].
    Unicast,
    /// 0x31: the answer to [`FrameKind::Unicast`] and [`FrameKind::Multicast`]; packed as [`crate::AmopBody`] when the
    /// result is 0, often empty otherwise.
    Answer,
    /// 0x32: all topics of a client, see [`crate::Subscription`]; never answered.
    Subscribe,
    /// 0x35: a message for every subscriber, packed as [`crate::AmopBody`].
    Multicast,
    /// 0x37: the node asks a client to verify a subscriber of a private topic, see [`crate::TopicVerification`].
    TopicVerification,
    /// 0x38: what came of it, see [`crate::TopicVerdict`]; never answered.
    TopicVerified,
    /// 0x1000: a transaction's receipt.
    Receipt,
    /// 0x1001: a new block, see [`crate::BlockNotification`].
    BlockNotification,
    /// 0x1002: an event log.
    EventLog,
    /// Any other type.
    Unknown(UnknownKind),
}

/// A type field without a name in [`FrameKind`]; made by [`FrameKind::from_code`] only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnknownKind(u16);

impl FrameKind {
    /// Reads a type field.
    pub const fn from_code(code: u16) -> Self {
        match code {
            0x12 => Self::Rpc,
            0x13 => Self::Heartbeat,
            0x14 => Self::Handshake,
            0x15 => Self::RegisterEventFilter,
            0x16 => Self::UnregisterEventFilter,
            0x30 => Self::Unicast,
            0x31 => Self::Answer,
            0x32 => Self::Subscribe,
            0x35 => Self::Multicast,
            0x37 => Self::TopicVerification,
            0x38 => Self::TopicVerified,
            0x1000 => Self::Receipt,
            0x1001 => Self::BlockNotification,
            0x1002 => Self::EventLog,
            other => Self::Unknown(UnknownKind(other)),
        }
    }

    /// The type field.
    pub const fn code(self) -> u16 {
        match self {
            Self::Rpc => 0x12,
            Self::Heartbeat => 0x13,
            Self::Handshake => 0x14,
            Self::RegisterEventFilter => 0x15,
            Self::UnregisterEventFilter => 0x16,
            Self::Unicast => 0x30,
            Self::Answer => 0x31,
            Self::Subscribe => 0x32,
            Self::Multicast => 0x35,
            Self::TopicVerification => 0x37,
            Self::TopicVerified => 0x38,
            Self::Receipt => 0x1000,
            Self::BlockNotification => 0x1001,
            Self::EventLog => 0x1002,
            Self::Unknown(UnknownKind(code)) => code,
        }
    }
}

impl From<u16> for FrameKind {
    fn from(code: u16) -> Self {
        Self::from_code(code)
    }
}

/// The type field in hexadecimal, as FISCO BCOS documents write it.
impl fmt::Display for FrameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.code())
    }
}
