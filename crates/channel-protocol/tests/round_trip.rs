//! Whatever is written is read back, however the stream is cut; whatever is read does not panic.

use bytes::{Bytes, BytesMut};
use nuncio_channel_protocol::{
    AmopBody, BlockNotification, Frame, FrameCodec, FrameKind, FrameSeq, HandshakeAnswer, HandshakeRequest,
    ProtocolVersion, RECORD_LENGTH, ResultCode, Subscription, heartbeat,
};
use proptest::{collection::vec, prelude::*};
use tokio_util::codec::{Decoder, Encoder};

fn any_frame() -> impl Strategy<Value = Frame> {
    let kind = prop_oneof![
        prop::sample::select(vec![
            0x12, 0x13, 0x14, 0x15, 0x16, 0x30, 0x31, 0x32, 0x35, 0x37, 0x38, 0x1000, 0x1001, 0x1002
        ]),
        any::<u16>()
    ];
    (kind, any::<[u8; 32]>(), any::<i32>(), vec(any::<u8>(), 0..200)).prop_map(|(kind, seq, result, body)| Frame {
        kind: FrameKind::from_code(kind),
        seq: FrameSeq::from_bytes(seq),
        result: ResultCode(result),
        body: body.into(),
    })
}

fn any_version() -> impl Strategy<Value = ProtocolVersion> {
    prop::sample::select(vec![ProtocolVersion::V1, ProtocolVersion::V2, ProtocolVersion::V3])
}

/// Feeds `wire` in pieces that end at `cuts` and returns the frames.
fn feed(wire: &[u8], cuts: &[usize]) -> Vec<Frame> {
    let (mut codec, mut received, mut frames, mut start) = (FrameCodec::default(), BytesMut::new(), Vec::new(), 0);
    for end in cuts.iter().copied().chain([wire.len()]) {
        received.extend_from_slice(&wire[start..end]);
        start = end;
        while let Some(frame) = codec.decode(&mut received).expect("well-formed") {
            frames.push(frame);
        }
    }
    assert!(received.is_empty());
    frames
}

/// Every single cut, and every pair of cuts, of three frames in a row.
#[test]
fn every_split_position() {
    let frames = [
        Frame::request(FrameKind::Unicast, FrameSeq::from_number(1), Bytes::from_static(b"\x03t1hello")),
        Frame::request(FrameKind::Heartbeat, FrameSeq::from_number(2), Bytes::new()),
        Frame { result: ResultCode::NO_SUBSCRIBER, ..Frame::request(FrameKind::Answer, FrameSeq::PUSH, Bytes::new()) },
    ];
    let mut wire = BytesMut::new();
    frames.iter().for_each(|frame| FrameCodec::default().encode(frame, &mut wire).unwrap());
    for first in 0..=wire.len() {
        for second in first..=wire.len() {
            assert_eq!(feed(&wire, &[first, second]), frames, "cut at {first} and {second}");
        }
    }
}

/// Longer than the codec's memory step and than a TLS record.
#[test]
fn long_frames_in_pieces() {
    let body: Bytes = (0..300_000_u32).map(|byte| byte as u8).collect();
    let frame = Frame::request(FrameKind::Multicast, FrameSeq::from_number(u128::MAX), body);
    let wire = [frame.to_bytes(), frame.to_bytes()].concat();
    let cuts: Vec<usize> = (0..wire.len()).step_by(7777).collect();
    assert_eq!(feed(&wire, &cuts), [frame.clone(), frame]);
}

#[test]
fn writes_fit_records() {
    for length in [0, 1, RECORD_LENGTH - 43, RECORD_LENGTH - 42, RECORD_LENGTH - 41, 3 * RECORD_LENGTH] {
        let frame = Frame::request(FrameKind::Unicast, FrameSeq::PUSH, vec![9; length].into());
        let (first, rest) = frame.clone().into_writes();
        assert_eq!(first.len(), (42 + length).min(RECORD_LENGTH));
        assert_eq!([first, rest].concat(), frame.to_bytes());
    }
}

