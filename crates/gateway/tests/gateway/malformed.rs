//! Input that breaks the protocol, on a live port: each kind has exactly one outcome.

use nuncio_channel_protocol::{AmopBody, FrameKind, FrameSeq, ResultCode};
use nuncio_gateway::Statistics;
use serde_json::Value;

use crate::rig::{Rig, Sdk};

const SEQ: [u8; 32] = *b"0123456789abcdef0123456789abcdef";

/// Body of a frame that is no AMOP message, at most, in these tests.
const CONTROL: usize = 1024;

#[derive(Debug, Clone, Copy)]
enum Outcome {
    /// The gateway hangs up.
    Closed,
    /// Nothing happens and nobody is told but the counter, which may be none.
    Ignored(Option<fn(&Statistics) -> u64>),
    /// An answer of 0x31 with this result and no body.
    Refused(i32),
    /// A JSON-RPC error of this code.
    RpcError(i64),
    /// An answer of the same kind whose packed JSON says that this is no chain.
    NoChain,
}

use Outcome::{Closed, Ignored, NoChain, Refused, RpcError};

const MALFORMED: Outcome = Ignored(Some(|counts| counts.frames_malformed));
const UNKNOWN: Outcome = Ignored(Some(|counts| counts.frames_ignored));
const DROPPED: Outcome = Ignored(Some(|counts| counts.acknowledgements_dropped));
const REFUSED: Outcome = Ignored(Some(|counts| counts.subscriptions_refused));
const OVERSIZED: Outcome = Ignored(Some(|counts| counts.frames_oversized));

/// Type and body of a frame, and what comes of it; §2.3–2.11 of the protocol.
const FRAMES: &[(&str, u16, &[u8], Outcome)] = &[
    ("a unicast without a body", 0x30, b"", Refused(-1)),
    ("a unicast whose topic has length 0", 0x30, b"\x00t1x", Refused(-1)),
    ("a unicast whose topic is longer than the body", 0x30, b"\x09t1x", Refused(-1)),
    ("a unicast with an empty topic", 0x30, b"\x01payload", Refused(-1)),
    ("a unicast whose topic is no UTF-8", 0x30, b"\x02\xffpayload", Refused(-1)),
    ("a unicast whose topic holds a line feed", 0x30, b"\x02\npayload", Refused(-1)),
    ("a unicast whose topic holds NUL", 0x30, b"\x03a\x00payload", Refused(-1)),
    ("a multicast without a body", 0x35, b"", Refused(-1)),
    ("a multicast whose topic has length 0", 0x35, b"\x00", Refused(-1)),
    ("a multicast whose topic is longer than the body", 0x35, b"\xfft", Refused(-1)),
    ("a multicast whose topic is no UTF-8", 0x35, b"\x03\xc3\x28x", Refused(-1)),
    ("an answer to nothing", 0x31, b"\x02tx", DROPPED),
    ("an answer to nothing that cannot be read", 0x31, b"\x00", DROPPED),
    ("a handshake without a body", 0x14, b"", MALFORMED),
    ("a handshake that is no JSON", 0x14, b"{", MALFORMED),
    ("a handshake that is an array", 0x14, b"[1,3]", MALFORMED),
    ("a handshake with a text for a number", 0x14, b"{\"maximumSupport\":\"3\"}", MALFORMED),
    ("a handshake for versions before the first", 0x14, b"{\"maximumSupport\":-1}", Closed),
    ("a handshake for versions of the future", 0x14, b"{\"minimumSupport\":4,\"maximumSupport\":7}", Closed),
    (
        "a handshake whose versions are the wrong way round",
        0x14,
        b"{\"minimumSupport\":3,\"maximumSupport\":1}",
        Closed,
    ),
    ("a heartbeat of version 1 without a body", 0x13, b"", Ignored(None)),
    ("a heartbeat of version 1 with another body", 0x13, b"00", Ignored(None)),
    ("topics without a body", 0x32, b"", MALFORMED),
    ("topics that are no JSON", 0x32, b"[\"a\"", MALFORMED),
    ("topics that are an object", 0x32, b"{}", MALFORMED),
    ("topics that are numbers", 0x32, b"[1,2]", MALFORMED),
    ("topics within topics", 0x32, b"[[\"a\"]]", MALFORMED),
    ("more topics than a session may have", 0x32, b"[\"a\",\"b\",\"c\",\"d\"]", REFUSED),
    ("a call without a body", 0x12, b"", RpcError(-32700)),
    ("a call that is no JSON", 0x12, b"{", RpcError(-32700)),
    ("a call that is no UTF-8", 0x12, b"{\"method\":\"\xff\"}", RpcError(-32700)),
    ("a call without a method", 0x12, b"{}", RpcError(-32600)),
    ("a batch of calls", 0x12, b"[]", RpcError(-32600)),
    ("a call of what is not there", 0x12, b"{\"id\":1,\"method\":\"nothing\"}", RpcError(-32601)),
    ("a call over the limit", 0x12, &[b'['; CONTROL + 1], RpcError(-32600)),
    ("topics over the limit", 0x32, &[b'['; CONTROL + 1], OVERSIZED),
    ("a verdict without a body", 0x38, b"", MALFORMED),
    ("a verdict on no challenge", 0x38, b"{\"checkResult\":0,\"nodeId\":\"ab\",\"topic\":\"t\"}", MALFORMED),
    ("a verdict with a text for a number", 0x38, b"{\"checkResult\":\"0\",\"nodeId\":\"\",\"topic\":\"t\"}", MALFORMED),
    ("a freed seq nobody had", 0x37, b"\xff\xff", Ignored(None)),
    ("an event filter without a body", 0x15, b"", NoChain),
    ("the removal of an event filter that cannot be read", 0x16, b"\x01{", NoChain),
    ("a receipt from a client", 0x1000, b"{}", UNKNOWN),
    ("a block from a client", 0x1001, b"\x02t1,2", UNKNOWN),
    ("an event from a client", 0x1002, b"{}", UNKNOWN),
    ("type 0", 0x00, b"", UNKNOWN),
    ("a type nobody knows", 0xffff, b"\x00", UNKNOWN),
];

