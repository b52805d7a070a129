//! Frames that lie about their length, and frames that come in pieces.

use bytes::{BufMut, BytesMut};
use nuncio_protocol::MAX_BODY;
use nuncio_wire::{
    DecodeError,
    length_prefixed::{self, Frame, MAX_FRAME, MAX_HEADER},
    verdict::{Protocol, Verdict},
};

#[test]
fn a_length_over_the_limit_is_an_error_before_anything_is_reserved() {
    let mut buffer = BytesMut::new();
    buffer.put_u32(u32::MAX);
    let error = length_prefixed::decode(&mut buffer).unwrap_err();
    assert_eq!(error, DecodeError::TooLarge { what: "frame", bytes: u32::MAX as usize, limit: MAX_FRAME });
    assert!(buffer.capacity() < 1024);
}

#[test]
fn room_for_a_long_frame_grows_with_what_arrives() {
    let mut buffer = BytesMut::new();
    buffer.put_u32((MAX_BODY + 2) as u32);
    assert_eq!(length_prefixed::decode(&mut buffer), Ok(None));
    assert!(buffer.capacity() <= 1 << 20, "{} bytes for a promise", buffer.capacity());
}

#[test]
fn a_header_beyond_its_frame_is_an_error() {
    let mut buffer = BytesMut::new();
    buffer.put_u32(3);
    buffer.put_u16(9);
    buffer.put_u8(0);
    assert_eq!(length_prefixed::decode(&mut buffer), Err(DecodeError::HeaderBeyondFrame { frame: 3, header: 9 }));
    let mut buffer = BytesMut::from(&[0, 0, 0, 1, 0][..]);
    assert_eq!(length_prefixed::decode(&mut buffer), Err(DecodeError::HeaderBeyondFrame { frame: 1, header: 2 }));
}

#[test]
fn a_header_over_its_limit_is_an_error() {
    let mut buffer = BytesMut::new();
    buffer.put_u32(2 + u32::from(u16::MAX));
    buffer.put_u16(u16::MAX);
    buffer.put_bytes(0, usize::from(u16::MAX));
    let error = DecodeError::TooLarge { what: "header", bytes: usize::from(u16::MAX), limit: MAX_HEADER };
    assert_eq!(length_prefixed::decode(&mut buffer), Err(error));
}

#[test]
fn frames_are_found_wherever_the_stream_is_cut() {
    let header = nuncio_frame_header();
    let mut stream = BytesMut::new();
    length_prefixed::encode_alive(&mut stream);
    stream.extend_from_slice(&header);
    length_prefixed::encode_alive(&mut stream);
    for cut in 0..stream.len() {
        let (mut buffer, mut found) = (BytesMut::new(), Vec::new());
        for part in [&stream[..cut], &stream[cut..]] {
            buffer.extend_from_slice(part);
            while let Some(frame) = length_prefixed::decode(&mut buffer).unwrap() {
                found.push(matches!(frame, Frame::Alive));
            }
        }
        assert_eq!(found, [true, false, true], "cut at {cut}");
    }
}

/// Any whole frame with a body.
fn nuncio_frame_header() -> BytesMut {
    let mut frame = BytesMut::new();
    let body =
        Verdict { network: "n".into(), max_body: 1, refusal: None, protocol: Protocol::of_this_release() }.encode();
    frame.put_u32(2 + body.len() as u32);
    frame.put_u16(0);
    frame.extend_from_slice(&body);
    frame
}
