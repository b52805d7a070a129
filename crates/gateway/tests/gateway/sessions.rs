use std::time::Instant;

use bytes::Bytes;
use nuncio_channel_protocol::{AmopBody, Frame, FrameKind, FrameSeq, ResultCode};
use nuncio_protocol::amop::{ClientInput, Kind};

use crate::rig::{Log, Rig, bytes_of, topics};

fn request(kind: FrameKind, body: &'static [u8]) -> Frame {
    Frame::request(kind, FrameSeq::from_number(42), Bytes::from_static(body))
}

/// The opening of the Java SDK 2.10.1, byte for byte.
#[tokio::test]
async fn a_java_session_opens_and_lives() {
    let mut rig = Rig::new().await;
    let (mut sdk, client) = rig.connect().await;
    sdk.send_hex(
        "0000006a 0012 3861633232356337383265343465626262313435666266366533343637643933 00000000
         7b226a736f6e727063223a22322e30222c226d6574686f64223a22676574436c69656e7456657273696f6e222c22706172616d73223a5b5d2c226964223a307d",
    )
    .await;
    let version = sdk.expect_frame().await;
    assert_eq!((version.kind, version.result), (FrameKind::Rpc, ResultCode::OK));
    assert_eq!(version.seq.as_bytes(), b"8ac225c782e44ebbb145fbf6e3467d93");
    assert_eq!(version.body.last(), Some(&b'\n'));

    sdk.send_hex(
        "00000069 0014 6532396533393265636330353431356162343235643931363266386361633630 00000000
         7b226d6178696d756d537570706f7274223a332c226d696e696d756d537570706f7274223a312c22636c69656e7454797065223a226a6176612d73646b227d",
    )
    .await;
    let answer = sdk.expect_frame().await;
    assert_eq!(&answer.body[..], b"{\"nodeVersion\":\"2.9.1\",\"protocol\":3}\n");
    assert_eq!(answer.seq.as_bytes(), b"e29e392ecc05415ab425d9162f8cac60");

    sdk.send_hex(
        "00000039 0013 6261323334666331633138393437666662353535383765386166623833373134 00000000
         7b22686561727442656174223a307d",
    )
    .await;
    let heartbeat = bytes_of(
        "0000003a 0013 6261323334666331633138393437666662353535383765386166623833373134 00000000
         7b22686561727442656174223a317d0a",
    );
    assert_eq!(&sdk.expect_frame().await.to_bytes()[..], &heartbeat[..]);

    sdk.send_hex("0000002c 0032 6365316636393034643965623436643662613035653633363532653236666465 00000000 5b5d").await;
    assert_eq!(rig.input().await, ClientInput::Subscribe { client, topics: topics(&[]) });
    sdk.send_hex(
        "00000030 0032 3664323762656235333331343464353039336338343933613631613764626165 00000000 5b227431225d",
    )
    .await;
    assert_eq!(rig.input().await, ClientInput::Subscribe { client, topics: topics(&["t1"]) });
}

/// The Go SDK shakes hands first; its empty heartbeat is answered, its broadcast acknowledged with the body echoed.
#[tokio::test]
async fn a_go_session_opens_and_broadcasts() {
    let mut rig = Rig::new().await;
    let (mut sdk, client) = rig.connect().await;
    sdk.send_hex(
        "0000006700143133663763343365653734333131663162303037356135353564656439343561000000007b226d696e696d756d53757070
         6f7274223a312c226d6178696d756d537570706f7274223a332c22636c69656e7454797065223a22476f2d53444b227d",
    )
    .await;
    let answer = bytes_of(
        "0000004f00143133663763343365653734333131663162303037356135353564656439343561000000007b226e6f646556657273696f6e
         223a22322e392e31222c2270726f746f636f6c223a337d0a",
    );
    assert_eq!(&sdk.expect_frame().await.to_bytes()[..], &answer[..]);

    sdk.send_hex("0000002a00133130653636343762653734383131663161316162356135353564656439343561 00000000").await;
    assert_eq!(&sdk.expect_frame().await.body[..], b"{\"heartBeat\":1}\n");

    sdk.send_hex(
        "00000036003531616530393762336537343331316631623864623561353535646564393435610000000008676f746f706963446f6e65",
    )
    .await;
    let (seq, kind, topic, data) = rig.publish().await;
    assert_eq!((kind, topic.as_str(), &data[..]), (Kind::Multicast, "gotopic", &b"Done"[..]));
    rig.reply(client, seq, 0, "gotopic", b"Done");
    let acknowledgement = sdk.expect_frame().await;
    assert_eq!((acknowledgement.kind, acknowledgement.result), (FrameKind::Answer, ResultCode::OK));
    assert_eq!(acknowledgement.seq.as_bytes(), &seq.0);
    assert_eq!(&acknowledgement.body[..], b"\x08gotopicDone");
}

