//! The verdict: the first message after the TLS handshake, in both directions. Whatever changes later, its fields keep
//! their meaning: by it two releases find out what both speak.

mod protocol;

use prost::Message;

pub use self::protocol::{Agreed, Behind, Protocol};
use crate::{DecodeError, proto};

/// Whether the sender admits the receiver, what the sender speaks, and the constants both must share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The sender's network.
    pub network: String,
    /// The longest body the sender accepts.
    pub max_body: u32,
    /// Why the receiver is refused; `None` when it is admitted.
    pub refusal: Option<String>,
    /// The versions and features that the sender speaks.
    pub protocol: Protocol,
}

impl Verdict {
    /// Longest protobuf part, in bytes.
    pub const MAX_LENGTH: usize = 2048;

    /// The bytes to send: length as two bytes, big-endian, then the protobuf message. A refusal too long for the
    /// limit is cut.
    pub fn encode(&self) -> Vec<u8> {
        let features: Vec<_> = self.protocol.features.iter().take(Protocol::MAX_FEATURES).cloned().collect();
        let mut message = proto::Verdict {
            network: cut(&self.network, 512).to_owned(),
            max_body: self.max_body,
            refusal: None,
            lowest_version: self.protocol.lowest,
            highest_version: self.protocol.highest,
            features,
        };
        // The refusal's own tag and length take at most four bytes.
        let fit = Self::MAX_LENGTH.saturating_sub(message.encoded_len() + 4);
        message.refusal = self.refusal.as_deref().map(|text| cut(text, fit).to_owned());
        let length = u16::try_from(message.encoded_len()).unwrap_or(u16::MAX);
        let mut bytes = Vec::with_capacity(2 + usize::from(length));
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&message.encode_to_vec());
        bytes
    }

    /// Reads the protobuf part. Fields that this release does not know are passed over.
    ///
    /// # Errors
    /// When it is too long or no verdict.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > Self::MAX_LENGTH {
            return Err(DecodeError::TooLarge { what: "verdict", bytes: bytes.len(), limit: Self::MAX_LENGTH });
        }
        let proto::Verdict { network, max_body, refusal, lowest_version, highest_version, features } =
            proto::Verdict::decode(bytes).map_err(|source| DecodeError::Protobuf { message: "verdict", source })?;
        let protocol = Protocol::from_wire(lowest_version, highest_version, features)?;
        Ok(Self { network, max_body, refusal, protocol })
    }
}

fn cut(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
