//! One frame: header and body.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use crate::{FrameKind, HEADER_LENGTH, RECORD_LENGTH, ResultCode};

/// One message of the channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it is for.
    pub kind: FrameKind,
    /// By what the answer is recognised.
    pub seq: FrameSeq,
    /// [`ResultCode::OK`] in requests and successes.
    pub result: ResultCode,
    /// Everything behind the header; a decoded frame shares the memory it was received in.
    pub body: Bytes,
}

/// The 32 bytes by which a frame's answer is recognised: opaque, most SDKs put hexadecimal digits there, some raw bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameSeq([u8; 32]);

impl FrameSeq {
    /// What nodes put into block notifications and event logs: 32 times the digit 0.
    pub const PUSH: Self = Self([b'0'; 32]);

    /// Takes 32 bytes as they are.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Writes a number as 32 lower-case hexadecimal digits, which every SDK can read.
    pub fn from_number(number: u128) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 32];
        for (pair, byte) in text.chunks_exact_mut(2).zip(number.to_be_bytes()) {
            pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
        Self(text)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The bytes.
    pub const fn into_bytes(self) -> [u8; 32] {
        self.0
    }
}

impl Frame {
    /// Makes a frame with [`ResultCode::OK`].
    pub const fn request(kind: FrameKind, seq: FrameSeq, body: Bytes) -> Self {
        Self { kind, seq, result: ResultCode::OK, body }
    }

    /// Makes a frame with the same seq as this one, to answer it.
    pub const fn answer(&self, kind: FrameKind, result: ResultCode, body: Bytes) -> Self {
        Self { kind, seq: self.seq, result, body }
    }

    /// Length of the whole frame on the wire, in bytes.
    pub fn length(&self) -> usize {
        HEADER_LENGTH.saturating_add(self.body.len())
    }

    /// The header on the wire.
    ///
    /// The length field ends at `u32::MAX`: compare [`Frame::length`] with a limit first, as [`crate::FrameCodec`] does.
    pub fn encode_header(&self) -> [u8; HEADER_LENGTH] {
        let length = u32::try_from(self.length()).unwrap_or(u32::MAX);
        let mut header = [0; HEADER_LENGTH];
        header[..4].copy_from_slice(&length.to_be_bytes());
        header[4..6].copy_from_slice(&self.kind.code().to_be_bytes());
        header[6..38].copy_from_slice(&self.seq.0);
        header[38..].copy_from_slice(&self.result.0.to_be_bytes());
        header
    }

    /// The whole frame in one buffer (copies the body).
    pub fn to_bytes(&self) -> Bytes {
        let mut buffer = BytesMut::with_capacity(self.length());
        self.write_to(&mut buffer);
        buffer.freeze()
    }

    /// The frame as two consecutive writes: the first fits one TLS record ([`RECORD_LENGTH`]) and holds the header
    /// with as much of the body as goes in; the second is the rest of the body, not copied, empty for most frames.
    ///
    /// Some SDKs read one frame per TLS record, so writers hand the first part to TLS in one call and never join two
    /// frames.
    pub fn into_writes(mut self) -> (Bytes, Bytes) {
        let header = self.encode_header();
        let rest = self.body.split_off(self.body.len().min(RECORD_LENGTH - HEADER_LENGTH));
        let mut first = BytesMut::with_capacity(self.length());
        first.put_slice(&header);
        first.put_slice(&self.body);
        (first.freeze(), rest)
    }

    pub(crate) fn write_to(&self, buffer: &mut BytesMut) {
        buffer.reserve(self.length());
        buffer.put_slice(&self.encode_header());
        buffer.put_slice(&self.body);
    }
}

/// The text when it is printable ASCII, else 64 hexadecimal digits.
impl fmt::Display for FrameSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.iter().all(u8::is_ascii_graphic) {
            return self.0.iter().try_for_each(|byte| write!(f, "{}", char::from(*byte)));
        }
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for FrameSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FrameSeq({self})")
    }
}
