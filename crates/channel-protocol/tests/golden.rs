//! Frames as real SDKs and nodes send them: decoded, checked field by field, encoded again to the same bytes.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

use bytes::{Bytes, BytesMut};
use nuncio_channel_protocol::{
    AmopBody, BlockNotification, Frame, FrameCodec, FrameKind, FrameSeq, HandshakeAnswer, HandshakeRequest,
    ProtocolVersion, ResultCode, Subscription, heartbeat,
};
use tokio_util::codec::{Decoder, Encoder};

/// Decodes one whole frame and checks that both ways of writing give the same bytes back.
fn read(digits: &str) -> Frame {
    let wire = hex::decode(digits.replace(char::is_whitespace, "")).unwrap();
    let mut received = BytesMut::from(&wire[..]);
    let frame = FrameCodec::default().decode(&mut received).unwrap().expect("a whole frame");
    assert!(received.is_empty(), "bytes left over");

    let mut written = BytesMut::new();
    FrameCodec::default().encode(&frame, &mut written).unwrap();
    assert_eq!(written, wire);
    let (first, rest) = frame.clone().into_writes();
    assert_eq!([first, rest].concat(), wire);
    assert_eq!(frame.length(), wire.len());
    frame
}

#[track_caller]
fn assert_header(frame: &Frame, kind: FrameKind, seq: &str, result: ResultCode) {
    assert_eq!((frame.kind, frame.seq.to_string().as_str(), frame.result), (kind, seq, result));
}

#[track_caller]
fn assert_amop(digits: &str, kind: FrameKind, seq: &str, topic: &str, data: &[u8]) {
    let frame = read(digits);
    assert_header(&frame, kind, seq, ResultCode::OK);
    let body = AmopBody::unpack(frame.body.clone()).unwrap();
    assert_eq!((body.topic(), &body.data[..]), (topic, data));
    assert_eq!(body.pack(), frame.body);
}

#[track_caller]
fn assert_handshake(digits: &str, seq: &str, client_type: &str) {
    let frame = read(digits);
    assert_header(&frame, FrameKind::Handshake, seq, ResultCode::OK);
    let request = HandshakeRequest::decode(&frame.body).unwrap();
    assert_eq!((request.minimum, request.maximum, request.client_type.as_str()), (1, 3, client_type));
    assert_eq!(request.negotiate(), Some(ProtocolVersion::V3));
}

#[track_caller]
fn assert_subscription(digits: &str, seq: &str, topics: &[&str]) {
    let frame = read(digits);
    assert_header(&frame, FrameKind::Subscribe, seq, ResultCode::OK);
    let subscription = Subscription::decode(&frame.body, 1 << 20).unwrap();
    assert_eq!(subscription.topics, topics);
}

#[track_caller]
fn assert_rpc(digits: &str, seq: &str, body: &str) {
    let frame = read(digits);
    assert_header(&frame, FrameKind::Rpc, seq, ResultCode::OK);
    assert_eq!(frame.body, body);
}

#[test]
fn java_conversation() {
    assert_handshake(
        "00000069 0014 6532396533393265636330353431356162343235643931363266386361633630 00000000
         7b226d6178696d756d537570706f7274223a332c226d696e696d756d537570706f7274223a312c22636c69656e7454797065223a226a6176612d73646b227d",
        "e29e392ecc05415ab425d9162f8cac60",
        "java-sdk",
    );
    let beat = read(
        "00000039 0013 6532396533393265636330353431356162343235643931363266386361633630 00000000 7b22686561727442656174223a307d",
    );
    assert_header(&beat, FrameKind::Heartbeat, "e29e392ecc05415ab425d9162f8cac60", ResultCode::OK);
    assert_eq!(beat.body, heartbeat::request(ProtocolVersion::V3));
    assert_subscription(
        "00000030 0032 3664323762656235333331343464353039336338343933613631613764626165 00000000 5b227431225d",
        "6d27beb533144d5093c8493a61a7dbae",
        &["t1"],
    );
    assert_subscription(
        "0000002c 0032 3664323762656235333331343464353039336338343933613631613764626165 00000000 5b5d",
        "6d27beb533144d5093c8493a61a7dbae",
        &[],
    );
    assert_amop(
        "00000032 0030 3033616465353031646630353439343939383433666361363839303837326566 00000000 03 7431 68656c6c6f",
        FrameKind::Unicast,
        "03ade501df0549499843fca6890872ef",
        "t1",
        b"hello",
    );
    assert_amop(
        "00000030 0031 3033616465353031646630353439343939383433666361363839303837326566 00000000 03 7431 596573",
        FrameKind::Answer,
        "03ade501df0549499843fca6890872ef",
        "t1",
        b"Yes",
    );
    let refused = read("0000002a 0031 6233613831306562363632623434346362663538313566376330616363356333 00000064");
    assert_header(&refused, FrameKind::Answer, "b3a810eb662b444cbf5815f7c0acc5c3", ResultCode::NO_SUBSCRIBER);
    assert!(refused.body.is_empty());
    for (code, kind) in [("0035", FrameKind::Multicast), ("0031", FrameKind::Answer)] {
        assert_amop(
            &format!(
                "00000034 {code} 6530373433393135343334353466353139613261663633333930396532386638 00000000 03 7431 68657920616c6c"
            ),
            kind,
            "e074391543454f519a2af633909e28f8",
            "t1",
            b"hey all",
        );
    }
}

