//! Bytes that are not what they should be, each with its exact outcome.

use bytes::{Bytes, BytesMut};
use nuncio_channel_protocol::{
    AmopBody, AmopBodyError, BlockNotification, BlockNotificationError, Frame, FrameCodec, FrameError, FrameKind,
    FrameSeq, HandshakeAnswer, HandshakeRequest, MAX_BODY, MAX_FRAME, MAX_TOPIC_LENGTH, ProtocolVersion, ResultCode,
    Subscription, SubscriptionError, heartbeat,
};
use tokio_util::codec::{Decoder, Encoder};

fn with_length(length: u32, rest: usize) -> BytesMut {
    let mut bytes = BytesMut::from(&length.to_be_bytes()[..]);
    bytes.resize(4 + rest, 0);
    bytes
}

#[test]
fn a_length_below_the_header_is_an_error_at_once() {
    for length in [0, 1, 4, 41] {
        match FrameCodec::default().decode(&mut with_length(length, 0)) {
            Err(FrameError::TooShort { length: told }) => assert_eq!(told, length),
            other => panic!("length {length}: {other:?}"),
        }
    }
}

#[test]
fn a_length_over_the_limit_is_an_error_at_once() {
    for length in [MAX_FRAME as u32 + 1, 104_857_601, u32::MAX] {
        let mut received = with_length(length, 0);
        match FrameCodec::default().decode(&mut received) {
            Err(FrameError::TooLarge { length: told, limit }) => {
                assert_eq!((told, limit), (u64::from(length), MAX_FRAME));
            }
            other => panic!("length {length}: {other:?}"),
        }
        assert!(received.capacity() < 1024, "memory was asked for a refused frame");
    }
}

#[test]
fn the_limit_itself_is_taken_and_one_byte_more_is_not_written() {
    let topic = "t".repeat(MAX_TOPIC_LENGTH);
    let body = AmopBody::new(&topic, vec![7; MAX_BODY].into()).unwrap().pack();
    let frame = Frame::request(FrameKind::Unicast, FrameSeq::PUSH, body);
    assert_eq!(frame.length(), MAX_FRAME);
    let mut wire = BytesMut::new();
    FrameCodec::default().encode(&frame, &mut wire).unwrap();
    assert_eq!(FrameCodec::default().decode(&mut wire).unwrap().unwrap(), frame);

    let longer = Frame { body: vec![7; frame.body.len() + 1].into(), ..frame };
    let error = FrameCodec::default().encode(&longer, &mut wire).unwrap_err();
    assert!(matches!(error, FrameError::TooLarge { length, limit: MAX_FRAME } if length == MAX_FRAME as u64 + 1));
    assert!(wire.is_empty(), "a refused frame left bytes");
}

#[test]
fn a_shorter_header_than_42_bytes_waits() {
    for rest in 0..38 {
        assert!(FrameCodec::default().decode(&mut with_length(42, rest)).unwrap().is_none());
    }
    let frame = FrameCodec::default().decode(&mut with_length(42, 38)).unwrap().unwrap();
    assert_eq!((frame.kind.code(), frame.result, frame.body.len()), (0, ResultCode::OK, 0));
}

#[test]
fn a_stream_that_ends_inside_a_frame_is_truncated() {
    for received in [1, 3, 4, 41, 49] {
        let mut bytes = BytesMut::from(&with_length(50, 46)[..received]);
        match FrameCodec::default().decode_eof(&mut bytes) {
            Err(FrameError::Truncated { received: told }) => assert_eq!(told, received),
            other => panic!("{received} bytes: {other:?}"),
        }
    }
    assert!(FrameCodec::default().decode_eof(&mut BytesMut::new()).unwrap().is_none());
    assert!(FrameCodec::default().decode_eof(&mut with_length(50, 46)).unwrap().is_some());
}

/// A length field of 10 MiB with few bytes behind it must not cost 10 MiB.
#[test]
fn memory_follows_the_bytes_received() {
    let mut codec = FrameCodec::default();
    let mut received = with_length(MAX_FRAME as u32, 0);
    for _ in 0..200 {
        assert!(codec.decode(&mut received).unwrap().is_none());
        assert!(
            received.capacity() <= 2 * (received.len() + (64 << 10)),
            "{} bytes reserved for {} received",
            received.capacity(),
            received.len()
        );
        let longer = received.len() + 1000;
        received.resize(longer, 0);
    }
}