/// The first bytes of a stream that cannot be read on; §2.2.
const STREAMS: &[(&str, &[u8])] = &[
    ("length 0", &[0, 0, 0, 0]),
    ("a length one below the header", &[0, 0, 0, 41, 0, 0x12]),
    ("the longest length there is", &[0xff, 0xff, 0xff, 0xff]),
    ("a length over what is skipped", &[0x06, 0x40, 0x00, 0x01]),
];

fn frame(kind: u16, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(42 + body.len()).unwrap();
    [&length.to_be_bytes()[..], &kind.to_be_bytes(), &SEQ, &[0; 4], body].concat()
}

#[tokio::test]
async fn every_broken_frame_has_its_outcome() {
    assert!(FRAMES.len() + STREAMS.len() >= 40);
    let mut rig = Rig::with(|config| {
        config.limits.control_body = CONTROL;
        config.limits.topic_bytes_per_session = 3 * 17;
    })
    .await;
    for (name, kind, body, outcome) in FRAMES {
        println!("{name}");
        let (mut sdk, client) = rig.connect().await;
        let before = rig.clients.statistics();
        sdk.send_bytes(&frame(*kind, body)).await;
        check(&mut sdk, *kind, *outcome).await;
        if let Ignored(Some(counter)) = outcome {
            assert_eq!(counter(&rig.clients.statistics()), counter(&before) + 1, "{name} is counted");
        }
        assert!(matches!(outcome, Closed) || rig.has_no_input(), "{name}: the core hears nothing");
        drop(sdk);
        assert_eq!(rig.disconnected().await, client);
    }
}

#[tokio::test]
async fn a_stream_that_cannot_be_read_on_is_closed() {
    let mut rig = Rig::new().await;
    for (name, bytes) in STREAMS {
        println!("{name}");
        let (mut sdk, client) = rig.connect().await;
        sdk.send_bytes(bytes).await;
        sdk.expect_closed().await;
        assert_eq!(rig.disconnected().await, client);
    }
    assert_eq!(rig.clients.statistics().sessions_malformed, STREAMS.len() as u64);
}

#[tokio::test]
async fn who_speaks_http_is_told_in_http_what_this_port_is() {
    let mut rig = Rig::new().await;
    for opening in ["GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", "POST / HTTP/1.1\r\n\r\n{}"] {
        let (mut sdk, client) = rig.connect().await;
        sdk.send_bytes(opening.as_bytes()).await;
        let answer = String::from_utf8(sdk.rest().await).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("FISCO BCOS 2.x"), "{opening:?}: {answer:?}");
        assert_eq!(rig.disconnected().await, client);
    }
}

async fn check(sdk: &mut Sdk, kind: u16, outcome: Outcome) {
    match outcome {
        Closed => return sdk.expect_closed().await,
        Ignored(_) => {}
        Refused(code) => {
            let answer = sdk.expect_frame().await;
            assert_eq!((answer.kind, answer.seq), (FrameKind::Answer, FrameSeq::from_bytes(SEQ)));
            assert_eq!((answer.result, answer.body.len()), (ResultCode(code), 0));
        }
        RpcError(code) => {
            let answer = sdk.expect_frame().await;
            assert_eq!((answer.kind, answer.seq), (FrameKind::Rpc, FrameSeq::from_bytes(SEQ)));
            let error: Value = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!((answer.result, error["error"]["code"].as_i64()), (ResultCode::OK, Some(code)));
        }
        NoChain => {
            let answer = sdk.expect_frame().await;
            assert_eq!((answer.kind.code(), answer.seq), (kind, FrameSeq::from_bytes(SEQ)));
            let said = AmopBody::unpack(answer.body).unwrap().data;
            assert!(std::str::from_utf8(&said).unwrap().contains("not a chain node"));
        }
    }
    // The session goes on, and nothing else was said.
    sdk.expect_silence().await;
}