#[test]
fn go_frames() {
    assert_handshake(
        "0000006700143133663763343365653734333131663162303037356135353564656439343561000000007b226d696e696d756d537570706f7274223a312c226d6178696d756d537570706f7274223a332c22636c69656e7454797065223a22476f2d53444b227d",
        "13f7c43ee74311f1b0075a555ded945a",
        "Go-SDK",
    );
    let answer = read(
        "0000004f00143133663763343365653734333131663162303037356135353564656439343561000000007b226e6f646556657273696f6e223a22322e392e31222c2270726f746f636f6c223a337d0a",
    );
    assert_header(&answer, FrameKind::Handshake, "13f7c43ee74311f1b0075a555ded945a", ResultCode::OK);
    let expected = HandshakeAnswer { node_version: "2.9.1".into(), protocol: ProtocolVersion::V3, priorities: false };
    assert_eq!(HandshakeAnswer::decode(&answer.body).unwrap(), expected);
    assert_eq!(expected.encode(), answer.body);
    assert_subscription(
        "0000003d00323133663837363365653734333131663162303037356135353564656439343561000000005b225f626c6f636b5f6e6f746966795f31225d",
        "13f8763ee74311f1b0075a555ded945a",
        &["_block_notify_1"],
    );
    assert_subscription(
        "0000004700323133663839613335653734333131663162303037356135353564656439343561000000005b225f626c6f636b5f6e6f746966795f31222c22676f746f706963225d",
        "13f89a35e74311f1b0075a555ded945a",
        &["_block_notify_1", "gotopic"],
    );
    assert_rpc(
        "0000005e00123133663837616362653734333131663162303037356135353564656439343561000000007b226a736f6e727063223a22322e30222c226964223a312c226d6574686f64223a22676574436c69656e7456657273696f6e227d",
        "13f87acbe74311f1b0075a555ded945a",
        r#"{"jsonrpc":"2.0","id":1,"method":"getClientVersion"}"#,
    );
    assert_amop(
        "0000005e003031346461656338346537343331316631623864623561353535646564393435610000000008676f746f70696368656c6c6f2c20464953434f2042434f532c204920616d20756e6963617374207075626c6973686572212030",
        FrameKind::Unicast,
        "14daec84e74311f1b8db5a555ded945a",
        "gotopic",
        b"hello, FISCO BCOS, I am unicast publisher! 0",
    );
    assert_amop(
        "00000032003131346461656338346537343331316631623864623561353535646564393435610000000008676f746f706963",
        FrameKind::Answer,
        "14daec84e74311f1b8db5a555ded945a",
        "gotopic",
        b"",
    );
    assert_amop(
        "00000036003531616530393762336537343331316631623864623561353535646564393435610000000008676f746f706963446f6e65",
        FrameKind::Multicast,
        "1ae097b3e74311f1b8db5a555ded945a",
        "gotopic",
        b"Done",
    );
    let beat = read("0000002a0013313065363634376265373438313166316131616235613535356465643934356100000000");
    assert_header(&beat, FrameKind::Heartbeat, "10e6647be74811f1a1ab5a555ded945a", ResultCode::OK);
    assert_eq!(heartbeat::answer(ProtocolVersion::V3, &beat.body).unwrap(), "{\"heartBeat\":1}\n");
}

