use std::time::Duration;

use bytes::Bytes;
use nuncio_channel_protocol::{AmopBody, Frame, FrameKind, FrameSeq, ResultCode};
use nuncio_protocol::{
    MAX_BODY, Topic,
    amop::{self, ChallengeId, ClientId, ClientInput, ClientOutput, ClientPort, DeliveryId, Kind},
};

use crate::rig::{Rig, amop_frame, bytes_of, failure, seq};

/// The Java SDK's unicast and its answer, byte for byte.
#[tokio::test]
async fn a_unicast_goes_to_the_core_and_its_reply_back() {
    let mut rig = Rig::new().await;
    let (mut sdk, client) = rig.connect().await;
    sdk.send_hex(
        "00000032 0030 3033616465353031646630353439343939383433666361363839303837326566 00000000 03743168656c6c6f",
    )
    .await;
    let (seq, kind, topic, data) = rig.publish().await;
    assert_eq!((&seq.0, kind), (b"03ade501df0549499843fca6890872ef", Kind::Unicast));
    assert_eq!((topic.as_str(), &data[..]), ("t1", &b"hello"[..]));
    rig.reply(client, seq, 0, "t1", b"yes");
    let golden = bytes_of(
        "00000030 0031 3033616465353031646630353439343939383433666361363839303837326566 00000000 037431796573",
    );
    assert_eq!(&sdk.expect_frame().await.to_bytes()[..], &golden[..]);
}

#[tokio::test]
async fn failures_have_their_code_and_a_body_only_when_the_core_gives_one() {
    let mut rig = Rig::new().await;
    let (mut sdk, client) = rig.connect().await;
    sdk.send_hex(
        "00000030 0030 6233613831306562363632623434346362663538313566376330616363356333 00000000 037431796573",
    )
    .await;
    let (seq_of_sdk, ..) = rig.publish().await;
    rig.reply(client, seq_of_sdk, 100, "t1", b"");
    let golden = bytes_of("0000002a 0031 6233613831306562363632623434346362663538313566376330616363356333 00000064");
    assert_eq!(&sdk.expect_frame().await.to_bytes()[..], &golden[..]);
    sdk.send(&amop_frame(FrameKind::Unicast, 1, "t1", Bytes::new())).await;
    rig.publish().await;
    rig.reply(client, seq(1), 104, "t1", b"hello");
    let gone = sdk.expect_frame().await;
    assert_eq!((gone.result, &gone.body[..]), (ResultCode(104), &b"\x03t1hello"[..]));
}

/// rust-gears sends raw bytes as seq; they come back as they are.
#[tokio::test]
async fn a_seq_is_opaque() {
    let mut rig = Rig::new().await;
    let (mut sdk, client) = rig.connect().await;
    sdk.send_hex("0000003000308a6217312171abc7f16b141fc10ac04309ad9c82730fbeb2be17cb4f9a14af6d00000000037274686f69")
        .await;
    let (seq, ..) = rig.publish().await;
    rig.reply(client, seq, 0, "rt", b"rusty");
    let golden = bytes_of(
        "0000003200318a6217312171abc7f16b141fc10ac04309ad9c82730fbeb2be17cb4f9a14af6d00000000037274727573 7479",
    );
    assert_eq!(&sdk.expect_frame().await.to_bytes()[..], &golden[..]);
}

#[tokio::test]
async fn an_accepted_multicast_is_echoed_and_an_unknown_reply_dropped() {
    let mut rig = Rig::new().await;
    let (mut sdk, client) = rig.connect().await;
    sdk.send_hex(
        "00000034 0035 6530373433393135343334353466353139613261663633333930396532386638 00000000 03743168657920616c6c",
    )
    .await;
    let (seq, kind, _, data) = rig.publish().await;
    assert_eq!((kind, &data[..]), (Kind::Multicast, &b"hey all"[..]));
    rig.reply(client, seq, 0, "t1", b"hey all");
    rig.reply(client, seq, 0, "t1", b"hey all");
    rig.reply(ClientId(999), seq, 0, "t1", b"hey all");
    let golden = bytes_of(
        "00000034 0031 6530373433393135343334353466353139613261663633333930396532386638 00000000 03743168657920616c6c",
    );
    assert_eq!(&sdk.expect_frame().await.to_bytes()[..], &golden[..]);
    sdk.expect_silence().await;
    assert_eq!(rig.clients.statistics().replies_dropped, 2);
}

