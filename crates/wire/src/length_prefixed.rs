//! Frames on the long-lived streams.
//!
//! `length: u32 | header length: u16 | header | body`, big-endian; `length` counts what follows it. The header is a
//! protobuf message, the body raw bytes, so that a body is never copied into or out of a message. A frame of length
//! 0 says only that the sender is alive.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use nuncio_protocol::MAX_BODY;

use crate::DecodeError;

/// Longest header, in bytes.
pub const MAX_HEADER: usize = 60 << 10;

/// What a sealed body may be longer than the longest one in clear, in bytes.
pub const MAX_SEALED_OVERHEAD: usize = 1 << 10;

/// Longest frame without its length field, in bytes.
pub const MAX_FRAME: usize = 2 + MAX_HEADER + MAX_BODY + MAX_SEALED_OVERHEAD;

const LENGTH: usize = 4;
const HEADER_LENGTH: usize = 2;

/// Behind a longer frame the buffer begins anew.
const LONG: usize = 256 << 10;

/// Frames from this length on share the buffer that they were received in. A shorter one gets bytes of its own: whoever
/// keeps it, and counts its length, would keep all that was received with it.
const SHARED_FROM: usize = 16 << 10;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The sender is alive.
    Alive,
    /// A message.
    Message {
        /// The protobuf header.
        header: Bytes,
        /// The body.
        body: Bytes,
    },
}

/// Appends length fields and header; the body goes out behind them as it is.
///
/// # Panics
/// When the header is longer than [`MAX_HEADER`]; those who make headers bound their lists.
pub fn encode(header: &impl prost::Message, body_length: usize, out: &mut BytesMut) {
    let header_length = header.encoded_len();
    assert!(header_length <= MAX_HEADER, "headers are bounded where they are made");
    out.reserve(LENGTH + HEADER_LENGTH + header_length);
    out.put_u32((HEADER_LENGTH + header_length + body_length) as u32);
    out.put_u16(header_length as u16);
    header.encode_raw(out);
}

/// Appends a frame that says: alive.
pub fn encode_alive(out: &mut BytesMut) {
    out.put_u32(0);
}

/// Takes the next complete frame off the front of `buffer`; `None` when more bytes are needed, for which whoever reads them makes
/// room.
///
/// # Errors
/// When a length lies; nothing can be read from the stream after that.
pub fn decode(buffer: &mut BytesMut) -> Result<Option<Frame>, DecodeError> {
    let Some(length) = buffer.first_chunk::<LENGTH>() else { return Ok(None) };
    let length = u32::from_be_bytes(*length) as usize;
    if length == 0 {
        buffer.advance(LENGTH);
        return Ok(Some(Frame::Alive));
    }
    if length > MAX_FRAME {
        return Err(DecodeError::TooLarge { what: "frame", bytes: length, limit: MAX_FRAME });
    }
    if buffer.len() < LENGTH + length {
        return Ok(None);
    }
    buffer.advance(LENGTH);
    let mut frame = take(buffer, length);
    let beyond = |header| DecodeError::HeaderBeyondFrame { frame: length, header };
    if frame.len() < HEADER_LENGTH {
        return Err(beyond(HEADER_LENGTH));
    }
    let header_length = usize::from(frame.get_u16());
    if header_length > MAX_HEADER {
        return Err(DecodeError::TooLarge { what: "header", bytes: header_length, limit: MAX_HEADER });
    }
    if header_length > frame.len() {
        return Err(beyond(header_length));
    }
    let header = frame.split_to(header_length);
    let body = if frame.len() < header.len() { Bytes::copy_from_slice(&frame) } else { frame };
    Ok(Some(Frame::Message { header, body }))
}

fn take(buffer: &mut BytesMut, length: usize) -> Bytes {
    if length < SHARED_FROM {
        let frame = Bytes::copy_from_slice(&buffer[..length]);
        buffer.advance(length);
        return frame;
    }
    let frame = buffer.split_to(length).freeze();
    if length > LONG {
        // What follows must not keep the memory of a long frame alive.
        *buffer = BytesMut::from(&buffer[..]);
    }
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(header: usize, body: usize) -> BytesMut {
        let mut buffer = BytesMut::new();
        buffer.put_u32((HEADER_LENGTH + header + body) as u32);
        buffer.put_u16(header as u16);
        buffer.put_bytes(0, header + body + 4 * SHARED_FROM);
        buffer
    }

    #[test]
    fn a_frame_of_which_some_has_come_is_not_moved_to_make_room_for_the_rest() {
        let mut begun = BytesMut::with_capacity(64 << 10);
        begun.extend_from_slice(&frame(10, 1 << 20)[..64 << 10]);
        let (place, room) = (begun.as_ptr(), begun.capacity());
        assert_eq!(decode(&mut begun), Ok(None));
        assert_eq!((begun.as_ptr(), begun.capacity()), (place, room));
    }

    #[test]
    fn what_keeps_a_short_body_does_not_keep_what_was_received_with_it() {
        for (header, body, is_shared) in [(10, 10, false), (MAX_HEADER, 10, false), (10, SHARED_FROM, true)] {
            let mut buffer = frame(header, body);
            let received = buffer.as_ptr_range();
            let Frame::Message { body, .. } = decode(&mut buffer).unwrap().unwrap() else { panic!("a message") };
            assert_eq!(
                received.contains(&body.as_ptr()),
                is_shared,
                "{header} bytes of header, {} of body",
                body.len()
            );
        }
    }
}