/// What follows a long frame is moved out of its memory.
#[test]
fn a_long_frame_does_not_stay_in_memory() {
    let mut wire = BytesMut::new();
    let long = Frame::request(FrameKind::Unicast, FrameSeq::PUSH, vec![1; 1 << 20].into());
    let short = Frame::request(FrameKind::Heartbeat, FrameSeq::PUSH, Bytes::new());
    let mut codec = FrameCodec::default();
    codec.encode(&long, &mut wire).unwrap();
    codec.encode(&short, &mut wire).unwrap();
    assert_eq!(codec.decode(&mut wire).unwrap().unwrap(), long);
    assert!(wire.capacity() < 1024, "{} bytes kept", wire.capacity());
    assert_eq!(codec.decode(&mut wire).unwrap().unwrap(), short);
}

#[test]
fn unknown_kinds_and_negative_results_are_carried() {
    let mut wire = with_length(44, 40);
    wire[4..6].copy_from_slice(&0xbeef_u16.to_be_bytes());
    wire[38..42].copy_from_slice(&(-5000_i32).to_be_bytes());
    let expected = wire.clone();
    let frame = FrameCodec::default().decode(&mut wire).unwrap().unwrap();
    assert!(matches!(frame.kind, FrameKind::Unknown(_)));
    assert_eq!((frame.kind.to_string().as_str(), frame.result), ("0xbeef", ResultCode(-5000)));
    assert_eq!(frame.to_bytes(), expected);
}