#[tokio::test]
async fn deliveries_have_a_fresh_seq_each_and_are_acknowledged_once() {
    let mut rig = Rig::new().await;
    let (mut sdk, client) = rig.connect().await;
    for number in 1..=2 {
        rig.deliver(client, Kind::Unicast, "t1", Bytes::from_static(b"hello"), number).unwrap();
    }
    let (first, second) = (sdk.expect_frame().await, sdk.expect_frame().await);
    for delivered in [&first, &second] {
        assert_eq!((delivered.kind, &delivered.body[..]), (FrameKind::Unicast, &b"\x03t1hello"[..]));
        assert!(delivered.seq.as_bytes().iter().all(u8::is_ascii_hexdigit));
    }
    assert_ne!(first.seq, second.seq);

    let acknowledge = |request: &Frame, code: i32, body: &'static [u8]| {
        request.answer(FrameKind::Answer, ResultCode(code), Bytes::from_static(body))
    };
    sdk.send(&acknowledge(&second, 0, b"\x03t1two")).await;
    sdk.send(&acknowledge(&second, 0, b"\x03t1twice")).await;
    sdk.send(&failure(0xf0e1, 0)).await;
    sdk.send(&acknowledge(&first, 7, b"")).await;
    for (delivery, code, data) in [(2, 0, &b"two"[..]), (1, 7, b"")] {
        let (delivery, code, data) = (DeliveryId(delivery), amop::ResultCode(code), Bytes::from_static(data));
        assert_eq!(rig.input().await, ClientInput::Acknowledge { client, delivery, code, data });
    }
    sdk.expect_silence().await;
    assert_eq!(rig.clients.statistics().acknowledgements_dropped, 2);
    assert!(rig.has_no_input());
}

#[tokio::test]
async fn multicasts_wait_for_no_acknowledgement_and_late_ones_are_dropped() {
    let mut rig = Rig::with(|config| config.timeouts.acknowledge = Duration::ZERO).await;
    let (mut sdk, client) = rig.connect().await;
    for (kind, number) in [(Kind::Multicast, 1), (Kind::Unicast, 2)] {
        rig.deliver(client, kind, "t1", Bytes::new(), number).unwrap();
        let delivered = sdk.expect_frame().await;
        assert_eq!(&delivered.body[..], b"\x03t1");
        sdk.send(&delivered.answer(FrameKind::Answer, ResultCode::OK, delivered.body.clone())).await;
    }
    sdk.expect_silence().await;
    assert_eq!(rig.clients.statistics().acknowledgements_dropped, 2);
    assert!(rig.has_no_input());
}

#[tokio::test]
async fn one_client_cannot_acknowledge_for_another() {
    let mut rig = Rig::new().await;
    let (mut subscriber, client) = rig.connect().await;
    let (mut thief, _) = rig.connect().await;
    rig.deliver(client, Kind::Unicast, "t1", Bytes::new(), 1).unwrap();
    let delivered = subscriber.expect_frame().await;
    thief.send(&delivered.answer(FrameKind::Answer, ResultCode::OK, Bytes::from_static(b"\x03t1stolen"))).await;
    thief.expect_silence().await;
    subscriber.send(&delivered.answer(FrameKind::Answer, ResultCode::OK, Bytes::from_static(b"\x03t1own"))).await;
    let ClientInput::Acknowledge { data, .. } = rig.input().await else { panic!("the own acknowledgement counts") };
    assert_eq!(&data[..], b"own");
}

#[tokio::test]
async fn malformed_publishes_are_refused_with_exact_results_and_the_session_lives() {
    let mut rig = Rig::new().await;
    let (mut sdk, _) = rig.connect().await;
    let vectors: [&[u8]; 6] = [b"", b"\x00t1x", b"\x09t1x", b"\x01x", b"\x02\xffx", b"\x02\tx"];
    for (number, body) in vectors.into_iter().enumerate() {
        for kind in [FrameKind::Unicast, FrameKind::Multicast] {
            let number = number as u128;
            sdk.send(&Frame::request(kind, FrameSeq::from_number(number), Bytes::copy_from_slice(body))).await;
            assert_eq!(sdk.expect_frame().await, failure(number, -1), "{body:?}");
        }
    }
    sdk.expect_silence().await;
    assert_eq!(rig.clients.statistics().frames_malformed, 12);
    assert!(rig.has_no_input());
}

