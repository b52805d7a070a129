//! Cuts a byte stream into frames and joins frames into one.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use crate::{Frame, FrameKind, FrameSeq, HEADER_LENGTH, MAX_FRAME, ResultCode};

/// How far ahead of the bytes received memory is asked for, in bytes.
const STEP: usize = 64 << 10;

/// Frames from this length on share the buffer that they were received in. A shorter one gets bytes of its own: whoever
/// keeps it, and counts its length, would keep all that was received with it.
const SHARED_FROM: usize = 16 << 10;

/// A codec for `tokio_util::codec`; keeps no state between frames.
///
/// An error of [`Decoder::decode`] means that the stream cannot be read on: close the connection. Memory for a frame
/// is asked for in steps of at most 64 KiB beyond the bytes that have come, whatever the length field says (the buffer
/// may double as it grows); memory of a frame longer than that goes with the frame.
#[derive(Debug, Clone, Copy)]
pub struct FrameCodec {
    max_frame: usize,
}

/// Why a stream cannot be read on, or a frame not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The length field is less than the header it counts.
    #[error("a frame says it is {length} bytes long, less than its header")]
    TooShort {
        /// The length field.
        length: u32,
    },
    /// The frame is longer than the limit.
    #[error("a frame of {length} bytes is over the limit of {limit} bytes")]
    TooLarge {
        /// Length of the whole frame, in bytes.
        length: u64,
        /// The codec's limit, in bytes.
        limit: usize,
    },
    /// The stream ended inside a frame.
    #[error("the stream ended inside a frame, after {received} of its bytes")]
    Truncated {
        /// Bytes of the frame that came.
        received: usize,
    },
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl FrameCodec {
    /// Makes a codec that refuses frames of more than `max_frame` bytes, header included, in both directions.
    pub const fn new(max_frame: usize) -> Self {
        Self { max_frame }
    }
}

/// With [`MAX_FRAME`] as its limit.
impl Default for FrameCodec {
    fn default() -> Self {
        Self::new(MAX_FRAME)
    }
}

impl Decoder for FrameCodec {
    type Item = Frame;
    type Error = FrameError;

    fn decode(&mut self, received: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        let Some(field) = received.first_chunk::<4>() else {
            return Ok(None);
        };
        let length_field = u32::from_be_bytes(*field);
        let length = usize::try_from(length_field).unwrap_or(usize::MAX);
        if length < HEADER_LENGTH {
            return Err(FrameError::TooShort { length: length_field });
        }
        if length > self.max_frame {
            return Err(FrameError::TooLarge { length: length_field.into(), limit: self.max_frame });
        }
        if received.len() < length {
            received.reserve((length - received.len()).min(STEP));
            return Ok(None);
        }
        Ok(Some(parse(take(received, length))))
    }

    fn decode_eof(&mut self, received: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        match self.decode(received)? {
            None if !received.is_empty() => Err(FrameError::Truncated { received: received.len() }),
            frame => Ok(frame),
        }
    }
}

impl Encoder<&Frame> for FrameCodec {
    type Error = FrameError;

    fn encode(&mut self, frame: &Frame, buffer: &mut BytesMut) -> Result<(), FrameError> {
        if frame.length() > self.max_frame {
            return Err(FrameError::TooLarge { length: frame.length() as u64, limit: self.max_frame });
        }
        frame.write_to(buffer);
        Ok(())
    }
}

impl Encoder<Frame> for FrameCodec {
    type Error = FrameError;

    fn encode(&mut self, frame: Frame, buffer: &mut BytesMut) -> Result<(), FrameError> {
        self.encode(&frame, buffer)
    }
}

fn take(received: &mut BytesMut, length: usize) -> Bytes {
    if length < SHARED_FROM {
        let frame = Bytes::copy_from_slice(&received[..length]);
        received.advance(length);
        return frame;
    }
    let frame = received.split_to(length).freeze();
    if length > STEP {
        // What follows must not keep the memory of a long frame alive.
        *received = BytesMut::from(&received[..]);
    }
    frame
}

/// Takes a whole frame apart; `bytes` holds at least the header.
fn parse(mut bytes: Bytes) -> Frame {
    bytes.advance(4);
    let kind = FrameKind::from_code(bytes.get_u16());
    let mut seq = [0; 32];
    bytes.copy_to_slice(&mut seq);
    let result = ResultCode(bytes.get_i32());
    Frame { kind, seq: FrameSeq::from_bytes(seq), result, body: bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_a_short_frame_does_not_keep_what_was_received_with_it() {
        for (body, is_shared) in [(10, false), (SHARED_FROM, true)] {
            let seq = FrameSeq::from_bytes([7; 32]);
            let body = Bytes::from(vec![0; body]);
            let frame = Frame { kind: FrameKind::Multicast, seq, result: ResultCode::OK, body };
            let mut received = BytesMut::from(&frame.to_bytes()[..]);
            received.resize(4 * SHARED_FROM, 0);
            let range = received.as_ptr_range();
            let body = FrameCodec::default().decode(&mut received).unwrap().unwrap().body;
            assert_eq!(range.contains(&body.as_ptr()), is_shared, "{} bytes", body.len());
        }
    }
}