#[test]
fn topics_that_cannot_be_unpacked() {
    let cases: [(&'static [u8], AmopBodyError); 6] = [
        (b"", AmopBodyError::Empty),
        (b"\x00", AmopBodyError::ZeroLength),
        (b"\x00t1hello", AmopBodyError::ZeroLength),
        (b"\x04t1", AmopBodyError::BeyondBody { length: 4, body: 3 }),
        (b"\xff", AmopBodyError::BeyondBody { length: 255, body: 1 }),
        (b"\x03\xc3\x28hello", AmopBodyError::NotUtf8),
    ];
    for (body, error) in cases {
        assert_eq!(AmopBody::unpack(Bytes::from_static(body)), Err(error), "{body:?}");
    }
}

#[test]
fn topics_at_the_edge() {
    let nothing = AmopBody::unpack(Bytes::from_static(b"\x01")).unwrap();
    assert_eq!((nothing.topic(), nothing.data.len()), ("", 0));
    let event = AmopBody::unpack(Bytes::from_static(b"\x01{}")).unwrap();
    assert_eq!((event.topic(), &event.data[..]), ("", &b"{}"[..]));
    let whole = AmopBody::unpack(Bytes::from_static(b"\x03t1")).unwrap();
    assert_eq!((whole.topic(), whole.data.len()), ("t1", 0));

    let longest = AmopBody::new(&"é".repeat(127), Bytes::new()).unwrap();
    assert_eq!(longest.pack()[0], 255);
    assert_eq!(AmopBody::unpack(longest.pack()).unwrap(), longest);
    let error = AmopBody::new(&"t".repeat(255), Bytes::new()).unwrap_err();
    assert_eq!(error, AmopBodyError::TopicTooLong { bytes: 255 });
}

#[test]
fn handshakes_without_fields_have_defaults() {
    let request = HandshakeRequest::decode(b"{}").unwrap();
    assert_eq!((request.minimum, request.maximum, request.client_type.as_str()), (1, 1, "unknown"));
    assert_eq!(request.negotiate(), Some(ProtocolVersion::V1));
    let request = HandshakeRequest::decode(br#" {"maximumSupport": 2, "more": [1]}"#).unwrap();
    assert_eq!(request.negotiate(), Some(ProtocolVersion::V2));
}

#[test]
fn handshake_negotiation() {
    let cases = [
        ((1, 1), Some(ProtocolVersion::V1)),
        ((1, 2), Some(ProtocolVersion::V2)),
        ((1, 3), Some(ProtocolVersion::V3)),
        ((2, 9), Some(ProtocolVersion::V3)),
        ((3, 3), Some(ProtocolVersion::V3)),
        ((-5, 1), Some(ProtocolVersion::V1)),
        ((4, 9), None),
        ((-5, 0), None),
        ((3, 2), None),
    ];
    for ((minimum, maximum), version) in cases {
        let body = format!(r#"{{"minimumSupport":{minimum},"maximumSupport":{maximum}}}"#);
        assert_eq!(HandshakeRequest::decode(body.as_bytes()).unwrap().negotiate(), version, "{body}");
    }
}

#[test]
fn unreadable_handshakes() {
    let bodies =
        ["", "0", "null", "[1,3,\"x\"]", "{", r#"{"maximumSupport":"3"}"#, r#"{"maximumSupport":3.5}"#, "{} {}"];
    for body in bodies {
        assert!(HandshakeRequest::decode(body.as_bytes()).is_err(), "{body:?}");
    }
    for body in ["{}", r#"{"nodeVersion":"2.9.1"}"#, r#"{"nodeVersion":"2.9.1","protocol":4}"#, "[\"2.9.1\",3]"] {
        assert!(HandshakeAnswer::decode(body.as_bytes()).is_err(), "{body:?}");
    }
}

#[test]
fn a_client_type_is_safe_to_log() {
    let body = format!(r#"{{"clientType":"evil\n\u001b[2J{}"}}"#, "x".repeat(1000));
    let client_type = HandshakeRequest::decode(body.as_bytes()).unwrap().client_type;
    assert_eq!(client_type.chars().count(), 64);
    assert!(client_type.starts_with("evil␊␛[2Jx"));
}

#[test]
fn heartbeats_by_version() {
    let v1 = ProtocolVersion::V1;
    assert_eq!(heartbeat::answer(v1, b"0"), Some(Bytes::from_static(b"1")));
    for silent in [&b""[..], b"1", b"00", b"0\n", br#"{"heartBeat":0}"#] {
        assert_eq!(heartbeat::answer(v1, silent), None, "{silent:?}");
    }
    for version in [ProtocolVersion::V2, ProtocolVersion::V3] {
        for any in [&b""[..], b"0", br#"{"heartBeat":0}"#, b"\xff"] {
            assert_eq!(heartbeat::answer(version, any), Some(Bytes::from_static(b"{\"heartBeat\":1}\n")));
        }
    }
}

#[test]
fn topic_lists() {
    assert_eq!(Subscription::decode(b"[]", 0).unwrap().topics, [""; 0]);
    assert_eq!(Subscription::decode(br#" [ "a" , "a", "\u00e9" ] "#, 52).unwrap().topics, ["a", "a", "é"]);
    assert!(Subscription::decode(br#"["a","b"]"#, 34).is_ok(), "two names of one byte and 16 bytes for each");
    for (body, limit) in [(&br#"["a","b"]"#[..], 33), (br#"["",""]"#, 31), (br#"[""]"#, 0)] {
        let refused = Subscription::decode(body, limit);
        assert!(matches!(refused, Err(SubscriptionError::TooLarge { limit: told }) if told == limit), "{refused:?}");
    }
    for body in ["", "{}", "\"a\"", "[1]", "[\"a\"", "[\"a\"]x", "[[\"a\"]]", "null"] {
        let outcome = Subscription::decode(body.as_bytes(), 99);
        assert!(matches!(outcome, Err(SubscriptionError::Malformed(_))), "{body:?}: {outcome:?}");
    }
    assert!(matches!(Subscription::decode(b"[\"\xff\"]", 99), Err(SubscriptionError::Malformed(_))));
}

#[test]
fn block_notifications() {
    let malformed = [&b"\x01"[..], b"\x03t1", b"\x03t1,", b"\x03t19", b"\x03t11,-9", b"\x03t1{}"];
    for body in malformed {
        let outcome = BlockNotification::decode(Bytes::copy_from_slice(body));
        assert!(matches!(outcome, Err(BlockNotificationError::Malformed { .. })), "{body:?}: {outcome:?}");
    }
    let unpacked = BlockNotification::decode(Bytes::new());
    assert!(matches!(unpacked, Err(BlockNotificationError::Unpack(AmopBodyError::Empty))));
}
