//! What binary frames do.

use nuncio_protocol::amop::{ClientInput, Kind, ResultCode};
use serde_json::json;

use crate::rig::Rig;

fn frame(verb: u8, id: u64, rest: &[u8]) -> Vec<u8> {
    [&[verb][..], &id.to_be_bytes(), rest].concat()
}

#[tokio::test]
async fn who_subscribes_in_binary_gets_his_messages_so_and_answers_come_as_the_frame_did() {
    let mut rig = Rig::new().await;
    let (mut web, client) = rig.connect().await;
    web.say_binary(frame(1, 5, b"\x01t\x02uv")).await;
    assert_eq!(web.hear_binary().await, frame(0x81, 5, &[0; 4]));
    assert_eq!(rig.topics().await, ["t", "uv"].map(String::from).into());
    web.say_binary(frame(2, 6, b"\x02uv")).await;
    assert_eq!(web.hear_binary().await, frame(0x81, 6, &[0; 4]));
    assert_eq!(rig.topics().await, ["t"].map(String::from).into());

    web.say_binary(frame(3, 7, b"\x01t\x00\xff")).await;
    let (seq, kind, _, data) = rig.publish().await;
    assert_eq!((kind, &data[..]), (Kind::Unicast, &b"\x00\xff"[..]));
    rig.reply(client, seq, 0, b"\xfe");
    assert_eq!(web.hear_binary().await, frame(0x81, 7, b"\0\0\0\0\xfe"));
    web.say_binary(frame(4, 8, b"\x01tx")).await;
    let (seq, kind, ..) = rig.publish().await;
    assert_eq!(kind, Kind::Multicast);
    rig.reply(client, seq, 100, b"");
    let heard = web.hear_binary().await;
    assert_eq!(heard[..13], frame(0x84, 8, &100i32.to_be_bytes()));
    assert!(heard.len() > 20, "and the reason in words");

    assert!(rig.deliver(client, Kind::Multicast, &b"news"[..], 1));
    assert_eq!(web.hear_binary().await, b"\x83\x01tnews");
    assert!(rig.deliver(client, Kind::Unicast, &b"question"[..], 2));
    let request = web.hear_binary().await;
    assert_eq!((request[0], &request[33..]), (0x82, &b"\x01tquestion"[..]));
    web.say_binary(frame(5, 9, &[&request[1..33], b"\0\0\0\x03answer"].concat())).await;
    let ClientInput::Acknowledge { code, data, .. } = rig.input().await else { panic!("an answer") };
    assert_eq!((code, &data[..]), (ResultCode(3), &b"answer"[..]));
    assert_eq!(web.hear_binary().await, frame(0x81, 9, &[0; 4]));
    web.expect_silence().await;
}

#[tokio::test]
async fn binary_frames_that_cannot_be_read_are_refused_under_their_id() {
    let mut rig = Rig::new().await;
    let (mut web, _) = rig.connect().await;
    for short in [&b""[..], &[6], &frame(6, 1, b"")[..8]] {
        web.say_binary(short.to_vec()).await;
        assert_eq!(web.hear_binary().await[..13], frame(0x84, u64::MAX, &(-1i32).to_be_bytes()));
    }
    for (verb, rest) in [
        (0, &b""[..]),
        (7, b""),
        (0x81, b""),
        (1, b""),
        (1, b"\x05abc"),
        (1, b"\x01\xff"),
        (3, b""),
        (3, b"\x00data"),
        (3, b"\x09t"),
        (5, b"short"),
        (5, &[b'x'; 35]),
        (8, b""),
        (8, b"\x00\x01tx"),
        (9, b"\x05\x01tx"),
        (9, b"\x01"),
        (10, b"\x01\x01tx"),
    ] {
        web.say_binary(frame(verb, 1, rest)).await;
        let heard = web.hear_binary().await;
        assert_eq!(heard[..13], frame(0x84, 1, &(-1i32).to_be_bytes()), "{verb} {rest:?}");
    }
    assert_eq!(web.ask(json!({ "type": "ping", "id": 2 })).await["code"], 0);
    assert!(rig.has_no_input());
}