#[test]
fn java_frames() {
    assert_rpc(
        "0000006a00123861633232356337383265343465626262313435666266366533343637643933000000007b226a736f6e727063223a22322e30222c226d6574686f64223a22676574436c69656e7456657273696f6e222c22706172616d73223a5b5d2c226964223a307d",
        "8ac225c782e44ebbb145fbf6e3467d93",
        r#"{"jsonrpc":"2.0","method":"getClientVersion","params":[],"id":0}"#,
    );
    assert_handshake(
        "0000006900143361633666363035313565383436623938346236353030373438363364393666000000007b226d6178696d756d537570706f7274223a332c226d696e696d756d537570706f7274223a312c22636c69656e7454797065223a226a6176612d73646b227d",
        "3ac6f60515e846b984b650074863d96f",
        "java-sdk",
    );
    let beat = read(
        "0000003900136261323334666331633138393437666662353535383765386166623833373134000000007b22686561727442656174223a307d",
    );
    assert_header(&beat, FrameKind::Heartbeat, "ba234fc1c18947ffb55587e8afb83714", ResultCode::OK);
    assert_eq!(beat.body, heartbeat::request(ProtocolVersion::V2));
    let answer = read(
        "0000003a00136261323334666331633138393437666662353535383765386166623833373134000000007b22686561727442656174223a317d0a",
    );
    assert_header(&answer, FrameKind::Heartbeat, "ba234fc1c18947ffb55587e8afb83714", ResultCode::OK);
    assert_eq!(heartbeat::answer(ProtocolVersion::V2, &beat.body), Some(answer.body));
    assert_subscription(
        "0000002c00326365316636393034643965623436643662613035653633363532653236666465000000005b5d",
        "ce1f6904d9eb46d6ba05e63652e26fde",
        &[],
    );
    assert_subscription(
        "0000003000326533663239386335363661303466633561666264346666393634663065633833000000005b226a74225d",
        "e3f298c566a04fc5afbd4ff964f0ec83",
        &["jt"],
    );
    assert_amop(
        "000000300030653735643332656432656330343662323861663133303365303930646637383000000000036a7468656a",
        FrameKind::Unicast,
        "e75d32ed2ec046b28af1303e090df780",
        "jt",
        b"hej",
    );
    assert_amop(
        "000000310031653735643332656432656330343662323861663133303365303930646637383000000000036a746a61636b",
        FrameKind::Answer,
        "e75d32ed2ec046b28af1303e090df780",
        "jt",
        b"jack",
    );
    assert_amop(
        "000000300035336565613163633334636239343735376132356232663230613534383162306600000000036a7468656a",
        FrameKind::Multicast,
        "3eea1cc34cb94757a25b2f20a5481b0f",
        "jt",
        b"hej",
    );
}

#[test]
fn web3sdk_frames() {
    assert_subscription(
        "0000004200323438653262663831663431653438363739656263636162653333623839313739000000005b227774222c225f626c6f636b5f6e6f746966795f31225d",
        "48e2bf81f41e48679ebccabe33b89179",
        &["wt", "_block_notify_1"],
    );
    assert_amop(
        "000000340030393062373135623565643165343634346131646262316333383136356232323400000000037774773368656c6c6f",
        FrameKind::Unicast,
        "90b715b5ed1e4644a1dbb1c38165b224",
        "wt",
        b"w3hello",
    );
    assert_amop(
        "0000003200356161383361613034653637333430373762356137303238313439343264623432000000000377747733616c6c",
        FrameKind::Multicast,
        "aa83aa04e6734077b5a702814942db42",
        "wt",
        b"w3all",
    );
}

#[test]
fn python_frames() {
    assert_subscription(
        "0000003600323032333235303265653734613131663161386132303266633030303030303031000000005b227431222c20227432225d",
        "0232502ee74a11f1a8a202fc00000001",
        &["t1", "t2"],
    );
    assert_amop(
        "0000002f00303033353437356530653734613131663161333266303266633030303030303031000000000374316869",
        FrameKind::Unicast,
        "035475e0e74a11f1a32f02fc00000001",
        "t1",
        b"hi",
    );
    assert_amop(
        "0000002f00313033353437356530653734613131663161333266303266633030303030303031000000000374316f6b",
        FrameKind::Answer,
        "035475e0e74a11f1a32f02fc00000001",
        "t1",
        b"ok",
    );
    assert_amop(
        "000000300035303339653366623865373461313166313963376430326663303030303030303100000000037432616c6c",
        FrameKind::Multicast,
        "039e3fb8e74a11f19c7d02fc00000001",
        "t2",
        b"all",
    );
    assert_rpc(
        "0000007000123034383039623036653734613131663161386664303266633030303030303031000000007b226a736f6e727063223a2022322e30222c20226d6574686f64223a2022676574426c6f636b4e756d626572222c2022706172616d73223a205b315d2c20226964223a20307d",
        "04809b06e74a11f1a8fd02fc00000001",
        r#"{"jsonrpc": "2.0", "method": "getBlockNumber", "params": [1], "id": 0}"#,
    );
    // Its heartbeat: empty, in a session without a handshake, so nobody answers.
    assert_eq!(heartbeat::answer(ProtocolVersion::default(), b""), None);
}