/// The Python SDK: no handshake, JSON with blanks, a 0x13 with an empty body that is not answered.
#[tokio::test]
async fn a_python_session_needs_no_handshake() {
    let mut rig = Rig::new().await;
    let (mut sdk, client) = rig.connect().await;
    sdk.send_hex(
        "0000007000123034383039623036653734613131663161386664303266633030303030303031000000007b226a736f6e727063223a2022
         322e30222c20226d6574686f64223a2022676574426c6f636b4e756d626572222c2022706172616d73223a205b315d2c20226964223a20
         307d",
    )
    .await;
    let answer: serde_json::Value = serde_json::from_slice(&sdk.expect_frame().await.body).unwrap();
    assert_eq!(answer, serde_json::json!({ "id": 0, "jsonrpc": "2.0", "result": "0x0" }));
    sdk.send_hex(
        "0000003600323032333235303265653734613131663161386132303266633030303030303031000000005b227431222c20227432225d",
    )
    .await;
    assert_eq!(rig.input().await, ClientInput::Subscribe { client, topics: topics(&["t1", "t2"]) });
    sdk.send_hex("0000002f00303033353437356530653734613131663161333266303266633030303030303031000000000374316869")
        .await;
    let (seq, kind, topic, data) = rig.publish().await;
    assert_eq!((kind, topic.as_str(), &data[..]), (Kind::Unicast, "t1", &b"hi"[..]));
    rig.reply(client, seq, 0, "t1", b"ok");
    let golden =
        bytes_of("0000002f00313033353437356530653734613131663161333266303266633030303030303031000000000374316f6b");
    assert_eq!(&sdk.expect_frame().await.to_bytes()[..], &golden[..]);
    sdk.send(&request(FrameKind::Heartbeat, b"")).await;
    sdk.expect_silence().await;
}

#[tokio::test]
async fn heartbeats_are_answered_as_the_version_says() {
    let mut rig = Rig::new().await;
    let (mut sdk, _) = rig.connect().await;
    for unanswered in [&b""[..], b"1", b"00", b"{\"heartBeat\":0}"] {
        sdk.send(&request(FrameKind::Heartbeat, unanswered)).await;
    }
    sdk.expect_silence().await;
    for (offer, protocol) in
        [(&b"{\"maximumSupport\":1}"[..], 1), (b"{\"maximumSupport\":2}", 2), (b"{\"maximumSupport\":9}", 3)]
    {
        sdk.send(&request(FrameKind::Handshake, offer)).await;
        let answer = format!("{{\"nodeVersion\":\"2.9.1\",\"protocol\":{protocol}}}\n");
        assert_eq!(sdk.expect_frame().await.body, answer);
        sdk.send(&request(FrameKind::Heartbeat, b"0")).await;
        let answer = if protocol == 1 { "1" } else { "{\"heartBeat\":1}\n" };
        assert_eq!(sdk.expect_frame().await.body, answer);
    }
    sdk.send(&request(FrameKind::Heartbeat, b"")).await;
    assert_eq!(sdk.expect_frame().await.body, "{\"heartBeat\":1}\n");
}

