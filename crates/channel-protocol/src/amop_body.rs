//! A topic and a payload behind it: the body of 0x30, 0x31, 0x35, 0x1001, 0x15 and 0x16.

use bytes::{BufMut, Bytes, BytesMut};

use crate::MAX_TOPIC_LENGTH;

/// A topic and a payload, unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AmopBody {
    topic: Bytes,
    /// The payload; may be empty. Unpacking does not copy it.
    pub data: Bytes,
}

/// Why bytes are not a packed topic and payload, or cannot be packed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AmopBodyError {
    /// The body has no length byte.
    #[error("the body is empty, it must begin with a topic")]
    Empty,
    /// The length byte, which counts itself, is 0.
    #[error("the topic's length byte is 0, but it counts itself")]
    ZeroLength,
    /// The topic is longer than the body.
    #[error("the topic's length byte is {length}, but the body has only {body} bytes")]
    BeyondBody {
        /// The length byte.
        length: u8,
        /// Bytes of the body.
        body: usize,
    },
    /// The topic is not text.
    #[error("the topic is not UTF-8")]
    NotUtf8,
    /// The topic to pack is longer than [`MAX_TOPIC_LENGTH`].
    #[error("a topic has at most 254 bytes, not {bytes}")]
    TopicTooLong {
        /// Bytes given.
        bytes: usize,
    },
}

impl AmopBody {
    /// Puts a topic, which may be empty, and a payload together.
    ///
    /// # Errors
    /// When the topic has more than [`MAX_TOPIC_LENGTH`] bytes.
    pub fn new(topic: &str, data: Bytes) -> Result<Self, AmopBodyError> {
        if topic.len() > MAX_TOPIC_LENGTH {
            return Err(AmopBodyError::TopicTooLong { bytes: topic.len() });
        }
        Ok(Self { topic: Bytes::copy_from_slice(topic.as_bytes()), data })
    }

    /// Takes a body apart without copying.
    ///
    /// # Errors
    /// When there is no length byte, it is 0 or beyond the body, or the topic is not UTF-8.
    pub fn unpack(mut body: Bytes) -> Result<Self, AmopBodyError> {
        let length = *body.first().ok_or(AmopBodyError::Empty)?;
        if length == 0 {
            return Err(AmopBodyError::ZeroLength);
        }
        if usize::from(length) > body.len() {
            return Err(AmopBodyError::BeyondBody { length, body: body.len() });
        }
        let topic = body.split_to(length.into()).slice(1..);
        std::str::from_utf8(&topic).map_err(|_| AmopBodyError::NotUtf8)?;
        Ok(Self { topic, data: body })
    }

    /// The bytes of the body (copies the payload).
    pub fn pack(&self) -> Bytes {
        let mut body = BytesMut::with_capacity(self.packed_length());
        let length = u8::try_from(1 + self.topic.len()).expect("both constructors bound the topic by 254 bytes");
        body.put_u8(length);
        body.put_slice(&self.topic);
        body.put_slice(&self.data);
        body.freeze()
    }

    /// Length of the packed form, in bytes.
    pub fn packed_length(&self) -> usize {
        1 + self.topic.len() + self.data.len()
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        std::str::from_utf8(&self.topic).expect("both constructors take UTF-8 only")
    }
}