/// Its seqs are 32 raw bytes, not text.
#[test]
fn rust_gears_frames() {
    assert_handshake(
        "0000006f00143298435af6540ae7329c5db0ab1dbfe09a960c6f6755643f33da137ff095b59e000000007b226d696e696d756d537570706f7274223a312c226d6178696d756d537570706f7274223a332c22636c69656e7454797065223a22727573742d67656172732d73646b227d",
        "3298435af6540ae7329c5db0ab1dbfe09a960c6f6755643f33da137ff095b59e",
        "rust-gears-sdk",
    );
    assert_subscription(
        "0000003000322b205d712e5446cf21407e02dc40aafb1fb5049b4cef655e6f25a83b4bfbf981000000005b227274225d",
        "2b205d712e5446cf21407e02dc40aafb1fb5049b4cef655e6f25a83b4bfbf981",
        &["rt"],
    );
    assert_amop(
        "0000003000308a6217312171abc7f16b141fc10ac04309ad9c82730fbeb2be17cb4f9a14af6d00000000037274686f69",
        FrameKind::Unicast,
        "8a6217312171abc7f16b141fc10ac04309ad9c82730fbeb2be17cb4f9a14af6d",
        "rt",
        b"hoi",
    );
    assert_amop(
        "0000003200318a6217312171abc7f16b141fc10ac04309ad9c82730fbeb2be17cb4f9a14af6d000000000372747275737479",
        FrameKind::Answer,
        "8a6217312171abc7f16b141fc10ac04309ad9c82730fbeb2be17cb4f9a14af6d",
        "rt",
        b"rusty",
    );
    assert_amop(
        "000000300035548d9d14eaf07d36a75f61895de94971ca47e9ebad13b8c741a4f4248f39c74300000000037274686f69",
        FrameKind::Multicast,
        "548d9d14eaf07d36a75f61895de94971ca47e9ebad13b8c741a4f4248f39c743",
        "rt",
        b"hoi",
    );
}

#[test]
fn nodejs_frames() {
    assert_rpc(
        "0000006a00126136386334353536313039373439623262623539396263353235646139343165000000007b226a736f6e727063223a22322e30222c226d6574686f64223a22676574436c69656e7456657273696f6e222c22706172616d73223a5b5d2c226964223a317d",
        "a68c4556109749b2bb599bc525da941e",
        r#"{"jsonrpc":"2.0","method":"getClientVersion","params":[],"id":1}"#,
    );
    assert_subscription(
        "0000003d00323137393764326433633931623465343261613138353038333734666637613932000000005b225f626c6f636b5f6e6f746966795f31225d",
        "1797d2d3c91b4e42aa18508374ff7a92",
        &["_block_notify_1"],
    );
    let push = read(
        "0000003d1001303030303030303030303030303030303030303030303030303030303030303000000000105f626c6f636b5f6e6f746966795f31312c39",
    );
    assert_header(&push, FrameKind::BlockNotification, "00000000000000000000000000000000", ResultCode::OK);
    assert_eq!(push.seq, FrameSeq::PUSH);
    let notification = BlockNotification { group: 1, number: 9 };
    assert_eq!(BlockNotification::decode(push.body.clone()).unwrap(), notification);
    assert_eq!(notification.encode(ProtocolVersion::V1), push.body);
}

/// The JSON form of a block notification, which no capture has.
#[test]
fn later_block_notification() {
    let notification = BlockNotification { group: 1, number: 9 };
    let body = notification.encode(ProtocolVersion::V3);
    assert_eq!(body, Bytes::from_static(b"\x10_block_notify_1{\"blockNumber\":9,\"groupID\":1}\n"));
    assert_eq!(BlockNotification::decode(body).unwrap(), notification);
}