#[tokio::test]
async fn the_largest_body_goes_both_ways_and_one_byte_more_is_refused() {
    let mut rig = Rig::new().await;
    let (mut sdk, client) = rig.connect().await;
    let largest: Bytes = (0..MAX_BODY).map(|index| (index % 251) as u8).collect();
    sdk.send(&amop_frame(FrameKind::Unicast, 1, "t", largest.clone())).await;
    let (seq_of_sdk, _, _, data) = rig.publish().await;
    assert!(data == largest);
    rig.reply(client, seq_of_sdk, 0, "t", b"");
    assert_eq!(&sdk.expect_frame().await.body[..], b"\x02t");

    rig.deliver(client, Kind::Unicast, "t", largest.clone(), 1).unwrap();
    let delivered = sdk.expect_frame().await;
    assert!(AmopBody::unpack(delivered.body.clone()).unwrap().data == largest);
    sdk.send(&delivered.answer(FrameKind::Answer, ResultCode::OK, delivered.body.clone())).await;
    let ClientInput::Acknowledge { data, .. } = rig.input().await else { panic!("an acknowledgement") };
    assert!(data == largest);

    let mut larger = largest.to_vec();
    larger.push(0);
    let longest_topic = "x".repeat(254);
    for topic in ["t", &longest_topic] {
        sdk.send(&amop_frame(FrameKind::Unicast, 2, topic, larger.clone().into())).await;
        assert_eq!(sdk.expect_frame().await, failure(2, 103), "topic of {} bytes", topic.len());
    }
    rig.deliver(client, Kind::Unicast, "t", Bytes::new(), 2).unwrap();
    let delivered = sdk.expect_frame().await;
    let answer = AmopBody::new(&longest_topic, larger.into()).unwrap().pack();
    sdk.send(&delivered.answer(FrameKind::Answer, ResultCode::OK, answer)).await;
    let (delivery, code, data) = (DeliveryId(2), amop::ResultCode::OVER_LIMIT, Bytes::new());
    assert_eq!(rig.input().await, ClientInput::Acknowledge { client, delivery, code, data });
    sdk.expect_silence().await;
}

/// The frames of java-sdk 2.10.1 on a private topic, as captured but for the node's ID and the seq.
#[tokio::test]
async fn a_publisher_of_a_private_topic_is_asked_and_its_verdict_told() {
    let mut rig = Rig::new().await;
    let (mut sdk, client) = rig.connect().await;
    let (private, suffix) = ("#!$TopicNeedVerify_pt", "8bfa".repeat(8));
    let channel = format!("#!$VerifyChannel_{private}_{suffix}");
    let topic = |name: &str| Topic::new(name).unwrap();
    let challenge = ChallengeId([0xab; 64]);
    let output = ClientOutput::Challenge { client, challenge, topic: topic(private), channel: topic(&channel) };
    rig.clients.handle_output(output).unwrap();
    let asked = sdk.expect_frame().await;
    let node = "ab".repeat(64);
    let body = format!("{{\"nodeId\":\"{node}\",\"topic\":\"{private}\",\"topicForCert\":\"{channel}\"}}\n");
    assert_eq!((asked.kind, &asked.body[..]), (FrameKind::TopicVerification, body.as_bytes()));
    // Java and web3sdk free the seq with an empty 0x37, Go with a packed 0x31: neither says anything.
    sdk.send(&Frame::request(FrameKind::TopicVerification, asked.seq, Bytes::new())).await;
    let packed = AmopBody::new(private, Bytes::new()).unwrap().pack();
    sdk.send(&Frame::request(FrameKind::Answer, asked.seq, packed)).await;
    for (check, accepted) in [(0, true), (1, false)] {
        let body = format!("{{\"checkResult\":{check},\"nodeId\":\"{node}\",\"topic\":\"{private}\"}}");
        sdk.send(&Frame::request(FrameKind::TopicVerified, FrameSeq::from_number(7), body.into())).await;
        let judged = ClientInput::ProofJudged { client, challenge, topic: topic(private), accepted };
        assert_eq!(rig.input().await, judged);
    }
    sdk.send(&Frame::request(FrameKind::TopicVerified, FrameSeq::from_number(8), Bytes::from_static(b"{}"))).await;
    sdk.expect_silence().await;
    assert!(rig.has_no_input());
    assert_eq!(rig.clients.statistics().frames_malformed, 1);
}
