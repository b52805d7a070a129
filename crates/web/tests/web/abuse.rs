//! Clients that do what no client should.

use std::time::Duration;

use nuncio_protocol::amop::Kind;
use nuncio_web::bounds::LONGEST_FRAME;
use serde_json::json;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::rig::{Rig, frame_head};

#[tokio::test]
async fn a_huge_frame_is_refused_by_its_header() {
    let mut rig = Rig::new().await;
    for length in [LONGEST_FRAME as u64 + 1, 1 << 40, u64::MAX >> 1] {
        let (mut web, client) = rig.connect().await;
        web.say_raw(&frame_head(0x82, length)).await.unwrap();
        assert_eq!(web.closed().await.0, CloseCode::Size, "{length}");
        assert_eq!(rig.disconnected().await, client);
    }
    assert_eq!(rig.clients.statistics().sessions_malformed, 3);
}

#[tokio::test]
async fn a_long_ping_is_refused_by_its_header() {
    let mut rig = Rig::new().await;
    for length in [126, LONGEST_FRAME as u64] {
        let (mut web, client) = rig.connect().await;
        web.say_raw(&frame_head(0x89, length)).await.unwrap();
        assert_eq!(web.closed().await.0, CloseCode::Protocol, "{length}");
        assert_eq!(rig.disconnected().await, client);
    }
}

#[tokio::test]
async fn bytes_that_are_no_frames_end_the_session_with_the_reason() {
    let mut rig = Rig::new().await;
    let unmasked = b"\x82\x01x";
    let reserved = b"\xf2\x80\0\0\0\0";
    let unknown = b"\x83\x80\0\0\0\0";
    let loose = b"\x80\x80\0\0\0\0";
    for nonsense in [&unmasked[..], reserved, unknown, loose] {
        let (mut web, client) = rig.connect().await;
        web.say_raw(nonsense).await.unwrap();
        assert_eq!(web.closed().await.0, CloseCode::Protocol, "{nonsense:?}");
        assert_eq!(rig.disconnected().await, client);
    }
    let (mut web, client) = rig.connect().await;
    web.say_raw(b"\x81\x81\0\0\0\0\xff").await.unwrap();
    assert_eq!(web.closed().await.0, CloseCode::Invalid, "text that is no UTF-8");
    assert_eq!(rig.disconnected().await, client);
}

#[tokio::test]
async fn a_reader_that_never_reads_is_cut() {
    let mut rig = Rig::with(|gateway, _| gateway.timeouts.write = Duration::from_millis(500)).await;
    let (web, client) = rig.connect_narrow().await;
    for number in 0..2 {
        assert!(rig.deliver(client, Kind::Multicast, vec![0; 8 << 20], number));
    }
    assert_eq!(rig.disconnected().await, client);
    assert_eq!(rig.clients.statistics().sessions_not_draining, 1);
    assert_eq!(rig.clients.statistics().queued_bytes, 0);
    drop(web);
}

#[tokio::test]
async fn a_flood_of_pings_is_answered_by_a_pong_and_holds_nothing() {
    let mut rig = Rig::new().await;
    let (mut web, _) = rig.connect().await;
    let pings = b"\x89\x80\0\0\0\0".repeat(10_000);
    web.say_raw(&pings).await.unwrap();
    web.expect_silence().await;
}

#[tokio::test]
async fn who_says_pings_while_he_reads_nothing_gets_what_waits_for_him_whole() {
    let mut rig = Rig::new().await;
    let (mut web, client) = rig.connect_narrow().await;
    assert!(rig.deliver(client, Kind::Multicast, vec![b'x'; 4 << 20], 1));
    let ping = [&b"\x89\xfd\0\0\0\0"[..], &[b'.'; 125]].concat();
    for _ in 0..200 {
        web.say_raw(&ping.repeat(100)).await.unwrap();
    }
    assert_eq!(web.hear().await["data"].as_str().map(str::len), Some(4 << 20));
    web.expect_silence().await;
}

#[tokio::test]
async fn a_reason_that_quotes_what_was_said_is_short() {
    let mut rig = Rig::new().await;
    let (mut web, _) = rig.connect().await;
    web.say_text(&format!("{{\"type\":\"ping\",\"{}\":1}}", "x".repeat(1 << 20))).await;
    let heard = web.hear().await;
    assert_eq!((&heard["code"], heard["message"].as_str().map(str::len)), (&json!(-1), Some(1024)));
    web.expect_silence().await;
}

#[tokio::test]
async fn a_client_with_all_it_may_have_in_flight_is_not_read_until_something_is_answered() {
    let mut rig = Rig::with(|gateway, _| gateway.limits.window_frames = 2).await;
    let (mut web, client) = rig.connect().await;
    for id in 0..3 {
        web.say(json!({ "type": "publish", "id": id, "topic": "t", "data": "x" })).await;
    }
    let (first, ..) = rig.publish().await;
    let _second = rig.publish().await;
    assert!(
        tokio::time::timeout(Duration::from_millis(200), rig.inputs.recv()).await.is_err(),
        "the third is not read"
    );
    rig.reply(client, first, 0, b"");
    assert_eq!(web.hear().await["id"], 0);
    rig.publish().await;
}