#[test]
fn seq_as_text() {
    assert_eq!(FrameSeq::from_number(0).to_string(), "0".repeat(32));
    assert_eq!(FrameSeq::from_number(0x0123_4567_89ab_cdef).to_string(), "00000000000000000123456789abcdef");
    assert_eq!(FrameSeq::from_number(u128::MAX).as_bytes(), &[b'f'; 32]);
    assert_eq!(FrameSeq::from_bytes([7; 32]).to_string(), "07".repeat(32));
}

proptest! {
    #[test]
    fn frames(frames in vec(any_frame(), 0..6), cuts in vec(any::<prop::sample::Index>(), 0..6)) {
        let mut wire = BytesMut::new();
        for frame in &frames {
            FrameCodec::default().encode(frame, &mut wire).unwrap();
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len() + 1)).collect();
        cuts.sort_unstable();
        prop_assert_eq!(feed(&wire, &cuts), frames);
    }

    #[test]
    fn kinds(code in any::<u16>()) {
        prop_assert_eq!(FrameKind::from_code(code).code(), code);
    }

    #[test]
    fn amop_bodies(topic in "\\PC{0,63}", data in vec(any::<u8>(), 0..100)) {
        let body = AmopBody::new(&topic, data.clone().into()).unwrap();
        let packed = body.pack();
        prop_assert_eq!(packed.len(), body.packed_length());
        let unpacked = AmopBody::unpack(packed).unwrap();
        prop_assert_eq!(unpacked.topic(), topic);
        prop_assert_eq!(&unpacked.data[..], data);
    }

    #[test]
    fn subscriptions(topics in vec(any::<String>(), 0..20)) {
        let subscription = Subscription { topics };
        prop_assert_eq!(Subscription::decode(&subscription.encode(), 1 << 20).unwrap(), subscription);
    }

    #[test]
    fn handshakes(minimum in any::<i64>(), maximum in any::<i64>(), client_type in "\\PC{0,64}", version in any_version(), priorities: bool) {
        let shown = nuncio_plain::short(&client_type, 64);
        let request = HandshakeRequest { minimum, maximum, client_type: shown, priorities };
        prop_assert_eq!(HandshakeRequest::decode(&request.encode()).unwrap(), request);
        let answer = HandshakeAnswer { node_version: client_type, protocol: version, priorities };
        prop_assert_eq!(HandshakeAnswer::decode(&answer.encode()).unwrap(), answer);
    }

    #[test]
    fn block_notifications(number in any::<u64>(), group in any::<u32>(), version in any_version()) {
        let notification = BlockNotification { number, group };
        prop_assert_eq!(BlockNotification::decode(notification.encode(version)).unwrap(), notification);
    }

    /// No decoder panics, and what the codec takes it gives back byte by byte.
    #[test]
    fn arbitrary_bytes(bytes in vec(any::<u8>(), 0..300), short in any::<bool>()) {
        let mut received = BytesMut::from(&bytes[..]);
        if short && received.len() >= 4 {
            received[..3].fill(0);
        }
        let wire = received.clone();
        if let Ok(Some(frame)) = FrameCodec::new(256).decode(&mut received) {
            prop_assert!(frame.length() <= 256);
            prop_assert_eq!(&frame.to_bytes()[..], &wire[..frame.length()]);
        }
        if let Ok(body) = AmopBody::unpack(bytes.clone().into()) {
            prop_assert_eq!(body.pack(), &bytes[..]);
        }
        let _ = Subscription::decode(&bytes, 64);
        let _ = HandshakeRequest::decode(&bytes);
        let _ = HandshakeAnswer::decode(&bytes);
        let _ = BlockNotification::decode(bytes.clone().into());
        let _ = heartbeat::answer(ProtocolVersion::V1, &bytes);
    }
}