#[tokio::test]
async fn a_handshake_without_common_version_ends_the_session_and_an_unreadable_one_is_ignored() {
    let mut rig = Rig::new().await;
    let (mut sdk, client) = rig.connect().await;
    for unreadable in [&b""[..], b"{", b"[1,3]", b"{\"maximumSupport\":\"3\"}"] {
        sdk.send(&request(FrameKind::Handshake, unreadable)).await;
    }
    sdk.expect_silence().await;
    sdk.send(&request(FrameKind::Handshake, b"{\"minimumSupport\":4,\"maximumSupport\":7}")).await;
    sdk.expect_closed().await;
    assert_eq!(rig.disconnected().await, client);
    assert_eq!((rig.clients.statistics().sessions_malformed, rig.clients.statistics().frames_malformed), (1, 4));
}

#[tokio::test]
async fn sessions_that_end_one_after_another_do_not_fill_the_log() {
    let ((log, _guard), began) = (Log::capture(), Instant::now());
    let mut rig = Rig::new().await;
    for _ in 0..60 {
        let (mut sdk, _) = rig.connect().await;
        sdk.send(&request(FrameKind::Handshake, b"{\"minimumSupport\":4,\"maximumSupport\":7}")).await;
        sdk.expect_closed().await;
        rig.disconnected().await;
    }
    assert_eq!(rig.clients.statistics().sessions_malformed, 60);
    let lines = log.count("disconnected by the gateway");
    // Sixteen at once, and one in each second since.
    assert!((1..=17 + began.elapsed().as_secs()).contains(&(lines as u64)), "{lines} lines");
}

#[tokio::test]
async fn frames_that_are_not_for_a_node_are_ignored_and_counted() {
    let mut rig = Rig::new().await;
    let (mut sdk, _) = rig.connect().await;
    for code in [0x00, 0x1000, 0x1001, 0x1002, 0xffff] {
        sdk.send(&request(FrameKind::from_code(code), b"\x00whatever")).await;
    }
    sdk.expect_silence().await;
    assert_eq!(rig.clients.statistics().frames_ignored, 5);
    assert!(rig.has_no_input());
}

#[tokio::test]
async fn event_filters_are_refused_in_words() {
    let mut rig = Rig::new().await;
    let (mut sdk, _) = rig.connect().await;
    for kind in [FrameKind::RegisterEventFilter, FrameKind::UnregisterEventFilter] {
        sdk.send(&request(kind, b"\x01{\"filterID\":\"f1\"}")).await;
        let answer = sdk.expect_frame().await;
        assert_eq!((answer.kind, answer.seq), (kind, FrameSeq::from_number(42)));
        let body = AmopBody::unpack(answer.body).unwrap();
        assert_eq!(body.topic(), "");
        let answer: serde_json::Value = serde_json::from_slice(&body.data).unwrap();
        assert_eq!((answer["filterID"].as_str(), answer["result"].as_i64()), (Some("f1"), Some(-41002)));
    }
}

#[tokio::test]
async fn topic_lists_replace_each_other_and_impossible_ones_change_nothing() {
    let mut rig = Rig::new().await;
    let (mut sdk, client) = rig.connect().await;
    let many: Vec<String> = (0..513).map(|number| format!("topic{number}")).collect();
    for ignored in [&b""[..], b"{}", b"[1]", b"[\"a\"", b"\"a\""] {
        sdk.send(&Frame::request(FrameKind::Subscribe, FrameSeq::PUSH, Bytes::copy_from_slice(ignored))).await;
    }
    sdk.send(&Frame::request(FrameKind::Subscribe, FrameSeq::PUSH, serde_json::to_vec(&many).unwrap().into())).await;
    let expected: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(rig.input().await, ClientInput::Subscribe { client, topics: topics(&expected) });
    let long = "x".repeat(255);
    let list = serde_json::to_vec(&["a", "", &long, "a\u{7}b"]).unwrap();
    sdk.send(&Frame::request(FrameKind::Subscribe, FrameSeq::PUSH, list.into())).await;
    assert_eq!(rig.input().await, ClientInput::Subscribe { client, topics: topics(&["a"]) });
    sdk.expect_silence().await;
    assert_eq!(rig.clients.statistics().frames_malformed, 5);
    drop(sdk);
    assert_eq!(rig.input().await, ClientInput::Disconnected { client });
}
